"""Runs migrations on MySQL and MariaDB, which can't undo a definition: each step is noted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from abaft.base import clock, ids
from abaft.base.digest import fingerprint
from abaft.base.errors import SetupError
from abaft.store.base import Busy, Lost, Session, StoreError
from abaft.store.migrations import Records
from abaft.store.mysql import MysqlStore
from abaft.store.mysql_errors import FAILURES, code, gone
from abaft.store.mysql_pool import Connection, connect
from abaft.store.mysql_schema import LOCK_NAME, unhurried

_SECONDS = 10.0
_PAUSE, _LONGEST = 0.2, 3600.0
_DENIED = {1044, 1045, 1227}
# What a step that was done before it could be noted so says when it is done again.
_ALREADY = {1022, 1050, 1051, 1054, 1060, 1061, 1068, 1091, 1146, 1826, 3822, 1359, 1360}
_TABLES = (
    "SELECT table_name FROM information_schema.tables"
    " WHERE table_schema = database() AND table_type = 'BASE TABLE'"
)
_OURS = ("abaft_migrations", "abaft_loads")


async def dial(url: str) -> Connection:
    """A connection that may take its time."""
    try:
        connection = await connect(url, _SECONDS)
        await connection.run(unhurried(connection.server))
    except FAILURES as error:
        raise Lost(f"the database can't be reached: {error}") from error
    connection.limit.seconds = None
    return connection


async def run(connection: Connection, sql: str) -> list[Any]:
    """The rows of a statement; StoreError, naming it, where it is refused."""
    try:
        return await connection.rows(sql)
    except (*FAILURES, StoreError) as error:
        if gone(error):
            connection.terminate()
        raise StoreError(f"{error}, of: {' '.join(sql.split())[:300]}") from error


@asynccontextmanager
async def scratch(url: str, statements: Sequence[str]) -> AsyncIterator[Connection]:
    """A connection to a database that these have made of an empty one, and that goes again."""
    name = "abaft_scratch_" + "".join(
        letter if letter.isalnum() else "_" for letter in ids.secret()[:12].lower()
    )
    server = await dial(url)
    try:
        try:
            await server.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        except FAILURES as error:
            if code(error) not in _DENIED:
                raise
            raise SetupError(
                "what is compared is made in a database of its own, which this user may not "
                "make: GRANT ALL ON `abaft\\_scratch\\_%`.* TO …"
            ) from error
        try:
            there = await dial(urlunsplit(urlsplit(url)._replace(path=f"/{name}")))
            try:
                await there.run("SET SESSION foreign_key_checks = 0")
                for sql in statements:
                    await run(there, sql)
                yield there
            finally:
                there.terminate()
        finally:
            await server.run(f"DROP DATABASE IF EXISTS {name}")
    finally:
        server.terminate()


class MysqlRunner(Records):
    """A connection on which migrations run, while no other does the same."""

    whole = False

    def __init__(self, store: MysqlStore) -> None:
        super().__init__()
        self.dialect = store.dialect
        self._store = store

    @asynccontextmanager
    async def alone(self, create: bool = True) -> AsyncIterator[None]:
        """Waits for its turn; the lock goes with the connection."""
        self._connection = await dial(self._store.settings.database)
        self._open = False
        try:
            if create:
                await self._wait()
                await self.prepare()
            yield
        finally:
            self._connection.terminate()

    async def _wait(self) -> None:
        until = clock.monotonic() + _LONGEST
        while (await self.rows(f"SELECT get_lock({LOCK_NAME}, 0)"))[0][0] != 1:
            if clock.monotonic() > until:
                raise Busy("another process has been migrating for too long: try again")
            await asyncio.sleep(_PAUSE)

    async def begin(self, rebuilds: bool) -> None:
        """Begins; a statement that defines something ends it."""
        await self._connection.run("START TRANSACTION")
        self._open = True

    async def commit(self) -> None:
        """Lands all."""
        await self._connection.run("COMMIT")
        self._open = False

    async def roll_back(self) -> None:
        """Undoes what is no definition."""
        if self._open and not self._connection.is_closed():
            await self._connection.run("ROLLBACK")
        self._open = False

    async def execute(self, statements: Sequence[str], rebuilds: bool = False) -> None:
        """Runs statements one after the other."""
        for sql in statements:
            await run(self._connection, sql)

    async def command(self, command: Mapping[str, Any]) -> None:
        """MySQL has no commands but SQL."""
        raise StoreError("do.command() is for MongoDB: write do.sql()")

    async def rows(self, sql: str) -> list[Any]:
        """The rows of a statement."""
        return await self._connection.rows(sql)

    def session(self) -> Session:
        """The open transaction, as a Db takes it."""
        return self._store.session_on(self._connection, patient=True)

    async def tables(self) -> set[str]:
        """The tables of the database."""
        return {row[0] for row in await self.rows(_TABLES)}

    async def structure(self) -> str:
        """A digest of what SHOW CREATE TABLE says of each, but for the next number of a key."""
        told = []
        for name in sorted(await self.tables() - {*_OURS}):
            quoted = name.replace('"', '""')
            [(_, sql)] = await self.rows(f'SHOW CREATE TABLE "{quoted}"')
            told.append(sql.rpartition("\n")[0])
        return fingerprint(repr(told))

    def already(self, error: Exception) -> bool:
        """Whether what it would make is there, or what it would drop is gone."""
        return error.__cause__ is not None and code(error.__cause__) in _ALREADY
