"""One replica: whether it is there, how far it has come, and the reads that are under way on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from abaft.base import clock
from abaft.plan.types import ReadPlan
from abaft.store.base import Busy, Lost, Store
from abaft.store.positions import NotReplica, Positions, Row

T = TypeVar("T")
ASK_SECONDS = 1.0
"""How long a server may take to say how far it has come."""
FRESH = 0.02
"""Seconds for which what a replica said of itself isn't asked again for a single read."""
PATIENCE = 0.1
"""Seconds that a read waits to hear that a replica has come far enough."""


class Left(Exception):
    """The replica went away with the read that it was asked for."""


class Replica:
    """A store of a replica, with what is known of it."""

    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self.store = store
        self.replayed = ""
        self.fault = "it hasn't answered yet"
        """Why it can't be read; empty where it can."""
        self.usable = False
        self.told: bool | None = None
        """Whether it was said to be read, or to be left out."""
        self._heard = 0.0
        self._open = False
        self._compiled: dict[int, tuple[Any, Any]] = {}
        self._flying: set[asyncio.Future[Any]] = set()
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, positions: Positions, primary: Row) -> None:
        """Hears how far it has come, or why that can't be heard; who asks at once share it."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ask(positions, primary))
        await asyncio.shield(self._asking)

    async def catch_up(self, positions: Positions, primary: Row, position: str) -> bool:
        """Whether it has reached the position by now; no replica is asked often, or waited for."""
        if clock.monotonic() - self._heard < FRESH:
            return False
        try:
            async with asyncio.timeout(PATIENCE):
                await self.ask(positions, primary)
        except TimeoutError:
            return False
        return self.usable and positions.reached(self.replayed, position)

    async def _ask(self, positions: Positions, primary: Row) -> None:
        begun = clock.monotonic()
        try:
            async with asyncio.timeout(ASK_SECONDS):
                if not self._open:
                    await self.store.open()
                    self._open = True
                [row] = await self.store.sql(positions.replica, ())
            self.replayed, self.fault = positions.replayed(row, primary), ""
        except Busy:
            return  # it is there, and has much to do
        except TimeoutError:
            self.fault = f"it doesn't answer within {ASK_SECONDS:g} s"
        except NotReplica as error:
            self.fault = str(error)
        except Exception as error:
            # Whatever is wrong with a replica must not be wrong with the application.
            self.fault = str(error) or type(error).__name__
        self._heard = begun

    def leave(self) -> None:
        """Nothing more is read here; what is under way is asked for elsewhere."""
        self.usable = False
        if self.fault:
            for future in [*self._flying]:
                future.cancel()

    async def run(self, work: Awaitable[T]) -> T:
        """What the work gives. Left where the replica goes away meanwhile."""
        future = asyncio.ensure_future(work)
        self._flying.add(future)
        try:
            return await future
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                future.cancel()
                raise
            raise Left from None
        except Lost:
            # Until it has been asked again: who was away may be behind where it was.
            self.fault, self.usable = self.fault or "a connection broke", False
            raise Left from None
        finally:
            self._flying.discard(future)

    def compiled(self, plan: ReadPlan, compiled: Any) -> Any:
        """The primary's compiled read as it is for this one, made once and kept."""
        found = self._compiled.get(id(compiled))
        if found is None:
            found = (compiled, self.store.compile_read(plan))
            self._compiled[id(compiled)] = found
        return found[1]

    def forget(self, compiled: Any) -> None:
        """A read that is no longer kept."""
        self._compiled.pop(id(compiled), None)

    async def close(self) -> None:
        """Ends its connections."""
        if self._asking is not None:
            self._asking.cancel()
        self.usable, self.told, self._heard = False, None, 0.0
        self.fault = "it hasn't answered yet"
        if self._open:
            self._open = False
            await self.store.close()
