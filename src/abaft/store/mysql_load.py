"""Many records at once on MySQL and MariaDB: rows of constants, many to a statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from abaft.model.spec import DELETED, Model
from abaft.plan.change import Change
from abaft.plan.loads import Load, Match, Matched
from abaft.store.mysql_pool import Connection
from abaft.store.sql.changes import CHANGES, KINDS, told
from abaft.store.sql.load import Table, Tables, assigned, compared, keys_of, tied
from abaft.store.sql.mysql_literals import literal

STAGE = "abaft_load"
"""The temporary table through which rows reach stored records."""
_BYTES, _ROWS = 1_000_000, 500
"""How much text a statement has at the most, well within max_allowed_packet, and how many rows."""


class Copy:
    """A load with its values encoded, of which any part can be sent."""

    def __init__(self, load: Load, tables: Tables) -> None:
        self.load, self.tables = load, tables
        self.table = tables.of(load.model)
        self.rows = _lines(self.table, load.names, load.rows)
        same = ", ".join(map(literal, (load.at, load.actor, load.model.name)))
        action = literal(load.action)
        self._before, self._between = f"({same}, ", f", {action}, "

    async def send(self, connection: Connection, places: range) -> None:
        """Stores the records at these places, and their change records."""
        lines = self.rows[places.start : places.stop]
        numbers: list[int] = []
        if self.load.action == "create":
            into = f"{self.table.quoted} ({self.table.columns(self.load.names)})"
            create = self._put_off if self.load.deferred else self._create
            numbers = await create(connection, into, lines)
        elif self.load.action == "delete" or assigned(self.load):
            await _stage(connection, self.table, self.load.names, lines)
            await connection.run(_CHANGING[self.load.action](self.table, self.load))
        for relation in self.load.links:
            await self._link(connection, relation, places, numbers)
        into = f"{CHANGES} ({', '.join(KINDS)})"
        await _insert(connection, into, self._changes(places, numbers))

    async def _create(self, connection: Connection, into: str, lines: list[str]) -> list[int]:
        """The numbers of the records, where the database gives them."""
        if self.load.keyless:
            return await _insert_numbered(connection, into, lines)
        await _insert(connection, into, lines)
        return []

    async def _put_off(self, connection: Connection, into: str, lines: list[str]) -> list[int]:
        """Inserts records that may lead to later ones; `dangling` is asked when all are there."""
        await connection.run("SET SESSION foreign_key_checks = 0")
        try:
            return await self._create(connection, into, lines)
        finally:
            if not connection.is_closed():
                await connection.run("SET SESSION foreign_key_checks = 1")

    def _changes(self, places: range, numbers: list[int]) -> list[str]:
        changes = self.load.changes[places.start : places.stop]
        if numbers:
            key = self.load.model.fields[self.load.model.key[0]]
            shown = "" if key.hidden else key.name
            changes = [
                (str(number), _with(data, shown, number))
                for (_, data), number in zip(changes, numbers, strict=True)
            ]
        return [
            f"{self._before}{literal(key)}{self._between}{literal(data)})" for key, data in changes
        ]

    def dangling(self) -> Iterator[str]:
        """What finds a record whose relation leads nowhere."""
        model = self.load.model
        for one in model.one.values():
            if not one.constraint or not set(one.columns) & set(self.load.names):
                continue
            target = self.tables.target(one.target)
            tie = " AND ".join(
                f"o.{target.columns([theirs])} = r.{self.table.columns([ours])}"
                for ours, theirs in zip(one.columns, target.model.key, strict=True)
            )
            held = " AND ".join(
                f"r.{self.table.columns([ours])} IS NOT NULL" for ours in one.columns
            )
            yield (
                f"SELECT 1 FROM {self.table.quoted} r WHERE {held} AND NOT EXISTS"
                f" (SELECT 1 FROM {target.quoted} o WHERE {tie}) LIMIT 1"
            )

    async def _link(
        self, connection: Connection, relation: str, places: range, numbers: list[int]
    ) -> None:
        table, sides = self.tables.link(self.load.model, relation)
        if self.load.action == "update":
            keys = [[key] for key in keys_of(self.load, places)]
            listed = ", ".join(_lines(table, sides[:1], keys))
            await connection.run(
                f"DELETE FROM {table.quoted} WHERE ({table.columns(sides[:1])}) IN ({listed})"
            )
        found = tied(self.load, relation, places, numbers or keys_of(self.load, places))
        lines = _lines(table, sides, found)
        await _insert(connection, f"{table.quoted} ({table.columns(sides)})", lines)


def _with(data: str, name: str, number: int) -> str:
    """The data of a change with the number that its record was given."""
    if not name:
        return data
    return f'{{"{name}":{number}' + (f",{data[1:]}" if data != "{}" else "}")


def _update(table: Table, load: Load) -> str:
    sets = [f"r.{table.columns([name])} = s.{table.columns([name])}" for name in assigned(load)]
    return f"UPDATE {table.quoted} r JOIN {STAGE} s ON {_same(table, load)} SET {', '.join(sets)}"


def _delete(table: Table, load: Load) -> str:
    return f"DELETE r FROM {table.quoted} r JOIN {STAGE} s ON {_same(table, load)}"


def _same(table: Table, load: Load) -> str:
    same = [f"r.{table.columns([name])} = s.{table.columns([name])}" for name in load.model.key]
    return " AND ".join(same)


_CHANGING = {"update": _update, "delete": _delete}


async def tell(connection: Connection, changes: Sequence[Change]) -> None:
    """Puts change records into the feed."""
    lines = [f"({', '.join(map(literal, told(change)))})" for change in changes]
    await _insert(connection, f"{CHANGES} ({', '.join(KINDS)})", lines)


async def match(connection: Connection, tables: Tables, match: Match) -> list[Matched | None]:
    """Asks for all rows in one statement, and locks what is found."""
    table = tables.of(match.model)
    lines = _lines(table, match.names, match.rows)
    numbered = [f"({place}, {line[1:]}" for place, line in enumerate(lines)]
    await _stage(connection, table, match.names, numbered, "0 AS abaft_place, ")
    keys = match.model.key
    same = [f"{_at(table, name, 'r')} <=> {_at(table, name, 's')}" for name in compared(match)]
    on = [
        f"{table.folded(name, _at(table, name, 'r'))} = {table.folded(name, _at(table, name, 's'))}"
        for name in match.on
    ]
    on += [f"{_at(table, DELETED, 'r')} IS NULL"] if match.living else []
    found: list[Matched | None] = [None] * len(match.rows)
    for place, is_same, *key in await connection.rows(
        f"SELECT s.abaft_place, {' AND '.join(same) or 'true'}, "
        f"{', '.join(_at(table, name, 'r') for name in keys)} "
        f"FROM {STAGE} s JOIN {table.quoted} r ON {' AND '.join(on)} FOR UPDATE"
    ):
        found[place] = (table.decoded(keys, key), bool(is_same))
    return found


def _at(table: Table, name: str, place: str) -> str:
    return f"{place}.{table.columns([name])}"


async def numbers(connection: Connection, tables: Tables, model: Model, count: int) -> list[int]:
    """None: what an AUTO_INCREMENT column will give can't be kept for anybody."""
    return []


