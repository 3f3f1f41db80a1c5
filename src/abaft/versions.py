"""The versions of a record, from the change feed: listed, read, and as of a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from abaft.answers import Unit
from abaft.base import clock
from abaft.base.actor import SYSTEM, Actor
from abaft.base.errors import NotFound
from abaft.model.spec import Model
from abaft.pipeline import Pipeline
from abaft.plan.explain import missing
from abaft.plan.resolve import key_condition
from abaft.plan.types import Pick, ReadIntent, ReadShape
from abaft.plan.versions import BASELINE, snapshot

NEWEST = 2**63 - 1
EVER = datetime.max.replace(tzinfo=UTC)
BATCH = 50
SCANNED = 1_000
"""Versions that one request looks at, whether they may be seen or not."""

Key = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """A version as the feed keeps it; without `data` the record was deleted by it.

    `number` is its place in the feed, and 0 where the record is older than its history.
    """

    number: int
    at: datetime
    actor: str
    action: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    """A version as it may be seen: `changed` are the members that differ from the one before it.

    The one before is the one before that may be seen.
    """

    number: int
    at: datetime
    actor: str
    action: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    stored: Stored
    text: str

    def shown(self) -> Any:
        return orjson.loads(self.text)


def _missing(model: Model) -> NotFound:
    # The same of a record that may not be seen as of a version that isn't there.
    return NotFound(f"there is no such {model.name}, or no such version of it")


class Versions:
    """The history of one record, for one actor."""

    def __init__(
        self, pipeline: Pipeline, model: Model, key: Key, actor: Actor, unit: Unit | None = None
    ) -> None:
        self.pipeline, self.model, self.key = pipeline, model, key
        self.actor, self.unit = actor, unit
        self.record = model.written(key)
        self.members = [item.name for item in snapshot(pipeline.schema, model).items]
        self._stopped: int | None = None
        self._bound = {f"key.{name}": value for name, value in key.items()}

    async def page(self, limit: int, before: int = NEWEST) -> tuple[list[Version], int | None]:
        """Versions, newest first, and the number that the next page is before, if there is one.

        Raises NotFound where none can be seen.
        """
        self.pipeline.permit(self.model.name, "read", self.actor)
        seen: list[_Seen] = []
        known = False
        async for batch in self._batches(before):
            seen += [found for found in await self._visible(batch) if found is not None]
            if len(seen) > limit:
                break
            if not seen and not known:
                await self._readable()
                known = True
        if not seen and before == NEWEST and self._stopped is None:
            raise missing(self.model)
        pairs = zip(seen[:limit], [*seen[1:], None], strict=False)
        following = seen[limit - 1].stored.number if len(seen) > limit else self._stopped
        return [_version(found, older) for found, older in pairs], following

    async def one(self, number: int) -> str:
        """The JSON of the record in the version of this number. Raises NotFound."""
        self.pipeline.permit(self.model.name, "read", self.actor)
        before = number + 1 if number else NEWEST
        async for batch in self._batches(before):
            found = [stored for stored in batch if stored.number == number]
            if found or number:
                return await self._shown(found)
        raise _missing(self.model)

    async def as_of(self, at: datetime) -> str:
        """The JSON of the record as it was then. Raises NotFound."""
        self.pipeline.permit(self.model.name, "read", self.actor)
        async for batch in self._batches(NEWEST, at):
            return await self._shown(batch[:1])
        raise _missing(self.model)

    async def _shown(self, found: Sequence[Stored]) -> str:
        seen = await self._visible([stored for stored in found if stored.data])
        if not seen or seen[0] is None:
            raise _missing(self.model)
        return seen[0].text

    async def _batches(self, before: int, until: datetime = EVER) -> AsyncIterator[list[Stored]]:
        """What the feed has of the record, newest first, back to where its history begins."""
        first, scanned = before == NEWEST, 0
        while True:
            rows = await self._rows(before, until)
            told: list[Stored] = []
            for stored in rows:
                if not self._is_whole(stored):
                    break
                told.append(stored)
                if stored.action == BASELINE:
                    break
            if told:
                yield told
            elif first:
                found = await self._unwritten(until)
                if found is not None:
                    yield [found]
            if len(told) < BATCH or told[-1].action == BASELINE:
                return
            first, before, scanned = False, told[-1].number, scanned + len(told)
            if scanned >= SCANNED:
                self._stopped = before
                return

    async def _rows(self, before: int, until: datetime) -> list[Stored]:
        shape = ReadShape(self.model.name, "versions", key_condition(self.model))
        values = {"record": self.record, "before": before, "until": until, "limit": BATCH}
        answer = await self.pipeline.read(ReadIntent(shape, values), SYSTEM, self.unit)
        decode = answer.decoders[1] or (lambda at: at)
        return [
            Stored(0 if action == BASELINE else seq, decode(at), actor, action, orjson.loads(data))
            for data, seq, at, actor, action in answer.rows
        ]

    def _is_whole(self, stored: Stored) -> bool:
        """Whether it was written with a history in mind: others have only what they set."""
        return self.model.key[0] in stored.data or not stored.data

    async def _unwritten(self, until: datetime) -> Stored | None:
        """The record as it is stored, where nobody has written to it since it has a history."""
        shape = ReadShape(
            self.model.name,
            "one",
            key_condition(self.model),
            pick=Pick(tuple(self.members)),
            deleted="with",
        )
        answer = await self.pipeline.read(ReadIntent(shape, self._bound), SYSTEM, self.unit)
        if not answer.rows:
            return None
        data = orjson.loads(answer.rows[0][0])
        stamps = [row for row in self.model.fields.values() if row.stamp == "updated"]
        known = [data[row.name] for row in stamps if row.name in data]
        at = datetime.fromisoformat(known[0]) if known else clock.now()
        return Stored(0, at, SYSTEM.name, BASELINE, data) if at <= until else None

    async def _readable(self) -> None:
        """Raises NotFound where the record may not be read now, and so no version of it.

        However long its history is: going through it would tell that there is one.
        """
        shape = ReadShape(self.model.name, "count", key_condition(self.model), deleted="with")
        answer = await self.pipeline.read(ReadIntent(shape, self._bound), self.actor, self.unit)
        if not answer.rows[0][0]:
            raise missing(self.model)

    async def _visible(self, batch: Sequence[Stored]) -> list[_Seen | None]:
        return await asyncio.gather(*(self._see(stored) for stored in batch))

    async def _see(self, stored: Stored) -> _Seen | None:
        """The version as the actor may see it, None where not at all."""
        present = tuple(name for name in self.members if name in stored.data)
        if self.actor.system:
            data = {name: stored.data[name] for name in present}
            return _Seen(stored, orjson.dumps(data).decode())
        if not present:
            return None
        where, pick = key_condition(self.model), Pick(present)
        shape = ReadShape(self.model.name, "version", where, pick=pick, was=present)
        values = {f"was.{name}": self.value(name, stored.data[name]) for name in present}
        intent = ReadIntent(shape, {**values, **self._bound})
        answer = await self.pipeline.read(intent, self.actor, self.unit)
        return _Seen(stored, answer.rows[0][0]) if answer.rows else None

    def value(self, name: str, shown: Any) -> Any:
        """Our value of what the feed shows of it."""
        if name in self.model.fields:
            kind = self.model.fields[name].kind
            return None if shown is None else kind.read(shown)
        target = self.pipeline.schema.target(self.model, name)
        kind = target.fields[target.key[0]].kind
        return [kind.read(item) for item in shown]


def _version(found: _Seen, older: _Seen | None) -> Version:
    stored, now, then = found.stored, found.shown(), older.shown() if older else {}
    changed = tuple(name for name in now if name not in then or now[name] != then[name])
    return Version(stored.number, stored.at, stored.actor, stored.action, changed)


async def restored(versions: Versions, number: int) -> dict[str, Any]:
    """What an update sets to give the record the values of a version, as far as they are seen.

    What is the same by now isn't set: who may not change a field may restore the others.
    """
    model, pipeline = versions.model, versions.pipeline
    was = orjson.loads(await versions.one(number))
    shape = ReadShape(model.name, "one", key_condition(model), pick=Pick(tuple(was)))
    bound = {f"key.{name}": value for name, value in versions.key.items()}
    answer = await pipeline.read(ReadIntent(shape, bound), versions.actor, versions.unit)
    if not answer.rows:
        raise missing(model)
    now = orjson.loads(answer.rows[0][0])
    settable = {
        name: value
        for name, value in was.items()
        if name in model.many or (model.fields[name].writable and not model.fields[name].write_once)
    }
    changed = {name: value for name, value in settable.items() if now.get(name, ...) != value}
    return pipeline.validators[model.name].python(
        {name: versions.value(name, value) for name, value in changed.items()}
    )
