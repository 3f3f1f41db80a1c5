"""How far a copy has come: rows of `abaft_loads` in its destination, kept with the records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from abaft.base import clock
from abaft.model.spec import Model
from abaft.plan.loads import Progress
from abaft.store.base import Session, Store

Phase = Literal["feed", "records", "changes", "done"]
"""What comes next: the feed as it is, the records, what has changed meanwhile; or nothing."""
NAME = "copy"


@dataclass(frozen=True, slots=True)
class State:
    """The copy as a whole: where it comes from, and where the feed it wrote has ended."""

    source: str
    models: str
    phase: Phase = "feed"
    end: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """How far one model has come: `last` is the last key as JSON has it."""

    phase: Literal["rows", "later", "done"] = "rows"
    rows: int = 0
    last: list[Any] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """How far the feed has come, by the source's position."""

    position: str = ""
    rows: int = 0


class Notes:
    """Reads and keeps all of it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._progresses = store.progresses

    async def _read(self, name: str) -> Any:
        found = await self._store.run(lambda: self._progresses.read(name))
        return None if found is None else (orjson.loads(found.digest), found.rows)

    async def _keep(self, session: Session, name: str, rows: int, told: Any) -> None:
        text = orjson.dumps(told).decode()
        progress = Progress(name, rows, text, {}, clock.now())
        await session.run(lambda: self._progresses.keep(progress))

    async def state(self) -> State | None:
        """What was copied here before, if anything was."""
        found = await self._read(NAME)
        return None if found is None else State(*found[0])

    async def keep(self, session: Session, state: State) -> State:
        told = [state.source, state.models, state.phase, state.end]
        await self._keep(session, NAME, 0, told)
        return state

    async def stage(self, model: Model) -> Stage:
        found = await self._read(f"{NAME}/{model.name}")
        return Stage() if found is None else Stage(found[0][0], found[1], found[0][1])

    async def keep_stage(self, session: Session, model: Model, stage: Stage) -> Stage:
        await self._keep(session, f"{NAME}/{model.name}", stage.rows, [stage.phase, stage.last])
        return stage

    async def told(self) -> Told:
        found = await self._read(f"{NAME}/")
        return Told() if found is None else Told(found[0], found[1])

    async def keep_told(self, session: Session, told: Told) -> Told:
        await self._keep(session, f"{NAME}/", told.rows, told.position)
        return told


def at(state: State, phase: Phase) -> State:
    """The same copy, further on."""
    return replace(state, phase=phase)
