"""Many records at once on SQLite: prepared statements, run by rows of driver values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import apsw

from abaft.model.spec import DELETED, Model
from abaft.plan.change import Change
from abaft.plan.loads import Load, Match, Matched
from abaft.store.base import StoreError
from abaft.store.sql.changes import CHANGES, KINDS, told
from abaft.store.sql.load import Table, Tables, assigned, compared, pairs
from abaft.store.sqlite_writer import refusal

Refused = dict[int, StoreError]
Work = Callable[[apsw.Connection], Any]
Some = Callable[[apsw.Connection, range], None]

CACHE_KIB = 64_000
"""Indexes are filled in no order of theirs: with the usual 2 MB, pages come and go all the time."""


class Loader:
    """Makes the writer's work of a load; the values are encoded before the writer sees them."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def work(self, load: Load) -> Work:
        write = _write(self._tables, load)
        changes = _changes(load, self._tables)
        links = [_links(self._tables, load, name) for name in load.links]

        def some(connection: apsw.Connection, places: range) -> None:
            with connection:  # a savepoint
                write(connection, places)
                for link in links:
                    link(connection, places)
                connection.executemany(_INSERT_CHANGE, changes[places.start : places.stop])

        def work(connection: apsw.Connection) -> Refused:
            connection.pragma("cache_size", -CACHE_KIB)
            if load.deferred:
                connection.pragma("defer_foreign_keys", True)
            return _halving(connection, some, range(len(load.rows)))

        return work

    def tell(self, changes: Sequence[Change]) -> Work:
        """Puts change records into the feed."""
        encode = self._tables.dialect.encoder(KINDS["at"])
        rows = [(encode(at) if encode else at, *rest) for at, *rest in map(told, changes)]

        def work(connection: apsw.Connection) -> None:
            connection.executemany(_INSERT_CHANGE, rows)

        return work

    def match(self, match: Match) -> Work:
        """Asks for each row; what is found stays, for nobody else writes meanwhile."""
        table = self._tables.of(match.model)
        quoted = {name: table.quote(table.column(name)) for name in match.model.fields}
        found = [f"max({quoted[name]})" for name in match.model.key]
        others = [
            f"{quoted[name]} is ?{place}"
            for place, name in enumerate(match.names, 1)
            if name in compared(match)
        ]
        on = [
            f"{table.folded(name, quoted[name])} = {table.folded(name, f'?{place}')}"
            for place, name in enumerate(match.on, 1)
        ]
        on += [f"{quoted[DELETED]} is null"] if match.living else []
        sql = (
            f"select {', '.join(found)}, max({' and '.join(others) or '1'}), count(*) "
            f"from {table.quoted} where {' and '.join(on)}"
        )
        rows = table.encoded(match.names, match.rows)

        def work(connection: apsw.Connection) -> list[Matched | None]:
            return [
                (table.decoded(match.model.key, row[:-2]), bool(row[-2])) if row[-1] else None
                for row in connection.executemany(sql, rows)
            ]

        return work

    def numbers(self, model: Model, count: int) -> Work:
        """What SQLite would give next itself: one more than the highest."""
        table = self._tables.of(model)
        sql = f"select coalesce(max({table.columns(model.key[:1])}), 0) from {table.quoted}"

        def work(connection: apsw.Connection) -> list[int]:
            highest: Any = connection.execute(sql).fetchall()[0][0]
            return list(range(highest + 1, highest + 1 + count))

        return work


def _halving(connection: apsw.Connection, write: Some, places: range) -> Refused:
    """Writes all but what is refused; a few bad rows among thousands cost a few tries."""
    if not places:
        return {}
    try:
        write(connection, places)
    except apsw.ConstraintError as error:
        if len(places) == 1:
            return {places[0]: refusal(error)}
        middle = len(places) // 2
        first = _halving(connection, write, places[:middle])
        return first | _halving(connection, write, places[middle:])
    return {}


def _marks(count: int) -> str:
    return ", ".join("?" * count)


_INSERT_CHANGE = f"insert into {CHANGES} ({', '.join(KINDS)}) values ({_marks(len(KINDS))})"


def _write(tables: Tables, load: Load) -> Some:
    table = tables.of(load.model)
    if load.action == "create":
        names = load.names
        columns = table.columns(names)
        sql = f"insert into {table.quoted} ({columns}) values ({_marks(len(names))})"
    elif load.action == "delete":
        names = load.model.key
        sql = f"delete from {table.quoted} where {_keyed(table, load)}"
    else:
        names = (*assigned(load), *load.model.key)
        sql = _update(table, load)
        if not assigned(load):
            return lambda connection, places: None
    order = [load.names.index(name) for name in names]
    same = order == list(range(len(load.names)))
    rows = load.rows if same else [[row[at] for at in order] for row in load.rows]
    encoded = table.encoded(names, rows)

    def write(connection: apsw.Connection, places: range) -> None:
        connection.executemany(sql, encoded[places.start : places.stop])

    return write


def _update(table: Table, load: Load) -> str:
    set_ = ", ".join(f"{table.columns([name])} = ?" for name in assigned(load))
    return f"update {table.quoted} set {set_} where {_keyed(table, load)}"


def _keyed(table: Table, load: Load) -> str:
    return " and ".join(f"{table.columns([name])} = ?" for name in load.model.key)


def _links(tables: Tables, load: Load, relation: str) -> Some:
    table, sides = tables.link(load.model, relation)
    insert = f"insert into {table.quoted} ({table.columns(sides)}) values (?, ?)"
    delete = f"delete from {table.quoted} where {table.columns(sides[:1])} = ?"
    at = load.names.index(load.model.key[0])

    def some(connection: apsw.Connection, places: range) -> None:
        if load.action == "update":
            keys = [[load.rows[place][at]] for place in places]
            connection.executemany(delete, table.encoded(sides[:1], keys))
        rows = table.encoded(sides, found) if (found := pairs(load, relation, places)) else []
        connection.executemany(insert, rows)

    return some


def _changes(load: Load, tables: Tables) -> list[Sequence[Any]]:
    encode = tables.dialect.encoder(KINDS["at"])
    at = encode(load.at) if encode else load.at
    model, actor, action = load.model.name, load.actor, load.action
    return [(at, actor, model, key, action, data) for key, data in load.changes]
