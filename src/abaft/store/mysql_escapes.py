"""Rows with their JSON as other databases write it.

MariaDB's escapes are mended here rather than in the database: there it takes a look at each text of
each record, here one at each record; and hardly any has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from abaft.store.base import Row
from abaft.store.sql import mysql_quoted
from abaft.store.sql.read import ReadStatement


@lru_cache(2_000)
def quotes(sql: str) -> bool:
    """Whether what a statement gives first is JSON with texts in it."""
    return "json_quote(" in sql


def mended(sql: str, rows: Sequence[Row]) -> list[Row]:
    """The rows of a statement whose JSON, which comes first, was made by the database."""
    return [_row(row) for row in rows] if quotes(sql) else [*rows]


def shown(read: ReadStatement, rows: Sequence[Row]) -> list[Row]:
    """The rows of a read."""
    return mended(read.statement.sql, rows) if read.bare is None else read.bare.rows(rows)


def _row(row: Row) -> Row:
    json = row[0]
    if type(json) is not str:
        return row
    found = mysql_quoted.mended(json)
    return row if found is json else (found, *row[1:])
