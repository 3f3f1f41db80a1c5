"""Writes that wait together share a commit, in one round trip.

While one write is under way others gather; they go next, as one transaction that waits for no lock.
If one of them fails, all has been undone, and each is run again by itself: a bad neighbour costs
the others moments, and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from abaft.base import clock
from abaft.store.base import Busy, Lost, Row, Unknown, Values
from abaft.store.sql.write import WriteStatement

MOST = 32
_LONG = 0.05
"""Seconds after which what is under way keeps nobody waiting any more."""
_SLOW, _SLOW_RUNS = 0.01, 64
"""What takes so many seconds goes by itself, so many times."""


@dataclass(slots=True, eq=False)
class Job:
    """A write, and who waits for its row."""

    compiled: WriteStatement
    values: Values
    future: asyncio.Future[Row | None]


Together = Callable[[list[Job]], Awaitable[list[Row | None]]]
Alone = Callable[[WriteStatement, Values], Awaitable[Row | None]]


class Lane:
    """What waits to be written.

    `together` does all or nothing, and `alone` takes the time that one takes.
    """

    def __init__(self, together: Together, alone: Alone) -> None:
        self._together = together
        self._alone = alone
        self._waiting: list[Job] = []
        self._flight: object | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._slow: dict[WriteStatement, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, compiled: WriteStatement, values: Values) -> Row | None:
        """The row of a write."""
        if self._slow and self._is_slow(compiled):
            return await self._alone(compiled, values)
        if self._flight is not None:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(Job(compiled, values, future))
            row: Row | None = await future
            return row
        flight = self._take_off()
        try:
            return await self._alone(compiled, values)
        finally:
            self._land(flight)

    def _is_slow(self, compiled: WriteStatement) -> bool:
        left = self._slow.pop(compiled, 0)
        if left > 1:
            self._slow[compiled] = left - 1
        return left > 0

    def _take_off(self) -> object:
        self._flight = flight = object()
        self._timer = asyncio.get_running_loop().call_later(_LONG, self._land, flight)
        return flight

    def _land(self, flight: object) -> None:
        """The next may go, unless they did so already."""
        if self._flight is not flight:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._flight = None
        jobs = [job for job in self._waiting[:MOST] if not job.future.done()]
        del self._waiting[:MOST]
        if jobs:
            self._start(self._carry(self._take_off(), jobs))

    def _start(self, work: Any) -> None:
        # The loop itself holds tasks weakly.
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, flight: object, jobs: list[Job]) -> None:
        started = clock.monotonic()
        try:
            rows = await self._together(jobs)
        except (Busy, Lost, Unknown) as error:
            for job in jobs:
                _settle(job, error)
        except Exception:
            for job in jobs:
                self._start(self._by_itself(job))
        else:
            for job, row in zip(jobs, rows, strict=True):
                _settle(job, row)
            if (clock.monotonic() - started) / len(jobs) > _SLOW:
                self._slow |= dict.fromkeys((job.compiled for job in jobs), _SLOW_RUNS)
        finally:
            self._land(flight)

    async def _by_itself(self, job: Job) -> None:
        try:
            _settle(job, await self._alone(job.compiled, job.values))
        except Exception as error:
            _settle(job, error)


def _settle(job: Job, outcome: Row | Exception | None) -> None:
    if job.future.done():
        return  # the request was given up
    if isinstance(outcome, Exception):
        job.future.set_exception(outcome)
    else:
        job.future.set_result(outcome)
