"""How long requests wait for their turn at the database: not in vain, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from abaft.base import clock
from abaft.store.base import Busy

LATE = "too many wait for their turn"


class Turns:
    """Those that wait for one of so many servers. Busy where one waits for over `patience`."""

    def __init__(self, servers: int, patience: float) -> None:
        self._servers = servers
        self._patience = patience or inf
        self._inside = 0
        self._cost = 0.0

    def until(self) -> float:
        """By when what is asked for now must have begun."""
        return clock.monotonic() + self._patience

    @contextmanager
    def wait(self) -> Iterator[float]:
        """A place in the line, and by when its turn must come; none where that is past hope."""
        if (self._inside - self._servers) * self._cost > self._patience * self._servers:
            raise Busy(LATE)
        self._inside += 1
        try:
            yield self.until()
        finally:
            self._inside -= 1

    def begin(self, until: float) -> float:
        """Now. Busy where that is too late: whoever asked has mostly given up."""
        now = clock.monotonic()
        if now > until:
            raise Busy(LATE)
        return now

    def learn(self, seconds: float) -> None:
        """What one turn took, of late."""
        self._cost += (seconds - self._cost) / 8
