"""Statements of one shape that wait together travel together, in one round trip.

A lane belongs to a statement. What waits in it is bound to the one prepared statement and sent as
a pipeline with one Sync, which the server takes for one transaction (PostgreSQL 54.2.3, 54.2.4):
reads share its round trip, writes its commit. Each execution brings its place in the batch along
as one more column, so rows find their way back, and each runs by itself, so their order is the
statement's own.

Batches run on hasty connections, where the server stops what takes or waits long. If any member
fails, all has been undone, and each is run again by itself on a patient connection: a bad
neighbour costs the others moments, and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import asyncpg

from abaft.base import clock
from abaft.store.base import Busy, Item, Row, StoreError
from abaft.store.postgres_errors import (
    CONFLICTS,
    HELD_OFF,
    Columns,
    gone,
    translate,
    translate_write,
)
from abaft.store.postgres_pool import Connection, Pool
from abaft.store.sql.statement import Statement
from abaft.store.turns import LATE

MOST = 64
HASTE = {"statement_timeout": "100", "lock_timeout": "50"}
"""Milliseconds for each statement of a batch."""
_BATCH_SECONDS = 0.008
_SLOW = 0.01
_SLOW_RUNS = 256
_ATTEMPTS = 8
_PAUSE = 0.02

Args = tuple[Any, ...]


@dataclass(slots=True, eq=False)
class Job:
    """Values to run a statement with, and who waits for the rows."""

    args: Args
    until: float
    late: float = inf
    """When it is no longer worth to be begun."""
    futures: list[asyncio.Future[list[Row]]] = field(default_factory=list)
    attempts: int = 0

    def wanted(self) -> bool:
        return not all(future.done() for future in self.futures)

    def settle(self, outcome: list[Row] | Exception) -> None:
        for future in self.futures:
            if future.done():
                continue  # the request was given up
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)


@dataclass(slots=True, eq=False)
class Line:
    """What all lanes of a store share."""

    hasty: Pool
    patient: Pool
    seconds: float
    patience: float
    columns: Columns
    round_trip: float = float("inf")
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self, work: Any) -> None:
        # The loop itself holds tasks weakly.
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def cost(self, elapsed: float, size: int) -> float:
        """Seconds of one execution, without the way there and back: the shortest of late."""
        self.round_trip = min(elapsed, self.round_trip * 1.001)
        return (elapsed - self.round_trip) / size


class Lane:
    """What waits for one statement. `place` is the parameter that carries the ordinal."""

    flights = 2

    def __init__(self, line: Line, sql: str, place: int) -> None:
        self.sql = sql
        self._line = line
        self._place = place
        self._waiting: dict[Any, Job] = {}
        self._starting = 0
        self._flying = 0
        self._cost = 0.0
        self._each = 0.0  # seconds until another of those that wait has had its turn
        self._slow = 0

    def ask(self, args: Args) -> asyncio.Future[list[Row]]:
        """The rows, once they are there; StoreErrors come as the statement's outcome."""
        future: asyncio.Future[list[Row]] = asyncio.get_running_loop().create_future()
        key = self._key(args)
        job = self._waiting.get(key)
        if job is None:
            if len(self._waiting) * self._each > self._line.patience:
                future.set_exception(Busy(LATE))
                return future
            now = clock.monotonic()
            job = Job(args, now + self._line.seconds, now + self._line.patience)
            self._waiting[key] = job
            self._depart()
        job.futures.append(future)
        return future

    def _key(self, args: Args) -> Any:
        raise NotImplementedError

    def _row(self, record: Any) -> Row:
        raise NotImplementedError

    def _ordinal(self, record: Any) -> int:
        raise NotImplementedError

    def _verdict(self, error: Exception) -> Exception:
        raise NotImplementedError

    def _again(self, job: Job, error: Exception) -> bool:
        """Whether a job that failed by itself may be run once more."""
        raise NotImplementedError

    def _depart(self) -> None:
        """Sends for a connection where one may take along what none is under way for yet."""
        slow = self._slow > 0
        size = 1 if slow else MOST
        flights = self._line.patient.size if slow else self.flights
        if self._starting + self._flying < flights and len(self._waiting) > self._starting * size:
            self._starting += 1
            self._line.start(self._carry(slow))

    async def _carry(self, slow: bool) -> None:
        pool = self._line.patient if slow else self._line.hasty
        connection = pool.take()
        if connection is None:
            try:
                connection = await self._connect(pool)
            finally:
                self._starting -= 1
        else:
            self._starting -= 1
        if connection is None:
            return
        self._flying += 1
        try:
            # Only now, so that what came while we waited for the connection comes along.
            await self._fly(connection, self._board(slow), slow)
        finally:
            self._flying -= 1
            pool.release(connection)
            self._depart()

    async def _connect(self, pool: Pool) -> Connection | None:
        if not self._waiting:
            return None
        until = min(job.until for job in self._waiting.values())
        try:
            return await pool.acquire(until)
        except StoreError as error:
            now = clock.monotonic()
            late = [key for key, job in self._waiting.items() if job.until <= now]
            for key in late or [*self._waiting]:
                self._waiting.pop(key).settle(error)
            asyncio.get_running_loop().call_soon(self._depart)
            return None

    def _board(self, slow: bool) -> list[Job]:
        size = 1 if slow else self._size()
        jobs: list[Job] = []
        now = clock.monotonic()
        while self._waiting and len(jobs) < size:
            job = self._waiting.pop(next(iter(self._waiting)))
            if job.late < now:
                job.settle(Busy(LATE))
            elif job.wanted():
                jobs.append(job)
        return jobs

    def _size(self) -> int:
        return max(1, min(MOST, int(_BATCH_SECONDS / (self._cost or 1e-9))))

    async def _fly(self, connection: Connection, jobs: list[Job], slow: bool) -> None:
        if not jobs:
            return
        started = clock.monotonic()
        try:
            outcomes = await self._execute(connection, jobs)
        except Exception as error:
            self._failed(connection, jobs, error, slow)
            return
        for job, rows in zip(jobs, outcomes, strict=True):
            job.settle(rows)
        self._learn(clock.monotonic() - started, len(jobs))

    async def _execute(self, connection: Connection, jobs: list[Job]) -> list[list[Row]]:
        place = self._place
        many = [(*job.args[:place], i, *job.args[place + 1 :]) for i, job in enumerate(jobs)]
        # The server has its own limit: this one is for when it isn't there to keep it.
        records = await connection.fetchmany(self.sql, many, timeout=self._line.seconds + 1)
        outcomes: list[list[Row]] = [[] for _ in jobs]
        for record in records:
            outcomes[self._ordinal(record)].append(self._row(record))
        return outcomes

    def _learn(self, elapsed: float, size: int) -> None:
        """What takes long by itself gains nothing from company; and it may be quick again."""
        self._cost += (self._line.cost(elapsed, size) - self._cost) / 8
        self._each += (elapsed / (size * max(1, self._flying)) - self._each) / 8
        if self._slow:
            self._slow -= 1
            if not self._slow:
                self._cost = 0.0
        elif self._cost > _SLOW:
            self._slow = _SLOW_RUNS

    def _failed(
        self, connection: Connection, jobs: list[Job], error: Exception, slow: bool
    ) -> None:
        if gone(error):
            connection.terminate()
        if isinstance(error, asyncpg.QueryCanceledError) and not slow:
            self._slow = _SLOW_RUNS
        hasty = isinstance(error, HELD_OFF) and not slow
        for job in jobs:
            if self._alone(error, len(jobs)) or hasty or self._again(job, error):
                self._line.start(self._by_itself(job))
            else:
                job.settle(self._verdict(error))

    def _alone(self, error: Exception, size: int) -> bool:
        """Whether the members of a batch that failed may be run again."""
        return size > 1 and not gone(error)

    async def _by_itself(self, job: Job) -> None:
        while True:
            try:
                connection = await self._line.patient.acquire(job.until)
            except StoreError as error:
                job.settle(error)
                return
            try:
                job.settle(await self._single(connection, job))
                return
            except Exception as error:
                if gone(error):
                    connection.terminate()
                if not self._again(job, error):
                    job.settle(self._verdict(error))
                    return
            finally:
                self._line.patient.release(connection)
            await asyncio.sleep(_PAUSE * job.attempts)

    async def _single(self, connection: Connection, job: Job) -> list[Row]:
        return (await self._execute(connection, [job]))[0]


