"""The one thread that writes to SQLite: what has queued up shares one durable commit."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import apsw

from abaft.base import clock
from abaft.store.base import (
    Busy,
    CheckViolation,
    ReferenceViolation,
    StoreError,
    UniqueViolation,
    Unknown,
)
from abaft.store.turns import LATE

Work = Callable[[apsw.Connection], Any]
MOST = 512


@dataclass(slots=True, eq=False)
class Job:
    """Work for the writer, and where its outcome goes. `alone`: in a transaction of its own.

    What has not begun by `until` is refused: whoever asked has mostly given up by then.
    """

    work: Work
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    alone: bool = False
    until: float = inf


class Writer(threading.Thread):
    """Takes jobs in order; each is whole or not at all, and is answered once it is durable.

    `settle` is what each transaction ends with.
    """

    def __init__(self, connection: apsw.Connection, settle: Work) -> None:
        super().__init__(name="abaft-sqlite-writer", daemon=True)
        self._connection = connection
        self._settle = settle
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def submit(self, work: Work, *, alone: bool = False, until: float = inf) -> asyncio.Future[Any]:
        """The future of the work's result; StoreErrors and bugs come as they were raised."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._queue.put(Job(work, future, loop, alone, until))
        return future

    def stop(self) -> None:
        """Ends the thread after what is already queued."""
        self._queue.put(None)
        self.join()

    def run(self) -> None:
        held: Job | None = None
        while (job := held or self._queue.get()) is not None:
            held = None
            batch = [job]
            while not job.alone and len(batch) < MOST:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None or following.alone:
                    held = following
                    if following is None:
                        self._finish(batch)
                        return
                    break
                batch.append(following)
            self._finish(batch)

    def _finish(self, batch: list[Job]) -> None:
        now = clock.monotonic()
        late = [job for job in batch if job.until < now]
        if late:
            self._settle_all(late, [Busy(LATE)] * len(late))
            batch = [job for job in batch if job.until >= now]
        if batch:
            self._settle_all(batch, self._together(batch))

    def _settle_all(self, batch: list[Job], outcomes: list[Any]) -> None:
        for loop in {job.loop for job in batch}:
            try:
                loop.call_soon_threadsafe(_deliver, loop, batch, outcomes)
            except RuntimeError:
                continue  # that loop is closed: nobody waits any more

    def _together(self, batch: list[Job]) -> list[Any]:
        """The outcomes of one transaction; if it breaks, of one for each."""
        try:
            return self._transaction(batch)
        except Exception as error:
            if len(batch) == 1:
                return [_translate(error)]
        outcomes: list[Any] = []
        for job in batch:
            try:
                outcomes += self._transaction([job])
            except Exception as error:
                outcomes.append(_translate(error))
        return outcomes

    def _transaction(self, batch: list[Job]) -> list[Any]:
        connection = self._connection
        connection.execute("begin immediate")
        try:
            outcomes = [self._one(job, len(batch) == 1) for job in batch]
            self._settle(connection)
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise
        try:
            connection.execute("commit")
        except Exception as error:
            if connection.in_transaction:
                connection.execute("rollback")
            if isinstance(error, (apsw.BusyError, apsw.ConstraintError)):
                raise
            # The log may hold the commit although its fsync failed.
            raise Unknown(f"the commit failed: {error}") from error
        return outcomes

    def _one(self, job: Job, single: bool) -> Any:
        connection = self._connection
        before = connection.total_changes()
        try:
            return job.work(connection)
        except Exception as error:
            # A statement that fails undoes itself; what a job did before it must go as well.
            clean = connection.in_transaction and connection.total_changes() == before
            if single or not clean:
                raise
            return _translate(error)


def _deliver(loop: asyncio.AbstractEventLoop, batch: list[Job], outcomes: list[Any]) -> None:
    for job, outcome in zip(batch, outcomes, strict=True):
        if job.loop is not loop or job.future.done():
            continue  # the request was given up: the write stands all the same
        if isinstance(outcome, BaseException):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)


