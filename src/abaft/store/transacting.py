"""What a store does by a transaction of its own."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from abaft.base import clock
from abaft.base.settings import Settings
from abaft.model.spec import Model
from abaft.plan.loads import Load, Match, Matched
from abaft.store.base import Bell, Lost, Pace, Row, StoreError, Transaction

Done = TypeVar("Done")
Link = TypeVar("Link")
"""A driver's connection."""

_ATTEMPTS, _PAUSE = 8, 0.01


class Transacting(ABC):
    """A store that takes many records by its transactions."""

    @abstractmethod
    def transaction(
        self, patient: bool = False, pace: Pace = ""
    ) -> AbstractAsyncContextManager[Transaction]: ...

    def bell(self, channel: str) -> Bell | None:
        return None

    async def load(self, load: Load) -> dict[int, StoreError]:
        async with self.transaction() as session:
            return await session.load(load)

    async def match(self, match: Match) -> list[Matched | None]:
        async with self.transaction() as session:
            return await session.match(match)

    async def numbers(self, model: Model, count: int) -> list[int]:
        async with self.transaction() as session:
            return await session.numbers(model, count)


@dataclass(frozen=True, slots=True)
class Again:
    """Does work again that left nothing behind, until a deadline: `until` of the loop's clock."""

    gone: Callable[[BaseException], bool]
    """Whether the connection broke: a few are tried."""
    conflicts: Callable[[BaseException], bool]
    """Whether others were in its way: from then on it goes with none of them beside it."""

    async def __call__(self, work: Callable[[Pace], Awaitable[Done]], until: float) -> Done:
        """Raises what the last attempt raised."""
        attempt = 0
        pace: Pace = ""
        while True:
            attempt += 1
            try:
                return await work(pace)
            except Exception as error:
                crossed = self.conflicts(error)
                again = crossed or (attempt < _ATTEMPTS and self.gone(error))
                if not again or clock.monotonic() > until:
                    raise
                pace = "queued" if crossed else pace
            await asyncio.sleep(_PAUSE * attempt)


class ServerStore(Transacting, Generic[Link]):
    """A store on a server: what breaks or is crossed there is done again until a deadline."""

    settings: Settings
    _retry: Again
    _failures: tuple[type[Exception], ...]
    """All that the driver and the server raise."""

    @abstractmethod
    async def _once(self, work: Callable[[Link], Awaitable[Any]], until: float, pace: Pace) -> Any:
        """Does the work in a transaction, on a connection of its own."""

    @abstractmethod
    async def _fetch(self, sql: str) -> list[Row]:
        """Rows of a read; tried again where the connection breaks."""

    @abstractmethod
    def _translated(self, error: Exception) -> Exception:
        """The store's error for the driver's."""

    def _until(self) -> float:
        return clock.monotonic() + self.settings.query_timeout

    async def _whole(self, work: Callable[[Link], Awaitable[Any]]) -> Any:
        """Does the work in a transaction of its own, again where others were in its way."""
        # It was undone, or broke before the commit was sent: nothing has taken place.
        return await self._again(lambda until, pace: self._once(work, until, pace))

    async def _again(self, run: Callable[[float, Pace], Awaitable[Any]]) -> Any:
        until = self._until()
        try:
            return await self._retry(lambda pace: run(until, pace), until)
        except self._failures as error:
            raise self._translated(error) from error

    async def ping(self) -> None:
        try:
            await self._fetch("SELECT 1")
        except Lost:
            raise
        except Exception as error:
            raise Lost(str(error)) from error
