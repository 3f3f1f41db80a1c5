"""Which unique rules a refused write breaks: all, for a database tells of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from abaft.answers import Unit
from abaft.base.actor import SYSTEM
from abaft.base.errors import Conflict, Fault
from abaft.model import expr as e
from abaft.model.evaluate import evaluate
from abaft.model.records import plain, record_from_json, record_of
from abaft.model.spec import LIVING, Unique
from abaft.plan.loads import Load, Match
from abaft.plan.operators import OPERATORS
from abaft.plan.resolve import key_condition
from abaft.plan.types import Pick, ReadIntent, ReadShape, WriteIntent
from abaft.store.base import Session, StoreError, UniqueViolation
from abaft.store_faults import broken_rules, taken, unique_rules
from abaft.writing import Draft, stored_record

if TYPE_CHECKING:
    from abaft.pipeline import Pipeline

Values = Mapping[str, Any]


async def all_taken(
    pipeline: Pipeline, draft: Draft, error: UniqueViolation, unit: Unit | None
) -> Conflict:
    """409 for each unique rule of the model that the record would break, in the model's order.

    Each of them would refuse the write by itself, so that nothing more is told of others' records
    than by asking again.
    """
    model = draft.model
    broken = broken_rules(model, error.fields)
    others = [row for row in unique_rules(model) if row not in broken and _touches(draft, row)]
    if broken and others:
        # Where the database has gone meanwhile, what it told stays.
        with suppress(Fault):
            broken += await _broken(pipeline, draft, others, unit)
    return taken(model, broken, error.fields)


def draft_of(load: Load, place: int) -> Draft:
    """The write of one row of a load."""
    values = dict(zip(load.names, load.rows[place], strict=True))
    key = {name: values[name] for name in load.model.key} if load.action == "update" else {}
    intent = WriteIntent(load.model.name, load.action, key=key)
    return Draft(load.model, intent, values, frozenset(values))


async def each_taken(
    pipeline: Pipeline,
    load: Load,
    drafts: Mapping[int, Draft],
    errors: Mapping[int, StoreError],
    session: Session,
) -> dict[int, Conflict]:
    """The same of the rows of a load that were refused so, by their place; of all at once."""
    columns = {
        place: error.fields for place, error in errors.items() if isinstance(error, UniqueViolation)
    }
    broken = {place: broken_rules(load.model, fields) for place, fields in columns.items()}
    for row in unique_rules(load.model):
        places = [
            place
            for place, known in broken.items()
            if known and row not in known and _touches(drafts[place], row)
        ]
        if row.where in (e.TRUE, LIVING) and set(row.fields) <= set(load.names):
            found = await _matched(load, row, places, session) if places else []
        else:
            unit = Unit(session)
            found = [p for p in places if await _broken(pipeline, drafts[p], [row], unit)]
        for place in found:
            broken[place].append(row)
    return {place: taken(load.model, rows, columns[place]) for place, rows in broken.items()}


async def _matched(load: Load, row: Unique, places: list[int], session: Session) -> list[int]:
    """Of these rows, those in whose way another record is."""
    at = [load.names.index(name) for name in row.fields]
    asked = [[load.rows[place][column] for column in at] for place in places]
    living = row.where != e.TRUE
    match = Match(load.model, row.fields, row.fields, asked, living=living, held=False)
    own = [load.names.index(name) for name in load.model.key] if load.action == "update" else []
    return [
        place
        for place, found in zip(places, await session.match(match), strict=True)
        if found is not None
        and not (own and found[0] == tuple(load.rows[place][column] for column in own))
    ]


def _touches(draft: Draft, row: Unique) -> bool:
    """Whether the write may break the rule: a key stays, and one that was made now is new."""
    if row.fields != draft.model.key:
        return True
    return draft.intent.action == "create" and draft.given.issuperset(row.fields)


async def _broken(
    pipeline: Pipeline, draft: Draft, rules: list[Unique], unit: Unit | None
) -> list[Unique]:
    """Those by which another living record is in the way of this one."""
    model = draft.model
    values = await _result(pipeline, draft, unit)
    record = record_of(pipeline.schema, model, {})
    record.__dict__.update(pipeline.validators[model.name].typed(values))
    return [
        row
        for row in rules
        # Null is never the same as another null, and what the database makes is new.
        if all(values.get(name) is not None for name in row.fields)
        and evaluate(row.where, [record])
        and await _held(pipeline, draft, row, values, unit)
    ]


async def _result(pipeline: Pipeline, draft: Draft, unit: Unit | None) -> Values:
    """The stored values of the record, had it been written."""
    model = draft.model
    if draft.intent.action == "create":
        return {name: value for name, value in draft.values.items() if name in model.fields}
    text = await stored_record(pipeline, model, draft.intent.key, unit, "with")
    if text is None:
        return {}
    values = plain(model, record_from_json(pipeline.schema, model, text))
    values = {name: value for name, value in values.items() if name in model.fields}
    for name, value in draft.values.items():
        if name in draft.operators and name in model.fields:
            value = OPERATORS[draft.operators[name]].apply(values[name], value)
        if name in model.fields:
            values[name] = value
    return values


async def _held(
    pipeline: Pipeline, draft: Draft, row: Unique, values: Values, unit: Unit | None
) -> bool:
    """Whether another record has these values, of those that the rule is among."""
    model = draft.model
    same = (
        e.Compare("eq", e.Column(name), e.Param(f"on.{name}", model.fields[name].kind))
        for name in row.fields
    )
    where, bound = e.all_of((*same, row.where)), {f"on.{name}": values[name] for name in row.fields}
    if draft.intent.action != "create":
        where = e.all_of((where, e.negate(key_condition(model))))
        bound |= {f"key.{name}": value for name, value in draft.intent.key.items()}
    shape = ReadShape(model.name, "one", where, pick=Pick(model.key), deleted="with")
    return bool((await pipeline.read(ReadIntent(shape, bound), SYSTEM, unit)).rows)
