"""Nested writes over HTTP: bodies with records in the place of keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from abaft.answers import WriteAnswer
from abaft.api.request import Request
from abaft.base.errors import Fault, Invalid, Problem
from abaft.base.settings import Settings
from abaft.model.values import summary
from abaft.nesting import Asking, Nesting, Tree
from abaft.pipeline import Pipeline
from abaft.plan.types import Pick, WriteIntent

T = TypeVar("T")


class Nested:
    """Reads bodies that nest records, where plain ones can't be read."""

    def __init__(self, pipeline: Pipeline, settings: Settings) -> None:
        self.pipeline = pipeline
        self.nesting = Nesting(pipeline.schema, settings, pipeline.validators)

    def new(
        self, request: Request, body: bytes, pick: Pick, plain: Callable[[], T], upsert: bool
    ) -> T | Tree:
        """What `plain` makes of the body of a POST, or the tree of what is nested in it."""
        if upsert:
            return self._upserted(request, body, plain)
        return self._either(
            request,
            plain,
            lambda: self.nesting.new(request.model, body, pick, self._asked(request)),
        )

    def _upserted(self, request: Request, body: bytes, plain: Callable[[], T]) -> T:
        """What `plain` makes of it: which record it will be isn't known beforehand."""
        return self.without(request, body, plain, "not_with_upsert", "with upsert")

    def without(
        self, request: Request, body: bytes, plain: Callable[[], T], code: str, where: str
    ) -> T:
        """What `plain` makes of a body that may nest nothing; the fault says where that is."""
        told = partial(_refuse_nested, code, f"{where} a relation takes keys alone")
        try:
            given = plain()
        except Invalid as fault:
            places = self.nesting.places(request.model, body)
            told(places, [row for row in fault.errors if not _below(row, places)])
            raise
        if request.prefer.lenient:
            told(self.nesting.places(request.model, body), [])
        return given

    def changes(
        self, request: Request, body: bytes, root: Callable[[], WriteIntent], plain: Callable[[], T]
    ) -> T | Tree:
        """The same of a PATCH of the record that `root` names."""
        return self._either(
            request,
            plain,
            lambda: self.nesting.changes(request.model, body, root(), self._asked(request)),
        )

    async def written(self, request: Request, tree: Tree) -> list[WriteAnswer]:
        """The answers of the tree's roots, once all of it is written."""
        answers = await self.pipeline.write_all(tree.intents, request.actor, request.unit)
        return tree.answers(answers)

    def _either(
        self, request: Request, plain: Callable[[], T], plant: Callable[[], Tree | None]
    ) -> T | Tree:
        if request.prefer.lenient:
            # Or what is nested would be passed over.
            tree = plant()
            return plain() if tree is None else tree
        try:
            return plain()
        except Invalid:
            tree = plant()
            if tree is None:
                raise
            return tree

    def _asked(self, request: Request) -> Asking:
        try:
            self.pipeline.permit(request.model.name, "read", request.actor)
        except Fault:
            return Asking(readable=False, lenient=request.prefer.lenient)
        return Asking(readable=True, lenient=request.prefer.lenient)


def _below(problem: Problem, places: Sequence[str]) -> bool:
    return any(f"{problem.pointer}/".startswith(f"{place}/") for place in places)


def _refuse_nested(code: str, detail: str, places: Sequence[str], rest: list[Problem]) -> None:
    problems = [*rest, *(Problem(place, code, detail) for place in places)]
    if places:
        raise Invalid(summary(problems), errors=problems)
