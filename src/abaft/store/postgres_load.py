"""Many records at once on PostgreSQL: COPY in its text format, which reads every type.

Its binary format would be smaller, but the driver has none for the types whose codecs are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, time, timedelta
from io import BytesIO
from typing import Any

from abaft.base.columns import each
from abaft.model.spec import DELETED, Model
from abaft.model.times import MICROSECOND
from abaft.plan.change import Change
from abaft.plan.loads import Load, Match, Matched
from abaft.store.base import Busy
from abaft.store.postgres_pool import Connection
from abaft.store.sql.changes import CHANGES, KINDS, told
from abaft.store.sql.dialect import Encoder
from abaft.store.sql.load import Table, Tables, assigned, compared, pairs

STAGE = "abaft_load"
"""The temporary table through which rows reach stored records."""

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_SPECIAL = re.compile(r"[\\\t\n\r]")
_FOLLOW = (
    "select setval(s, greatest((select max({column}) from {table}), nextval(s))) "
    "from pg_get_serial_sequence($1, $2) s"
)
_NUMBERS = (
    "select nextval(s) from pg_get_serial_sequence($1, $2) s, generate_series(1, $3::bigint) "
    "where s is not null"
)


class Copy:
    """A load with its values encoded, of which any part can be sent."""

    def __init__(self, load: Load, tables: Tables) -> None:
        self.load, self.tables = load, tables
        self.table = tables.of(load.model)
        self.rows = _lines(self.table, load.names, load.rows)
        same = "\t".join(map(_cell, (load.at, load.actor, load.model.name)))
        self.changes = [
            f"{same}\t{_cell(key)}\t{load.action}\t{_cell(data)}\n" for key, data in load.changes
        ]

    async def send(self, connection: Connection, places: range) -> None:
        """Stores the records at these places, and their change records."""
        if self.load.deferred:
            await connection.execute("set constraints all deferred")
        if self.load.model.searched:
            # The words of many texts are the work of one statement.
            await connection.execute("set local statement_timeout = 0")
        lines = self.rows[places.start : places.stop]
        if self.load.action == "create":
            columns = [self.table.column(name) for name in self.load.names]
            await _copy(connection, self.table.model.table, columns, lines, self.table.model.schema)
            await self._follow(connection)
        elif self.load.action == "delete" or assigned(self.load):
            await _stage(connection, self.table, self.load.names, lines)
            await connection.execute(_CHANGING[self.load.action](self.table, self.load))
        for relation in self.load.links:
            await self._link(connection, relation, places)
        changes = self.changes[places.start : places.stop]
        await _copy(connection, CHANGES, list(KINDS), changes)
        if self.load.model.searched:
            await connection.execute("set local statement_timeout to default")

    async def _follow(self, connection: Connection) -> None:
        """Lets the numbers that the database gives go on after those that were loaded."""
        field = self.load.model.fields[self.load.model.key[0]]
        if field.generated and field.kind.name == "integer":
            quoted = self.table.quoted
            sql = _FOLLOW.format(column=self.table.quote(field.column), table=quoted)
            await connection.fetch(sql, quoted, field.column)

    async def _link(self, connection: Connection, relation: str, places: range) -> None:
        table, sides = self.tables.link(self.load.model, relation)
        if self.load.action == "update":
            at = self.load.names.index(self.load.model.key[0])
            keys = [[self.load.rows[place][at]] for place in places]
            await _stage(connection, table, sides[:1], _lines(table, sides[:1], keys))
            ours = table.columns(sides[:1])
            await connection.execute(
                f"delete from {table.quoted} where {ours} in (select {ours} from {STAGE})"
            )
        lines = _lines(table, sides, pairs(self.load, relation, places))
        columns = [table.column(side) for side in sides]
        await _copy(connection, table.model.table, columns, lines, table.model.schema)


def _update(table: Table, load: Load) -> str:
    sets = [f"{table.columns([name])} = {_at(table, name, 's')}" for name in assigned(load)]
    return f"update {table.quoted} set {', '.join(sets)} from {STAGE} s where {_same(table, load)}"


def _delete(table: Table, load: Load) -> str:
    return f"delete from {table.quoted} using {STAGE} s where {_same(table, load)}"


def _same(table: Table, load: Load) -> str:
    same = [f"{_at(table, name)} = {_at(table, name, 's')}" for name in load.model.key]
    return " and ".join(same)


_CHANGING = {"update": _update, "delete": _delete}


async def tell(connection: Connection, changes: Sequence[Change]) -> None:
    """Puts change records into the feed."""
    lines = ["\t".join(map(_cell, told(change))) + "\n" for change in changes]
    await _copy(connection, CHANGES, list(KINDS), lines)


async def match(
    connection: Connection, tables: Tables, match: Match, turn: str
) -> list[Matched | None]:
    """Asks for all rows in one statement, and locks what is found where that is to be held.

    `turn` is the condition under which the change feed lets a stored row be written.
    """
    table = tables.of(match.model)
    lines = _lines(table, match.names, match.rows)
    numbered = (f"{place}\t{line}" for place, line in enumerate(lines))
    await _stage(connection, table, match.names, numbered, "0::bigint as abaft_place, ")
    stored, keys = table.quoted, match.model.key
    same = [
        f"{_at(table, name)} is not distinct from {_at(table, name, 's')}"
        for name in compared(match)
    ]
    on = [
        f"{table.folded(name, _at(table, name))} = {table.folded(name, _at(table, name, 's'))}"
        for name in match.on
    ]
    on += [f"{_at(table, DELETED)} is null"] if match.living else []
    found: list[Matched | None] = [None] * len(match.rows)
    turn, lock = (turn, f"for update of {stored}") if match.held else ("true", "")
    for row in await connection.fetch(
        f"select s.abaft_place, {' and '.join(same) or 'true'}, {turn}, "
        f"{', '.join(_at(table, name) for name in keys)} "
        f"from {stored} join {STAGE} s on {' and '.join(on)} {lock}"
    ):
        place, is_same, in_turn, *key = row
        if not in_turn:
            raise Busy("others have just changed records that are to be changed: try again")
        found[place] = (table.decoded(keys, key), is_same)
    return found


def _at(table: Table, name: str, place: str = "") -> str:
    return f"{place or table.quoted}.{table.columns([name])}"


async def numbers(connection: Connection, tables: Tables, model: Model, count: int) -> list[int]:
    """The next numbers of the key's sequence; none where it has none."""
    table = tables.of(model)
    column = table.column(model.key[0])
    return [row[0] for row in await connection.fetch(_NUMBERS, table.quoted, column, count)]


