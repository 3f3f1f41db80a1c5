"""The parameters of a search: `search` and `highlight`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from abaft.api.parameters import bad, gathered, refuse
from abaft.base.errors import Problem
from abaft.base.settings import Settings
from abaft.model import expr as e
from abaft.model.spec import Model
from abaft.model.terms import terms
from abaft.plan.search import ALL, BY_RELEVANCE, check_highlight, check_searched, read_terms
from abaft.plan.types import ReadShape, Sort

Reader = tuple[int, Callable[[str], Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search adds to a list: its kinds of terms, where to mark, and what reads its text."""

    readers: tuple[Reader, ...] = ()
    kinds: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

    def added(self, shape: ReadShape) -> ReadShape:
        """The shape with the search; where no word is to be found, nothing is."""
        if not self.readers:
            return shape
        if not self.kinds:
            return replace(shape, where=e.FALSE)
        return replace(shape, search=self.kinds, highlight=self.marks)

    def order(self, sort: tuple[Sort, ...]) -> tuple[Sort, ...]:
        """The order asked for, by default that of relevance."""
        return sort or ((BY_RELEVANCE,) if self.kinds else ())


NOTHING = Asked()


def kinds_of(settings: Settings, text: str) -> tuple[str, ...]:
    """What of a search is of the list's shape: which kinds of terms it has."""
    return terms(text).parts() if len(text) <= settings.max_search_length else ()


def asked_search(settings: Settings, model: Model, pairs: Sequence[tuple[str, str]]) -> Asked:
    """What the parameters ask for; BadRequest with all that is wrong with them."""
    asked, problems = dict(pairs), list[Problem]()
    kinds: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    with gathered(problems):
        kinds = _kinds(settings, model, asked)
    with gathered(problems):
        marks = _marks(model, asked)
    refuse(problems)
    if "search" not in asked:
        return NOTHING
    place = [name for name, _ in pairs].index("search")
    reader = (place, lambda text: {"search": read_terms(settings, text)})
    return Asked((reader,), kinds, marks)


def _kinds(settings: Settings, model: Model, asked: dict[str, str]) -> tuple[str, ...]:
    if "search" not in asked:
        return ()
    check_searched(model)
    return read_terms(settings, asked["search"]).parts()


def _marks(model: Model, asked: dict[str, str]) -> tuple[str, ...]:
    if "highlight" not in asked:
        return ()
    if "search" not in asked:
        detail = "highlight marks what search finds: give both"
        raise bad("highlight", "no_search", detail)
    names = tuple(asked["highlight"].split(","))
    check_highlight(model, names)
    return (ALL,) if ALL in names else names