def _translate(error: BaseException) -> BaseException:
    """SQLite's error as one of the store's."""
    text = str(error)
    match error:
        case StoreError():
            return error
        case apsw.ConstraintError() if "UNIQUE" in text or "PRIMARY KEY" in text:
            named = text.partition("failed: ")[2]
            if named.startswith("index "):
                return UniqueViolation((named.removeprefix("index ").strip("'"),))
            return UniqueViolation(tuple(part.rpartition(".")[2] for part in named.split(", ")))
        case apsw.ConstraintError() if "FOREIGN KEY" in text:
            return ReferenceViolation()
        case apsw.ConstraintError() if "CHECK" in text:
            return CheckViolation(text.partition("failed: ")[2])
        case apsw.ConstraintError():
            return CheckViolation(text)  # what a table or a trigger of others holds to
        case apsw.BusyError() | apsw.LockedError():
            return Busy(text)
        case apsw.FullError() | apsw.IOError() | apsw.CantOpenError() | apsw.ReadOnlyError():
            return Busy(f"the database can't be written to: {text}")
    return error


def refusal(error: apsw.ConstraintError) -> StoreError:
    """What SQLite holds against a record, as one of the store's errors."""
    translated = _translate(error)
    return translated if isinstance(translated, StoreError) else StoreError(str(error))


class Exclusive:
    """A transaction that a task holds open: its steps run on the writer thread, one by one."""

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._steps: queue.SimpleQueue[tuple[Work | None, asyncio.Future[Any] | None]]
        self._steps = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._ended = False
        self.begun: asyncio.Future[None] = self._loop.create_future()

    def work(self, connection: apsw.Connection) -> None:
        """The job itself: serves steps until the end; raises to roll back."""
        self._loop.call_soon_threadsafe(_settle, self.begun, None)
        try:
            self._serve(connection)
        finally:
            self._ended = True
            self._refuse_rest()

    def _refuse_rest(self) -> None:
        """Answers steps that came after the end, so that nobody waits for ever."""
        while True:
            try:
                _, future = self._steps.get_nowait()
            except queue.Empty:
                return
            if future is not None:
                self._loop.call_soon_threadsafe(_settle, future, Busy("the transaction has ended"))

    def _serve(self, connection: apsw.Connection) -> None:
        while True:
            try:
                step, future = self._steps.get(timeout=self._deadline)
            except queue.Empty:
                raise Busy(f"the transaction was idle for {self._deadline} s") from None
            if step is None:
                if future is None:
                    return
                raise _RolledBack
            assert future is not None
            try:
                outcome = _attempt(step, connection)
            except Exception as error:
                failed = Busy(f"the transaction is undone: {error}")
                self._loop.call_soon_threadsafe(_settle, future, failed)
                raise failed from error
            self._loop.call_soon_threadsafe(_settle, future, outcome)

    async def do(self, step: Work) -> Any:
        """Runs a step; a step that fails undoes itself alone."""
        future = self._loop.create_future()
        self._steps.put((step, future))
        if self._ended:
            self._refuse_rest()
        return await future

    def commit(self) -> None:
        self._steps.put((None, None))

    def roll_back(self) -> None:
        mark = self._loop.create_future()
        mark.cancel()  # nobody waits for it
        self._steps.put((None, mark))


class _RolledBack(StoreError):
    """The task gave its transaction up."""


RolledBack = _RolledBack


def _attempt(step: Work, connection: apsw.Connection) -> Any:
    """The outcome of a step that undoes itself alone; raises where it can't."""
    connection.execute("savepoint step")
    try:
        outcome = step(connection)
        connection.execute("release step")
        return outcome
    except Exception as error:
        # A disk that is full may have undone the whole transaction already: this raises then.
        connection.execute("rollback to step")
        connection.execute("release step")
        return _translate(error)


def _settle(future: asyncio.Future[Any], outcome: Any) -> None:
    if future.done():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
