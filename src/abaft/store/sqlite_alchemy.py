"""A connection of apsw as SQLAlchemy takes one, for its inspector: PEP 249, as far as it asks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import apsw
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.pool import StaticPool

_VERSION = tuple(map(int, apsw.sqlite_lib_version().split(".")))
_MODULE = SimpleNamespace(paramstyle="qmark", sqlite_version_info=_VERSION, Error=apsw.Error)


class _Dialect(SQLiteDialect):
    driver = "apsw"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        return _MODULE

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        return _VERSION


class _Cursor:
    """Keeps the rows, and what their columns are called also where there are none."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._cursor = connection.cursor()
        self._cursor.exec_trace = self._begin
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid = None
        self._rows: list[Any] = []

    def _begin(self, cursor: apsw.Cursor, sql: str, values: Any) -> bool:
        columns = cursor.get_description()
        self.description = [(row[0], *[None] * 6) for row in columns] or None
        return True

    def execute(self, sql: str, values: Any = ()) -> None:
        self._rows = list(self._cursor.execute(sql, tuple(values)))

    def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    def fetchone(self) -> Any:
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int = 1) -> list[Any]:
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    def close(self) -> None:
        self._cursor.close()


class _Connection:
    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def cursor(self) -> _Cursor:
        return _Cursor(self._connection)

    def commit(self) -> None:
        """Nothing is written by this way."""

    def rollback(self) -> None:
        """Nothing is written by this way."""

    def close(self) -> None:
        """Whoever opened it closes it."""


def engine(connection: apsw.Connection) -> sa.Engine:
    """An engine whose one connection is this."""
    sa.dialects.registry.register("sqlite.abaft_apsw", __name__, "_Dialect")
    return sa.create_engine(
        "sqlite+abaft_apsw://", creator=lambda: _Connection(connection), poolclass=StaticPool
    )
