"""What a PostgreSQL database has: read from its catalog, in the words in which it shows itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from abaft.migrate.models import SEARCH, is_own
from abaft.migrate.state import Column, Named, Search, State, Table

_PLACES = """
with places as (
    select c.oid, c.relname, c.reltuples, case when n.nspname = current_schema()
        or n.oid = pg_my_temp_schema() then '' else quote_ident(n.nspname) || '.' end
        || quote_ident(c.relname) as shown, case when n.nspname = current_schema()
        or n.oid = pg_my_temp_schema() then '' else n.nspname || '.' end || c.relname as place
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and case when :temporary
        then n.oid = pg_my_temp_schema()
        else n.nspname = current_schema() or n.nspname = any(:schemas) end
)
"""
_TABLES = f"{_PLACES} select place, shown, reltuples::bigint from places order by oid"
_COLUMNS = f"""{_PLACES}
select p.place, a.attname, format_type(a.atttypid, a.atttypmod) || case
        when a.attcollation in (0, t.typcollation) then ''
        else ' COLLATE ' || quote_ident(l.collname) end,
    a.attnotnull, case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,
    a.attidentity::text,
    case when a.attgenerated <> '' then pg_get_expr(d.adbin, d.adrelid) end
from places p join pg_attribute a on a.attrelid = p.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
left join pg_collation l on l.oid = a.attcollation
left join pg_attrdef d on d.adrelid = p.oid and d.adnum = a.attnum
order by p.place, a.attnum
"""
_CONSTRAINTS = f"""{_PLACES}
select p.place, k.conname, k.contype::text, pg_get_constraintdef(k.oid, true), array(
    select a.attname::text from unnest(k.conkey) with ordinality u(number, place)
    join pg_attribute a on a.attrelid = p.oid and a.attnum = u.number order by u.place),
    f.relname, k.confdeltype::text, k.condeferrable, array(
    select a.attname::text from unnest(k.confkey) with ordinality u(number, place)
    join pg_attribute a on a.attrelid = f.oid and a.attnum = u.number order by u.place)
from pg_constraint k join places p on p.oid = k.conrelid left join pg_class f on f.oid = k.confrelid
where k.contype in ('c', 'f', 'p') order by k.conname
"""
_INDEXES = f"""{_PLACES}
select p.place, i.relname, pg_get_indexdef(x.indexrelid, 0, true), x.indisunique, array(
    select pg_get_indexdef(x.indexrelid, k, true) from generate_series(1, x.indnatts) k),
    pg_get_expr(x.indpred, x.indrelid, true), m.amname
