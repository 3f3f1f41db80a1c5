"""Reads what tables a MySQL or MariaDB database has, and brings them up to the models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from abaft.base.errors import SetupError
from abaft.model.spec import Schema
from abaft.store.mysql_changes import FEED
from abaft.store.mysql_errors import FAILURES, gone
from abaft.store.mysql_pool import Connection
from abaft.store.sql.dialect import Dialect
from abaft.store.sql.indexes import index_groups
from abaft.store.sql.mysql import LOCKS, TURN, Server
from abaft.store.sql.mysql_compiler import COMPANION
from abaft.store.sql.mysql_literals import Listed, filled
from abaft.store.sql.schema import Found, compare

LOCK_NAME = "concat('abaft.', left(sha2(database(), 256), 32))"
_LOCK_SECONDS = 600
_BINARY = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")
"""Collations that go by code point, and let spaces at the end count."""

# Tables are named as models name them: with their schema where that isn't the current one.
_PLACE = (
    "concat(if({0}.table_schema = database(), '', concat({0}.table_schema, '.')), {0}.table_name)"
)
_COLUMNS = (
    f"SELECT {_PLACE.format('c')}, c.column_name, c.column_type, c.collation_name,"
    " c.is_nullable = 'NO',"
    " coalesce(c.column_default, 'NULL') <> 'NULL' OR c.extra LIKE '%auto_increment%'"
    " OR c.extra LIKE '%GENERATED%' FROM information_schema.columns c WHERE c.table_schema IN ?"
    " ORDER BY c.ordinal_position"
)
_INDEXES = (
    f"SELECT {_PLACE.format('s')}, s.table_name, s.index_name, s.non_unique, s.column_name"
    " FROM information_schema.statistics s WHERE s.table_schema IN ? ORDER BY s.seq_in_index"
)
_KEYS = (
    f"SELECT {_PLACE.format('k')}, k.constraint_name FROM information_schema.table_constraints k"
    " WHERE k.constraint_type = 'FOREIGN KEY' AND k.table_schema IN ?"
)
_TRIGGERS = (
    "SELECT concat(if(t.event_object_schema = database(), '',"
    " concat(t.event_object_schema, '.')), t.event_object_table) FROM information_schema.triggers t"
    " WHERE t.action_timing = 'BEFORE' AND t.event_object_schema IN ?"
)

_WORDS = re.compile("'((?:[^']|'')*)'")
_FAMILIES = {
    "integer": ("tinyint", "smallint", "mediumint", "int", "bigint"),
    "text": ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "json"),
    "float": ("float", "double", "real"),
    "numeric": ("decimal", "numeric"),
    "datetime": ("datetime", "timestamp"),
    "date": ("date",),
    "time": ("time",),
    "bytes": ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"),
}
_FAMILY_OF = {name: family for family, names in _FAMILIES.items() for name in names}


def family(type_: str) -> str:
    """What types are compared by; "" for one that we know nothing of, such as a set."""
    plain, _, collation = type_.lower().partition(" collate ")
    plain = plain.partition(" character set ")[0]
    if plain.startswith("tinyint(1)"):
        return "boolean"
    found = _FAMILY_OF.get(plain.split("(")[0].split(" ")[0], "")
    return f"{found} in another order" if collation and collation not in _BINARY else found


async def upgrade(
    connection: Connection,
    schema: Schema,
    tables: Mapping[str, sa.Table],
    own: Sequence[sa.Table],
    dialect: Dialect,
    apply: bool,
) -> tuple[list[str], list[str]]:
    """(statements applied, differences left); the server can't undo a definition."""
    connection.limit.seconds = None
    await connection.run(unhurried(connection.server))
    # Of workers that start together one migrates, and the others find it done.
    [(held,)] = await connection.rows(f"SELECT get_lock({LOCK_NAME}, {_LOCK_SECONDS})")
    if held != 1:
        raise SetupError("another process has been changing the tables for too long: try again")
    try:
        found = await _found(connection, schemas_of(schema))
        statements, differences = compare(schema, tables, own, dialect, found, family)
        if not apply:
            return [], differences + [f"missing: {_title(sql)}" for sql in statements]
        if differences:
            return [], differences
        for sql in statements:
            await _define(connection, sql)
        await connection.run(f"INSERT IGNORE INTO {FEED} (id, last) VALUES (1, 0)")
        await connection.run(f"INSERT IGNORE INTO {LOCKS} (id) VALUES ({TURN})")
        return statements, []
    finally:
        if not connection.is_closed():
            # The session's manners were for statements of requests.
            await connection.run(f"DO release_lock({LOCK_NAME})")
            connection.terminate()


async def _define(connection: Connection, sql: str) -> None:
    """Runs a definition. SetupError where the server has no room for it, or no right is given."""
    try:
        await connection.run(sql)
    except FAILURES as error:
        if gone(error):
            raise
        told = error.args[-1] if error.args else type(error).__name__
        raise SetupError(f"the database refuses {_title(sql)}: {told}") from error


def unhurried(server: Server) -> str:
    """What lets a session take its time."""
    limit = "max_statement_time" if server.maria else "max_execution_time"
    waits = "SESSION innodb_lock_wait_timeout = 60, SESSION lock_wait_timeout = 60"
    return f"SET SESSION {limit} = 0, {waits}"


def _title(sql: str) -> str:
    return " ".join(sql.split("(")[0].split())


def schemas_of(schema: Schema) -> list[str]:
    """The databases that models name, besides the one that is connected to."""
    return sorted({model.schema for model in schema.models.values() if model.schema})


async def _asked(connection: Connection, sql: str, schemas: list[str]) -> list[Any]:
    [(current,)] = await connection.rows("SELECT database()")
    return await connection.rows(filled(sql, (Listed((current, *schemas)),)))


async def _found(connection: Connection, schemas: list[str]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for place, column, type_, collation, required, default in await _asked(
        connection, _COLUMNS, schemas
    ):
        there = found.setdefault(place, Found())
        shown = type_ if collation is None else f"{type_} COLLATE {collation}"
        there.columns[column] = (shown, bool(required))
        if default:
            there.defaults.add(column)
        if words := _WORDS.findall(type_ if type_.startswith("enum(") else ""):
            there.words[column] = frozenset(word.replace("''", "'") for word in words)
    for place, _, index, *_rest in await _asked(connection, _INDEXES, schemas):
        found.setdefault(place, Found()).indexes.add(index)
    for place, key in await _asked(connection, _KEYS, schemas):
        found.setdefault(place, Found()).foreign_keys.add(key)
    for (place,) in await _asked(connection, _TRIGGERS, schemas):
        found.setdefault(place, Found()).triggers = True
    return found


async def unique_columns(
    connection: Connection, schema: Schema
) -> dict[tuple[str, str], tuple[str, ...]]:
    """The columns of each unique index, by its table's name and its own; of ours, those that were
    declared."""
    known: dict[tuple[str, str], tuple[str, ...]] = {}
    for _, table, index, not_unique, column in await _asked(
        connection, _INDEXES, schemas_of(schema)
    ):
        if not not_unique and column is not None and not column.startswith(COMPANION):
            known[table, index] = (*known.get((table, index), ()), column)
    for model in schema.models.values():
        for index in index_groups(model):
            if index.unique:
                columns = tuple(model.fields[part].column for part in index.fields)
                known[model.table, index.name] = columns
    return known
