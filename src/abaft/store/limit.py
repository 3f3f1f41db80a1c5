"""A time limit for what is done one after the other, by one timer for all of it.

A timer for each statement, which is cancelled each time, is a good part of a read's cost.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Limit:
    """`async with asyncio.timeout(seconds)`, again and again: `with limit: …`.

    It is of one task at a time, and isn't entered twice. Without `seconds` there is none.
    """

    __slots__ = ("_asked", "_late", "_task", "_timer", "_until", "seconds")

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._until: float | None = None
        self._task: asyncio.Task[object] | None = None
        self._asked = 0
        self._late = False
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        if self.seconds is None:
            return
        loop = asyncio.get_running_loop()
        self._until = loop.time() + self.seconds
        self._task = task = asyncio.current_task()
        assert task is not None
        self._asked = task.cancelling()
        if self._timer is None:
            self._timer = loop.call_at(self._until, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._until is None:
            return
        if loop.time() < self._until:
            self._timer = loop.call_at(self._until, self._look, loop)
            return
        assert self._task is not None
        self._late = True
        self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        task, self._task, self._until = self._task, None, None
        if not self._late or task is None:
            return
        self._late = False
        # Who is cancelled by others as well isn't told of the time.
        if task.uncancel() <= self._asked and kind is asyncio.CancelledError:
            raise TimeoutError from error
