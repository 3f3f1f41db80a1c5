"""Many new records at once on SQLite: two prepared statements, run by rows of driver values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import apsw
import sqlalchemy as sa

from abaft.base.columns import each
from abaft.plan.types import Load
from abaft.store.base import StoreError
from abaft.store.sql.changes import CHANGES, KINDS
from abaft.store.sql.dialect import Dialect
from abaft.store.sqlite_writer import refusal

Refused = dict[int, StoreError]
Insert = Callable[[apsw.Connection, range], None]

CACHE_KIB = 64_000
"""Indexes are filled in no order of theirs: with the usual 2 MB, pages come and go all the time."""


class Loader:
    """Makes the writer's work of a load; the values are encoded before the writer sees them."""

    def __init__(self, tables: Mapping[str, sa.Table], dialect: Dialect) -> None:
        self._tables = tables
        self._dialect = dialect

    def work(self, load: Load) -> Callable[[apsw.Connection], Refused]:
        columns = [load.model.fields[name].column for name in load.names]
        insert = _insert(self._tables[load.model.name].name, columns, self._dialect)
        insert_change = _insert(CHANGES, list(KINDS), self._dialect)
        rows, changes = _encoded(load, self._dialect), _changes(load, self._dialect)

        def some(connection: apsw.Connection, places: range) -> None:
            with connection:  # a savepoint
                connection.executemany(insert, rows[places.start : places.stop])
                connection.executemany(insert_change, changes[places.start : places.stop])

        def work(connection: apsw.Connection) -> Refused:
            connection.pragma("cache_size", -CACHE_KIB)
            if load.deferred:
                connection.pragma("defer_foreign_keys", True)
            return _halving(connection, some, range(len(rows)))

        return work


def _halving(connection: apsw.Connection, insert: Insert, places: range) -> Refused:
    """Inserts all but what is refused; a few bad rows among thousands cost a few tries."""
    if not places:
        return {}
    try:
        insert(connection, places)
    except apsw.ConstraintError as error:
        if len(places) == 1:
            return {places[0]: refusal(error)}
        middle = len(places) // 2
        first = _halving(connection, insert, places[:middle])
        return first | _halving(connection, insert, places[middle:])
    return {}


def _insert(table: str, columns: list[str], dialect: Dialect) -> str:
    quote = dialect.sa.identifier_preparer.quote
    named = ", ".join(quote(column) for column in columns)
    return f"insert into {quote(table)} ({named}) values ({', '.join('?' * len(columns))})"


def _encoded(load: Load, dialect: Dialect) -> list[tuple[Any, ...]]:
    encoders = [dialect.encoder(load.model.fields[name].kind) for name in load.names]
    columns = [
        column if encode is None else each(encode, column)
        for column, encode in zip(zip(*load.rows, strict=True), encoders, strict=True)
    ]
    return list(zip(*columns, strict=True))


def _changes(load: Load, dialect: Dialect) -> list[Sequence[Any]]:
    encode = dialect.encoder(KINDS["at"])
    at = encode(load.at) if encode else load.at
    model = load.model.name
    return [(at, load.actor, model, key, "create", data) for key, data in load.changes]
