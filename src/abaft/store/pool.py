"""Connections to a database: opened when asked for, kept, and handed on in turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from abaft.base import clock
from abaft.store.base import Busy, Lost

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5


class Driven(Protocol):
    """A connection, whatever its driver."""

    def is_closed(self) -> bool:
        """Whether it is no more."""

    def is_in_transaction(self) -> bool:
        """Whether it was left in the middle of something."""

    def terminate(self) -> None:
        """Ends it at once."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Takes leave of the server; as asyncpg has it."""


C = TypeVar("C", bound=Driven)


class Pool(Generic[C]):
    """At most `size` connections; who waits for one is served in order.

    `dial` makes one in so many seconds; `gone` tells what errors end one, of `failures`.
    """

    def __init__(
        self,
        dial: Callable[[float], Awaitable[C]],
        size: int,
        gone: Callable[[BaseException], bool],
        failures: tuple[type[Exception], ...],
    ) -> None:
        self.size = size
        self.dial, self._gone, self._failures = dial, gone, failures
        self._refusals: tuple[type[Exception], ...] = (*failures, ValueError)
        self._idle: list[C] = []
        self._all: set[C] = set()
        self._open = 0
        self._waiting: deque[asyncio.Future[C | None]] = deque()
        self._closing = False
        self._empty = asyncio.Event()

    def open(self) -> None:
        """Takes requests, also after a close and on another loop."""
        self._closing = False
        self._empty = asyncio.Event()

    def take(self) -> C | None:
        """An idle connection, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._forget(connection)
        return None

    async def acquire(self, until: float) -> C:
        """A connection. Lost where none can be opened until then, Busy where all are in use."""
        while True:
            if (connection := self.take()) is not None:
                return connection
            if self._closing:
                raise Lost("the store is closed")
            if self._open < self.size:
                return await self._dial(until)
            if (given := await self._turn(until)) is not None:
                return given

    def release(self, connection: C) -> None:
        """Gives a connection back; a broken one, or one in a transaction, is thrown away."""
        if not connection.is_closed() and (self._closing or connection.is_in_transaction()):
            connection.terminate()
        if connection.is_closed():
            self._forget(connection)
            self._hand_on(None)
        elif not self._hand_on(connection):
            self._idle.append(connection)

    def hold(self, until: float) -> Held[C]:
        """A connection for a while; one that was left in the middle of something isn't kept."""
        return Held(self, until)

    def drop(self, connection: C, error: BaseException) -> None:
        """Ends it if the error has, or has left it in the middle of something."""
        if self._gone(error) or not isinstance(error, Exception):
            connection.terminate()

    async def close(self, seconds: float) -> None:
        """Waits until what is in use comes back, and no longer than so."""
        self._closing = True
        while self._idle:
            await self._end(self._idle.pop())
        while self._hand_on(None):
            pass
        if self._open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
        for connection in [*self._all]:
            connection.terminate()

    async def _end(self, connection: C) -> None:
        try:
            await connection.close(timeout=1)
        except self._failures:
            connection.terminate()
        self._forget(connection)

    def _forget(self, connection: C) -> None:
        self._all.discard(connection)
        self._left()

    def _left(self) -> None:
        self._open -= 1
        if not self._open:
            self._empty.set()

    def _hand_on(self, connection: C | None) -> bool:
        """To who has waited longest; with None it is room for a connection of their own."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(connection)
                return True
        return False

    async def _turn(self, until: float) -> C | None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[C | None] = loop.create_future()
        self._waiting.append(future)
        timer = loop.call_later(until - clock.monotonic(), _give_up, future)
        try:
            return await future
        except BaseException as error:
            if future.done() and not future.cancelled() and future.exception() is None:
                # It came in the moment of giving up.
                given = future.result()
                self.release(given) if given is not None else self._hand_on(None)
            if isinstance(error, TimeoutError):
                raise Busy("all connections to the database are in use") from None
            raise
        finally:
            timer.cancel()

    async def _dial(self, until: float) -> C:
        self._open += 1
        self._empty.clear()
        try:
            connection = await self._persist(until)
        except BaseException:
            self._left()
            self._hand_on(None)
            raise
        self._all.add(connection)
        return connection

    async def _persist(self, until: float) -> C:
        """Tries until it is time to give up, with longer and longer pauses."""
        pause = _FIRST_PAUSE
        while True:
            try:
                left = max(until - clock.monotonic(), 0.1)
                return await self.dial(left)
            except self._refusals as error:
                # What has to do with names and passwords won't mend itself meanwhile.
                if not self._gone(error) or clock.monotonic() + pause > until:
                    raise Lost(f"the database can't be reached: {error}") from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _give_up(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


class Held(Generic[C]):
    """Takes a connection of the pool, and gives it back; each read does."""

    __slots__ = ("_connection", "_pool", "_until")

    def __init__(self, pool: Pool[C], until: float) -> None:
        self._pool = pool
        self._until = until
        self._connection: C | None = None

    async def __aenter__(self) -> C:
        self._connection = await self._pool.acquire(self._until)
        return self._connection

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        assert self._connection is not None
        try:
            if error is not None:
                self._pool.drop(self._connection, error)
        finally:
            self._pool.release(self._connection)
