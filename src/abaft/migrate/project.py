"""An application's migrations: its models, its database, and the folder with the files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from abaft.base.errors import SettingError
from abaft.migrate import renames
from abaft.migrate.engine import Asked, Runner, Source
from abaft.migrate.engines import engine_for, runner_for
from abaft.migrate.files import File, MigrationError, named, next_revision, read
from abaft.migrate.plan import Plan
from abaft.migrate.renames import Question
from abaft.migrate.run import Run, Tell, pending, problems
from abaft.migrate.state import Renames
from abaft.migrate.write import write
from abaft.pipeline import Pipeline
from abaft.store.migrations import Record

From = Literal["auto", "database", "files"]
SHARED = 0.5
"""The part of a table's columns that another must have for a rename to be thought of."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `diff` is asked for."""

    rename: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    source: From = "auto"
    online: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """A plan, what it is compared with, and what must be answered before it can be written."""

    plan: Plan
    source: Literal["database", "files"]
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """How a migration stands: applied, pending, stopped, missing, edited or unsealed."""

    revision: str
    state: str
    at: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """How all stand; `changed` tells that the tables aren't as the last migration left them."""

    states: tuple[State, ...]
    changed: bool = False

    def of(self, *states: str) -> list[State]:
        """Those that stand so."""
        return [row for row in self.states if row.state in states]


class Project:
    """What the commands do, without a word to anybody."""

    def __init__(self, pipeline: Pipeline, folder: Path) -> None:
        self.pipeline = pipeline
        self.folder = folder
        self.engine = pipeline.store.capabilities.name

    def files(self) -> list[File]:
        """The files in order. MigrationError where they have none."""
        return read(self.folder, self.engine)

    @property
    def runner(self) -> Runner:
        """A new connection's worth of running."""
        return runner_for(self.pipeline.store)

    async def known(self) -> tuple[list[Record], str]:
        """What the database says of migrations, and the digest of its tables."""
        runner = self.runner
        async with runner.alone(create=False):
            return await runner.records(), await runner.structure()

    async def difference(self, options: Options) -> Difference:
        """What differs, with the questions that are open."""
        files = self.files()
        records, structure = await self.known()
        source = options.source
        if source == "auto":
            last = next((row for row in reversed(records) if row.structure), None)
            applied = {row.revision for row in records if row.applied}
            whole = applied.issuperset(file.revision for file in files)
            as_left = last is not None and last.structure == structure
            source = "database" if not files or (whole and as_left) else "files"
        ours = frozenset(records[-1].tables if records else ())
        steps = [step for file in files for step in file.upgrade()]
        asked = Asked(
            Source(steps if source == "files" else None),
            Renames(dropped=frozenset(options.dropped)),
            ours,
            options.online,
        )
        engine = engine_for(self.pipeline.store)
        plan = await engine.diff(asked)
        if options.rename or options.dropped:
            given = renames.read(options.rename, options.dropped, plan.old, plan.new)
            plan = await engine.diff(replace(asked, renames=given))
        asked_for = renames.questions(plan.changes, options.dropped)
        asked_for += self._likely(plan, options.dropped)
        return Difference(plan, source, tuple(asked_for))

    def _likely(self, plan: Plan, dropped: Iterable[str]) -> list[Question]:
        """Tables that nobody knows, and that a new one is much like."""
        new = {
            row.table: set(plan.new[row.table]) for row in plan.changes if row.kind == "add table"
        }
        found = []
        for gone in plan.unknown:
            had = set(plan.old.get(gone, ()))
            like = tuple(
                name for name, has in new.items() if len(has & had) >= SHARED * max(len(has), 1)
            )
            if like and gone not in dropped:
                found.append(Question(gone, like))
        return found

    def write(self, plan: Plan, message: str) -> Path:
        """Writes the file that makes the plan's changes, after all that are there."""
        files = self.files()
        revision = next_revision(named(self.folder), message)
        parent = files[-1].revision if files else None
        text = write(plan, revision, parent, self.engine, message)
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{revision}.py"
        path.write_text(text, "utf-8")
        return path

    async def apply(
        self, tell: Tell, until: str | None = None, destructive: bool = False
    ) -> list[str]:
        """Runs what waits."""
        return await self._run(tell).apply(self.files(), until, destructive)

    async def roll_back(self, tell: Tell, to: str | None, destructive: bool = False) -> list[str]:
        """Undoes what came after `to`."""
        return await self._run(tell).roll_back(self.files(), to, destructive)

    async def note(self) -> list[str]:
        """Notes what waits as applied. MigrationError unless the database is as the models say."""
        plan = (await self.difference(Options(source="database"))).plan
        if plan.changes:
            told = "; ".join(change.title for change in plan.changes)
            raise MigrationError(f"the database isn't as the models say: {told}")
        return await self._run(_silent).note(self.files(), frozenset(plan.new))

    async def note_if_so(self) -> list[str]:
        """Notes what waits as applied where development has made all of it already; gives it."""
        waiting = await self.waiting()
        if not waiting or any(step.kind == "data" for file in waiting for step in file.upgrade()):
            return []
        try:
            return await self.note()
        except (MigrationError, SettingError):
            return []

    def _run(self, tell: Tell) -> Run:
        return Run(self.runner, self.pipeline, tell)

    async def status(self) -> Status:
        """How all migrations stand."""
        files = self.files()
        records, structure = await self.known()
        by_name = {row.revision: row for row in records}
        states = [_state(file, by_name.pop(file.revision, None)) for file in files]
        states += [State(name, "missing", row.at) for name, row in by_name.items()]
        last = next((row for row in reversed(records) if row.structure), None)
        changed = last is not None and last.structure != structure
        return Status(tuple(sorted(states, key=lambda row: row.revision)), changed)

    async def waiting(self) -> list[File]:
        """What is yet to be applied. MigrationError where files and records don't agree."""
        records, _ = await self.known()
        return pending(self.files(), {row.revision: row for row in records}, None)


def _state(file: File, row: Record | None) -> State:
    if row is None:
        return State(file.revision, "pending" if file.sealed else "unsealed")
    if problems([file], {file.revision: row}):
        return State(file.revision, "edited", row.at)
    if row.applied:
        return State(file.revision, "applied", row.at)
    way = "" if row.direction == "up" else " back"
    return State(file.revision, "stopped", row.at, f"step {row.done} of {row.total}{way}")


def lost(steps: Sequence[File]) -> list[str]:
    """What may be lost by applying these."""
    return [step.destructive for file in steps for step in file.upgrade() if step.destructive]


def _silent(_: str) -> None:
    """Whoever asked tells it."""
