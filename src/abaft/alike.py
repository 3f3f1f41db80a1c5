"""New records of one shape in a batch: filled, told of and bound by column."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from abaft.base import clock
from abaft.base.actor import Actor
from abaft.base.columns import at_once, each
from abaft.base.ids import uuid_text
from abaft.model.kinds import Kind
from abaft.model.spec import Model, url_part
from abaft.model.times import show_datetime
from abaft.plan.types import ReadIntent, WriteIntent
from abaft.store.columns import Columns
from abaft.writing import Draft, fill

Intent = WriteIntent | ReadIntent
_AT_ONCE = {"uuid": uuid_text, "datetime": show_datetime}


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


def drafts_of(model: Model, intents: Sequence[WriteIntent], actor: Actor) -> list[Draft]:
    """The drafts of new records of one shape."""
    first = fill(model, intents[0].values, actor)
    given = frozenset(intents[0].values)
    if model.order or not first or not model.fields.keys() >= first.keys():
        rows = [first, *(fill(model, intent.values, actor) for intent in intents[1:])]
        return [Draft(model, *pair, given) for pair in zip(intents, rows, strict=True)]
    names = tuple(first)
    columns = _filled(model, intents, first, actor)
    lines = list(zip(*columns, strict=True))
    told = change_rows(model, names, lines, names)
    keyed = set(model.key).issubset(names)
    shared = Draft(model, intents[0], first, given, told=told[0]).bound(actor)
    records, data = zip(*told, strict=True)
    own = {f"set.{name}": column for name, column in zip(names, columns, strict=True)}
    whole = Columns(len(lines), shared, own | {"change.record": records, "change.data": data})
    return [
        Draft(model, intent, dict(zip(names, line, strict=True)), given, told=one, binds=binds)
        for intent, line, one, binds in zip(
            intents, lines, told if keyed else [None] * len(told), whole.rows(), strict=True
        )
    ]


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
    fields = [model.fields[name] for name in names]
    columns: list[Any] = list(zip(*rows, strict=True))
    told = [
        (field.name, column if _shown_as_is(field.kind) else _shown(field.kind, column))
        for field, column in zip(fields, columns, strict=True)
        if field.name in shown and not field.hidden
    ]
    for name, lists in (links or {}).items():
        if not model.many[name].hidden:
            told.append((name, [[str(item) for item in items] for items in lists]))
    told_names = [name for name, _ in told]
    data = [
        orjson.dumps(dict(zip(told_names, row, strict=True))).decode()
        for row in zip(*(column for _, column in told), strict=True)
    ] or ["{}"] * len(rows)
    if not set(model.key).issubset(names):
        return [("", each) for each in data]
    return list(zip(_keys(model, names, columns, dict(told)), data, strict=True))


def _keys(
    model: Model,
    names: Sequence[str],
    columns: Sequence[Any],
    told: Mapping[str, Sequence[Any]],
) -> Iterable[str]:
    """The written keys; `told` are the columns as they are shown."""
    spelled = []
    for name in model.key:
        kind = model.fields[name].kind
        if type(kind).spell is Kind.spell and name in told:
            column: Iterable[str] = map(str, told[name])
        else:
            column = _spelled(kind, columns[names.index(name)])
        spelled.append(map(url_part, column))
    return spelled[0] if len(spelled) == 1 else map(",".join, zip(*spelled, strict=True))


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
