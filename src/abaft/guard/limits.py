"""How many requests a minute: by address, account, key and route, each in windows of a minute.

A worker counts in its memory. Where counts are shared it takes hits from the store in small lots,
the fewer the fewer are left, so that most requests ask nobody and no limit is ever passed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from abaft.base import clock
from abaft.base.errors import SettingError, TooManyRequests
from abaft.base.extras import needs

Subject = tuple[str, str]
"""What is counted: a kind, and whose count."""

_LOT = 100
"""Of what is left, the part that a worker takes at once is one in so many."""
_AGAIN = 5_000
"""Milliseconds for which a store that failed isn't asked."""


@dataclass(slots=True)
class Lot:
    """What a worker may still let through, and what was left for all beside that."""

    own: int
    rest: int


class Window:
    """The counts of this minute; `take` tells how many are left, below 0: it was one too many."""

    def __init__(self, store: Any, failed: Callable[[Exception], None]) -> None:
        self._store, self._failed = store, failed
        self._number = 0
        self._counts: dict[Subject, int] = {}
        self._lots: dict[Subject, Lot] = {}
        self._silent_until = 0
        self.seconds = 60
        """Until all counts begin again, when last one was taken."""

    def _turn(self) -> None:
        number, over = divmod(clock.unix_ms(), 60_000)
        self.seconds = 60 - over // 1000
        if number != self._number:
            # All counts end with their minute, so memory is bounded by one minute's subjects.
            self._number, self._counts, self._lots = number, {}, {}

    def take(self, subject: Subject, most: int) -> int | None:
        """One request, by what this worker knows; None: the store has to be asked."""
        self._turn()
        if self._store is None:
            return self._count(subject, most)
        lot = self._lots.get(subject)
        if lot is None:
            return None
        if not lot.own:
            return None if lot.rest else -1
        lot.own -= 1
        return lot.own + lot.rest

    def _count(self, subject: Subject, most: int) -> int:
        count = self._counts.get(subject, 0) + 1
        self._counts[subject] = count
        return most - count

    async def ask(self, subject: Subject, most: int) -> int:
        """One request, with a new lot. By this worker's own count while the store is away."""
        store, now = self._store, clock.unix_ms()
        if store is None or now < self._silent_until:
            return self._count(subject, most)
        before = self._lots.get(subject)
        wanted = max(1, (most if before is None else before.rest) // _LOT)
        number = self._number
        key = f"abaft:{number}:{subject[0]}:{subject[1]}"
        try:
            count = await store.incr(key, 60, amount=wanted)
        except Exception as error:  # whatever a driver raises: requests go on without it
            self._silent_until = now + _AGAIN
            self._failed(error)
            return self._count(subject, most)
        rest = max(0, most - int(count))
        if number != self._number:
            return rest
        granted = max(0, wanted - max(0, int(count) - most))
        return self._granted(subject, granted, rest)

    def _granted(self, subject: Subject, granted: int, rest: int) -> int:
        lot = self._lots.setdefault(subject, Lot(0, rest))
        lot.own, lot.rest = lot.own + granted, rest
        if not lot.own:
            return -1
        lot.own -= 1
        return lot.own + lot.rest

    async def close(self) -> None:
        """Lets the connections to the store go."""
        if self._store is not None:
            await self._store.bridge.storage.aclose()


class Quota:
    """One kind of limit, such as that of addresses."""

    def __init__(self, name: str, most: int, window: Window) -> None:
        self.name, self.most, self._window = name, most, window
        self._policy = (b"ratelimit-policy", f'"{name}";q={most};w=60'.encode())
        self._told = f'"{name}";r='.replace("%", "%%").encode() + b"%d;t=%d"

    async def spend(self, whose: str) -> list[tuple[bytes, bytes]]:
        """Counts one request: the headers that tell of it. Raises TooManyRequests."""
        subject = (self.name, whose)
        left = self._window.take(subject, self.most)
        if left is None:
            left = await self._window.ask(subject, self.most)
        if left < 0:
            raise self._refusal()
        return [self._policy, (b"ratelimit", self._told % (left, self._window.seconds))]

    def _refusal(self) -> TooManyRequests:
        detail = f"{_WHOSE.get(self.name, 'a client may send this')} {self.most} times a minute"
        headers = {
            "retry-after": str(self._window.seconds),
            "ratelimit-policy": self._policy[1].decode(),
            "ratelimit": (self._told % (0, self._window.seconds)).decode(),
        }
        return TooManyRequests(detail, headers=headers)


_WHOSE = {
    "address": "an address may ask",
    "account": "an account may ask",
    "key": "a key may ask",
}


def open_store(uri: str) -> Any:
    """The store of counts that workers share; None for memory, which each has for itself."""
    if uri.startswith("memory:"):
        return None
    with needs("redis"):
        import redis  # noqa: F401 - else it is told only by the first request
        from limits.storage import storage_from_string

    patience = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    try:
        return storage_from_string(f"async+{uri}", implementation="redispy", **patience)
    except Exception:  # its message has the URI, and with it a password
        raise SettingError(
            "throttle_storage can't be read: write memory:// or redis://:PASSWORD@HOST:6379"
        ) from None
