"""The change feed on MySQL and MariaDB, in an order that concurrent commits can't upset.

AUTO_INCREMENT gives a number before the commit, so a reader that goes by it could pass a lower
number that becomes visible later. Records are therefore numbered once more, by whoever reads the
feed first: those that are committed, in the order of their first numbers, each after all that were
numbered before. What comes later comes behind.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from abaft.model.times import show_datetime
from abaft.plan.change import Change
from abaft.store.base import Row
from abaft.store.mysql_pool import Connection
from abaft.store.sql.changes import CHANGES, change_types, changes_table
from abaft.store.sql.mysql_literals import Listed, filled
from abaft.store.sql.mysql_values import read_datetime

FEED = "abaft_feed"
_MOST = 10_000
"""Records that are numbered, or deleted, at a time."""

UNNUMBERED = f"SELECT 1 FROM {CHANGES} WHERE place IS NULL LIMIT 1"
_LAST = f"SELECT last FROM {FEED} WHERE id = 1 FOR UPDATE"
_FOUND = (
    f"SELECT seq FROM {CHANGES} WHERE place IS NULL ORDER BY seq LIMIT {_MOST} "
    "FOR UPDATE SKIP LOCKED"
)
_NUMBER = (
    f"UPDATE {CHANGES} c JOIN json_table(?, '$[*]' COLUMNS (n FOR ORDINALITY,"
    " s BIGINT PATH '$')) j ON c.seq = j.s SET c.place = ? + j.n"
)
READ = (
    f"SELECT place, at, actor, model, record, action, data FROM {CHANGES} "
    "WHERE place > ? ORDER BY place LIMIT ?"
)

PLACES = (
    "SELECT seq, place, model, record FROM json_table(?, '$[*]' COLUMNS (s BIGINT PATH '$')) j"
    f" STRAIGHT_JOIN {CHANGES} c ON c.seq = j.s WHERE place IS NOT NULL"
)


def feed_tables(type_of: Any) -> tuple[sa.Table, sa.Table]:
    """The feed's table, whose records have a place once they were seen, and that of the last."""
    sequence = sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=True)
    place = sa.Column("place", sa.BigInteger, nullable=True)
    table = changes_table(sa.MetaData(), change_types(type_of), sequence, place)
    sa.Index(f"uq_{CHANGES}_place", table.c.place, unique=True)
    sa.Index(f"ix_{CHANGES}_at", table.c.at)
    last = sa.Table(
        FEED,
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    return table, last


async def number(connection: Connection) -> bool:
    """Gives places to what has none yet, within a transaction; whether there may be more."""
    [(last,)] = await connection.rows(_LAST)
    found = [row[0] for row in await connection.rows(_FOUND)]
    if found:
        await connection.run(filled(_NUMBER, (orjson.dumps(found).decode(), last)))
        await connection.run(
            filled(f"UPDATE {FEED} SET last = ? WHERE id = 1", (last + len(found),))
        )
    return len(found) == _MOST


def change(row: Row) -> Change:
    """The record of the feed that a row of READ shows."""
    place, at, actor, model, record, action, data = row
    shown = show_datetime(read_datetime(at))
    return Change(str(place), shown, actor, model, record, action, orjson.loads(data))


async def prune(connection: Connection, before: str, kept: list[str]) -> int:
    """Deletes what is older, but for these models; some at a time, so that nobody has to wait."""
    others = " AND NOT model IN ?" if kept else ""
    sql = f"DELETE FROM {CHANGES} WHERE at < ?{others} LIMIT {_MOST}"
    args = (datetime.fromisoformat(before), *([Listed(tuple(kept))] if kept else []))
    count = 0
    while True:
        _, deleted = await connection.run(filled(sql, args))
        count += deleted
        if deleted < _MOST:
            return count
