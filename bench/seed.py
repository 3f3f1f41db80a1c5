"""Puts the same rows into the schema that each app made for itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from bson import DBRef, Int64
from pymongo import MongoClient
from pymongo.collection import Collection

from bench import data
from bench.mariadb import connect
from bench.scenarios import Side, stamp


@dataclass(frozen=True, slots=True)
class Layout:
    """How an app names the column of the author, and what it keeps in SQLite for ids and times."""

    author: str
    id: Callable[[UUID], str]
    time: Callable[[datetime], str]


LAYOUTS: dict[Side, Layout] = {
    "abaft": Layout("author", str, stamp),
    "peer": Layout(
        "author_id", lambda key: key.hex, lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f")
    ),
}
Row = tuple[Any, ...]
_ROWS = 1_000


def _tables(layout: Layout) -> Iterator[tuple[str, tuple[str, ...], list[Row]]]:
    authors: list[Row] = [(row.id, row.name, row.email) for row in data.authors()]
    yield "authors", ("id", "name", "email"), authors
    columns = ("id", "title", "body", "views", "published", layout.author, "created")
    yield "posts", columns, _rows(data.posts())
    yield "notes", columns, _rows(data.notes())


def _rows(posts: Iterable[data.Post]) -> list[Row]:
    return [(p.id, p.title, p.body, p.views, p.published, p.author, p.created) for p in posts]


def postgres(url: str, side: Side) -> None:
    """Load a PostgreSQL database by COPY."""
    asyncio.run(_copy(url, LAYOUTS[side]))


async def _copy(url: str, layout: Layout) -> None:
    connection = await asyncpg.connect(url)
    for table, columns, rows in _tables(layout):
        await connection.copy_records_to_table(table, columns=columns, records=rows)
    await connection.execute("vacuum analyze")
    await connection.execute("checkpoint")
    await connection.close()


def mariadb(url: str, side: Side) -> None:
    """Load a MariaDB database by statements of many rows."""
    asyncio.run(_inserted(url, LAYOUTS[side]))


async def _inserted(url: str, layout: Layout) -> None:
    connection = await connect(url)
    async with connection.cursor() as cursor:
        for table, columns, rows in _tables(layout):
            marks = ", ".join(["%s"] * len(columns))
            insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
            for start in range(0, len(rows), _ROWS):
                some = [tuple(map(_shown, row)) for row in rows[start : start + _ROWS]]
                await cursor.executemany(insert, some)
            await cursor.execute(f"ANALYZE TABLE {table}")
    await connection.commit()
    await connection.ensure_closed()


def _shown(value: Any) -> Any:
    """Ids and times as both sides keep them in MariaDB."""
    if isinstance(value, UUID):
        return str(value)
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def mongodb(url: str, side: Side) -> None:
    """Load a MongoDB by documents as each side keeps them."""
    client: MongoClient[dict[str, Any]]
    with MongoClient(url, uuidRepresentation="standard") as client:
        for table, columns, rows in _tables(LAYOUTS[side]):
            collection: Collection[dict[str, Any]] = client.get_default_database()[table]
            # Beanie keeps a link by the name of its field.
            names = ("_id", *(name.removesuffix("_id") for name in columns[1:]))
            for start in range(0, len(rows), _ROWS):
                some = [
                    {name: _kept(name, value, side) for name, value in zip(names, row, strict=True)}
                    for row in rows[start : start + _ROWS]
                ]
                collection.insert_many(some, ordered=False)
            client.get_default_database().command("compact", table, force=True)


def _kept(name: str, value: Any, side: Side) -> Any:
    """abaft keeps numbers of 64 bits, and times whose text has all digits; Beanie links."""
    if side == "peer":
        return DBRef("authors", value) if name == "author" else value
    if isinstance(value, bool):
        return value
    if isinstance(value, datetime):
        return stamp(value)
    return Int64(value) if isinstance(value, int) else value


def sqlite(path: str, side: Side) -> None:
    """Load a SQLite database in one transaction."""
    layout = LAYOUTS[side]
    with fast_sqlite(path) as connection:
        for table, columns, rows in _tables(layout):
            marks = ", ".join("?" * len(columns))
            insert = f"insert into {table} ({', '.join(columns)}) values ({marks})"
            connection.executemany(insert, (_encoded(layout, row) for row in rows))


@contextmanager
def fast_sqlite(path: str) -> Iterator[sqlite3.Connection]:
    """One large transaction with indexes made afterwards; analysed at the end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma synchronous=off")
        connection.execute("pragma cache_size=-500000")
        connection.execute("begin")
        indexes = connection.execute(
            "select name, sql from sqlite_master where type = 'index' and sql is not null"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f'drop index "{name}"')
        yield connection
        for _, text in indexes:
            connection.execute(text)
        connection.execute("commit")
        connection.execute("analyze")
        connection.execute("pragma wal_checkpoint(truncate)")


def _encoded(layout: Layout, row: Row) -> Row:
    return tuple(_encode(layout, value) for value in row)


def _encode(layout: Layout, value: Any) -> Any:
    if isinstance(value, UUID):
        return layout.id(value)
    return layout.time(value) if isinstance(value, datetime) else value
