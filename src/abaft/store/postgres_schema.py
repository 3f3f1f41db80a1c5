"""Reads what tables a PostgreSQL schema has, and brings them up to the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from abaft.model.spec import Schema
from abaft.store.postgres_changes import feed_index, mend
from abaft.store.postgres_pool import Connection
from abaft.store.sql.dialect import Dialect
from abaft.store.sql.schema import Found, compare
from abaft.store.sql.tables import create_index, index_groups

_LOCK = 0x61626166_74  # "abaft"

# Text in the database's own order is as good where that is the order of code points.
_COLUMNS = """
select c.relname, a.attname, format_type(a.atttypid, a.atttypmod) || case
        when a.attcollation = 0
            or l.collname in ('C', 'POSIX', 'C.utf8', 'C.UTF-8', 'ucs_basic', 'pg_c_utf8')
            or (l.collname = 'default' and 'a' > 'B' collate "default") then ''
        else ' COLLATE ' || quote_ident(l.collname) end,
    a.attnotnull, a.atthasdef or a.attidentity <> ''
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_collation l on l.oid = a.attcollation
where c.relnamespace = (select oid from pg_namespace where nspname = current_schema())
    and c.relkind in ('r', 'p', 'v', 'm', 'f')
"""
_INDEXES = """
select c.relname, i.relname, x.indisunique, array(
    select a.attname::text from unnest(x.indkey) with ordinality k(number, place)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = k.number
    where k.place <= x.indnkeyatts order by k.place
)
from pg_index x join pg_class c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
where c.relnamespace = (select oid from pg_namespace where nspname = current_schema())
"""
_KEYS = """
select c.relname, k.conname from pg_constraint k join pg_class c on c.oid = k.conrelid
where k.contype = 'f'
    and c.relnamespace = (select oid from pg_namespace where nspname = current_schema())
"""

_VIEWS = """
select relname from pg_class
where relnamespace = (select oid from pg_namespace where nspname = current_schema())
    and relkind in ('v', 'm', 'f')
"""

_FAMILIES = {
    "integer": ("smallint", "integer", "bigint"),
    "text": ("text", "character varying", "varchar", "character", "name", "citext"),
    "float": ("real", "double precision", "float"),
    "numeric": ("numeric", "decimal"),
    "boolean": ("boolean",),
    "datetime": ("timestamp with time zone",),
    "naive": ("timestamp without time zone",),
    "date": ("date",),
    "time": ("time without time zone",),
    "uuid": ("uuid",),
    "bytes": ("bytea",),
    "json": ("json", "jsonb"),
    "xid": ("xid8",),
}
_FAMILY_OF = {name: family for family, names in _FAMILIES.items() for name in names}


def family(type_: str) -> str:
    """What types are compared by; "" for one that we know nothing of, such as a domain."""
    plain, _, collation = type_.partition(" COLLATE ")
    head, _, rest = plain.lower().partition("(")
    name = f"{head.strip()} {rest.partition(')')[2].strip()}".strip()
    found = _FAMILY_OF.get(name, "")
    return f"{found} in another order" if collation not in ("", '"C"') else found


async def upgrade(
    connection: Connection,
    schema: Schema,
    tables: Mapping[str, sa.Table],
    changes: sa.Table,
    own: Sequence[sa.Table],
    dialect: Dialect,
    apply: bool,
) -> tuple[list[str], list[str]]:
    """(statements applied, differences left); all of them are applied, or none."""
    async with connection.transaction():
        await connection.execute("set local statement_timeout = 0; set local lock_timeout = 0")
        if apply:
            # Of workers that start together one migrates, and the others find it done.
            await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        found = await _found(connection)
        statements, differences = compare(schema, tables, (changes, *own), dialect, found, family)
        feed = found.get(changes.name, Found())
        index = feed_index(changes)
        if index.name not in feed.indexes:
            statements.append(create_index(index, dialect))
        if feed.columns and not differences:
            await mend(connection)
        if not apply:
            return [], differences + [f"missing: {_title(sql)}" for sql in statements]
        if differences:
            return [], differences
        for sql in statements:
            await connection.execute(sql)
        return statements, []


def _title(sql: str) -> str:
    return " ".join(sql.split("(")[0].split())


async def _found(connection: Connection) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for table, column, type_, required, default in await connection.fetch(_COLUMNS):
        there = found.setdefault(table, Found())
        there.columns[column] = (type_, required)
        if default:
            there.defaults.add(column)
    for table, index, _, _ in await connection.fetch(_INDEXES):
        found.setdefault(table, Found()).indexes.add(index)
    for table, key in await connection.fetch(_KEYS):
        found.setdefault(table, Found()).foreign_keys.add(key)
    return found


async def views(connection: Connection) -> frozenset[str]:
    """What models may name that is no table of this database: it has no system columns."""
    return frozenset(row[0] for row in await connection.fetch(_VIEWS))


async def unique_columns(
    connection: Connection, schema: Schema
) -> dict[tuple[str, str], tuple[str, ...]]:
    """The columns of each unique index, by its table's name and its own; that of an expression,
    which the database doesn't name, is known if it is ours."""
    known = {
        (table, index): tuple(columns)
        for table, index, unique, columns in await connection.fetch(_INDEXES)
        if unique and columns
    }
    for model in schema.models.values():
        for index in index_groups(model):
            if index.unique:
                columns = tuple(model.fields[part].column for part in index.fields)
                known[model.table, index.name] = columns
    return known
