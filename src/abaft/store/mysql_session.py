"""A transaction on a connection: steps that undo themselves alone, programs, and statements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import orjson

from abaft.plan.loads import Load, Match, Matched
from abaft.store import mysql_load as loads
from abaft.store import mysql_together as together
from abaft.store.base import (
    Busy,
    HeldOff,
    Item,
    Lost,
    Pace,
    ReferenceViolation,
    Row,
    Values,
)
from abaft.store.mysql_errors import Columns, conflicts, gone, translate, translate_write
from abaft.store.mysql_escapes import mended, shown
from abaft.store.mysql_load import Copy
from abaft.store.mysql_pool import Connection
from abaft.store.server_session import Refused, ServerSession, Step, drive
from abaft.store.spelling import as_texts
from abaft.store.sql.load import Tables
from abaft.store.sql.mysql import LOCKS, TURN
from abaft.store.sql.mysql_literals import filled
from abaft.store.sql.mysql_values import read_datetime
from abaft.store.sql.read import ReadStatement
from abaft.store.sql.statement import Statement
from abaft.store.sql.told import AMONG_RECENT, question
from abaft.store.sql.write import WriteStatement

Settle = Callable[[Connection], Awaitable[None]]
"""Indexes for search what was written, before it is committed."""

CHECKED = "SET SESSION foreign_key_checks = 1"


# InnoDB sees at once where two wait for each other: one is undone, and run again alone.
_TURN = f"START TRANSACTION; SELECT id FROM {LOCKS} WHERE id = {TURN}"
_BEGIN: dict[Pace, str] = {
    "": "START TRANSACTION",
    "steady": f"{_TURN} LOCK IN SHARE MODE",
    "hasty": f"{_TURN} LOCK IN SHARE MODE",
    "queued": f"{_TURN} FOR UPDATE",
}


async def begin(connection: Connection, pace: Pace = "") -> None:
    """Begins a transaction."""
    try:
        await connection.run(_BEGIN[pace])
    except BaseException:
        await roll_back(connection)
        raise


async def commit(connection: Connection, columns: Columns) -> None:
    """Unknown where the connection breaks before the answer, Lost where it had broken before."""
    if connection.is_closed():
        raise Lost("the connection broke before the commit")
    try:
        await connection.run("COMMIT")
    except Exception as error:
        if gone(error):
            connection.terminate()
        raise translate_write(error, columns) from error


async def roll_back(connection: Connection) -> None:
    """Undoes all; a connection that can't is ended, with the same effect."""
    if connection.is_closed():
        return
    try:
        await connection.run(f"ROLLBACK; {CHECKED}; {connection.patient}")
    except Exception:
        connection.terminate()


async def rows(connection: Connection, statement: Statement, values: Values) -> list[Row]:
    """A statement's rows, as RETURNING would give them; an empty one for each that it wrote."""
    if statement.first is not None and not await rows(connection, statement.first, values):
        return []
    sql = await connection.spelled(statement.sql, statement.args(values))
    found, count = await connection.run(sql)
    if found is not None:
        return mended(statement.sql, found)
    if statement.then is None or not count:
        return [together.NOTHING] * count
    return await rows(connection, statement.then, values)


async def stream(connection: Connection, compiled: Any, values: Values) -> AsyncIterator[Row]:
    """The rows of a compiled read, some at a time, within the connection's transaction."""
    statement: Statement = compiled.statement.statement
    async for some in connection.stream(filled(statement.sql, statement.args(values))):
        for row in as_texts(shown(compiled.statement, some)):
            yield row


async def read(connection: Connection, compiled: Any, values: Values, settle: Settle) -> list[Row]:
    """The rows of a compiled read within a transaction, which finds what was written there."""
    statement: ReadStatement = compiled.statement
    if compiled.within is not None:
        await settle(connection)
        statement = compiled.within
    asked = statement.statement
    sql = await connection.spelled(asked.sql, asked.args(values))
    found = shown(statement, await connection.rows(sql))
    return expected(found) if statement.estimate else found


def expected(rows: Sequence[Row]) -> list[Row]:
    """How many rows the planner expects, of its answer to EXPLAIN."""
    return [(_estimate(orjson.loads(rows[0][0])),)]


def _estimate(plan: Any) -> int:
    """The product of what each table's step gives on."""
    total = 1.0
    for table in _tables(plan.get("query_block", plan)):
        scanned = float(table.get("rows", table.get("rows_examined_per_scan", 1)))
        total *= scanned * float(table.get("filtered", 100)) / 100
    return max(0, round(total))


