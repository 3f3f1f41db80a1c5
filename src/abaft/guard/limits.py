"""A rate limit in the worker's memory: a fixed window of one minute an address."""

from __future__ import annotations

from abaft.base import clock


class RateLimit:
    """Counts requests by address; `retry_after` is 0 while there is room."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._window = 0
        self._counts: dict[str, int] = {}

    def retry_after(self, address: str) -> int:
        """Seconds until the address may come again; 0: this request is within the limit."""
        seconds = clock.unix_ms() // 1000
        window = seconds // 60
        if window != self._window:
            # All counts end with their minute, so memory is bounded by one minute's addresses.
            self._window, self._counts = window, {}
        count = self._counts.get(address, 0) + 1
        self._counts[address] = count
        return 0 if count <= self.per_minute else 60 - seconds % 60
