"""How many requests a worker has in progress, and what is told of those that it turns away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from abaft.base.errors import Unavailable

TELL_EVERY = 1.0
"""Seconds between two events: a line in the log for each refusal would cost more than it."""
STATE = "abaft.admission"
"""Where the lifespan's state has it, for servers of our own."""


def overloaded() -> Unavailable:
    """What one request too many is answered with."""
    return Unavailable("too many requests are in progress", code="overloaded")


class Admission:
    """Counts requests. `tell` hears, now and then, how many are in progress and were refused."""

    def __init__(self, limit: int, tell: Callable[[int, int], None]) -> None:
        self.limit = limit
        self.in_progress = 0
        self._arrived = 0
        self._refused = 0
        self._tell = tell
        self._telling = False

    @property
    def full(self) -> bool:
        """Whether one more is too many."""
        return self.in_progress + self._arrived >= self.limit

    def arrive(self) -> None:
        """A request was read, and the task that answers it begins once all that came are read."""
        if not self._arrived:
            asyncio.get_running_loop().call_soon(self._begun)
        self._arrived += 1

    def _begun(self) -> None:
        self._arrived = 0

    def refuse(self) -> None:
        """Takes note of a refusal."""
        self._refused += 1
        if not self._telling:
            self._telling = True
            self._report()

    def _report(self) -> None:
        if self._refused:
            self._tell(self.in_progress, self._refused)
            self._refused = 0
            asyncio.get_running_loop().call_later(TELL_EVERY, self._report)
        else:
            self._telling = False
