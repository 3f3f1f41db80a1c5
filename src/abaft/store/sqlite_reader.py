"""SQLite's connections, and one that only reads with a deadline."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import apsw

from abaft.base import clock
from abaft.base.digest import fingerprint
from abaft.base.floats import spell
from abaft.store.base import AnswerTooLarge, Lost, QueryTimeout, Row, Rows
from abaft.store.sql.sqlite_operators import FUNCTIONS as OPERATORS

STEPS = 2_000
"""Steps of SQLite's machine between two looks at the clock: of large records each takes long."""


class Reader:
    """A connection that only reads, with a deadline for what it runs."""

    def __init__(self, path: str, timer: Callable[[], float] = clock.monotonic) -> None:
        self._timer = timer
        self.connection = connect(path)
        self.connection.pragma("query_only", True)
        self.until = 0.0
        self.connection.set_progress_handler(self._late, STEPS)

    def _late(self) -> bool:
        return self._timer() > self.until

    def bound(self, most: int) -> None:
        """No value of what it reads has over so many bytes: what would have is never made."""
        self.connection.limit(apsw.SQLITE_LIMIT_LENGTH, most)

    def rows(self, sql: str, args: tuple[Any, ...], seconds: float, most: int = 0) -> Rows:
        """The rows; QueryTimeout when they take longer.

        With `most`, AnswerTooLarge when the texts in front of them have more characters.
        """
        self.until = self._timer() + seconds
        try:
            cursor = self.connection.execute(sql, args)
            return _fetch(cursor, most) if most else cursor.fetchall()
        except apsw.InterruptError:
            raise QueryTimeout from None
        except apsw.TooBigError:
            raise AnswerTooLarge from None
        except apsw.BusyError as error:
            raise Lost(str(error)) from error


def _fetch(cursor: apsw.Cursor, most: int) -> Rows:
    rows: list[Row] = []
    size = 0
    for row in cursor:
        rows.append(row)
        size += len(row[0]) if isinstance(row[0], str) else 0
        if size > most:
            cursor.close()
            raise AnswerTooLarge
    return rows


def connect(path: str) -> apsw.Connection:
    """A connection with the manners that every one of ours has."""
    try:
        connection = apsw.Connection(path, statementcachesize=500)
    except apsw.CantOpenError as error:
        raise Lost(f"{path} can't be opened: {error}") from error
    connection.set_busy_timeout(5_000)
    # Statistics would have each statement planned anew whenever a bound value changes.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    # A page that is written often goes to the file once for all: 32 MB of log at the most.
    connection.pragma("wal_autocheckpoint", 8_000)
    connection.pragma("foreign_keys", True)
    connection.pragma("temp_store", "memory")
    connection.create_scalar_function("abaft_base64", _base64, 1, deterministic=True)
    connection.create_scalar_function("abaft_fingerprint", _fingerprint, 1, deterministic=True)
    connection.create_scalar_function("abaft_float", _float, 1, deterministic=True)
    for name, function in OPERATORS.items():
        connection.create_scalar_function(name, function, 2, deterministic=True)
    return connection


def _base64(*values: Any) -> str | None:
    value = values[0]
    return None if value is None else base64.b64encode(value).decode("ascii")


def _float(*values: Any) -> str | None:
    value = values[0]
    return None if value is None else spell(value)


def _fingerprint(*texts: Any) -> str | None:
    text = texts[0]
    return None if text is None else fingerprint(text)
