"""Which relations of a refused write lead nowhere: all, for a database tells of one or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from abaft.base.actor import Actor
from abaft.base.errors import Fault, Invalid
from abaft.model.spec import Model, Schema
from abaft.model.values import summary
from abaft.plan.explain import dangling
from abaft.plan.resolve import key_condition
from abaft.plan.types import Pick, ReadIntent, ReadShape
from abaft.store.base import GuardFailed, ReferenceViolation

if TYPE_CHECKING:
    from abaft.answers import Unit
    from abaft.pipeline import Pipeline
    from abaft.writing import Draft

_MOST = 100
"""Keys that are looked for."""


def is_dangling(error: Fault | GuardFailed | ReferenceViolation) -> bool:
    """Whether a write was refused because a relation leads nowhere."""
    match error:
        case ReferenceViolation():
            return True
        case GuardFailed(guard=guard):
            return guard.startswith("target.")
    return bool(error.errors) and error.errors[0].code == "no_such_record"


async def leading_nowhere(
    pipeline: Pipeline, draft: Draft, actor: Actor, unit: Unit | None
) -> Invalid | None:
    """422 for each relation that the write would have lead nowhere; None where all are found.

    What the actor may not read isn't found: a key that is hidden is as one that isn't there.
    """
    problems = {}
    if draft.intent.action != "delete":
        for place, (name, target, key) in enumerate(_keys(pipeline.schema, draft)):
            if place == _MOST:
                break
            if name not in problems and not await _found(pipeline, target, key, actor, unit):
                [problems[name]] = dangling(draft.model, name).errors
    told = list(problems.values())
    return Invalid(summary(told), errors=told) if told else None


def _keys(schema: Schema, draft: Draft) -> Iterator[tuple[str, Model, Mapping[str, Any]]]:
    """Each relation that is written, with a key that it was given."""
    for one in draft.model.one.values():
        held = [draft.values.get(name) for name in one.columns]
        if one.constraint and None not in held:
            target = schema.models[one.target]
            yield one.name, target, dict(zip(target.key, held, strict=True))
    for name in draft.model.many:
        # What is untied may lead nowhere.
        if name not in draft.values or draft.operators.get(name) == "remove":
            continue
        target = schema.target(draft.model, name)
        for held in draft.values[name]:
            yield name, target, {target.key[0]: held}


async def _found(
    pipeline: Pipeline, target: Model, key: Mapping[str, Any], actor: Actor, unit: Unit | None
) -> bool:
    shape = ReadShape(target.name, "one", key_condition(target), pick=Pick(target.key))
    values = {f"key.{name}": value for name, value in key.items()}
    try:
        answer = await pipeline.read(ReadIntent(shape, values), actor, unit)
    except Fault:
        return False
    return bool(answer.rows)
