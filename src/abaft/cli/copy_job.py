"""The work of a copy: the feed, the records batch by batch, what changed meanwhile, the proof."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from abaft.base.errors import Fault
from abaft.cli.copy_changes import Changes
from abaft.cli.copy_ends import CopyError, End, models_of, place
from abaft.cli.copy_feed import pages
from abaft.cli.copy_order import Group, Part, groups
from abaft.cli.copy_read import Reader
from abaft.cli.copy_state import Notes, Stage, State, at
from abaft.cli.copy_verify import Compared, Comparing
from abaft.cli.copy_write import store
from abaft.model import expr as e
from abaft.model.spec import Model
from abaft.store.base import Session, Snapshot, StoreError

Told = Callable[[str, int, int], None]
"""Is told of a model how many of how many records are done with."""
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Outcome:
    """What came of it."""

    stored: int = 0
    changes: int = 0
    compared: list[Compared] = field(default_factory=list)


class Copy:
    """One run; it goes on where another ended."""

    def __init__(self, source: End, target: End, told: Told) -> None:
        self.source, self.target, self.told = source, target, told
        self.groups = groups(source.schema)
        self.notes = Notes(target.store)
        self.changes = Changes(source, target, self.groups, self.notes)
        self.outcome = Outcome()
        self._steps = 0
        self._totals: dict[str, int] = {}
        self._shown: dict[str, int] = {}

    async def run(self) -> Outcome:
        """Copies what isn't copied yet, and compares.

        Raises CopyError where the destination isn't fit for it, before a record moves, and Refused
        where it doesn't take a record.
        """
        state = await self._begin()
        while True:
            steps = self._steps
            try:
                await self._go_on(state)
                return self.outcome
            except (StoreError, Fault):
                # A connection that broke is made anew, as long as it brings something.
                if self._steps == steps:
                    raise
                state = await self.notes.state() or state

    async def _begin(self) -> State:
        """The state of the copy, a new one where the destination is empty."""
        told = place(self.source.url)
        state = await self.notes.state()
        if state is None:
            await self._empty()
            self._can_wait()
            made = State(told, models_of(self.source.schema))
            async with self.target.store.transaction() as session:
                return await self.notes.keep(session, made)
        if state.source != told:
            raise CopyError(f"{self.target.shown} is filled from another database: {state.source}")
        if state.models != models_of(self.source.schema):
            raise CopyError(
                f"the models have changed since {self.target.shown} was begun: "
                "copy into an empty database"
            )
        if state.phase == "done" and await self.target.store.changes(state.end, 1):
            raise CopyError(
                f"{self.target.shown} has been written to since it was copied: what changed in "
                f"{self.source.shown} meanwhile can't be added to that. To hold them against each "
                "other: --verify"
            )
        return state

    async def _empty(self) -> None:
        """Raises CopyError where there are records already."""
        models = [model for group in self.groups for model in group.models]
        held = [
            model.collection or model.name
            for model in models
            if not await Reader(self.target.pipeline, model).is_empty()
        ]
        if not held and await self.target.store.changes("", 1):
            held = ["its change feed"]
        if held:
            raise CopyError(
                f"{self.target.shown} has records already ({', '.join(held[:5])}): name a database "
                "that is empty. (A copy that was ended goes on by the same command.)"
            )

    def _can_wait(self) -> None:
        """Raises CopyError for models that need each other where none can come first."""
        if self.target.store.capabilities.defers:
            return
        for part in [part for group in self.groups for part in group.parts]:
            if part.whole and len(part.models) > 1:
                names = " and ".join(model.name for model in part.models)
                name = self.target.store.capabilities.name
                raise CopyError(
                    f"records of {names} need each other, and {name} takes none before the other: "
                    "let one of the relations be null"
                )

    async def _go_on(self, state: State) -> None:
        if state.phase == "feed":
            state = self._step(await self.changes.begin(state, self._fed))
        if state.phase == "records":
            state = await self._records(state)
        await self._prove(state)

    def _step(self, done: T) -> T:
        self._steps += 1
        return done

    async def _records(self, state: State) -> State:
        async with self.source.store.snapshot() as rows:
            for group in self.groups:
                for model in group.models:
                    reader = Reader(self.source.pipeline, model)
                    total = self._totals[model.name] = await reader.count(rows)
                    self._shown[model.collection or model.name] = total
            # Only now: what was copied before must not be older than what is read from here on.
            stages = {model.name: await self.notes.stage(model) for model, *_ in self.changes.order}
            done = {name for name, stage in stages.items() if stage.phase != "rows"}
            if done:
                await self.changes.prepare(done, rows)
            for group in self.groups:
                await self._group(rows, group, stages)
        async with self.target.store.transaction() as session:
            return self._step(await self.notes.keep(session, at(state, "changes")))

    async def _group(self, rows: Snapshot, group: Group, stages: dict[str, Stage]) -> None:
        for part in group.parts:
            if all(stages[model.name].phase != "rows" for model in part.models):
                continue
            if part.whole:
                stages |= await self._together(rows, group, part)
            else:
                [model] = part.models
                stages[model.name] = await self._one(rows, group, model, stages[model.name])
        for model in group.models:
            if stages[model.name].phase == "later":
                await self._later(rows, group, model, stages[model.name])

    async def _together(self, rows: Snapshot, group: Group, part: Part) -> dict[str, Stage]:
        """All in one transaction: they lead to each other."""
        stages = {}
        async with self.target.store.transaction(patient=True) as session:
            for model in part.models:
                reader, count = Reader(self.source.pipeline, model), 0
                async with aclosing(ahead(reader.batches(rows))) as batches:
                    async for records in batches:
                        await self._store(session, reader, records, group, deferred=True)
                        count += len(records)
                        self._told(model, count)
                stage = Stage("later" if model.name in group.later else "done", count)
                stages[model.name] = await self.notes.keep_stage(session, model, stage)
        return self._step(stages)

    async def _store(
        self,
        session: Session,
        reader: Reader,
        records: list[Any],
        group: Group,
        deferred: bool = False,
    ) -> None:
        columns = reader.columns(records)
        for name in group.later.get(reader.model.name, ()):
            columns[name] = [None] * len(records)
        await store(self.target.pipeline, session, reader.model, columns, deferred=deferred)
        self.outcome.stored += len(records)

    async def _one(self, rows: Snapshot, group: Group, model: Model, stage: Stage) -> Stage:
        """The records of a model, a batch after the other, each for good."""

        async def work(session: Session, reader: Reader, records: list[Any]) -> int:
            await self._store(session, reader, records, group)
            return len(records)

        reader = Reader(self.source.pipeline, model)
        then = "later" if model.name in group.later else "done"
        return await self._batches(rows, reader, stage, then, work)

    async def _later(self, rows: Snapshot, group: Group, model: Model, stage: Stage) -> Stage:
        """Sets what was null at first."""
        names = group.later[model.name]

        async def work(session: Session, reader: Reader, records: list[Any]) -> int:
            columns = reader.columns(records)
            kept = {name: columns[name] for name in (*names, *model.key)}
            await store(self.target.pipeline, session, model, kept, "update")
            return 0

        where = e.any_of(e.negate(e.IsNull(e.Column(name))) for name in names)
        reader = Reader(self.source.pipeline, model, where)
        return await self._batches(rows, reader, stage, "done", work)

    async def _batches(
        self, rows: Snapshot, reader: Reader, stage: Stage, then: Any, work: Any
    ) -> Stage:
        model = reader.model
        after = None if stage.last is None else reader.key(stage.last)
        async with aclosing(ahead(reader.batches(rows, after))) as batches:
            async for records in batches:
                async with self.target.store.transaction(patient=True) as session:
                    added = await work(session, reader, records)
                    last = reader.shown(records[-1])
                    moved = replace(stage, rows=stage.rows + added, last=last)
                    await self.notes.keep_stage(session, model, moved)
                stage = self._step(moved)
                self._told(model, stage.rows)
        async with self.target.store.transaction() as session:
            return await self.notes.keep_stage(session, model, Stage(then, stage.rows))

    def _told(self, model: Model, count: int) -> None:
        self.told(model.collection or model.name, count, self._totals[model.name])

    async def _prove(self, state: State) -> None:
        """Follows the source up to a moment, and compares as of that: it needn't stand still."""
        named = await self.changes.named()
        async with self.source.store.snapshot() as rows:
            await self.changes.follow(state, named, rows)
            self.outcome.changes += named.count
            comparing = Comparing(self.source, self.target, self._checked)
            self.outcome.compared = await comparing.run(rows, named.last)
        if all(row.same for row in self.outcome.compared):
            await self._finish(state)

    def _fed(self, count: int) -> None:
        self._steps += 1
        self.told("change feed", count, 0)

    def _checked(self, name: str, count: int) -> None:
        self.told(f"✓ {name}", count, self._shown.get(name, 0))

    async def _finish(self, state: State) -> None:
        """Keeps where the feed ends now: whatever comes behind is somebody else's."""
        end = state.end
        async for changes in pages(self.target, end):
            end = changes[-1].position
        async with self.target.store.transaction() as session:
            await self.notes.keep(session, replace(state, phase="done", end=end))


async def ahead(batches: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The batches, each read while the one before it is being written."""
    async with aclosing(batches):
        following = asyncio.ensure_future(anext(batches, None))
        try:
            while (batch := await following) is not None:
                following = asyncio.ensure_future(anext(batches, None))
                yield batch
        finally:
            following.cancel()
            await asyncio.wait({following})
            # Who leaves before it is there doesn't ask how it went.
            _ = following.cancelled() or following.exception()