class ReadLane(Lane):
    """Reads: those that are the same and not yet sent are asked once."""

    def _key(self, args: Args) -> Any:
        try:
            hash(args)
        except TypeError:
            return tuple(tuple(arg) if isinstance(arg, list) else arg for arg in args)
        return args

    def _ordinal(self, record: Any) -> int:
        return int(record[0])

    def _row(self, record: Any) -> Row:
        row: Row = record[1:]
        return row

    def _verdict(self, error: Exception) -> Exception:
        return translate(error, self._line.columns)

    def _again(self, job: Job, error: Exception) -> bool:
        # Not for ever: it may be this very read that brings the server down.
        job.attempts += 1
        return gone(error) and job.attempts < _ATTEMPTS and clock.monotonic() < job.until


def runs(items: Sequence[Item]) -> Iterator[range]:
    """The places of neighbours that can travel together: writes of one shape, none for another."""
    start = 0
    for place, item in enumerate(items):
        first = items[start]
        alone = item.reads or item.compiled.program is not None
        if alone or item.compiled is not first.compiled or item.needs >= start:
            if start < place:
                yield range(start, place)
            start = place
    if items:
        yield range(start, len(items))


class WriteLane(Lane):
    """Writes share a commit, one batch at a time, in the order of their keys against deadlocks."""

    flights = 1

    def __init__(self, line: Line, sql: str, place: int, keys: Sequence[int]) -> None:
        super().__init__(line, sql, place)
        self._keys = keys

    async def together(self, connection: Connection, many: Sequence[Args]) -> list[Row | None]:
        """The row of each, in one round trip of a transaction that is under way."""
        found = await self._execute(connection, [Job(args, 0) for args in many])
        return [rows[0] if rows else None for rows in found]

    def _key(self, args: Args) -> Any:
        return object()

    def _ordinal(self, record: Any) -> int:
        return int(record[-1])

    def _row(self, record: Any) -> Row:
        row: Row = record[:-1]
        return row

    def _board(self, slow: bool) -> list[Job]:
        jobs = super()._board(slow)
        keys = self._keys
        jobs.sort(key=lambda job: [job.args[place] for place in keys])
        return jobs

    def _size(self) -> int:
        # What a write takes is mostly its commit, which is shared.
        return MOST

    def _verdict(self, error: Exception) -> Exception:
        return translate_write(error, self._line.columns)

    def _again(self, job: Job, error: Exception) -> bool:
        job.attempts += 1
        return isinstance(error, CONFLICTS) and clock.monotonic() < job.until


