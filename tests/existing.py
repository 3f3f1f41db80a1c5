"""Databases that were there before abaft: made by scripts of SQL, and looked at from outside."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import apsw
import asyncmy
import asyncpg

OWN = "abaft_"


async def run(url: str, script: str) -> None:
    """Runs a script of SQL on the database."""
    if url.startswith("sqlite"):
        connection = apsw.Connection(url.removeprefix("sqlite:///"))
        connection.execute(script)
        connection.close()
        return
    if url.startswith("mysql"):
        await mysql_rows(url, script)
        return
    server = await asyncpg.connect(url)
    try:
        await server.execute(script)
    finally:
        await server.close()


_MANNERS = "set session sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT', time_zone = '+00:00'"


async def dialled(url: str) -> Any:
    """A connection to a MariaDB with plain manners."""
    parts = urlsplit(url)
    return await asyncmy.connect(
        host=parts.hostname, port=parts.port, user="root", database=parts.path[1:],
        autocommit=True, init_command=_MANNERS,
    )  # fmt: skip


async def mysql_rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    """The rows of the last of some statements, as a client with plain manners sees them."""
    connection = await dialled(url)
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(sql)
            rows = await cursor.fetchall() if cursor.description else ()
            while await cursor.nextset():
                rows = await cursor.fetchall() if cursor.description else ()
            return [tuple(row) for row in rows]
    finally:
        await connection.ensure_closed()


async def fetch(url: str, sql: str) -> list[tuple[Any, ...]]:
    if url.startswith("sqlite"):
        connection = apsw.Connection(url.removeprefix("sqlite:///"))
        try:
            return [tuple(row) for row in connection.execute(sql).fetchall()]
        finally:
            connection.close()
    if url.startswith("mysql"):
        return await mysql_rows(url, sql)
    server = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await server.fetch(sql)]
    finally:
        await server.close()


async def ddl(url: str) -> list[tuple[Any, ...]]:
    """All that the database says of its tables, but for abaft's own."""
    if url.startswith("sqlite"):
        sql = (
            "select type, name, tbl_name, sql from sqlite_master "
            "where name not like 'sqlite_stat%' order by 2, 1"
        )
        found = await fetch(url, sql)
        return [row for row in found if not row[2].startswith(OWN)]
    if url.startswith("mysql"):
        found = []
        for _, name, type_ in await mysql_rows(url, _TABLES):
            if not name.startswith(OWN):
                quoted = name.replace("`", "``")
                found += await mysql_rows(url, f"show create {type_} `{quoted}`")
        return found
    found = []
    for sql in _CATALOG:
        found += await fetch(url, sql)
    return sorted((row for row in found if OWN not in str(row)), key=str)


_TABLES = (
    "select table_schema, table_name, if(table_type = 'VIEW', 'view', 'table') "
    "from information_schema.tables where table_schema = database() order by 2"
)
_SCHEMAS = "n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')"
_CATALOG = (
    f"""select n.nspname, c.relname, c.relkind::text, pg_get_viewdef(c.oid) from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        where {_SCHEMAS} and c.relkind in ('v', 'm')""",
    f"""select n.nspname, c.relname, c.relkind::text, a.attname,
        format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::text,
        a.attgenerated::text, a.attidentity::text, pg_get_expr(d.adbin, d.adrelid)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum where {_SCHEMAS}""",
    f"""select n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid) from pg_constraint k
        join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
        where {_SCHEMAS}""",
    f"""select n.nspname, c.relname, pg_get_indexdef(x.indexrelid) from pg_index x
        join pg_class c on c.oid = x.indrelid join pg_namespace n on n.oid = c.relnamespace
        where {_SCHEMAS}""",
    f"""select n.nspname, c.relname, pg_get_triggerdef(t.oid) from pg_trigger t
        join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
        where {_SCHEMAS}""",
)
