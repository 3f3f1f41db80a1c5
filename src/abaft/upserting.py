"""Upsert: a record is made, or the one that has the same unique values is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from abaft.base.actor import SYSTEM, Actor
from abaft.base.errors import Conflict, Fault, Forbidden, NotFound, PreconditionFailed, Unauthorized
from abaft.model import expr as e
from abaft.model.spec import Model
from abaft.plan.access import Access
from abaft.plan.types import Pick, ReadIntent, ReadShape, WriteIntent
from abaft.store_faults import busy_record
from abaft.writing import fill

if TYPE_CHECKING:
    from abaft.answers import Unit, WriteAnswer
    from abaft.pipeline import Pipeline

TRIES = 30
_PAUSE = 0.002
_HELD_OFF = ("forbidden", "unauthorized")


async def upsert(
    pipeline: Pipeline, intent: WriteIntent, actor: Actor, unit: Unit | None
) -> WriteAnswer:
    """The answer of the update or the create that it came to.

    A stored record that the actor may not see or change, or by values that the actor may not read
    of it, is met by a create, and so is told of in no other words than a create that conflicts with
    it. Others may make, change or delete it meanwhile: then it is looked for again.
    """
    model = pipeline.schema.models[intent.model]
    access = Access(pipeline.schema, actor)
    for name in intent.upsert:
        access.readable(model, name)
    values = fill(model, intent.values, actor)
    last: Fault | None = None
    for attempt in range(TRIES):
        key = await _find(pipeline, model, intent.upsert, values, unit)
        try:
            if key is not None:
                updated = await _update(pipeline, _change(model, intent, key), actor, unit)
                if updated is not None:
                    return updated
            elif intent.etags is not None:
                raise PreconditionFailed("there is no such record to change")
            made = replace(intent, upsert=(), etags=None)
            return await pipeline.write(made, actor, unit)
        except Conflict as fault:
            if (key is not None and fault.code != "busy_record") or not _passing(
                fault, intent, unit
            ):
                raise
            last = fault
        await asyncio.sleep(_PAUSE * attempt)
    raise last or busy_record()


def _passing(fault: Conflict, intent: WriteIntent, unit: Unit | None) -> bool:
    """Whether another made or changed the record just now, so that another look may help."""
    if fault.code == "busy_record":
        # Within a transaction it stays so.
        return unit is None
    names = {problem.pointer.removeprefix(intent.pointer) for problem in fault.errors}
    return names.issuperset(f"/{name}" for name in intent.upsert)


def _change(model: Model, intent: WriteIntent, key: Mapping[str, Any]) -> WriteIntent:
    """The update: what is given but the values by which the record was found."""
    given = {name: value for name, value in intent.values.items() if name not in intent.upsert}
    return replace(
        intent,
        action="update",
        values=given,
        key=key,
        upsert=(),
        made={},
        replace=True,
        where=_same(model, intent.upsert),
        where_values={f"on.{name}": intent.values[name] for name in intent.upsert},
    )


def _same(model: Model, on: tuple[str, ...]) -> e.Expr:
    """The condition of having these values."""
    return e.all_of(
        e.Compare("eq", e.Column(name), e.Param(f"on.{name}", model.fields[name].kind))
        for name in on
    )


async def _update(
    pipeline: Pipeline, intent: WriteIntent, actor: Actor, unit: Unit | None
) -> WriteAnswer | None:
    """The answer; None where the record is none of the actor's."""
    try:
        return await pipeline.write(intent, actor, unit)
    except NotFound:
        return None
    except (Forbidden, Unauthorized) as fault:
        if fault.code not in _HELD_OFF:
            raise
        return None


async def _find(
    pipeline: Pipeline,
    model: Model,
    on: tuple[str, ...],
    values: Mapping[str, Any],
    unit: Unit | None,
) -> dict[str, Any] | None:
    """The key of the record with these values; null is never the same as another null."""
    if any(values.get(name) is None for name in on):
        return None
    shape = ReadShape(model.name, "one", _same(model, on), pick=Pick(model.key))
    bound = {f"on.{name}": values[name] for name in on}
    rows = (await pipeline.read(ReadIntent(shape, bound), SYSTEM, unit)).rows
    if not rows:
        return None
    shown = orjson.loads(rows[0][0])
    return {name: model.fields[name].kind.read(shown[name]) for name in model.key}
