"""A bell over PostgreSQL's LISTEN and NOTIFY: rung in a transaction, heard once it has landed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg

from abaft.base import clock, ids
from abaft.store.base import Program, StoreError
from abaft.store.postgres_pool import Connection
from abaft.store.sql.statement import Statement

BEAT, ANSWERS, HOLDS = 1.0, 1.0, 3.0
"""Every so many seconds the connection is asked whether it still is one; it answers within so
many, and for so many after that it is taken for one."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, StoreError)

_NOTIFY = "SELECT pg_notify('{}', '')"

Dial = Callable[[float], Awaitable[Connection]]
Send = Callable[[str], Awaitable[Any]]


class PostgresBell:
    """Listens on a connection of its own.

    A pooler that hands a connection on with each transaction lets nobody listen: whether the bell
    can be heard is tried first, by ringing it from another connection.
    """

    def __init__(self, dial: Dial, send: Send, channel: str) -> None:
        self._dial, self._send, self._channel = dial, send, channel
        self._own = f"{channel}_{ids.request_id()}"
        self._number, self._good = 0, 0.0
        self._connection: Connection | None = None
        """The one that can be heard."""
        self._asking = asyncio.Lock()
        self._tried = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
            self._keeping = None

    def heard(self) -> int | None:
        return self._number if clock.monotonic() < self._good else None

    def ring(self) -> Program:
        yield Statement(_NOTIFY.format(self._channel), ()), {}

    async def rung(self) -> None:
        self._number += 1
        if self._connection is not None:
            # All who listen were told at the commit: once this one has heard, so have the others.
            with suppress(*_FAILURES):
                await self._ask(self._connection)

    async def announce(self) -> None:
        self._number += 1
        await self._send(_NOTIFY.format(self._channel))
        await self.rung()

    async def _ask(self, connection: Connection) -> None:
        """What was told before is heard before the answer."""
        async with self._asking, asyncio.timeout(ANSWERS):
            await connection.execute("SELECT 1")

    async def _keep(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            with suppress(*_FAILURES):
                connection = await self._dial(ANSWERS)
                try:
                    await self._listen(connection)
                    pause = _FIRST_PAUSE
                    await self._beats(connection)
                finally:
                    self._deaf()
                    connection.terminate()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _listen(self, connection: Connection) -> None:
        connection.add_termination_listener(self._deaf)
        await connection.add_listener(self._channel, self._ringing)
        await connection.add_listener(self._own, self._trying)
        self._tried.clear()
        await self._send(_NOTIFY.format(self._own))
        async with asyncio.timeout(ANSWERS):
            await self._tried.wait()

    async def _beats(self, connection: Connection) -> None:
        while True:
            asked = clock.monotonic()
            await self._ask(connection)
            self._connection = connection
            if asked >= self._good:
                # What was looked up while nobody listened may be over.
                self._number += 1
            self._good = asked + HOLDS
            await asyncio.sleep(BEAT)

    def _ringing(self, *told: Any) -> None:
        self._number += 1

    def _trying(self, *told: Any) -> None:
        self._tried.set()

    def _deaf(self, *told: Any) -> None:
        self._good, self._connection = 0.0, None
        self._number += 1
