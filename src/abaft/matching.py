"""Writes of all that a condition finds: each by its key, and still held to the condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from abaft.answers import Answer, Unit
from abaft.base.actor import Actor
from abaft.base.errors import Conflict, Fault, NotFound
from abaft.plan.types import Pick, ReadIntent, WriteIntent

if TYPE_CHECKING:
    from abaft.pipeline import Pipeline

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Matching:
    """A list that was asked for, how many it may find at most, and the write of each."""

    pipeline: Pipeline
    actor: Actor
    read: ReadIntent
    limit: int
    write: WriteIntent

    async def written(self, unit: Unit | None) -> tuple[list[WriteIntent], list[Answer]]:
        """The writes that took place and their answers: all of them or none."""
        pipeline, actor = self.pipeline, self.actor
        for _ in range(_TRIES if unit is None else 0):
            intents = await self.intents(None)
            guarded = [self._guarded(intent) for intent in intents]
            try:
                return intents, await pipeline.write_all(guarded, actor, every=True)
            except NotFound:
                continue  # one is gone, or isn't as the condition says any more
        # One of these writes may change what the condition says of the next. Transactions take
        # turns, so nobody else's comes between the look and the writes.
        return await pipeline.whole(self._within, unit)

    async def _within(self, unit: Unit) -> tuple[list[WriteIntent], list[Answer]]:
        intents = await self.intents(unit)
        return intents, await self.pipeline.write_all(intents, self.actor, unit, every=True)

    async def rehearsed(self) -> tuple[list[WriteIntent], list[Answer | Fault]]:
        """What would come of each; nothing is kept."""
        intents = await self.intents(None)
        return intents, await self.pipeline.rehearse(intents, self.actor)

    def _guarded(self, intent: WriteIntent) -> WriteIntent:
        return replace(intent, where=self.read.shape.where, where_values=self.read.values)

    async def intents(self, unit: Unit | None) -> list[WriteIntent]:
        """The write, for each record that is found now."""
        model = self.pipeline.schema.models[self.read.model]
        read = replace(self.read, shape=replace(self.read.shape, pick=Pick(model.key)))
        rows: Sequence[Sequence[str]] = (await self.pipeline.read(read, self.actor, unit)).rows
        if len(rows) > self.limit:
            detail = f"the filter finds more than {self.limit}, so nothing was written"
            hint = "narrow the filter, or raise the limit"
            raise Conflict(detail, code="too_many_matches", hint=hint)
        kinds = [(name, model.fields[name].kind) for name in model.key]
        found = [orjson.loads(row[0]) for row in rows]
        keys = [{name: kind.read(shown[name]) for name, kind in kinds} for shown in found]
        return [replace(self.write, key=key) for key in keys]
