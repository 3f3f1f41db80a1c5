"""Pages of bare columns, whose JSON is made here: where the database takes longer to make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from abaft.model import expr as e
from abaft.model.spec import Model
from abaft.plan.types import FieldItem, Item, OneItem, Selection
from abaft.store.base import Row
from abaft.store.spelling import objects, spelled
from abaft.store.sql.dialect import Element, Encoder
from abaft.store.sql.frame import Frame
from abaft.store.sql.record import joined, member_json

Columns = Sequence[Sequence[Any]]
"""The values of each column, row by row."""


class Picked:
    """The columns that a statement asks for, each once."""

    def __init__(self) -> None:
        self.elements: list[Element] = []

    def place(self, element: Element) -> int:
        """Where its values are."""
        for place, one in enumerate(self.elements):
            if one is element:
                return place
        self.elements.append(element)
        return len(self.elements) - 1


@dataclass(frozen=True, slots=True)
class _Value:
    """A column, and what makes of its values what orjson takes."""

    place: int
    show: Encoder | None

    def shown(self, columns: Columns) -> Sequence[Any]:
        found = columns[self.place]
        return found if self.show is None else list(map(self.show, found))


@dataclass(frozen=True, slots=True)
class _One:
    """The record that a relation leads to, or what the field holds where the key there is null."""

    key: int
    record: _Record
    held: _Value | None

    def shown(self, columns: Columns) -> Sequence[Any]:
        keys = columns[self.key]
        held = [None] * len(keys) if self.held is None else self.held.shown(columns)
        return [
            other if key is None else record
            for key, record, other in zip(keys, self.record.shown(columns), held, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Record:
    """The members of a record, in order."""

    names: tuple[str, ...]
    members: tuple[_Value | _One, ...]

    def shown(self, columns: Columns) -> list[dict[str, Any]]:
        return objects(self.names, [member.shown(columns) for member in self.members])


@dataclass(frozen=True, slots=True, eq=False)
class Bare:
    """What makes rows of (json, …) of bare columns; `rest` are the places of what follows."""

    record: _Record
    rest: tuple[int, ...]

    def rows(self, found: Sequence[Row]) -> list[Row]:
        """The rows, as a statement gives them that makes the JSON itself."""
        if not found:
            return []
        columns: Columns = list(zip(*found, strict=True))
        texts = spelled(self.record.shown(columns))
        return [*zip(texts, *(columns[place] for place in self.rest), strict=True)]


def bare(frame: Frame, selection: Selection, into: Picked) -> _Record | None:
    """The columns that a selection needs; None where the database has to make the JSON."""
    return _record(frame, selection, into) if _can_be(frame, frame.model, selection) else None


def _can_be(frame: Frame, model: Model, selection: Selection) -> bool:
    """Tables of other programs may hold what only the database can tell; and what is masked is
    left out of some records."""
    plain = all(item.mask == e.TRUE for item in selection.items)
    return bool(frame.context.dialect.bare and model.managed and selection.items and plain)


def _record(frame: Frame, selection: Selection, into: Picked) -> _Record:
    members = [_member(frame, item, into) for item in selection.items]
    return _Record(tuple(item.name for item in selection.items), tuple(members))


def _member(frame: Frame, item: Item, into: Picked) -> _Value | _One:
    if isinstance(item, FieldItem) and item.value is None:
        return _field(frame, item, into)
    if isinstance(item, OneItem) and (found := _one(frame, item, into)) is not None:
        return found
    return _made(frame, item, into)


def _made(frame: Frame, item: Item, into: Picked) -> _Value:
    """A member that the database makes."""
    return _Value(into.place(member_json(frame, item)), frame.context.dialect.made)


def _field(frame: Frame, item: FieldItem, into: Picked) -> _Value:
    kind, ways = frame.model.fields[item.name].kind, frame.context.dialect.bare
    if kind.stored or kind.name not in ways:
        return _made(frame, item, into)
    return _Value(into.place(frame.column(item.name)), ways[kind.name])


def _one(frame: Frame, item: OneItem, into: Picked) -> _One | None:
    one = frame.model.one[item.name]
    target = frame.context.schema.models[one.target]
    inner = joined(frame, item) if _can_be(frame, target, item.selection) else None
    if inner is None:
        return None
    key = into.place(inner.column(target.key[0]))
    held = _field(frame, FieldItem(item.name, e.TRUE), into) if one.stored else None
    return _One(key, _record(inner, item.selection, into), held)
