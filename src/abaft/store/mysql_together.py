"""Writes that follow each other in a transaction: few statements, in few round trips.

Those that wait for the rows of none before them make a flight, and are sent at once. Neighbours of
one shape in it are one statement, where that can be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from abaft.store.base import HeldOff, Item, Row, Values
from abaft.store.mysql_escapes import mended, shown
from abaft.store.mysql_pool import Connection
from abaft.store.sql.statement import Statement
from abaft.store.sql.write import WriteStatement

_MOST = 100
"""Writes at a time: all of them have a statement's time."""
_STEPS = (100, 50, 20, 10, 5, 2, 1)
"""How many new records a statement may have: so few different ones, a server keeps."""
_BOUND = 5
"""From how many on their values go beside the statement: as constants they would be read anew."""
_LONGEST = 1 << 20
"""Characters at a time, which a server takes in any case."""
_VALUES = re.compile(
    r"(INSERT INTO .+? VALUES )(\((?:[^()']|\([^()']*\))*\))\s*(RETURNING .*)?", re.DOTALL
)
NOTHING: Row = (None, None)
Part = str | tuple[str, list[Any]]
"""A statement with its values in it, or beside it."""
Done = tuple[Sequence[Row] | None, int]
"""The rows that a statement gave, or how many it has written."""


@lru_cache(2_000)
def whole(sql: str) -> bool:
    """Whether the server can't cut short what it gives, which only its last warnings would tell."""
    return "group_concat" not in sql.lower()


def plain(compiled: WriteStatement) -> bool:
    """Whether nothing is to be looked at between the write and its change record."""
    then = compiled.statement.then
    return _alone(compiled) and (then is None or whole(then.sql))


def _alone(compiled: WriteStatement) -> bool:
    return compiled.program is None and compiled.statement.first is None and not compiled.waits


def runs(items: Sequence[Item]) -> Iterator[range]:
    """The places of neighbours of one shape that wait for none of them; others are alone."""
    start = 0
    for place in range(1, len(items) + 1):
        first = items[start]
        if place < len(items) and place - start < _MOST:
            item = items[place]
            alike = item.compiled is first.compiled and item.needs < start
            if alike and not item.reads and plain(item.compiled):
                continue
        yield range(start, place)
        start = place


Flight = list[range]
"""The runs that are sent at once."""


def flights(items: Sequence[Item]) -> Iterator[Flight]:
    """All of them, in order; what can't be sent with others is a flight of its own."""
    flight: Flight = []
    writes = 0
    for run in runs(items):
        flies = can_fly(items[run[0]])
        # Of many statements of their own each may wait for locks.
        full = writes + len(run) > _MOST and not _certain(items[run[0]])
        if flight and (
            not flies or full or any(items[place].needs >= flight[0].start for place in run)
        ):
            yield flight
            flight, writes = [], 0
        flight.append(run)
        writes += len(run)
        if not flies or not _is_whole(items[run[0]]):
            # Of what comes last alone it can be told whether it was cut.
            yield flight
            flight, writes = [], 0
    if flight:
        yield flight


def can_fly(item: Item) -> bool:
    """Whether it can be sent with others."""
    if item.reads:
        return item.compiled.within is None and not item.compiled.statement.estimate
    return _alone(item.compiled)


def _is_whole(item: Item) -> bool:
    if item.reads:
        return whole(item.compiled.statement.statement.sql)
    return plain(item.compiled)


def _certain(item: Item) -> bool:
    return not item.reads and item.compiled.statement.certain


def lands(items: Sequence[Item], flight: Flight) -> bool:
    """Whether it can end with the commit: it does what it has to, or an error ends it before."""
    firsts = [items[run[0]] for run in flight]
    return all(
        _is_whole(item) and (not item.required if item.reads else _certain(item)) for item in firsts
    )


