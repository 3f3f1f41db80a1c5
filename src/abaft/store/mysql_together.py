"""Writes that follow each other in a transaction: few statements, in few round trips."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from abaft.store.base import HeldOff, Item, Row, Values
from abaft.store.mysql_pool import Connection
from abaft.store.sql.statement import Statement
from abaft.store.sql.write import WriteStatement

_MOST = 50
"""Writes at a time: all of them have a statement's time."""
_LONGEST = 1 << 20
"""Characters at a time, which a server takes in any case."""
_VALUES = re.compile(r"(INSERT INTO .+? VALUES )(\((?:[^()']|\([^()']*\))*\))\s*", re.DOTALL)
NOTHING: Row = (None, None)


@lru_cache(2_000)
def whole(sql: str) -> bool:
    """Whether the server can't cut short what it gives, which only its last warnings would tell."""
    return "group_concat" not in sql.lower()


def plain(compiled: WriteStatement) -> bool:
    """Whether nothing is to be looked at between the write and its change record."""
    then = compiled.statement.then
    return (
        compiled.program is None
        and compiled.statement.first is None
        and not compiled.waits
        and (then is None or whole(then.sql))
    )


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


async def write_run(
    connection: Connection, compiled: WriteStatement, run: range, many: Sequence[Values]
) -> list[Row]:
    """The row of each of several writes of one shape. HeldOff where one of them writes nothing."""
    statement, change, then = compiled.statement, compiled.change, compiled.statement.then
    parts = await _all(connection, statement, many)
    writes = len(parts)
    if change is not None:
        parts += await _all(connection, change, many)
    reads = len(parts)
    if then is not None:
        parts += [await _spelled(connection, then, values) for values in many]
    done = await _several(connection, parts)
    _refuse_none(done[:writes], run)
    if then is None:
        return [NOTHING] * len(many)
    found = []
    for place, (rows, _) in zip(run, done[reads:], strict=True):
        if not rows:
            raise HeldOff(place)
        found.append(rows[0])
    return found


def _refuse_none(done: Sequence[tuple[Any, int]], run: range) -> None:
    for place, (_, count) in zip(run, done, strict=False):
        if not count:
            raise HeldOff(place)


async def _spelled(connection: Connection, statement: Statement, values: Values) -> str:
    return await connection.spelled(statement.sql, statement.args(values))


async def _all(connection: Connection, statement: Statement, many: Sequence[Values]) -> list[str]:
    """The statement for each, as one where that can be and isn't too long."""
    if (made := _of_many(statement.sql, len(many))) is not None:
        args = [value for values in many for value in statement.args(values)]
        text = await connection.spelled(made, args)
        if len(text) <= _LONGEST:
            return [text]
    return [await _spelled(connection, statement, values) for values in many]


@lru_cache(2_000)
def _of_many(sql: str, count: int) -> str | None:
    """The insert of a row as one of so many; None where it is something else."""
    found = _VALUES.fullmatch(sql)
    return None if found is None else found[1] + ", ".join([found[2]] * count)


async def _several(connection: Connection, parts: Sequence[str]) -> list[tuple[Any, int]]:
    """What each gives, by as many round trips as their length takes."""
    done: list[tuple[Any, int]] = []
    start, length = 0, 0
    for place, part in enumerate(parts):
        if length and length + len(part) > _LONGEST:
            done += await connection.several(parts[start:place])
            start, length = place, 0
        length += len(part)
    return done + await connection.several(parts[start:])
