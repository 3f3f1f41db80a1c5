"""Runs migrations on a PostgreSQL database, under a lock that belongs to the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from abaft.base import clock, ids
from abaft.base.digest import fingerprint
from abaft.base.errors import SetupError
from abaft.store.base import Busy, Lost, Session, StoreError
from abaft.store.migrations import Records
from abaft.store.postgres import PostgresStore
from abaft.store.postgres_begin import roll_back
from abaft.store.postgres_errors import FAILURES, gone
from abaft.store.postgres_pool import MANNERS, Connection, connect
from abaft.store.postgres_schema import LOCK

_PAUSE = 0.2
_LONGEST = 3600.0
_SECONDS = 10.0
_PATIENT = {**MANNERS, "statement_timeout": "0", "lock_timeout": "0"}
_TABLES = """
select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname = current_schema()
"""
_STRUCTURE = """
with own as (
    select c.oid, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = current_schema() and c.relkind in ('r', 'p')
    and c.relname not in ('abaft_migrations', 'abaft_loads')
)
select o.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull::text
from own o join pg_attribute a on a.attrelid = o.oid and a.attnum > 0 and not a.attisdropped
union all select o.relname::text, k.conname::text, pg_get_constraintdef(k.oid), ''
from own o join pg_constraint k on k.conrelid = o.oid and k.contype in ('c', 'f', 'p', 'u')
union all select o.relname::text, i.relname::text, pg_get_indexdef(i.oid), ''
from own o join pg_index x on x.indrelid = o.oid join pg_class i on i.oid = x.indexrelid
order by 1, 2, 3
"""


async def dial(url: str) -> Connection:
    """A connection without our manners, for SQLAlchemy to ask the catalog by."""
    try:
        return await asyncpg.connect(url, timeout=_SECONDS)  # type: ignore[return-value]
    except (*FAILURES, ValueError) as error:
        raise Lost(f"the database can't be reached: {error}") from error


@asynccontextmanager
async def scratch(url: str, statements: Sequence[str]) -> AsyncIterator[str]:
    """The URL of a database that these have made of an empty one, and that goes again."""
    name = f"abaft_scratch_{ids.secret()[:12].lower()}"
    name = "".join(letter if letter.isalnum() else "_" for letter in name)
    server = await dial(url)
    try:
        try:
            await server.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        except asyncpg.InsufficientPrivilegeError as error:
            raise SetupError(
                "the files are played in a database of their own, which this user may not make: "
                "ALTER USER … CREATEDB, or compare with the database: --from database"
            ) from error
        there = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        try:
            await _play(there, statements)
            yield there
        finally:
            await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await server.close()


async def _play(url: str, statements: Sequence[str]) -> None:
    """Runs the statements; there are no records for data steps."""
    connection = await dial(url)
    try:
        for sql in statements:
            await _run(connection, sql)
    finally:
        await connection.close()


async def _run(connection: Connection, sql: str) -> None:
    try:
        await connection.execute(sql)
    except FAILURES as error:
        if gone(error):
            connection.terminate()
        raise StoreError(f"{error}, of: {' '.join(sql.split())[:300]}") from error


class PostgresRunner(Records):
    """A connection on which migrations run, while no other does the same."""

    whole = True

    def __init__(self, store: PostgresStore) -> None:
        super().__init__()
        self.dialect = store.dialect
        self._store = store

    @asynccontextmanager
    async def alone(self, create: bool = True) -> AsyncIterator[None]:
        """Waits for its turn. Asking again and again, it holds up no CREATE INDEX CONCURRENTLY."""
        try:
            self._connection = await connect(self._store.settings.database, _PATIENT, _SECONDS)
        except (*FAILURES, ValueError) as error:
            raise Lost(f"the database can't be reached: {error}") from error
        try:
            if create:
                await self._wait()
            yield
        finally:
            # What is in a transaction is undone, and the lock is given back, by the end of it.
            await self._connection.close(timeout=_SECONDS)

    async def _wait(self) -> None:
        until = clock.monotonic() + _LONGEST
        while not await self._connection.fetchval("select pg_try_advisory_lock($1)", LOCK):
            if clock.monotonic() > until:
                raise Busy("another process has been migrating for too long: try again")
            await asyncio.sleep(_PAUSE)

    async def begin(self, rebuilds: bool) -> None:
        """Begins."""
        await self._connection.execute("BEGIN")

    async def commit(self) -> None:
        """Lands all."""
        await self.execute(["COMMIT"])

    async def roll_back(self) -> None:
        """Undoes all."""
        if self._connection.is_in_transaction():
            await roll_back(self._connection)

    async def execute(self, statements: Sequence[str], rebuilds: bool = False) -> None:
        """Runs statements one after the other."""
        for sql in statements:
            await _run(self._connection, sql)

    async def command(self, command: Mapping[str, Any]) -> None:
        """PostgreSQL has no commands but SQL."""
        raise StoreError("do.command() is for MongoDB: write do.sql()")

    async def rows(self, sql: str) -> list[Any]:
        """The rows of a statement."""
        return [tuple(row) for row in await self._connection.fetch(sql)]

    def session(self) -> Session:
        """The open transaction, as a Db takes it."""
        return self._store.session_on(self._connection)

    async def tables(self) -> set[str]:
        """The tables of the current schema."""
        return {row[0] for row in await self.rows(_TABLES)}

    async def structure(self) -> str:
        """A digest of columns, constraints and indexes."""
        return fingerprint(repr(await self.rows(_STRUCTURE)))

    def already(self, error: Exception) -> bool:
        """What is outside of a transaction can be done again as it is."""
        return False
