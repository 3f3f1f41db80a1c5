"""What a MySQL or MariaDB database has: read from what SHOW CREATE TABLE says, line by line."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from abaft.migrate.models import SEARCH, is_own
from abaft.migrate.state import Column, Named, Search, State, Table

Rows = Callable[[str], Awaitable[list[Any]]]
"""Runs a statement, and gives its rows."""
AGAIN = "ON DUPLICATE KEY UPDATE stale = 1"
_SEARCH = re.compile(SEARCH + r"_.+_[0-9a-f]{8}")
_NAME = r'"((?:[^"]|"")*)"'
_COLUMN = re.compile(rf"{_NAME} (.+)")
_GENERATED = re.compile(r"(.+?) (GENERATED ALWAYS AS .+)", re.S)
_DEFAULT = re.compile(r" DEFAULT (.+?)(?= ON UPDATE | COMMENT |$)")
_KEY = re.compile(rf"(UNIQUE KEY|FULLTEXT KEY|KEY) {_NAME} (.+)")
_CONSTRAINT = re.compile(rf"CONSTRAINT {_NAME} (FOREIGN KEY|CHECK) (.+)", re.S)
_NEUTRAL = {"datetime": "'1970-01-01'", "date": "'1970-01-01'", "time": "'00:00:00'"}
_TEXTS = ("char", "varchar", "text", "longtext", "mediumtext", "tinytext", "json")
_BYTES = ("binary", "varbinary", "blob", "longblob")


def quoted(name: str) -> str:
    """The name in quotes, which our sessions take as the standard says."""
    return '"' + name.replace('"', '""') + '"'


async def describe(rows: Rows, own: Iterable[str]) -> State:
    """All tables of the database but those that aren't compared."""
    state = State()
    own = tuple(own)
    searches = []
    for name, kind, *_ in await rows("SHOW FULL TABLES"):
        if kind != "BASE TABLE":
            continue
        if _SEARCH.fullmatch(name):
            searches.append(name)
        if not is_own(name, own):
            [(_, sql)] = await rows(f"SHOW CREATE TABLE {quoted(name)}")
            state.tables[name] = _table(name, sql)
    for name in searches:
        state.searches[name] = await _search(rows, name, state)
    return state


def _table(name: str, sql: str) -> Table:
    table = Table(name, sql)
    for line in sql.split("\n")[1:]:
        text = line.strip().removesuffix(",")
        if found := _COLUMN.fullmatch(text):
            table.columns[_bare(found[1])] = _column(found[2])
        elif text.startswith("PRIMARY KEY"):
            table.key = tuple(map(_bare, re.findall(_NAME, text)))
        elif found := _KEY.match(text):
            unique = found[1] == "UNIQUE KEY"
            table.indexes[_bare(found[2])] = Named(text, f"{found[1]} {found[3]}", unique)
        elif found := _CONSTRAINT.match(text):
            rows = table.keys if found[2] == "FOREIGN KEY" else table.checks
            rows[_bare(found[1])] = Named(text, f"{found[2]} {found[3]}")
    return table


def _bare(name: str) -> str:
    return name.replace('""', '"')


def _column(text: str) -> Column:
    """Its type, and what else is said; a value that the database computes is told whole."""
    if found := _GENERATED.fullmatch(text):
        return Column(text, extra=found[2])
    required = " NOT NULL" in text
    default = _DEFAULT.search(text)
    plain = _DEFAULT.sub("", text).replace(" NOT NULL", "")
    plain = re.sub(r"(?<! AUTO_INCREMENT) NULL$", "", plain)
    given = "" if default is None or default[1] == "NULL" else default[1]
    return Column(plain, required, given, fill=_neutral(plain) if required else "")


def _neutral(type_: str) -> str:
    head = re.split(r"[ (]", type_.lower())[0]
    if head in _TEXTS or head in _BYTES:
        return "''"
    return _NEUTRAL.get(head, "0")


async def _search(rows: Rows, name: str, state: State) -> Search:
    """A search index with its triggers, as it was made; it is filled anew."""
    [(_, sql)] = await rows(f"SHOW CREATE TABLE {quoted(name)}")
    found = await rows(
        "SELECT trigger_name, event_object_table, action_timing, event_manipulation,"
        " action_statement FROM information_schema.triggers"
        f" WHERE trigger_schema = database() AND trigger_name LIKE '{name}%' ORDER BY 1"
    )
    of = found[0][1] if found else ""
    made = [
        f"CREATE TRIGGER {trigger} {timing} {event} ON {quoted(table)} FOR EACH ROW {body}"
        for trigger, table, timing, event, body in found
    ]
    keys = state.tables[of].key if of in state.tables else ()
    into = ", ".join(f"k{place}" for place, _ in enumerate(keys))
    own = ", ".join(map(quoted, keys))
    refill = (
        f"INSERT INTO {name} ({into}, stale, terms) SELECT {own}, 1, '' FROM {quoted(of)} {AGAIN}"
    )
    names = tuple(row[0] for row in found)
    drop = [*(f"DROP TRIGGER IF EXISTS {trigger}" for trigger in names), f"DROP TABLE {name}"]
    return Search(of, (sql, *made, refill) if keys else (sql, *made), tuple(drop), names)


def without_keys(sql: str) -> str:
    """CREATE TABLE, without the foreign keys: tables may be made in any order then."""
    lines = sql.split("\n")
    kept = [line.removesuffix(",") for line in lines if " FOREIGN KEY " not in line]
    head, *body, end = kept
    return "\n".join([head, ",\n".join(body), end])