from pg_index x join places p on p.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
join pg_am m on m.oid = i.relam where not x.indisprimary and x.indisvalid
order by i.relname
"""
_TRIGGERS = f"""{_PLACES}
select p.place, t.tgname, pg_get_triggerdef(t.oid, true) from pg_trigger t
join places p on p.oid = t.tgrelid where not t.tgisinternal order by t.tgname
"""
_FUNCTION = "select pg_get_functiondef(to_regproc(:name))"
_SEARCH = re.compile(SEARCH + r"_.+_[0-9a-f]{8}")
_NEUTRAL = {
    "text": "''", "boolean": "false", "timestamp with time zone": "'epoch'", "date": "'epoch'",
    "time without time zone": "'00:00'", "uuid": "'00000000-0000-0000-0000-000000000000'",
    "bytea": "''", "jsonb": "'{}'",
}  # fmt: skip


class Catalog:
    """Asks the catalog of a connection about the schemas that models name."""

    def __init__(self, connection: sa.Connection, schemas: list[str], own: Iterable[str]) -> None:
        self._connection = connection
        self._schemas = schemas
        self._own = tuple(own)

    def _rows(self, sql: str, temporary: bool) -> list[Any]:
        statement = sa.text(sql).bindparams(
            sa.bindparam("schemas", self._schemas, sa.ARRAY(sa.Text)),
            sa.bindparam("temporary", temporary, sa.Boolean),
        )
        return [*self._connection.execute(statement)]

    def state(self, temporary: bool = False) -> State:
        """All tables but those that aren't compared; of those that are `temporary`, or others."""
        state = State()
        searches = []
        for place, shown, rows in self._rows(_TABLES, temporary):
            if _SEARCH.fullmatch(place):
                searches.append(place)
            if not is_own(place, self._own):
                state.tables[place] = Table(place, shown, rows=max(rows, 0))
        self._columns(state, temporary)
        self._constraints(state, temporary)
        for place, name, sql, unique, parts, where, method in self._rows(_INDEXES, temporary):
            if place in state.tables:
                same = f"{unique} {method} ({', '.join(parts)}) {where or ''}"
                state.tables[place].indexes[name] = Named(sql, same, unique)
        triggers = self._rows(_TRIGGERS, temporary)
        for place, name, sql in triggers:
            if place in state.tables:
                state.tables[place].triggers[name] = sql
        for name in searches:
            state.searches[name] = self._search(name, triggers, state)
        return state

    def _columns(self, state: State, temporary: bool) -> None:
        for place, name, type_, required, default, identity, generated in self._rows(
            _COLUMNS, temporary
        ):
            if place not in state.tables:
                continue
            kind = {"a": "ALWAYS", "d": "BY DEFAULT"}.get(identity, "")
            extra = f"GENERATED {kind} AS IDENTITY" if kind else ""
            extra = f"GENERATED ALWAYS AS ({generated}) STORED" if generated else extra
            plain = type_.partition(" COLLATE ")[0]
            fill = _NEUTRAL.get(plain, "0") if required else ""
            state.tables[place].columns[name] = Column(type_, required, default or "", extra, fill)

    def _constraints(self, state: State, temporary: bool) -> None:
        for place, name, kind, sql, columns, to, action, later, theirs in self._rows(
            _CONSTRAINTS, temporary
        ):
            if (table := state.tables.get(place)) is None:
                continue
            plain = sql.removesuffix(" NOT VALID")
            if kind == "p":
                table.key = tuple(columns)
            elif kind == "c":
                table.checks[name] = Named(plain, plain)
            else:
                same = f"({', '.join(columns)}) to {to} ({', '.join(theirs)}) {action} {later}"
                table.keys[name] = Named(plain, same)

    def _search(self, name: str, triggers: list[Any], state: State) -> Search:
        """The search index with its function and triggers; it is filled by an update of nothing."""
        mine = [(place, sql) for place, found, sql in triggers if found.startswith(f"{name}_")]
        of = mine[0][0] if mine else ""
        found = self._connection.execute(sa.text(_FUNCTION), {"name": name}).scalar()
        made = Catalog(self._connection, self._schemas, [name]).table(name)
        key = quoted(state.tables[of].key[0]) if of in state.tables else ""
        filled = f"UPDATE {state.tables[of].sql} SET {key} = {key}" if key else "SELECT 1"
        create = (*made, str(found).strip(), *(sql for _, sql in mine), filled)
        drop = (f"DROP FUNCTION IF EXISTS {name}() CASCADE", f"DROP TABLE {name}")
        names = tuple(row[1] for row in triggers if row[1].startswith(f"{name}_"))
        return Search(of, create, drop, names)

    def table(self, name: str) -> list[str]:
        """What makes a table of our own that isn't compared otherwise."""
        state = State({name: Table(name, name)})
        self._columns(state, False)
        self._constraints(state, False)
        rows = [row for row in self._rows(_INDEXES, False) if row[0] == name]
        return [create(state.tables[name]), *(row[2] for row in rows)]


def quoted(name: str) -> str:
    """The name, in quotes where it needs them."""
    return str(_PREPARER.quote(name))


def create(table: Table) -> str:
    """CREATE TABLE as the catalog has it, without foreign keys and indexes."""
    parts = [f"{quoted(name)} {defined(row)}" for name, row in table.columns.items()]
    if table.key:
        parts.append(f"PRIMARY KEY ({', '.join(map(quoted, table.key))})")
    parts += [f"CONSTRAINT {quoted(name)} {row.sql}" for name, row in table.checks.items()]
    lines = ",\n".join(f"    {part}" for part in parts)
    return f"CREATE TABLE {table.sql} (\n{lines}\n)"


def defined(row: Column) -> str:
    """A column's type and all else that is said of it."""
    default = f"DEFAULT {row.default}" if row.default else ""
    required = "NOT NULL" if row.required else ""
    return " ".join(part for part in (row.type, row.extra, required, default) if part)


_PREPARER: Any = sa.dialects.registry.load("postgresql.asyncpg")().identifier_preparer
