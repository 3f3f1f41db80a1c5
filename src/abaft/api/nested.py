"""Nested writes over HTTP: bodies with records in the place of keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from abaft.answers import WriteAnswer
from abaft.api.request import Request
from abaft.base.errors import Fault, Invalid
from abaft.base.settings import Settings
from abaft.nesting import Asking, Nesting, Tree
from abaft.pipeline import Pipeline
from abaft.plan.types import WriteIntent

T = TypeVar("T")


class Nested:
    """Reads bodies that nest records, where plain ones can't be read."""

    def __init__(self, pipeline: Pipeline, settings: Settings) -> None:
        self.pipeline = pipeline
        self.nesting = Nesting(pipeline.schema, settings, pipeline.validators)

    def new(
        self, request: Request, body: bytes, root: WriteIntent, plain: Callable[[], T]
    ) -> T | Tree:
        """What `plain` makes of the body of a POST, or the tree of what is nested in it."""
        if root.upsert:
            return plain()  # which record it will be isn't known beforehand
        return self._either(
            request,
            plain,
            lambda: self.nesting.new(request.model, body, root.pick, self._asked(request)),
        )

    def changes(
        self, request: Request, body: bytes, root: WriteIntent, plain: Callable[[], T]
    ) -> T | Tree:
        """The same of a PATCH of the record that `root` names."""
        return self._either(
            request,
            plain,
            lambda: self.nesting.changes(request.model, body, root, self._asked(request)),
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
