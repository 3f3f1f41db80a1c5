"""What a search asks for, and in which fields the actor may find it."""

from __future__ import annotations

from itertools import product

from abaft.base.errors import BadRequest, Problem
from abaft.base.settings import Settings
from abaft.model import expr as e
from abaft.model.spec import RELEVANCE, Model, Searched
from abaft.model.terms import Terms, terms
from abaft.plan.access import Access
from abaft.plan.types import Highlight, ReadShape, Search, Sort

BY_RELEVANCE = Sort((RELEVANCE.name,), descending=True)
ALL = "true"
"""What `highlight` says to have all searched fields."""
MASKS = 3
"""Different rules by record on searched fields; a field with one more isn't searched."""


def read_terms(settings: Settings, text: str) -> Terms:
    """The terms of a text within the limits; BadRequest for one beyond."""
    most = settings.max_search_length
    if len(text) > most:
        raise _bad("search", "search_too_long", f"search takes at most {most} characters")
    found = terms(text)
    most = settings.max_search_words
    if sum(len(term.words) for term in found.items) > most:
        raise _bad("search", "search_too_long", f"search takes at most {most} words")
    return found


def _bad(parameter: str, code: str, detail: str) -> BadRequest:
    return BadRequest(detail, code=code, errors=[Problem(f"?{parameter}", code, detail)])


def check_searched(model: Model) -> None:
    """BadRequest where the model has nothing to search."""
    if not model.searched:
        detail = f"{model.collection} can't be searched: none of its fields is marked for search"
        raise _bad("search", "not_searchable", detail)


def check_highlight(model: Model, names: tuple[str, ...]) -> None:
    """BadRequest for names that aren't those of searched fields."""
    known = [row.name for row in model.searched]
    for name in names:
        if name not in (ALL, *known):
            detail = f"{name[:80]!r} isn't searched, so nothing is to be marked there: highlight "
            detail += f"takes true, or some of {', '.join(known) or 'none'}"
            raise _bad("highlight", "not_searchable", detail)


def search_of(access: Access, model: Model, shape: ReadShape) -> Search | None:
    """The search with the rules in it: a field that may not be read isn't searched.

    Raises Forbidden where no searched field may be read, or one that is to be highlighted.
    """
    if not shape.search:
        return None
    masks = {row.name: access.field(model, "read", row.name) for row in model.searched}
    if all(mask == e.FALSE for mask in masks.values()):
        access.readable(model, model.searched[0].name)
    return Search(
        parts=_parts(model, shape.search),
        ranked=BY_RELEVANCE in shape.sort and shape.kind == "page",
        scopes=_scopes(model, masks),
        highlights=_highlights(access, model, shape, masks) if shape.kind == "page" else (),
    )


def _parts(model: Model, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Without a language all words are exact."""
    return parts if stemmed(model) else ("words",)


def stemmed(model: Model) -> list[str]:
    """The languages of the model's searched fields, where there are any."""
    found = list(dict.fromkeys(row.language for row in model.searched))
    return [] if found == ["simple"] else found


def _scopes(
    model: Model, masks: dict[str, e.Expr]
) -> tuple[tuple[e.Expr, tuple[Searched, ...]], ...]:
    """For which records which fields are searched; no record is in two."""
    ruled = [mask for mask in dict.fromkeys(masks.values()) if mask not in (e.TRUE, e.FALSE)]
    ruled = ruled[:MASKS]
    found = []
    for holds in product((True, False), repeat=len(ruled)):
        known = dict(zip(ruled, holds, strict=True)) | {e.TRUE: True}
        where = e.all_of(m if yes else e.negate(m) for m, yes in zip(ruled, holds, strict=True))
        fields = tuple(row for row in model.searched if known.get(masks[row.name]))
        if fields:
            found.append((where, fields))
    return tuple(found)


def _highlights(
    access: Access, model: Model, shape: ReadShape, masks: dict[str, e.Expr]
) -> tuple[Highlight, ...]:
    every = shape.highlight == (ALL,)
    for name in () if every else shape.highlight:
        access.readable(model, name)
    return tuple(
        Highlight(row.name, row.language, masks[row.name])
        for row in model.searched
        if (every or row.name in shape.highlight) and masks[row.name] != e.FALSE
    )