def read_lane(line: Line, statement: Statement, limit: tuple[int, int] | None = None) -> ReadLane:
    """The lane of a read. With `limit`, (place, value), that parameter becomes part of the text:

    for a limit that it doesn't know the planner assumes a tenth of the table, and so plans each
    execution anew. The place that it leaves is the ordinal's.
    """
    sql, place = statement.sql, len(statement.binds)
    if limit is not None:
        place, value = limit
        sql = _replaced(sql, f"LIMIT ${place + 1}::BIGINT", f"LIMIT {value}")
    sql = _replaced(sql, "SELECT ", f"SELECT ${place + 1}::INTEGER AS o, ")
    return ReadLane(line, sql, place)


def write_lane(line: Line, statement: Statement) -> WriteLane:
    """The lane of a write with its change record."""
    place = len(statement.binds)
    end = " \nFROM w"
    assert statement.sql.endswith(end)
    sql = f"{statement.sql.removesuffix(end)}, ${place + 1}::INTEGER AS o{end}"
    names = [bind.name or "" for bind in statement.binds]
    keys = [i for i, name in enumerate(names) if name.startswith("key.")]
    return WriteLane(line, sql, place, keys)


def _replaced(sql: str, old: str, new: str) -> str:
    assert old in sql
    return sql.replace(old, new, 1)