@dataclass(frozen=True, slots=True)
class _Leg:
    """A run of a flight: how many statements write, tell the feed, and read."""

    run: range
    item: Item
    writes: int
    changes: int
    reads: int

    @property
    def size(self) -> int:
        return self.writes + self.changes + self.reads

    def found(self, done: Sequence[Done]) -> list[Any]:
        """What its items gave. HeldOff where one did not take place."""
        compiled = self.item.compiled
        if self.item.reads:
            rows = shown(compiled.statement, done[0][0] or ())
            if self.item.held_off(rows):
                raise HeldOff(self.run[0])
            return [rows]
        statement: Statement = compiled.statement
        written = done[: self.writes]
        if statement.certain:
            return mended(statement.sql, [row for rows, _ in written for row in rows or ()])
        _refuse_none([count for _, count in written], self.run)
        if statement.then is None:
            return [NOTHING] * len(self.run)
        read = [rows or () for rows, _ in done[self.size - self.reads :]]
        _refuse_none(list(map(len, read)), self.run)
        return mended(statement.then.sql, [rows[0] for rows in read])


def _refuse_none(counts: Sequence[int], run: range) -> None:
    for place, count in zip(run, counts, strict=False):
        if not count:
            raise HeldOff(place)


async def fly(
    connection: Connection,
    items: Sequence[Item],
    flight: Flight,
    found: Sequence[Any],
    around: tuple[list[str], list[str]] = ([], []),
) -> list[Any]:
    """What each of the items gave, between statements that go `around` them."""
    parts: list[Part] = [*around[0]]
    legs = []
    for run in flight:
        leg, asked = await _leg(connection, items, run, found)
        legs.append(leg)
        parts += asked
    done = await _several(connection, [*parts, *around[1]])
    start, given = len(around[0]), []
    for leg in legs:
        given += leg.found(done[start : start + leg.size])
        start += leg.size
    return given


async def _leg(
    connection: Connection, items: Sequence[Item], run: range, found: Sequence[Any]
) -> tuple[_Leg, list[Part]]:
    """A run, and its statements."""
    item = items[run[0]]
    many = [items[place].bound(found) for place in run]
    if item.reads:
        [values] = many
        asked = [await _spelled(connection, item.compiled.statement.statement, values)]
        return _Leg(run, item, 0, 0, 1), [*asked]
    compiled: WriteStatement = item.compiled
    writes = await _all(connection, compiled.statement, many)
    changes = [] if compiled.change is None else await _all(connection, compiled.change, many)
    then = compiled.statement.then
    reads = [] if then is None else [await _spelled(connection, then, values) for values in many]
    leg = _Leg(run, item, len(writes), len(changes), len(reads))
    return leg, [*writes, *changes, *reads]


async def _spelled(connection: Connection, statement: Statement, values: Values) -> str:
    return await connection.spelled(statement.sql, statement.args(values))


async def _all(connection: Connection, statement: Statement, many: Sequence[Values]) -> list[Part]:
    """The statement for each, as few where that can be and isn't too long."""
    parts: list[Part] = []
    start = 0
    for size in _STEPS:
        made = _of_many(statement.sql, size) if size > 1 else None
        while start + size <= len(many) and (made is not None or size == 1):
            some = many[start : start + size]
            start += size
            if made is None:
                parts.append(await _spelled(connection, statement, some[0]))
            else:
                parts += await _one(connection, statement, made, some)
    return parts


async def _one(
    connection: Connection, statement: Statement, made: str, many: Sequence[Values]
) -> list[Part]:
    """The statement of many, unless it is too long."""
    args = [value for values in many for value in statement.args(values)]
    if sum(len(value) for value in args if isinstance(value, str | bytes)) > _LONGEST // 2:
        return [await _spelled(connection, statement, values) for values in many]
    if len(many) >= _BOUND:
        return [(made, args)]
    return [await connection.spelled(made, args)]


@lru_cache(2_000)
def _of_many(sql: str, count: int) -> str | None:
    """The insert of a row as one of so many; None where it is something else."""
    found = _VALUES.fullmatch(sql)
    # What is given back is asked for once, with one set of values.
    if found is None or "?" in (found[3] or ""):
        return None
    return f"{found[1]}{', '.join([found[2]] * count)} {found[3] or ''}"


async def _several(connection: Connection, parts: Sequence[Part]) -> list[Done]:
    """What each gives, by as many round trips as their length and their values take."""
    done: list[Done] = []
    texts: list[str] = []
    for part in parts:
        if texts and (not isinstance(part, str) or sum(map(len, texts)) + len(part) > _LONGEST):
            done += await connection.several(texts)
            texts = []
        if isinstance(part, str):
            texts.append(part)
        else:
            done.append(await connection.bound(*part))
    return done + (await connection.several(texts) if texts else [])
