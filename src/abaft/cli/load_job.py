"""Loads files: all of them or nothing, or what can be, or batch by batch to go on later."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abaft.base import clock
from abaft.base.actor import SYSTEM
from abaft.cli.load_cells import Reading
from abaft.cli.load_columns import Batch, Columns, Mapped
from abaft.cli.load_links import Link, Policy, Resolver, make_links
from abaft.cli.load_open import LoadError
from abaft.cli.load_refused import Refused, refused_path
from abaft.cli.load_rows import Line, Rows
from abaft.cli.load_source import Source
from abaft.cli.load_write import Counts, Writer
from abaft.model.spec import Model
from abaft.pipeline import Pipeline
from abaft.plan.loads import Progress
from abaft.store.base import KeptProgress, ReferenceViolation, Session, StoreError, Unknown
from abaft.store_faults import store_fault
from abaft.writing import run_after

AT_ONCE = 5_000
TOLD = 10
"""Refused rows that are told of one by one."""

Told = Callable[[Source, int, int, int], None]


@dataclass(frozen=True, slots=True)
class Choices:
    """How files are read, and what becomes of what isn't right."""

    policy: Callable[[Model, str], Policy]
    reading: Reading = field(default_factory=Reading)
    mapped: Callable[[Source], Mapped] = lambda source: Mapped()
    skip_bad: bool = False
    refused: Path | None = None
    upsert: Callable[[Model], tuple[str, ...] | None] = lambda model: None
    resume: str | None = None


@dataclass(slots=True, eq=False)
class Outcome:
    """What became of a file."""

    source: Source
    read: int = 0
    before: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    failure: str = ""
    refused_in: Path | None = None
    seconds: float = 0.0


Takes = Callable[[Link], Callable[[Iterable[Any]], object]]
"""What of a link takes keys down."""


DANGLING = (
    "some of its rows refer to others of it that are refused: mend those, or leave such references "
    "empty by --missing-refs null"
)


class _GivenUp(Exception):
    """Rolls the transaction back."""


class Loader:
    """The work on some files, in order."""

    def __init__(
        self, pipeline: Pipeline, sources: list[Source], choices: Choices, told: Told
    ) -> None:
        self.pipeline, self.sources, self.choices, self.told = pipeline, sources, choices, told
        self.outcomes: list[Outcome] = []

    async def run(self) -> list[Outcome]:
        """What became of the files, up to the first that failed.

        Raises LoadError where a file can't be read, and Fault where the database can't be reached.
        """
        if self.choices.resume is None:
            await self._together()
        else:
            for source in self.sources:
                with _Job(self, source) as job:
                    await job.run_on(self.choices.resume)
                    if job.outcome.failure:
                        break
        return self.outcomes

    async def _together(self) -> None:
        """All in one transaction."""
        with ExitStack() as stack:
            jobs = []
            try:
                async with self.pipeline.store.transaction(patient=True) as session:
                    for source in self.sources:
                        jobs.append(stack.enter_context(_Job(self, source)))
                        await jobs[-1].run(session)
                        if jobs[-1].outcome.refused and not self.choices.skip_bad:
                            raise _GivenUp
            except _GivenUp:
                self._nothing(jobs, "since not every row can be")
            except StoreError as error:
                fault = store_fault(error)
                why = f"{fault.detail} ({str(error) or 'at the commit'})"
                if any(job.leaves_dangling(error) for job in jobs):
                    why = f"since {DANGLING}"
                unknown = isinstance(error, Unknown)
                self._nothing(jobs, why, "all or nothing" if unknown else "nothing")
            except BaseException:
                self._nothing(jobs, "")
                raise
            if jobs:
                jobs[-1].tell_time()  # the commit is in it
            for job in jobs:
                await job.finish()

    def _nothing(self, jobs: list[_Job], why: str, stored: str = "nothing") -> None:
        for job in jobs:
            job.outcome.counts = Counts()
            job.outcome.failure = f"{stored} was stored, {why}"
            job.refused.discard()
            job.outcome.refused_in = None


