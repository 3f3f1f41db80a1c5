"""Connections to PostgreSQL: opened when asked for, kept, and handed on in turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import asyncpg

from abaft.base import clock
from abaft.base.errors import SetupError
from abaft.store.base import Busy, Lost
from abaft.store.postgres_errors import FAILURES, gone

STATEMENTS = 500
"""Prepared statements a connection keeps: each costs the server some tens of kilobytes."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5

if TYPE_CHECKING:
    _Base = asyncpg.Connection[asyncpg.Record]
else:
    _Base = asyncpg.Connection


class Connection(_Base):
    """A connection that isn't reset when it is given back: we leave nothing on it."""

    def get_reset_query(self) -> str:
        return ""


Settings = Mapping[str, str]

MANNERS: Settings = {
    "application_name": "abaft",
    "bytea_output": "hex",
    "datestyle": "ISO, YMD",
    "default_transaction_isolation": "read committed",
    "extra_float_digits": "1",
    "intervalstyle": "iso_8601",
    # What it speeds up is over before it has compiled anything.
    "jit": "off",
    "timezone": "UTC",
}


async def connect(url: str, manners: Settings, seconds: float) -> Connection:
    """A connection with the manners that every one of ours has."""
    connection = await asyncpg.connect(
        url,
        timeout=seconds,
        connection_class=Connection,
        server_settings=dict(manners),
        statement_cache_size=STATEMENTS,
        max_cached_statement_lifetime=0,
        max_cacheable_statement_size=0,
    )
    try:
        await _set_codecs(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _set_codecs(connection: Connection) -> None:
    # The driver's own take the last and the first day of the calendar for infinity.
    for type_, encode, decode in (
        ("date", date.isoformat, _date),
        ("timestamptz", datetime.isoformat, _datetime),
        ("timestamp", datetime.isoformat, _local),
    ):
        await connection.set_type_codec(type_, schema="pg_catalog", encoder=encode, decoder=decode)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return date.min if text.startswith("-") or text.endswith("BC") else date.max


def _datetime(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        early = text.startswith("-") or text.endswith("BC")
        return (datetime.min if early else datetime.max).replace(tzinfo=UTC)


def _local(text: str) -> datetime:
    return _datetime(text).replace(tzinfo=None)


class Pool:
    """At most `size` connections; who waits for one is served in order."""

    def __init__(self, url: str, size: int, manners: Settings) -> None:
        self.size = size
        self._url = url
        self._manners = {**MANNERS, **manners}
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._open = 0
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._closing = False
        self._empty = asyncio.Event()

    def open(self) -> None:
        """Takes requests, also after a close and on another loop."""
        self._closing = False
        self._empty = asyncio.Event()

    def take(self) -> Connection | None:
        """An idle connection, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._forget(connection)
        return None

    async def acquire(self, until: float) -> Connection:
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

    def release(self, connection: Connection) -> None:
        """Gives a connection back; a broken one, or one in a transaction, is thrown away."""
        if not connection.is_closed() and (self._closing or connection.is_in_transaction()):
            connection.terminate()
        if connection.is_closed():
            self._forget(connection)
            self._hand_on(None)
        elif not self._hand_on(connection):
            self._idle.append(connection)

    @asynccontextmanager
    async def hold(self, until: float) -> AsyncIterator[Connection]:
        """A connection for a while; one that was left in the middle of something isn't kept."""
        connection = await self.acquire(until)
        try:
            yield connection
        except BaseException as error:
            if gone(error) or not isinstance(error, Exception):
                connection.terminate()
            raise
        finally:
            self.release(connection)

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

    async def _end(self, connection: Connection) -> None:
        try:
            await connection.close(timeout=1)
        except FAILURES:
            connection.terminate()
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        self._all.discard(connection)
        self._left()

    def _left(self) -> None:
        self._open -= 1
        if not self._open:
            self._empty.set()

    def _hand_on(self, connection: Connection | None) -> bool:
        """To who has waited longest; with None it is room for a connection of their own."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(connection)
                return True
        return False

    async def _turn(self, until: float) -> Connection | None:
        future: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            async with asyncio.timeout(until - clock.monotonic()):
                return await future
        except BaseException as error:
            if future.done() and not future.cancelled():
                # It came in the moment of giving up.
                given = future.result()
                self.release(given) if given is not None else self._hand_on(None)
            if isinstance(error, TimeoutError):
                raise Busy("all connections to the database are in use") from None
            raise

    async def _dial(self, until: float) -> Connection:
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

    async def _persist(self, until: float) -> Connection:
        """Tries until it is time to give up, with longer and longer pauses."""
        pause = _FIRST_PAUSE
        while True:
            try:
                left = max(until - clock.monotonic(), 0.1)
                return await connect(self._url, self._manners, left)
            except (*FAILURES, ValueError) as error:
                # What has to do with names and passwords won't mend itself meanwhile.
                if not gone(error) or clock.monotonic() + pause > until:
                    raise Lost(f"the database can't be reached: {error}") from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def check_server(connection: Connection) -> None:
    """SetupError where the server can't do what we need."""
    version = connection.get_server_version()
    if version < (13,):
        raise SetupError(f"PostgreSQL is {version.major}; abaft needs 13 or newer")
    encoding = connection.get_settings().server_encoding
    if encoding.upper() not in ("UTF8", "UTF-8"):
        raise SetupError(
            f"the database's encoding is {encoding}; "
            "create one with `encoding 'UTF8' template template0`"
        )
