"""Failed tries are counted by account and by address; who has too many waits, ever longer."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from math import ceil

from limits import RateLimitItem, parse_many
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from abaft.base import clock
from abaft.base.errors import Fault, TooManyRequests, Unavailable
from abaft.guard.limits import open_store

LIMITS = {
    "account": "5 per 1 minute; 10 per 15 minute; 30 per 6 hour",
    "device": "5 per 1 minute; 10 per 15 minute; 30 per 6 hour",
    "address": "10 per 1 minute; 60 per 1 hour; 300 per 1 day",
    "mailbox": "3 per 10 minute; 10 per 1 day",
    "mails": "10 per 10 minute; 60 per 1 day",
    "challenge": "60 per 10 minute; 600 per 1 day",
}
"""How many fail before one waits: each further limit is a longer wait."""

Subject = tuple[str, str]
"""What is counted: a row of the table, and whose count."""


class Throttle:
    """Counts what fails; `storage` is a URI of the library `limits`."""

    def __init__(self, storage: str) -> None:
        self._store = open_store(storage)
        store = self._store or storage_from_string("async+memory://")
        self._strategy = MovingWindowRateLimiter(store)
        self._limits = {name: parse_many(text) for name, text in LIMITS.items()}
        self._trying: Counter[Subject] = Counter()

    @asynccontextmanager
    async def trying(self, *subjects: Subject) -> AsyncIterator[None]:
        """A try: it counts where it ends in a fault. Raises TooManyRequests for one too many.

        Those under way count as well, so that many at once gain nothing; but not for an address,
        behind which a whole office may be logging in.
        """
        for subject in subjects:
            await self.check(subject)
        mine = [subject for subject in subjects if subject[0] != "address"]
        self._trying.update(mine)
        try:
            yield
        except Fault as fault:
            if fault.status < 500:
                await self.count(*subjects)
            raise
        finally:
            self._trying.subtract(mine)
            self._trying += Counter()

    async def count(self, *subjects: Subject) -> None:
        """One that failed, or one of which there may be only so many."""
        with _counting():
            for subject in subjects:
                for limit, name in self._each(subject):
                    await self._strategy.hit(limit, name)

    async def forget(self, *subjects: Subject) -> None:
        """Begins again: it was the owner after all."""
        # Where that can't be noted, they are let in all the same.
        with suppress(Unavailable), _counting():
            for subject in subjects:
                for limit, name in self._each(subject):
                    await self._strategy.clear(limit, name)

    async def spend(self, *subjects: Subject) -> None:
        """Counts it if there is room. Raises TooManyRequests where there is none."""
        for subject in subjects:
            await self.check(subject)
        await self.count(*subjects)

    async def check(self, subject: Subject) -> None:
        """Raises TooManyRequests where there is no room."""
        waits = []
        for limit, name in self._each(subject):
            with _counting():
                stats = await self._strategy.get_window_stats(limit, name)
            if stats.remaining <= self._trying[subject]:
                waits.append(max(1, ceil(stats.reset_time - clock.unix_ms() / 1000)))
        if waits:
            raise TooManyRequests(
                "too many tries: wait a while",
                code="too_many_tries",
                headers={"retry-after": str(max(waits))},
            )

    async def close(self) -> None:
        """Lets the connections to the store go."""
        if self._store is not None:
            await self._store.bridge.storage.aclose()

    def _each(self, subject: Subject) -> Iterable[tuple[RateLimitItem, str]]:
        kind, name = subject
        return [(limit, f"{kind}:{name}") for limit in self._limits[kind]]


@contextmanager
def _counting() -> Iterator[None]:
    """Nobody is let in while tries can't be counted: else whoever stops the counting may guess."""
    try:
        yield
    except Exception as error:  # whatever a driver raises
        raise Unavailable("log-ins can't be counted at the moment") from error