async def _stage(
    connection: Connection, table: Table, names: Sequence[str], lines: list[str], first: str = ""
) -> None:
    """Puts rows into a temporary table whose columns are those of a stored one."""
    await connection.run(f"DROP TEMPORARY TABLE IF EXISTS {STAGE}")
    await connection.run(
        f"CREATE TEMPORARY TABLE {STAGE} AS "
        f"SELECT {first}{table.columns(names)} FROM {table.quoted} WHERE false"
    )
    await _insert(connection, STAGE, lines)


async def _insert(connection: Connection, into: str, lines: list[str]) -> None:
    for some in _packets(lines):
        await connection.run(f"INSERT INTO {into} VALUES {', '.join(some)}")


async def _insert_numbered(connection: Connection, into: str, lines: list[str]) -> list[int]:
    """The numbers that the rows were given: a statement whose rows are constants gets its numbers
    at once, whatever innodb_autoinc_lock_mode is."""
    given: list[int] = []
    for some in _packets(lines):
        [(first, step)] = await connection.rows(
            f"INSERT INTO {into} VALUES {', '.join(some)};"
            " SELECT last_insert_id(), @@SESSION.auto_increment_increment"
        )
        given += range(first, first + len(some) * step, step)
    return given


def _packets(lines: Iterable[str]) -> Iterator[list[str]]:
    some: list[str] = []
    size = 0
    for line in lines:
        if some and (size + len(line) > _BYTES or len(some) == _ROWS):
            yield some
            some, size = [], 0
        some.append(line)
        size += len(line)
    if some:
        yield some


def _lines(table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    if not rows or not names:
        return ["()"] * len(rows)
    encoded = table.encoded(names, rows)
    return [f"({', '.join(map(literal, row))})" for row in encoded]
