"""Connections to MySQL and MariaDB, with the manners that every one of ours has."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncmy
from asyncmy import errors
from asyncmy.constants import CLIENT
from asyncmy.cursors import SSCursor

from abaft.base.errors import SettingError, SetupError
from abaft.store import pool
from abaft.store.base import AnswerTooLarge, Locked, Row, StoreError
from abaft.store.limit import Limit
from abaft.store.mysql_errors import FAILURES, Columns, code, duplicate, gone
from abaft.store.mysql_prepared import Bound, Prepared
from abaft.store.sql.mysql import Server

MODES = (
    "STRICT_TRANS_TABLES",
    "ANSI_QUOTES",
    "PIPES_AS_CONCAT",
    "NO_BACKSLASH_ESCAPES",
    "NO_AUTO_VALUE_ON_ZERO",
    "NO_ENGINE_SUBSTITUTION",
)
_CUT, _TOO_LARGE = 1260, 1301
"""Warnings of a text that is longer than a packet may be: what came is not what was asked for."""
_LEAST = {True: (10, 11), False: (8, 0, 23)}
_IN_TRANSACTION = 1
_ROWS, _RECEIVED = 500, 1 << 17
"""Of a stream, at a time, and the bytes that may wait to be read."""
_STATEMENT_TIMEOUT = 1969
_SORTED = 1 << 26
_LEAST_WAIT, _GRACE = 1.2, 1.0
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)|.* FOR UPDATE\s*$", re.IGNORECASE | re.DOTALL)
# Numbers come as such, and everything else as text.
_DECODERS: dict[int, Any] = {
    **dict.fromkeys((1, 2, 3, 8, 9, 13), int),
    **dict.fromkeys((4, 5), float),
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and who asks, from a URL."""

    options: dict[str, Any]

    @classmethod
    def of(cls, url: str) -> Address:
        parts = urlsplit(url)
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        name = unquote(parts.path[1:])
        if not name:
            raise SettingError("a database must be named: mysql://USER@HOST/NAME")
        options: dict[str, Any] = {
            "user": unquote(parts.username or "root"),
            "password": unquote(parts.password or ""),
            "database": name,
        }
        place = asked.pop("unix_socket", None)
        if place is not None:
            options["unix_socket"] = place
        else:
            options |= {"host": parts.hostname or "127.0.0.1", "port": parts.port or 3306}
        if asked:
            unknown = ", ".join(sorted(asked))
            raise SettingError(f"{unknown}: a mysql:// URL takes unix_socket and nothing else")
        return cls(options)


class Connection:
    """A connection of the driver, as the pool and sessions use it."""

    def __init__(self, raw: Any, columns: Columns, seconds: float) -> None:
        self._raw = raw
        self._columns = columns
        self._seconds = seconds
        self.server = server_of(raw.get_server_info())
        """What it is connected to."""
        prepared = Prepared(self.run, able=self.server.maria)
        self.spelled, self._origin = prepared.spelled, prepared.origin
        self._bound = Bound(raw.prepare, able=self.server.maria)
        wait = "SET SESSION innodb_lock_wait_timeout = "
        self.hasty, self.patient = f"{wait}0", f"{wait}{_lock_seconds(seconds)}"
        """What lets it wait for locks: not at all, and as long as usual."""
        self.limit = Limit(seconds + _GRACE)
        """Of a statement; without seconds it may take its time."""

    async def run(self, sql: str) -> tuple[list[Row] | None, int]:
        """The rows of a statement, or None and how many it has changed."""
        result = await self._asked(sql)
        if result.warning_count and result.rows is not None:
            await self._refuse_what_was_cut()
        return (None if result.rows is None else list(result.rows)), result.affected_rows

    async def several(self, statements: Sequence[str]) -> list[tuple[Sequence[Row] | None, int]]:
        """The rows of each statement, or how many it has changed, by one round trip.

        One that fails is the last that was run.
        """
        raw = self._raw
        found: list[tuple[Sequence[Row] | None, int]] = []
        try:
            with self.limit:
                await raw.query(";".join(statements))
                while True:
                    result = raw._result
                    found.append((result.rows, result.affected_rows))
                    if not result.has_next:
                        break
                    await raw.next_result()
                if result.warning_count and result.rows is not None:
                    await self._refuse_what_was_cut()
                return found
        except errors.MySQLError as error:
            if (refusal := self._refusal(error, statements[len(found)])) is not None:
                raise refusal from error
            raise

    async def read(self, sql: str, args: Sequence[Any]) -> Sequence[Row]:
        """The rows of a statement that is likely to be asked for again."""
        return (await self.bound(sql, args))[0] or ()

    async def bound(self, sql: str, args: Sequence[Any]) -> tuple[Sequence[Row] | None, int]:
        """As `run`, with the values beside the statement where that can be."""
        try:
            with self.limit:
                bound = await self._bound.statement(sql, args)
                result = None if bound is None else await bound[0].execute(bound[1])
        except errors.MySQLError as error:
            if (refusal := self._refusal(error, sql)) is not None:
                raise refusal from error
            raise
        if result is None:
            return await self.run(await self.spelled(sql, args))
        if result.warning_count and result.rows is not None:
            await self._refuse_what_was_cut()
        return result.rows, result.affected_rows

    async def rows(self, sql: str) -> list[Row]:
        """The rows of a statement that gives some."""
        return (await self.run(sql))[0] or []

    async def described(self, sql: str) -> tuple[Sequence[Any], Sequence[Row]]:
        """The columns of a user's own statement, with the driver's names of types, and its rows."""
        result = await self._asked(sql)
        return result.description or (), result.rows or ()

    async def _asked(self, sql: str) -> Any:
        """What the driver has of the last of the statements."""
        raw = self._raw
        try:
            # A server that isn't there any more, or has no limit of its own for what it does.
            with self.limit:
                await raw.query(sql)
                while raw._result.has_next:
                    await raw.next_result()
        except errors.MySQLError as error:
            if (refusal := self._refusal(error, sql)) is not None:
                raise refusal from error
            raise
        return raw._result

    def _refusal(self, error: Exception, sql: str) -> StoreError | None:
        """What only the statement tells of a refusal, if it tells more."""
        sql = self._origin(sql)
        # Locks are waited for in whole seconds: with less time, the statement's is over first.
        hasty = self._seconds < _LEAST_WAIT and code(error) == _STATEMENT_TIMEOUT
        if hasty and _WRITES.match(sql):
            return Locked(str(error))
        return duplicate(error, sql, self._columns)

    async def stream(self, sql: str) -> AsyncIterator[Sequence[Row]]:
        """The rows of a statement, some at a time, in bounded memory."""
        cursor = self._raw.cursor(SSCursor)
        transport, whole = self._raw._transport, False
        # All that has come is made into rows at once.
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED
        )
        try:
            await cursor.execute(sql)
            while rows := await cursor.fetchmany(_ROWS):
                # The driver keeps all that comes: nothing more may, until these are done with.
                transport.pause_reading()
                yield rows
                transport.resume_reading()
            whole = True
        finally:
            if not whole:
                self.terminate()

    async def _refuse_what_was_cut(self) -> None:
        """Rows whose JSON the server has cut short are no answer."""
        for _, number, text in await self._raw.show_warnings():
            if int(number) in (_CUT, _TOO_LARGE):
                raise AnswerTooLarge(text)

    def is_closed(self) -> bool:
        return not self._raw.connected or self._raw._stream_broken

    def is_in_transaction(self) -> bool:
        return bool(self._raw.server_status & _IN_TRANSACTION)

    def terminate(self) -> None:
        self._raw.close()

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        async with asyncio.timeout(timeout):
            await self._raw.ensure_closed()

    @property
    def thread(self) -> int:
        """By which another connection may end it."""
        return int(self._raw.thread_id())


