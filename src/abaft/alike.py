"""New records of one shape in a batch: filled, told of and bound by column."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from abaft.base import clock, ids
from abaft.base.actor import Actor
from abaft.base.columns import at_once, each
from abaft.base.ids import uuid_text
from abaft.model.kinds import Kind
from abaft.model.spec import Model, url_part
from abaft.model.times import show_datetime
from abaft.plan.types import ReadIntent, WriteIntent, WriteShape
from abaft.store.columns import Columns
from abaft.writing import Draft, fill

Intent = WriteIntent | ReadIntent
_AT_ONCE = {"uuid": uuid_text, "datetime": show_datetime}
_BARE = ("integer", "uuid")
"""Kinds whose texts need no encoding in a URL."""


def runs(intents: Sequence[Intent]) -> Iterator[Sequence[Any]]:
    """The intents in order: neighbours that are new records of one shape as one sequence."""
    start = 0
    for place in range(1, len(intents) + 1):
        if place < len(intents) and _alike(intents[start], intents[place]):
            continue
        if start < place:
            yield intents[start:place]
        start = place


def _alike(one: Intent, other: Intent) -> bool:
    return (
        isinstance(one, WriteIntent)
        and isinstance(other, WriteIntent)
        and one.action == other.action == "create"
        and one.model == other.model
        and one.pick is other.pick
        and one.where is other.where
        and not (one.upsert or other.upsert or one.made or other.made)
        and not (one.where_values or other.where_values)
        and one.etags is other.etags is None
        and one.needs < 0 > other.needs
        and one.values.keys() == other.values.keys()
    )


@dataclass(slots=True, eq=False)
class Several:
    """New records of one shape, their values by column.

    `keys` are the written keys, empty where the database has yet to make them; `binds` are every
    parameter of each.
    """

    model: Model
    intents: Sequence[WriteIntent]
    given: frozenset[str]
    columns: Mapping[str, Sequence[Any]]
    keys: Sequence[str]
    data: Sequence[str]
    binds: Columns

    @property
    def shape(self) -> WriteShape:
        return self.draft(0).shape

    def draft(self, place: int, made: Any = None) -> Draft:
        """The draft of one of them, with the key that the database made, if it did."""
        values = {name: column[place] for name, column in self.columns.items()}
        told = (self.keys[place], self.data[place]) if made is None else None
        intent = self.intents[place]
        return Draft(self.model, intent, values, self.given, told=told).stored_as(made)


def several(model: Model, intents: Sequence[WriteIntent], actor: Actor) -> Several | None:
    """New records of one shape by column; None where a value of theirs is in no column."""
    first = fill(model, intents[0].values, actor)
    if model.order or not first or not model.fields.keys() >= first.keys():
        return None
    given = frozenset(intents[0].values)
    columns = dict(zip(first, _filled(model, intents, first, actor), strict=True))
    keys, data = _told(model, columns, columns, {}, len(intents))
    shared = Draft(model, intents[0], first, given, told=(keys[0], data[0])).bound(actor)
    own: dict[str, Sequence[Any]] = {f"set.{name}": row for name, row in columns.items()}
    own |= {"change.record": keys, "change.data": data}
    whole = Columns(len(intents), shared, own)
    return Several(model, intents, given, columns, keys, data, whole)


def _filled(
    model: Model, intents: Sequence[WriteIntent], first: Mapping[str, Any], actor: Actor
) -> list[Sequence[Any]]:
    """A column of each field, of which the first record has what is known of it already."""
    given = [intent.values for intent in intents]
    stamps: list[Any] | None = None
    columns: list[Sequence[Any]] = []
    for name, value in first.items():
        field = model.fields[name]
        if name in given[0]:
            columns.append([values[name] for values in given])
        elif field.stamp in ("created", "updated"):
            stamps = stamps or [value, *(clock.now() for _ in given[1:])]
            columns.append(stamps)
        elif field.default is None or (field.default_me and actor.id is not None):
            columns.append([value] * len(given))
        elif field.default is ids.uuid7:
            columns.append([value, *ids.uuids7(len(given) - 1)])
        else:
            columns.append([value, *(field.default() for _ in given[1:])])
    return columns


def change_rows(
    model: Model,
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    shown: Collection[str],
    links: Mapping[str, Sequence[Sequence[Any]]] | None = None,
) -> list[tuple[str, str]]:
    """The written key and the change record's data of each record; hidden fields left out.

    The key is empty where the database has yet to make it.
    Of the `names` only those `shown` are told; `links` are the keys of to-many relations.
    """
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return list(zip(*_told(model, columns, shown, links or {}, len(rows)), strict=True))


def _told(
    model: Model,
    columns: Mapping[str, Sequence[Any]],
    shown: Collection[str],
    links: Mapping[str, Sequence[Sequence[Any]]],
    count: int,
) -> tuple[Sequence[str], Sequence[str]]:
    told: dict[str, Sequence[Any]] = {}
    for name, column in columns.items():
        field = model.fields[name]
        if name in shown and not field.hidden:
            told[name] = column if _shown_as_is(field.kind) else _shown(field.kind, column)
    for name, lists in links.items():
        if not model.many[name].hidden:
            told[name] = [[str(item) for item in items] for items in lists]
    names = tuple(told)
    rows = zip(*told.values(), strict=True)
    data = [orjson.dumps(dict(zip(names, row, strict=True))) for row in rows]
    # JSON has no line ends of its own: to decode all at once takes half the time.
    texts = b"\n".join(data).decode().split("\n") if data else ["{}"] * count
    return _keys(model, columns, told, count), texts


def _keys(
    model: Model,
    columns: Mapping[str, Sequence[Any]],
    told: Mapping[str, Sequence[Any]],
    count: int,
) -> Sequence[str]:
    """The written keys; `told` are the columns as they are shown."""
    if not columns.keys() >= set(model.key):
        return [""] * count
    spelled: list[Sequence[str]] = []
    for name in model.key:
        kind = model.fields[name].kind
        if type(kind).spell is Kind.spell and name in told:
            column = [str(value) for value in told[name]]
        else:
            column = list(_spelled(kind, columns[name]))
        spelled.append(column if kind.name in _BARE else [*map(url_part, column)])
    return spelled[0] if len(spelled) == 1 else [*map(",".join, zip(*spelled, strict=True))]


def _spelled(kind: Kind, column: Sequence[Any]) -> Sequence[str]:
    return column if kind.name == "text" else each(kind.spell, column)


def _shown(kind: Kind, column: Sequence[Any]) -> Sequence[Any]:
    if kind.name == "decimal":
        # Those that are equal may have other places, which an existing column keeps.
        return [None if value is None else kind.show(value) for value in column]
    as_one = _AT_ONCE.get(kind.name)
    return each(kind.show, column) if as_one is None else at_once(as_one, column)


def _shown_as_is(kind: Kind) -> bool:
    return type(kind).show is Kind.show
