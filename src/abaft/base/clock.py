"""The one source of time, so that tests can replace it."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The current time: aware, UTC, microseconds."""
    return datetime.now(UTC)


def unix_ms() -> int:
    """Milliseconds since 1970-01-01T00:00:00Z."""
    return time.time_ns() // 1_000_000


# These are asked several times a request: the clocks themselves, without a call around them.
monotonic = time.monotonic
"""Seconds on a clock that never goes back; for deadlines."""
work = time.thread_time
"""Seconds that this thread has worked, not counting what it waited."""
ticks = time.perf_counter_ns
"""Nanoseconds of the finest clock; for timing the stages of a request."""
