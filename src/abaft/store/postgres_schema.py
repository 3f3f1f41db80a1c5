"""Reads what tables a PostgreSQL schema has, and brings them up to the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from abaft.model.spec import Schema
from abaft.store.postgres_changes import FEED_INDEX, mend
from abaft.store.postgres_pool import Connection
from abaft.store.sql.dialect import Dialect
from abaft.store.sql.indexes import index_groups
from abaft.store.sql.schema import Found, compare
from abaft.store.sql.tables import create_index

LOCK = 0x61626166_74  # "abaft"

# Tables are named as models name them: with their schema where that isn't the current one.
_PLACES = """
with places as (
    select c.oid, c.relkind, c.relname as name, case
            when n.nspname = current_schema() then '' else n.nspname || '.' end
        || c.relname as place, n.nspname as schema
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = current_schema() or n.nspname = any($1::text[])
)
"""
# Text in the database's own order is as good where that is the order of code points. A domain is
# what it is made of.
_COLUMNS = f"""{_PLACES}
select c.place, a.attname,
    case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod)
        else format_type(a.atttypid, a.atttypmod) end
    || case
        when a.attcollation = 0
            or l.collname in ('C', 'POSIX', 'C.utf8', 'C.UTF-8', 'ucs_basic', 'pg_c_utf8')
            or (l.collname = 'default' and 'a' > 'B' collate "default") then ''
        else ' COLLATE ' || quote_ident(l.collname) end,
    a.attnotnull or t.typnotnull, a.atthasdef or a.attidentity <> '' or t.typdefault is not null,
    array(select e.enumlabel::text from pg_enum e where e.enumtypid in (t.oid, t.typbasetype))
from places c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
left join pg_collation l on l.oid = a.attcollation
where c.relkind in ('r', 'p', 'v', 'm', 'f')
"""
_INDEXES = f"""{_PLACES}
select c.place, i.relname, x.indisunique, array(
    select a.attname::text from unnest(x.indkey) with ordinality k(number, place)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = k.number
    where k.place <= x.indnkeyatts order by k.place
), c.name
from pg_index x join places c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
"""
_KEYS = f"""{_PLACES}
select c.place, k.conname from pg_constraint k join places c on c.oid = k.conrelid
where k.contype = 'f'
"""
# What runs before a row is stored may fill in what the statement leaves out.
_TRIGGERS = f"""{_PLACES}
select distinct c.place from pg_trigger t join places c on c.oid = t.tgrelid
where not t.tgisinternal and (t.tgtype & 7) = 7
"""
_VIEWS = f"{_PLACES} select place from places where relkind in ('v', 'm', 'f')"

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
            await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
        found = await _found(connection, schemas_of(schema))
        statements, differences = compare(schema, tables, (changes, *own), dialect, found, family)
        feed = found.get(changes.name, Found())
        if feed.columns and FEED_INDEX not in feed.indexes:
            statements += [create_index(index, dialect) for index in changes.indexes]
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


def schemas_of(schema: Schema) -> list[str]:
    """The schemas that models name."""
    return sorted({model.schema for model in schema.models.values() if model.schema})


async def _found(connection: Connection, schemas: list[str]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for place, column, type_, required, default, words in await connection.fetch(_COLUMNS, schemas):
        there = found.setdefault(place, Found())
        there.columns[column] = (type_, required)
        if words:
            there.words[column] = frozenset(words)
        if default:
            there.defaults.add(column)
    for place, index, *_ in await connection.fetch(_INDEXES, schemas):
        found.setdefault(place, Found()).indexes.add(index)
    for place, key in await connection.fetch(_KEYS, schemas):
        found.setdefault(place, Found()).foreign_keys.add(key)
    for (place,) in await connection.fetch(_TRIGGERS, schemas):
        found[place].triggers = True
    return found


async def views(connection: Connection, schema: Schema) -> frozenset[str]:
    """What models may name that is no table of this database: it has no system columns."""
    return frozenset(row[0] for row in await connection.fetch(_VIEWS, schemas_of(schema)))


async def unique_columns(
    connection: Connection, schema: Schema
) -> dict[tuple[str, str], tuple[str, ...]]:
    """The columns of each unique index, by its table's name and its own; that of an expression,
    which the database doesn't name, is known if it is ours."""
    known = {
        (table, index): tuple(columns)
        for _, index, unique, columns, table in await connection.fetch(_INDEXES, schemas_of(schema))
        if unique and columns
    }
    for model in schema.models.values():
        for index in index_groups(model):
            if index.unique:
                columns = tuple(model.fields[part].column for part in index.fields)
                known[model.table, index.name] = columns
    return known