class _Job:
    """The work on one file: chunks are read while those before them are being written."""

    def __init__(self, loader: Loader, source: Source) -> None:
        self.loader, self.pipeline, self.choices = loader, loader.pipeline, loader.choices
        self.source, self.model = source, source.model
        self.outcome = Outcome(source)
        loader.outcomes.append(self.outcome)
        self._stack = ExitStack()

    def __enter__(self) -> _Job:
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self, stack: ExitStack) -> None:
        self.begun = clock.monotonic()
        model, schema, choices = self.model, self.pipeline.schema, self.choices
        on = choices.upsert(model)
        self.rows = stack.enter_context(closing(self.source.open()))
        self.columns = self._columns(self.rows, on is not None)
        self.refused = self._refused_file()
        stack.callback(self.refused.close)
        names = [*model.fields, *(name for name, many in model.many.items() if many.writable)]
        self.outcome.links = make_links(schema, model, names, choices.policy)
        deferred = any(link.own and not link.soft for link in self.outcome.links)
        self.writer = Writer(self.pipeline, model, on, deferred, self.outcome.counts)

    def _columns(self, rows: Rows, partial: bool) -> Columns:
        try:
            return Columns(
                self.pipeline.schema,
                self.model,
                self.pipeline.validators[self.model.name],
                self.choices.reading,
                self.choices.mapped(self.source),
                rows.header,
                partial,
            )
        except LoadError as error:
            raise self._in_file(error) from None

    def _in_file(self, error: LoadError) -> LoadError:
        return LoadError(f"{self.source.file}: {error}")

    def _refused_file(self) -> Refused:
        several = len(self.loader.sources) > 1
        rows, source = self.rows, self.source
        path = refused_path(self.choices.refused, source.name, rows.format, several, source.path)
        return Refused(path, rows.format, rows.header, getattr(rows, "delimiter", ","))

    async def run(self, session: Session) -> None:
        """All of the file within a transaction."""
        self._own_keys(lambda link: link.known.update)
        resolver = Resolver(self.pipeline, session)
        pending: asyncio.Task[None] | None = None
        try:
            for chunk in self.rows.chunks(AT_ONCE):
                batches = self._read(chunk)
                if pending is not None:
                    await pending
                pending = asyncio.create_task(self._write(session, resolver, batches))
                await asyncio.sleep(0)
            if pending is not None:
                await pending
        finally:
            if pending is not None:
                pending.cancel()
        self._tell()
        wanted = self.source.counted
        if wanted is not None and wanted != self.outcome.read:
            raise self._in_file(
                LoadError(f"it has {self.outcome.read:,} records of {wanted:,}: it isn't whole")
            )
        self.tell_time()

    async def run_on(self, name: str) -> None:
        """The file in batches, each for good; what an earlier run did is passed over."""
        store = self.pipeline.store
        progresses = store.progresses
        name = f"{name or self.source.file}/{self.source.name}"
        done = await store.run(lambda: progresses.read(name))
        before = done.rows if done is not None else 0
        if done is not None:
            self.refused.go_on(done.counts.get("refused_bytes", 0))
        self._own_keys(lambda link: link.later.update)
        digest = hashlib.blake2b(digest_size=16)
        for chunk in self.rows.chunks(AT_ONCE):
            known, fresh = _split(chunk, before - self.outcome.read)
            digest.update(_bytes(known))
            self.outcome.read += len(known)
            if known and self.outcome.read == before:
                self._same(done, digest.hexdigest())
            if not fresh:
                continue
            digest.update(_bytes(fresh))
            if not await self._stored(progresses, name, digest.hexdigest(), fresh):
                break
        if self.outcome.read < before:
            raise self._in_file(LoadError(f"it has fewer rows than the {before:,} loaded before"))
        self.outcome.before = before
        self.tell_time()
        await self.finish()

    def _same(self, done: Progress, digest: str) -> None:
        if done.digest != digest:
            raise self._in_file(
                LoadError(
                    f"its first {done.rows:,} rows aren't those that were loaded before under this "
                    "name: is it the same file? Another load has another --resume=NAME"
                )
            )

    async def _stored(
        self, progresses: KeptProgress, name: str, digest: str, chunk: list[Line]
    ) -> bool:
        """Whether the rows are stored for good, with how far the load has come."""
        refused, counts = self.outcome.refused, self.outcome.counts.copy()
        try:
            async with self.pipeline.store.transaction(patient=True) as session:
                batches = self._read(chunk)
                for batch in batches:
                    self._note_keys(batch, lambda link: link.there)
                await self._write(session, Resolver(self.pipeline, session), batches)
                if self.outcome.refused > refused and not self.choices.skip_bad:
                    raise _GivenUp
                told = {**self.outcome.counts.as_dict(), "refused_bytes": self.refused.size()}
                state = Progress(name, self.outcome.read, digest, told, clock.now())
                await session.run(lambda: progresses.keep(state))
        except _GivenUp:
            self.outcome.counts = self.writer.counts = counts
            self.outcome.read -= len(chunk)
            self.outcome.failure = (
                f"stopped after {self.outcome.read:,} rows, which are stored: mend the refused "
                "ones and run the same command again, or add --skip-bad"
            )
            self.refused.discard()
            return False
        except StoreError as error:
            if self.leaves_dangling(error):
                raise self._in_file(LoadError(DANGLING)) from error
            raise store_fault(error) from error
        return True

    def leaves_dangling(self, error: StoreError) -> bool:
        """Whether rows were to be stored that refer to some of the file which were refused."""
        own = any(link.own and not link.soft for link in self.outcome.links)
        refused = isinstance(error, ReferenceViolation) or type(error) is StoreError
        return own and refused and self.outcome.refused > 0

    def _own_keys(self, take: Takes) -> None:
        """A record may refer to one that comes later in the same file: the keys are read first."""
        own = [link for link in self.outcome.links if link.own]
        if not own or not set(self.model.key) <= self._told():
            return
        with closing(self.source.open()) as rows:
            columns = self._columns(rows, True)
            for chunk in rows.chunks(AT_ONCE):
                for batch in columns.read(chunk)[0]:
                    self._note_keys(batch, take)

    def _note_keys(self, batch: Batch, take: Takes) -> None:
        """Takes down the keys of the rows, for the links that lead to the file's own records."""
        if not set(self.model.key) <= set(batch.names):
            return
        keys = [batch.column(name) for name in self.model.key]
        for link in self.outcome.links:
            if link.own:
                take(link)(keys[0] if len(keys) == 1 else zip(*keys, strict=True))

    def _told(self) -> set[str | None]:
        """The fields that the file names, as far as it tells them first."""
        if self.rows.header is None:
            return set(self.model.key)
        return {self.columns.field_of(name) for name in self.rows.header}

    def _read(self, chunk: list[Line]) -> list[Any]:
        try:
            batches, problems = self.columns.read(chunk)
        except LoadError as error:
            raise self._in_file(error) from None
        self._reject([(chunk[place], reason) for place, reason in sorted(problems.items())])
        self.outcome.read += len(chunk)
        self.outcome.unknown = list(self.columns.passed)
        return batches

    async def _write(self, session: Session, resolver: Resolver, batches: list[Any]) -> None:
        for batch in batches:
            for link in self.outcome.links:
                if batch.lines:
                    refused = await resolver.resolve(link, batch)
                    self._reject([(batch.lines[p], why) for p, why in refused.items()])
                    batch = batch.without(refused)
            if batch.lines:
                self._reject(await self.writer.write(session, batch))
        self._tell()

    def _tell(self) -> None:
        source = self.rows.source
        self.loader.told(self.source, source.position(), source.size, self.outcome.read)

    def _reject(self, rows: list[tuple[Line, str]]) -> None:
        self.outcome.refused += len(rows)
        for (number, _), reason in rows[: TOLD - len(self.outcome.reasons)]:
            self.outcome.reasons.append(f"line {number}: {reason}")
        if self.choices.skip_bad and rows:
            self.refused.add(rows)
            self.outcome.refused_in = self.refused.path

    def tell_time(self) -> None:
        """How long this file has taken up to now."""
        self.outcome.seconds = clock.monotonic() - self.begun

    async def finish(self) -> None:
        if not self.outcome.failure or self.choices.resume is not None:
            for draft in self.writer.drafts:
                await run_after(self.pipeline, draft, SYSTEM)


def _bytes(lines: list[Line]) -> bytes:
    """The rows as a digest is made of them, however they are cut into chunks."""
    return "".join([f"{row!r}\n" for _, row in lines]).encode("utf-8", "surrogatepass")


def _split(chunk: list[Line], known: int) -> tuple[list[Line], list[Line]]:
    known = max(known, 0)
    return chunk[:known], chunk[known:]
