"""Runs migrations on a SQLite file; and makes what it defines in memory, for comparing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import apsw

from abaft.base.digest import fingerprint
from abaft.store.base import CheckViolation, Lost, Session, StoreError
from abaft.store.migrations import Records
from abaft.store.sqlite import SqliteStore
from abaft.store.sqlite_reader import connect
from abaft.store.sqlite_session import SqliteSession
from abaft.store.sqlite_writer import Work, refusal

PATIENCE = 600_000
"""Milliseconds to wait for whoever writes, or migrates, meanwhile."""
# In the order in which they were made; SQLite makes what belongs to a virtual table itself.
_DEFINED = """
select sql from sqlite_master m where sql is not null and name not like 'sqlite@_%' escape '@'
and not exists (select 1 from pragma_table_list l where l.name = m.name and l.type = 'shadow')
order by type <> 'table', rowid
"""
_TABLES = """
select name from sqlite_master where type = 'table' and name not like 'sqlite@_%' escape '@'
"""
_STRUCTURE = """
select type, name, tbl_name, sql from sqlite_master where name not like 'sqlite@_%' escape '@'
and tbl_name not in ('abaft_migrations', 'abaft_loads') order by 2, 1
"""


def rows_of(connection: apsw.Connection) -> Callable[..., list[Any]]:
    """What runs a statement with values, and gives its rows."""
    return lambda sql, *values: connection.execute(sql, values).fetchall()


def defined(path: str) -> list[str]:
    """The statements that make what the file has; none where there is no file."""
    if not path or not Path(path).is_file():
        return []
    with closing(apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        connection.set_busy_timeout(5_000)
        try:
            return [str(sql) for (sql,) in connection.execute(_DEFINED)]
        except apsw.Error as error:
            raise Lost(f"{path} can't be read: {error}") from error


def memory(statements: Iterable[str]) -> apsw.Connection:
    """A database in memory that these have made."""
    connection = connect(":memory:")
    connection.pragma("foreign_keys", False)
    connection.config(apsw.SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, 0)
    try:
        for sql in statements:
            connection.execute(sql)
    except apsw.Error as error:
        connection.close()
        raise StoreError(f"{error}, of: {' '.join(sql.split())[:200]}") from error
    return connection


def _opened(path: str, create: bool) -> apsw.Connection:
    """A connection to the file; where there is none, to an empty database or a new file."""
    if create:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    return connect(path if create or Path(path).is_file() else ":memory:")


class _Direct:
    """Runs the steps of a session here and now, in the transaction that is open."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    async def do(self, work: Work) -> Any:
        self._connection.execute("savepoint step")
        try:
            outcome = work(self._connection)
        except apsw.ConstraintError as error:
            self._connection.execute("rollback to step")
            raise refusal(error) from error
        self._connection.execute("release step")
        return outcome


class SqliteRunner(Records):
    """A connection on which migrations run, each in one transaction that nobody else is in."""

    whole = True

    def __init__(self, store: SqliteStore) -> None:
        super().__init__()
        self.dialect = store.dialect
        self._store = store

    @asynccontextmanager
    async def alone(self, create: bool = True) -> AsyncIterator[None]:
        """Connects; it is each transaction that keeps others out."""
        self._connection = _opened(self._store.path, create)
        self._connection.set_busy_timeout(PATIENCE)
        try:
            yield
        finally:
            self._connection.close()

    async def begin(self, rebuilds: bool) -> None:
        """Begins; what rebuilds tables has foreign keys looked at in the end."""
        self._connection.pragma("foreign_keys", not rebuilds)
        await asyncio.to_thread(self._connection.execute, "begin immediate")
        self._rebuilds = rebuilds

    async def commit(self) -> None:
        """Lands all. CheckViolation where a record would lead nowhere."""
        if self._rebuilds:
            lost = self._connection.execute("select * from pragma_foreign_key_check").fetchall()
            if lost:
                told = ", ".join(sorted({f"{row[0]} to {row[2]}" for row in lost}))
                raise CheckViolation(f"{len(lost)} records would lead nowhere: {told}")
        await asyncio.to_thread(self._connection.execute, "commit")

    async def roll_back(self) -> None:
        """Undoes all."""
        if self._connection.in_transaction:
            self._connection.execute("rollback")

    async def execute(self, statements: Sequence[str], rebuilds: bool = False) -> None:
        """Runs statements one after the other."""
        await asyncio.to_thread(self._run, statements, rebuilds)

    def _run(self, statements: Sequence[str], rebuilds: bool) -> None:
        # A table that takes a name must not take along what others say of that name.
        self._connection.config(apsw.SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, int(rebuilds))
        for sql in statements:
            try:
                self._connection.execute(sql)
            except apsw.Error as error:
                raise StoreError(f"{error}, of: {' '.join(sql.split())[:300]}") from error

    async def command(self, command: Mapping[str, Any]) -> None:
        """SQLite has no commands but SQL."""
        raise StoreError("do.command() is for MongoDB: write do.sql()")

    async def rows(self, sql: str) -> list[Any]:
        """The rows of a statement."""
        return self._connection.execute(sql).fetchall()

    def already(self, error: Exception) -> bool:
        """No step is outside of a transaction."""
        return False

    def session(self) -> Session:
        """The open transaction, as a Db takes it."""
        self._store.indexer.begin(self._connection)
        direct: Any = _Direct(self._connection)
        return SqliteSession(direct, self._store.loader, float("inf"))

    async def tables(self) -> set[str]:
        """The tables that there are."""
        return {str(name) for (name,) in self._connection.execute(_TABLES)}

    async def structure(self) -> str:
        """A digest of all definitions but those of our own that come by themselves."""
        found = self._connection.execute(_STRUCTURE).fetchall()
        return fingerprint(repr(found))
