"""What comes after a write: within its transaction, and once it is durable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from abaft.answers import Unit
from abaft.base.actor import Actor
from abaft.base.errors import BadRequest, Forbidden, Unauthorized
from abaft.plan.resolve import key_condition
from abaft.plan.types import ReadIntent, ReadShape
from abaft.writing import Draft, run_after, run_within

if TYPE_CHECKING:
    from abaft.pipeline import Pipeline


async def followed(
    pipeline: Pipeline, draft: Draft, actor: Actor, unit: Unit | None, shown: Any
) -> Any:
    """Runs the hooks that come after a write; what is shown of the record then."""
    if unit is None:
        await run_after(pipeline, draft, actor)
        return shown
    unit.written.append((draft, actor))
    try:
        await run_within(pipeline, draft, actor, unit)
    except BaseException:
        unit.broken = True
        raise
    if shown is None and draft.model.hooks_for("within", draft.intent.action):
        return await _seen_by_now(pipeline, draft, actor, unit)
    return shown


async def _seen_by_now(pipeline: Pipeline, draft: Draft, actor: Actor, unit: Unit | None) -> Any:
    """The record's JSON, where it may be read since what came after the write; None where not."""
    model = draft.model
    if draft.intent.action == "delete":
        return None
    shape = ReadShape(model.name, "one", key_condition(model), pick=draft.intent.pick)
    values = {f"key.{name}": draft.key()[name] for name in model.key}
    try:
        rows = (await pipeline.read(ReadIntent(shape, values), actor, unit)).rows
    except (BadRequest, Forbidden, Unauthorized):
        return None
    return rows[0][0] if rows else None
