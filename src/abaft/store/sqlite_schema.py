"""Reads what tables a SQLite database has, and brings them up to the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import apsw
import sqlalchemy as sa

from abaft.model.spec import Schema
from abaft.store.sql.dialect import Dialect
from abaft.store.sql.schema import Found, compare


def upgrade(
    connection: apsw.Connection,
    schema: Schema,
    tables: Mapping[str, sa.Table],
    own: Sequence[sa.Table],
    dialect: Dialect,
    apply: bool,
) -> tuple[list[str], list[str]]:
    """(statements applied, differences left); nothing is applied while differences are left."""
    found = {name: _table(connection, name) for name in _names(connection)}
    statements, differences = compare(schema, tables, own, dialect, found, affinity)
    if not apply:
        return [], differences + [f"missing: {_title(sql)}" for sql in statements]
    if differences:
        return [], differences
    for sql in statements:
        connection.execute(sql)
    return statements, []


def _title(sql: str) -> str:
    return " ".join(sql.split("(")[0].split())


def _names(connection: apsw.Connection) -> list[str]:
    rows = connection.execute("select name from sqlite_master where type in ('table', 'view')")
    return [str(row[0]) for row in rows.fetchall()]


def _table(connection: apsw.Connection, name: str) -> Found:
    found = Found()
    columns = connection.execute(
        'select name, type, "notnull", dflt_value from pragma_table_xinfo(?)', (name,)
    )
    for column, type_, required, default in columns.fetchall():
        found.columns[str(column)] = (str(type_), bool(required))
        if default is not None:
            found.defaults.add(str(column))
    triggers = connection.execute(
        "select 1 from sqlite_master where type = 'trigger' and tbl_name = ?", (name,)
    )
    found.triggers = triggers.fetchall() != []
    indexes = connection.execute("select name from pragma_index_list(?)", (name,))
    found.indexes = {str(row[0]) for row in indexes.fetchall()}
    return found


def affinity(type_: str) -> str:
    """The affinity of a declared type (sqlite.org/datatype3.html, 3.1); "" for NUMERIC."""
    name = type_.upper()
    if "INT" in name:
        return "integer"
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return "text"
    if "BLOB" in name:
        return "blob"
    return "real" if any(part in name for part in ("REAL", "FLOA", "DOUB")) else ""
