"""The one task of a process that writes: what has queued up shares a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pymongo.errors import PyMongoError

from abaft.base import clock, ids
from abaft.store.base import Busy, Crossed, Lost, StoreError, Unknown
from abaft.store.mongo.faults import Conflicting, Overlooked, translated
from abaft.store.mongo.template import Values
from abaft.store.mongo.unit import Unit
from abaft.store.mongo.write import Write, created

Work = Callable[[Unit], Coroutine[Any, Any, Any]]
MOST = 128
COMPANY = 4
"""Writes that share a commit from which on others are waited for."""
LONGEST = 0.005
"""Seconds that are waited for them at most."""
PAUSE = 0.002
"""Seconds after the first transaction that was in another's way; then twice as long, and so on."""


@dataclass(slots=True, eq=False)
class Job:
    """Work for the writer and where its outcome goes. `alone`: in a transaction of its own.

    `alike` is a write that may be done together with others of its shape, `expected` how many
    records the feed gets of it.
    """

    work: Work
    future: asyncio.Future[Any]
    alone: bool = False
    alike: tuple[Write, Values] | None = None
    expected: int = 0


class RolledBack(StoreError):
    """Who held a transaction gave it up."""


class Writer:
    """Takes jobs in order; each is whole or not at all, and is answered once it is durable."""

    def __init__(self, begin: Callable[[int, bool], Any], seconds: float, idle: float) -> None:
        """`seconds` are for its turn to come, `idle` for the next step of who holds one."""
        self._begin = begin
        self._seconds = seconds
        self._idle = idle
        self._jobs: list[Job] = []
        self._task: asyncio.Task[None] | None = None
        self._wanted = MOST
        self._enough: asyncio.Future[None] | None = None

    async def submit(
        self,
        work: Work,
        *,
        alone: bool = False,
        alike: tuple[Write, Values] | None = None,
        expected: int = 0,
    ) -> Any:
        """The work's result; StoreErrors and bugs come as they were raised."""
        future = self.queue(Job(work, _future(), alone, alike, expected))
        # Who asked may leave: the write stands all the same.
        return await asyncio.shield(future)

    def queue(self, job: Job) -> asyncio.Future[Any]:
        self._jobs.append(job)
        if len(self._jobs) >= self._wanted:
            self._go_on()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return job.future

    async def stop(self) -> None:
        """Finishes what is queued."""
        if self._task is not None:
            await self._task

    async def _drain(self) -> None:
        while self._jobs:
            size = 1
            if not self._jobs[0].alone:
                while size < min(MOST, len(self._jobs)) and not self._jobs[size].alone:
                    size += 1
            batch, self._jobs = self._jobs[:size], self._jobs[size:]
            began = clock.monotonic()
            await self._finish(batch)
            if size >= COMPANY:
                await self._gather(size + len(self._jobs), (clock.monotonic() - began) / 4)

    async def _gather(self, wanted: int, seconds: float) -> None:
        """Waits a little for those who have just been answered: what they bring shares a commit."""
        wanted = min(wanted, MOST)
        if len(self._jobs) >= wanted:
            return
        loop = asyncio.get_running_loop()
        self._wanted, self._enough = wanted, loop.create_future()
        timer = loop.call_later(min(seconds, LONGEST), self._go_on)
        await self._enough
        timer.cancel()

    def _go_on(self) -> None:
        if self._enough is not None and not self._enough.done():
            self._enough.set_result(None)

    async def _finish(self, batch: list[Job]) -> None:
        for job, outcome in zip(batch, await self._outcomes(batch), strict=True):
            if job.future.done():
                continue
            if isinstance(outcome, BaseException):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)

    async def _outcomes(self, batch: list[Job]) -> list[Any]:
        """The outcomes of one transaction; if it breaks, of one for each."""
        try:
            return await self._together(batch)
        except Exception as error:
            if len(batch) == 1:
                return [error]
        outcomes: list[Any] = []
        for job in batch:
            outcomes += await self._outcomes([job])
        return outcomes

    async def _together(self, batch: list[Job]) -> list[Any]:
        until, pause = clock.monotonic() + self._seconds, PAUSE
        careful = batch[0].alone
        while True:
            try:
                return await self._transaction(batch, careful)
            except Overlooked:
                careful = True
                continue
            except Conflicting as error:
                if clock.monotonic() > until or batch[0].future.done():
                    raise Busy(f"others keep writing: {error}") from error
            # Not all at once again.
            await asyncio.sleep(pause * ids.fraction())
            pause = min(pause * 2, 0.2)

    async def _transaction(self, batch: list[Job], careful: bool) -> list[Any]:
        async with self._begin(sum(job.expected for job in batch), careful) as unit:
            outcomes: list[Any] = []
            while len(outcomes) < len(batch):
                rest = batch[len(outcomes) :]
                outcomes += await _several(rest, unit) or [
                    await _one(rest[0], unit, len(batch) == 1)
                ]
            await self._commit(unit)
        return outcomes

    async def _commit(self, unit: Unit) -> None:
        try:
            await unit.commit()
        except PyMongoError as error:
            found = translated(error)
            unknown = error.has_error_label("UnknownTransactionCommitResult")
            if unknown or isinstance(found, Lost):
                # The server may have done it and not been able to say so.
                raise Unknown(f"the commit's outcome isn't known: {error}") from error
            raise found from error

    @asynccontextmanager
    async def exclusive(self, patient: bool) -> AsyncIterator[Held]:
        """A transaction for who asks, step by step; others wait."""
        held = Held(None if patient else self._idle)
        done = self.queue(Job(held.work, _future(), alone=True))
        try:
            await asyncio.wait({done, held.begun}, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            # Who gave it up before its turn holds nobody.
            held.end(False)
            raise
        if not held.begun.done():
            await done  # it couldn't begin
        try:
            yield held
        except BaseException:
            held.end(False)
            await asyncio.wait({done})
            error = done.exception()
            if error is not None and not isinstance(error, RolledBack):
                raise error from None
            raise
        held.end(True)
        await done


def _future() -> asyncio.Future[Any]:
    """For an outcome that nobody may be left to ask for."""
    future = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


async def _several(jobs: list[Job], unit: Unit) -> list[Any] | None:
    """The outcomes of the first jobs, where they are writes of one shape."""
    if jobs[0].alike is None:
        return None
    write = jobs[0].alike[0]
    rows = []
    for job in jobs:
        if job.alike is None or job.alike[0] is not write:
            break
        rows.append(job.alike[1])
    if len(rows) < 2:
        return None
    if write.changing is not None:
        return await write.changing.run(unit, rows)
    return await created(unit, write, rows)


async def _one(job: Job, unit: Unit, single: bool) -> Any:
    """The outcome of one of several; what it did before it failed is undone."""
    mark = unit.mark()
    try:
        return await job.work(unit)
    except (Conflicting, Overlooked):
        raise
    except Exception as error:
        if single:
            raise
        await unit.back(mark)
        return error


class Held:
    """A transaction that a task holds open."""

    def __init__(self, deadline: float | None) -> None:
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[bool] = loop.create_future()
        self._deadline = deadline
        self._touched = asyncio.Event()
        self._broken: StoreError | None = None
        self._unit: Unit | None = None

    async def work(self, unit: Unit) -> None:
        """The job itself: waits for the end; raises to roll back."""
        if self.begun.done():
            # A second try has nobody to do the steps again.
            raise Crossed("another transaction was in the way")
        self._unit = unit
        self.begun.set_result(None)
        while not self._ended.done():
            self._touched.clear()
            touched = asyncio.ensure_future(self._touched.wait())
            waits: set[asyncio.Future[Any]] = {touched, self._ended}
            await asyncio.wait(
                waits,
                timeout=self._deadline,
                return_when=asyncio.FIRST_COMPLETED,
            )
            idle = not touched.done() and not self._ended.done()
            touched.cancel()
            with suppress(asyncio.CancelledError):
                await touched
            if idle:
                self._unit = None
                raise Busy(f"the transaction was idle for {self._deadline} s")
        self._unit = None
        if self._broken is not None:
            raise self._broken
        if not self._ended.result():
            raise RolledBack

    def end(self, commits: bool) -> None:
        if not self._ended.done():
            self._ended.set_result(commits)

    async def do(self, work: Work) -> Any:
        """Runs a step; a step that fails undoes itself alone."""
        self._touched.set()
        unit = self._unit
        if self._broken is not None:
            raise Busy("the transaction is undone") from self._broken
        if unit is None or self._ended.done():
            raise Busy("the transaction has ended")
        mark = unit.mark()
        step = asyncio.ensure_future(work(unit))
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            # Nothing else may be asked of the transaction before the step has come to its end.
            await asyncio.wait({step})
            step.exception()
            raise
        except (Conflicting, Lost) as error:
            crossed = isinstance(error, Conflicting)
            told = f"the transaction is undone: {error}"
            self._broken = Crossed(told) if crossed else Busy(told)
            raise self._broken from error
        except Exception:
            await unit.back(mark)
            raise
        finally:
            self._touched.set()
