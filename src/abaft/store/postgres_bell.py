"""A bell over PostgreSQL's LISTEN and NOTIFY: rung in a transaction, heard once it has landed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from typing import Any
from zlib import crc32

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
_ANSWER = "SELECT pg_notify($1, $2)"
_PLACE = "SELECT pg_advisory_lock_shared($1, $2)"
"""Who listens holds this, so that who rings knows of whom to wait for."""
_CALL = """
SELECT pg_notify($1, $2), ARRAY(
    SELECT pid FROM pg_locks
    WHERE locktype = 'advisory' AND classid = $3 AND objid = $4 AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND pid <> pg_backend_pid()
)"""
_OURS = 0x61626166  # "abaf"; the other half of the lock's key is the channel's

Dial = Callable[[float], Awaitable[Connection]]
Send = Callable[[str], Awaitable[Any]]


class PostgresBell:
    """Listens on a connection of its own.

    The database tells all who listen when it commits, and each at its own pace: who rings calls
    out once more, and waits until all have answered, for at most ANSWERS.

    A pooler that hands a connection on with each transaction lets nobody listen: whether the bell
    can be heard is tried first, by ringing it from another connection.
    """

    def __init__(self, dial: Dial, send: Send, channel: str) -> None:
        self._dial, self._send, self._channel = dial, send, channel
        self._own = f"{channel}_{ids.request_id()}"
        self._lock = (_OURS, crc32(channel.encode()) & 0x7FFF_FFFF)
        self._number, self._good = 0, 0.0
        self._connection: Connection | None = None
        """The one that can be heard."""
        self._asking = asyncio.Lock()
        self._tried = asyncio.Event()
        self._calls = count(1)
        self._answered: dict[str, tuple[set[int], asyncio.Event]] = {}
        """By call: the connections that have answered, and that another one has."""
        self._answering: set[asyncio.Task[None]] = set()
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
            with suppress(*_FAILURES):
                await self._heard_by_all(self._connection)

    async def announce(self) -> None:
        self._number += 1
        await self._send(_NOTIFY.format(self._channel))
        await self.rung()

    async def _heard_by_all(self, connection: Connection) -> None:
        """All hear in the order of commits: who answers the call has heard what was told before."""
        call = f"{self._own} {next(self._calls)}"
        answered, another = self._answered.setdefault(call, (set(), asyncio.Event()))
        try:
            async with asyncio.timeout(ANSWERS):
                async with self._asking:
                    (row,) = await connection.fetch(_CALL, self._channel, call, *self._lock)
                while not answered.issuperset(row[1]):
                    await another.wait()
                    another.clear()
        finally:
            del self._answered[call]

    async def _answer(self, connection: Connection, call: str) -> None:
        with suppress(*_FAILURES):
            async with self._asking, asyncio.timeout(ANSWERS):
                await connection.execute(_ANSWER, call.partition(" ")[0], call)

    async def _ask(self, connection: Connection) -> None:
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
        await connection.add_listener(self._own, self._own_heard)
        self._tried.clear()
        await self._send(_NOTIFY.format(self._own))
        async with asyncio.timeout(ANSWERS):
            await self._tried.wait()
            await connection.execute(_PLACE, *self._lock)

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

    def _ringing(self, connection: Any, sender: int, channel: str, call: Any) -> None:
        if not call:
            self._number += 1
        elif not call.startswith(self._own):
            task = asyncio.create_task(self._answer(connection, call))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    def _own_heard(self, connection: Any, sender: int, channel: str, call: Any) -> None:
        if not call:
            self._tried.set()
        elif call in self._answered:
            answered, another = self._answered[call]
            answered.add(sender)
            another.set()

    def _deaf(self, *told: Any) -> None:
        self._good, self._connection = 0.0, None
        self._number += 1
