"""Loads one file: all of it or, unless part is taken for enough, nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

from abaft.answers import Unit
from abaft.base import clock
from abaft.base.actor import SYSTEM
from abaft.base.errors import Fault
from abaft.cli.load_columns import Batch, Columns
from abaft.cli.load_links import Link, Policy, Resolver, make_links
from abaft.cli.load_source import Line, Rows, Source
from abaft.model.spec import Model, One
from abaft.pipeline import Pipeline
from abaft.plan.types import Load, WriteIntent
from abaft.store.base import Session, StoreError
from abaft.store_faults import store_fault
from abaft.writing import Draft, change_rows, run_after

AT_ONCE = 5_000


class Rejects(Protocol):
    """Where rejected rows go."""

    def __call__(self, source: Source, line: int, reason: str, cells: list[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Choices:
    """How files are read, and what becomes of what isn't right."""

    policy: Callable[[Model, One], Policy]
    rejects: Rejects
    nulls: frozenset[str] = frozenset()
    renames: Mapping[str, str] = field(default_factory=dict)
    partial: bool = False
    delimiter: str | None = None


@dataclass(slots=True, eq=False)
class Outcome:
    """What became of a file."""

    source: Source
    read: int = 0
    loaded: int = 0
    nulls: int = 0
    rejected: int = 0
    reasons: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    failure: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return bool(self.failure)


class _GivenUp(Exception):
    """Rolls the file's transaction back."""


async def load_file(
    pipeline: Pipeline, source: Source, choices: Choices, progress: Callable[[int, int, int], None]
) -> Outcome:
    """Loads the file in one transaction; `progress` is told (bytes, of how many, rows).

    Raises LoadError where the file can't be read, and Fault where the database can't be reached.
    """
    begun = clock.monotonic()
    outcome = Outcome(source)
    with closing(Rows(source.path, choices.delimiter)) as rows:
        job = _Job(pipeline, source, choices, rows, outcome)
        try:
            async with pipeline.store.transaction() as session:
                await job.run(session, lambda: progress(rows.position(), rows.size, outcome.read))
                if outcome.rejected and not choices.partial:
                    raise _GivenUp
        except _GivenUp:
            outcome.loaded = 0
            outcome.failure = "nothing was loaded, since not every row could be"
        except StoreError as error:
            outcome.loaded = 0
            fault = store_fault(error)
            outcome.failure = (
                f"nothing was loaded: {fault.detail} ({str(error) or 'at the commit'})"
            )
        else:
            for draft in job.written:
                await run_after(pipeline, draft, SYSTEM)
    outcome.seconds = clock.monotonic() - begun
    return outcome


class _Job:
    """The work on one file: chunks are read while those before them are being written."""

    def __init__(
        self, pipeline: Pipeline, source: Source, choices: Choices, rows: Rows, outcome: Outcome
    ) -> None:
        model = source.model
        self.pipeline, self.source, self.choices = pipeline, source, choices
        self.model, self.rows, self.outcome = model, rows, outcome
        self.columns = Columns(
            model,
            pipeline.validators[model.name],
            rows.header,
            choices.nulls,
            renames_of(source, choices.renames),
        )
        outcome.unknown = self.columns.unknown
        outcome.links = make_links(pipeline.schema, model, self.columns.names, choices.policy)
        self.written: list[Draft] = []
        # Hooks, and keys that the database makes, need each record's own statement.
        hooks = model.hooks_for("before", "create") + model.hooks_for("after", "create")
        self.singly = bool(hooks) or not self.columns.complete

    async def run(self, session: Session, told: Callable[[], None]) -> None:
        resolver = Resolver(self.pipeline, session)
        self._know_own()
        pending: asyncio.Task[None] | None = None
        for chunk in self.rows.chunks(AT_ONCE):
            batch = self._read(chunk)
            told()
            if pending is not None:
                await pending
            batch = await self._resolved(resolver, batch)
            pending = asyncio.create_task(self._write(session, batch))
            await asyncio.sleep(0)
        if pending is not None:
            await pending
        told()

    def _know_own(self) -> None:
        """A record may refer to one that comes later in the same file: the keys are read first."""
        own = [link for link in self.outcome.links if link.own]
        if not own:
            return
        places = [self.columns.names.index(name) for name in self.model.key]
        with closing(Rows(self.source.path, self.choices.delimiter)) as rows:
            for chunk in rows.chunks(AT_ONCE):
                batch, _ = self.columns.read(chunk)
                keys = [batch.columns[place] for place in places]
                for link in own:
                    link.known.update(keys[0] if len(keys) == 1 else zip(*keys, strict=True))

    def _read(self, chunk: list[Line]) -> Batch:
        batch, problems = self.columns.read(chunk)
        for place, reason in problems.items():
            self._reject(chunk[place], reason)
        self.outcome.read += len(chunk)
        self.outcome.nulls += sum(column.count(None) for column in batch.columns)
        return batch

    async def _resolved(self, resolver: Resolver, batch: Batch) -> Batch:
        """The rows whose references are settled."""
        for link in self.outcome.links:
            if not batch.lines:
                break
            refused = await resolver.resolve(link, batch)
            for place, reason in refused.items():
                self._reject(batch.lines[place], reason)
            batch = batch.without(refused)
        return batch

    async def _write(self, session: Session, batch: Batch) -> None:
        if not batch.lines:
            return
        rows = batch.rows()
        if self.singly:
            faults = await self._write_singly(session, rows)
        else:
            faults = await self.pipeline.load(self._load(rows), session)
        for place, fault in faults.items():
            self._reject(batch.lines[place], _reason(fault))
        self.outcome.loaded += len(rows) - len(faults)

    def _load(self, rows: list[tuple[Any, ...]]) -> Load:
        names = self.columns.names
        return Load(
            model=self.model,
            names=names,
            rows=rows,
            changes=change_rows(self.model, names, rows),
            at=clock.now(),
            actor=SYSTEM.name,
            deferred=any(link.own and not link.soft for link in self.outcome.links),
        )

    async def _write_singly(
        self, session: Session, rows: list[tuple[Any, ...]]
    ) -> dict[int, Fault]:
        faults = {}
        for place, row in enumerate(rows):
            values = dict(zip(self.columns.names, row, strict=True))
            intent = WriteIntent(self.model.name, "create", values)
            try:
                answer = await self.pipeline.write(intent, SYSTEM, Unit(session))
            except Fault as fault:
                faults[place] = fault
            else:
                self.written.append(answer.draft)
        return faults

    def _reject(self, line: Line, reason: str) -> None:
        number, cells = line
        self.outcome.rejected += 1
        if len(self.outcome.reasons) < 5:
            self.outcome.reasons.append(f"line {number}: {reason}")
        self.choices.rejects(self.source, number, reason, cells)


def renames_of(source: Source, renames: Mapping[str, str]) -> dict[str, str]:
    """Those that are for this file: all but those that name another's collection."""
    found = {}
    for old, new in renames.items():
        collection, dot, column = old.partition(".")
        if not dot:
            found[old] = new
        elif collection == source.name:
            found[column] = new
    return found


def _reason(fault: Fault) -> str:
    if not fault.errors:
        return fault.detail or fault.title
    return "; ".join(f"{problem.pointer[1:]}: {problem.detail}" for problem in fault.errors)