class Pool(pool.Pool[Connection]):
    """Connections whose statements are stopped after so many seconds."""

    def __init__(self, url: str, size: int, seconds: float, columns: Columns) -> None:
        address = Address.of(url)
        super().__init__(
            lambda left: _connect(address, left, seconds, columns), size, gone, FAILURES
        )


async def connect(url: str, seconds: float) -> Connection:
    """A connection of nobody's pool, whose statements take no longer than so."""
    return await _connect(Address.of(url), seconds, seconds, {})


async def _connect(address: Address, left: float, seconds: float, columns: Columns) -> Connection:
    async with asyncio.timeout(left):
        raw = await _dialled(address, left)
        try:
            connection = Connection(raw, columns, seconds)
            await connection.run(_manners(connection.server, seconds))
        except BaseException:
            raw.close()
            raise
    return connection


async def _dialled(address: Address, left: float) -> Any:
    """The driver's connection. It waits in a way that may swallow a cancellation, so not here."""

    async def dial() -> Any:
        return await asyncmy.connect(
            **address.options,
            charset="utf8mb4",
            conv=_DECODERS,
            autocommit=True,
            client_flag=CLIENT.FOUND_ROWS,
            connect_timeout=max(1, left),
        )

    dialling = asyncio.ensure_future(dial())
    try:
        return await asyncio.shield(dialling)
    except asyncio.CancelledError:
        dialling.add_done_callback(_hang_up)
        raise


def _hang_up(dialled: asyncio.Future[Any]) -> None:
    if not dialled.cancelled() and dialled.exception() is None:
        dialled.result().close()


def _manners(server: Server, seconds: float) -> str:
    """What every session of ours asks for, whatever the server's defaults are."""
    settings = {
        "sql_mode": f"'{','.join(MODES)}'",
        "time_zone": "'+00:00'",
        "completion_type": "'NO_CHAIN'",
        "group_concat_max_len": str(2**32 - 1),
        "innodb_lock_wait_timeout": str(_lock_seconds(seconds)),
        "foreign_key_checks": "1",
        "unique_checks": "1",
        "character_set_results": "utf8mb4",
    }
    if server.maria:
        settings |= {"max_statement_time": f"{seconds:.3f}"}
    else:
        settings |= {"max_execution_time": str(int(seconds * 1000))}
        # It sorts whole rows, of which several must fit; memory is taken as it is needed.
        settings |= {"sort_buffer_size": str(_SORTED)}
    sets = ", ".join(f"SESSION {name} = {value}" for name, value in settings.items())
    # The name of this one's variable is another on each server and version.
    isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
    return f"{isolation}; SET NAMES utf8mb4 COLLATE {server.collation}, {sets}"


def _lock_seconds(seconds: float) -> int:
    return max(1, int(seconds * 0.9))


def server_of(version: str) -> Server:
    """The server by what it says of itself; SetupError where it is too old."""
    maria = "mariadb" in version.lower()
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", version.removeprefix("5.5.5-"))
    numbers = tuple(map(int, found.groups())) if found else (0,)
    least = _LEAST[maria]
    if numbers < least:
        name = "MariaDB" if maria else "MySQL"
        needed = ".".join(map(str, least))
        raise SetupError(
            f"the server is {name} {version}, and abaft needs {needed} or newer: upgrade it, or "
            "let ABAFT_DATABASE name another"
        )
    return Server(maria, "utf8mb4_nopad_bin" if maria else "utf8mb4_0900_bin")