async def _stage(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    lines: Iterable[str],
    first: str = "",
) -> None:
    """Puts rows into a temporary table whose columns are those of a stored one."""
    await connection.execute(f"drop table if exists pg_temp.{STAGE}")
    await connection.execute(
        f"create temporary table {STAGE} on commit drop as "
        f"select {first}{table.columns(names)} from {table.quoted} with no data"
    )
    columns = [*(["abaft_place"] if first else []), *(table.column(name) for name in names)]
    await _copy(connection, STAGE, columns, lines)
    await connection.execute(f"analyze {STAGE}")


async def _copy(
    connection: Connection,
    table: str,
    columns: list[str],
    lines: Iterable[str],
    schema: str = "",
) -> None:
    source = BytesIO("".join(lines).encode())
    await connection.copy_to_table(
        table, source=source, columns=columns, schema_name=schema or None, format="text"
    )


def _lines(table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    if not rows:
        return []
    columns = []
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        encode = table.dialect.encoder(table.model.fields[name].kind)
        cells = each(_cell if encode is None else _chain(encode), column)
        columns.append(["\\N" if cell is None else cell for cell in cells])
    return ["\t".join(cells) + "\n" for cells in zip(*columns, strict=True)]


def _chain(encode: Encoder) -> Encoder:
    return lambda value: _cell(encode(value))


def _cell(value: Any) -> str:
    """A value as COPY's text format spells it."""
    match value:
        case str():
            return value if _SPECIAL.search(value) is None else value.translate(_ESCAPES)
        case date() | time():  # a datetime is a date
            return value.isoformat()
        case bytes():
            return "\\\\x" + value.hex()
        case timedelta():
            return f"{value // MICROSECOND} microseconds"
        case list():
            return _array(value).translate(_ESCAPES)
    return str(value)


def _array(values: list[Any]) -> str:
    """A list as PostgreSQL spells an array (8.15.2)."""
    return "{" + ",".join(_element(value) for value in values) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return _array(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