def _tables(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [table for part in node for table in _tables(part)]
    if not isinstance(node, dict):
        return []
    found = [node["table"]] if isinstance(node.get("table"), dict) else []
    inner = ("nested_loop", "block-nl-join", "ordering_operation", "filesort", "temporary_table")
    return found + [table for name in inner for table in _tables(node.get(name))]


async def write(connection: Connection, compiled: WriteStatement, values: Values) -> Row | None:
    """A write with its change record; the row that it gives."""
    if (program := compiled.program) is not None:
        row: Row | None = await drive(partial(rows, connection), lambda: program(compiled, values))
        return row
    found = await rows(connection, compiled.statement, values)
    if not found:
        return None
    if compiled.change is not None:
        await rows(connection, compiled.change, compiled.noted(values, found[0]))
    return found[0]


async def write_at_once(
    connection: Connection, change: Statement, writes: Sequence[tuple[WriteStatement, Values]]
) -> list[Row | None]:
    """Writes with their change records, by one round trip that ends with the commit.

    `change` tells of one only where it has written something. More than one wait for no lock.
    """
    sizes, parts = [], ["START TRANSACTION"]
    for compiled, values in writes:
        statement = compiled.statement
        told = compiled.change if statement.certain else change
        asked = [one for one in (statement, told, statement.then) if one is not None]
        parts += [await connection.spelled(one.sql, one.args(values)) for one in asked]
        sizes.append(len(asked))
    parts.append("COMMIT")
    if len(writes) > 1:
        parts = [connection.hasty, *parts, connection.patient]
    done = iter(await connection.several(parts))
    for _ in range(2 if len(writes) > 1 else 1):
        next(done)
    return [
        _row(compiled.statement, [next(done) for _ in range(size)])
        for (compiled, _), size in zip(writes, sizes, strict=True)
    ]


def _row(statement: Statement, done: Sequence[together.Done]) -> Row | None:
    """The row of a write, of what its statements gave."""
    if not done[0][1]:
        return None
    giving = statement if statement.certain else statement.then
    found = None if giving is None else done[0 if statement.certain else 2][0]
    return mended(giving.sql, found[:1])[0] if giving and found else together.NOTHING


async def write_all(connection: Connection, items: Sequence[Item], settle: Settle) -> list[Any]:
    """The row, or rows, of each in order."""
    found: list[Any] = []
    for flight in together.flights(items):
        first = items[flight[0].start]
        if together.can_fly(first):
            found += await together.fly(connection, items, flight, found)
            continue
        values = first.bound(found)
        if first.reads:
            row: Any = await read(connection, first.compiled, values, settle)
        else:
            row = await write(connection, first.compiled, values)
        if first.held_off(row):
            raise HeldOff(flight[0].start)
        found.append(row)
    return found


_DURATIONS = {11: lambda text: _clock(text)}
_TYPES: dict[int, Callable[[Any], Any]] = {
    7: read_datetime,
    12: read_datetime,
    10: lambda text: read_datetime(text).date(),
    0: Decimal,
    246: Decimal,
    **_DURATIONS,
}


def _clock(text: str) -> timedelta:
    sign, rest = (-1, text[1:]) if text[0] == "-" else (1, text)
    hours, minutes, seconds = rest.split(":")
    micros = round(Decimal(seconds) * 1_000_000)
    return sign * timedelta(hours=int(hours), minutes=int(minutes), microseconds=micros)


async def dictionaries(
    connection: Connection, text: str, values: Sequence[Any]
) -> list[dict[str, Any]]:
    """The rows of the user's own statement, by the names of their columns."""
    columns, found = await connection.described(filled(text, tuple(values)))
    names = [column[0] for column in columns]
    reads = [_TYPES.get(column[1]) for column in columns]
    return [
        {
            name: cell if read is None or cell is None else read(cell)
            for name, read, cell in zip(names, reads, row, strict=True)
        }
        for row in found
    ]


class MysqlSession(ServerSession[Connection]):
    """A transaction's view.

    Where it is idle for so many seconds it is ended; 0: it may pause.
    """

    _among = AMONG_RECENT, question

    def __init__(
        self,
        connection: Connection,
        columns: Columns,
        tables: Tables,
        settle: Settle,
        seconds: float,
    ) -> None:
        super().__init__(connection, tables, loads)
        self._columns = columns
        self._settle = settle
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._idle = False
        self._unasked: dict[str, None] = {}
        self.rest()

    def rest(self) -> None:
        """From now on the transaction is idle: after so long it is ended, with what it holds."""
        if self._seconds:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire)

    def stop(self) -> None:
        """It is over."""
        if self._timer is not None:
            self._timer.cancel()

    def wake(self) -> None:
        """It goes on. Busy where it was idle for too long."""
        self.stop()
        if self._idle:
            raise Busy("the transaction was idle for too long")

    def _expire(self) -> None:
        self._idle = True
        self._connection.terminate()

    async def _step(self, step: Step) -> Any:
        """A step that fails undoes itself alone, so that the transaction can go on."""
        async with self._turn:
            self.wake()
            try:
                return await self._guarded(step)
            finally:
                self.rest()

    async def _guarded(self, step: Step) -> Any:
        try:
            await self._connection.run("SAVEPOINT step")
            return await step()
        except Exception as error:
            if gone(error):
                self._connection.terminate()
            elif not conflicts(error):
                await self._connection.run("ROLLBACK TO SAVEPOINT step")
                await self._connection.run(CHECKED)
            raise translate(error, self._columns) from error

    async def _ask(self, statement: Statement, values: Values) -> list[Row]:
        return await rows(self._connection, statement, values)

    async def _dictionaries(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        return await dictionaries(self._connection, text, values)

    async def read(self, compiled: Any, values: Values) -> list[Row]:
        found: list[Row] = await self._step(
            lambda: read(self._connection, compiled, values, self._settle)
        )
        return found

    async def write(self, compiled: WriteStatement, values: Values) -> Row | None:
        row: Row | None = await self._step(lambda: write(self._connection, compiled, values))
        return row

    async def write_all(self, items: Sequence[Item]) -> list[Any]:
        found: list[Any] = await self._step(
            lambda: write_all(self._connection, items, self._settle)
        )
        return found

    async def load(self, load: Load) -> Refused:
        copy = Copy(load, self._tables)
        if load.deferred:
            self._unasked.update(dict.fromkeys(copy.dangling()))
        return await self._some(copy, range(len(load.rows)))

    async def finish(self) -> None:
        """What is left to do before the commit. ReferenceViolation where a key leads nowhere."""
        self.wake()
        for sql in self._unasked:
            if await self._connection.rows(sql):
                raise ReferenceViolation
        await self._settle(self._connection)

    async def match(self, match: Match) -> list[Matched | None]:
        found: list[Matched | None] = await self._step(
            lambda: loads.match(self._connection, self._tables, match)
        )
        return found
