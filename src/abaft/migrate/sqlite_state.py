"""What a SQLite database has: read from sqlite_master, in the words in which it was made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from abaft.migrate.models import SEARCH, is_own
from abaft.migrate.state import Column, Named, Search, State, Table
from abaft.store.sql.search_sqlite import KEYS, TERMS
from abaft.store.sql.sqlite import SqliteDialect

Rows = Callable[..., list[Any]]
"""Runs a statement with values, and gives its rows."""
_NAME = r'"(?:[^"]|"")*"|\[[^\]]*\]|`[^`]*`|\'[^\']*\'|[^\s(]+'
_CREATE = re.compile(rf"\s*CREATE\s+TABLE\s+({_NAME})\s*(?=\()", re.I)
_CHECK = re.compile(r'CONSTRAINT\s+("(?:[^"]|"")*"|\w+)\s+CHECK\s*\(', re.I)
_SEARCH = re.compile(SEARCH + r"_.+_[0-9a-f]{8}")
_NEUTRAL = {"INTEGER": "0", "REAL": "0", "TEXT": "''", "BLOB": "X''", "ANY": "''"}


def quoted(name: str) -> str:
    """The name, in quotes where it needs them."""
    return str(SqliteDialect.sa.identifier_preparer.quote(name))


def named_anew(sql: str, name: str) -> str:
    """CREATE TABLE for a table of another name."""
    return f"CREATE TABLE {quoted(name)} {_CREATE.sub('', sql, count=1)}"


def describe(rows: Rows, own: Iterable[str]) -> State:
    """All tables but those that aren't compared."""
    state = State()
    listed = rows(
        "select l.name, m.sql from pragma_table_list l join sqlite_master m on m.name = l.name "
        "and m.type = 'table' where l.schema = 'main' and l.type = 'table' "
        "and l.name not like 'sqlite@_%' escape '@' order by m.rowid"
    )
    for name, sql in listed:
        if not is_own(name, own):
            state.tables[name] = _table(rows, name, sql)
    for (name,) in rows("select name from sqlite_master where type = 'table'"):
        if _SEARCH.fullmatch(name):
            state.searches[name] = _search(rows, name)
    return state


def _table(rows: Rows, name: str, sql: str) -> Table:
    table = Table(name, sql)
    keyed = []
    for column, type_, required, default, key, hidden in rows(
        'select name, type, "notnull", dflt_value, pk, hidden from pragma_table_xinfo(?)', name
    ):
        extra = "generated" if hidden in (2, 3) else ""
        fill = _NEUTRAL.get(type_.upper(), "''") if required else ""
        table.columns[column] = Column(type_, bool(required), default or "", extra, fill)
        if key:
            keyed.append((key, column))
    table.key = tuple(column for _, column in sorted(keyed))
    table.checks = {found: Named(text, _plain(text)) for found, text in _checks(sql)}
    table.keys = _keys(rows, name)
    for kind, found, text in rows(
        "select type, name, sql from sqlite_master where tbl_name = ? and sql is not null", name
    ):
        if kind == "index":
            unique = text.upper().startswith("CREATE UNIQUE")
            same = _plain(text.partition(" ON ")[2])
            table.indexes[found] = Named(text, f"{unique} {same}", unique)
        elif kind == "trigger":
            table.triggers[found] = text
    return table


def _checks(sql: str) -> list[tuple[str, str]]:
    """The checks that have names, and what they ask."""
    found = []
    for head in _CHECK.finditer(sql):
        end = _closing(sql, head.end())
        found.append((head[1].strip('"'), sql[head.end() : end]))
    return found


def _closing(sql: str, start: int) -> int:
    """Where the parenthesis ends that was opened before."""
    depth, quote = 1, ""
    for place in range(start, len(sql)):
        letter = sql[place]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "()":
            depth += 1 if letter == "(" else -1
            if not depth:
                return place
    return len(sql)


def _keys(rows: Rows, table: str) -> dict[str, Named]:
    """Foreign keys by their columns: SQLite tells no names."""
    parts: dict[int, list[Any]] = {}
    for row in rows(
        'select id, "from", "table", "to", on_delete from pragma_foreign_key_list(?) '
        "order by id, seq",
        table,
    ):
        parts.setdefault(row[0], []).append(row)
    found = {}
    for rows_of in parts.values():
        columns = ",".join(row[1] for row in rows_of)
        to = ",".join(str(row[3]) for row in rows_of)
        same = f"({columns}) to {rows_of[0][2]} ({to}) on delete {rows_of[0][4]}"
        found[f"fk_{table}_{columns}"] = Named(same, same)
    return found


def _plain(sql: str) -> str:
    """The text without what a renaming adds: quotes of names, and spaces."""
    return " ".join(re.sub(r'"([A-Za-z_]\w*)"', r"\1", sql).split())


def _search(rows: Rows, name: str) -> Search:
    """A search index with all that belongs to it, as it was made."""
    rest = name.removeprefix(SEARCH)
    tables = [name, TERMS + rest, KEYS + rest]
    made = {
        found: sql
        for found, sql in rows("select name, sql from sqlite_master where sql is not null")
    }
    triggers = rows(
        "select name, tbl_name, sql from sqlite_master where type = 'trigger' and name like ?",
        f"{name}@_%".replace("@", ""),
    )
    of = triggers[0][1] if triggers else ""
    keys = [f"k{place}" for place in range(_count(made.get(KEYS + rest, "")))]
    info = rows("select name, pk from pragma_table_xinfo(?) where pk > 0 order by pk", of)
    columns = [quoted(column) for column, _ in info]
    create = [made[table] for table in (*tables, f"{KEYS}{rest}_stale") if table in made]
    refill = (
        f"INSERT INTO {KEYS}{rest} ({', '.join(keys)}, stale) "
        f"SELECT {', '.join(columns)}, 1 FROM {quoted(of)}"
    )
    names = tuple(row[0] for row in triggers)
    drop = [
        *(f"DROP TRIGGER IF EXISTS {row}" for row in names),
        f"DROP TABLE IF EXISTS {TERMS}{rest}",
        f"DROP TABLE {name}",
        f"DROP TABLE IF EXISTS {KEYS}{rest}",
    ]
    texts = [row[2] for row in triggers]
    return Search(of, (*create, *texts, refill), tuple(drop), names)


def _count(sql: str) -> int:
    return len(set(re.findall(r"\bk\d+\b", sql)))
