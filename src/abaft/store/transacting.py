"""What a store does by a transaction of its own."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeVar

from abaft.base import clock
from abaft.model.spec import Model
from abaft.plan.loads import Load, Match, Matched
from abaft.store.base import Pace, StoreError, Transaction

Done = TypeVar("Done")

_ATTEMPTS, _PAUSE = 8, 0.01


class Transacting(ABC):
    """A store that takes many records by its transactions."""

    @abstractmethod
    def transaction(
        self, patient: bool = False, pace: Pace = ""
    ) -> AbstractAsyncContextManager[Transaction]: ...

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
