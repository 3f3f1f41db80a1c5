"""A transaction on a connection: steps that undo themselves alone, programs, and statements."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import orjson

from abaft.model.spec import Model
from abaft.plan.loads import Load, Match, Matched
from abaft.store import postgres_load as loads
from abaft.store.base import (
    HeldOff,
    Item,
    Lost,
    Row,
    Values,
    singly,
)
from abaft.store.postgres_batch import WriteLane, runs
from abaft.store.postgres_errors import Columns, gone, translate, translate_write
from abaft.store.postgres_load import Copy
from abaft.store.postgres_pool import Connection
from abaft.store.postgres_whole import Asked, AskedAtOnce
from abaft.store.server_session import Refused, ServerSession, Step, drive
from abaft.store.sql.load import Tables
from abaft.store.sql.read import ReadStatement
from abaft.store.sql.statement import Statement
from abaft.store.sql.told import OWN_TRANSACTION, dollar
from abaft.store.sql.write import WriteStatement


async def commit(connection: Connection, columns: Columns) -> None:
    """Unknown where the connection breaks before the answer, Lost where it had broken before."""
    if connection.is_closed():
        raise Lost("the connection broke before the commit")
    try:
        await connection.execute("COMMIT")
    except Exception as error:
        if gone(error):
            connection.terminate()
        raise translate_write(error, columns) from error


async def rows(connection: Connection, statement: Statement, values: Values) -> list[Row]:
    """A statement's rows, as plain tuples."""
    found = await connection.fetch(statement.sql, *statement.args(values))
    return [tuple(record) for record in found]


def expected(rows: Sequence[Row]) -> list[Row]:
    """How many rows the planner expects, of its answer to EXPLAIN."""
    return [(int(orjson.loads(rows[0][0])[0]["Plan"]["Plan Rows"]),)]


async def stream(connection: Connection, compiled: Any, values: Values) -> AsyncIterator[Row]:
    """The rows of a compiled read, some at a time, within the connection's transaction."""
    statement: Statement = compiled.statement.statement
    async for record in connection.cursor(statement.sql, *statement.args(values), prefetch=500):
        yield tuple(record)


async def drive_all(connection: Connection, items: Sequence[Item]) -> list[Any]:
    """The row, or rows, of each in order; those of one shape go together."""
    items = singly(items)
    found: list[Any] = []
    for run in runs(items):
        if len(run) == 1:
            found.append(await _single(connection, items[run[0]], found))
        else:
            lane: WriteLane = items[run[0]].compiled.lane
            statement: Statement = items[run[0]].compiled.statement
            many = [statement.args(items[place].bound(found)) for place in run]
            found += await lane.together(connection, many)
        for place in run:
            if items[place].held_off(found[place]):
                raise HeldOff(place)
    return found


async def _single(connection: Connection, item: Item, before: Sequence[Any]) -> Any:
    values, compiled = item.bound(before), item.compiled
    if item.reads:
        return await rows(connection, compiled.statement.statement, values)
    if compiled.program is not None:
        return await drive(partial(rows, connection), lambda: compiled.program(compiled, values))
    found = await rows(connection, compiled.statement, values)
    return found[0] if found else None


async def dictionaries(
    connection: Connection, text: str, values: Sequence[Any]
) -> list[dict[str, Any]]:
    """The rows of the user's own statement, by the names of their columns."""
    return [dict(record.items()) for record in await connection.fetch(text, *values)]


class PostgresSession(ServerSession[Connection]):
    """A transaction's view."""

    _among = OWN_TRANSACTION, dollar

    def __init__(
        self,
        connection: Connection,
        columns: Columns,
        tables: Tables,
        turn: Callable[[Model], str],
        asked: Callable[[Sequence[Item]], Asked | AskedAtOnce | None],
    ) -> None:
        super().__init__(connection, tables, loads)
        self._columns = columns
        self._turn_of = turn
        self._asked = asked
        self._mark = "SAVEPOINT step"

    async def _step(self, step: Step) -> Any:
        """A step that fails undoes itself alone, so that the transaction can go on."""
        async with self._turn:
            try:
                await self._connection.execute(self._mark)
                self._mark = "RELEASE SAVEPOINT step; SAVEPOINT step"
                return await step()
            except Exception as error:
                if gone(error):
                    self._connection.terminate()
                else:
                    await self._connection.execute("ROLLBACK TO SAVEPOINT step")
                raise translate(error, self._columns) from error

    async def _ask(self, statement: Statement, values: Values) -> list[Row]:
        return await rows(self._connection, statement, values)

    async def _dictionaries(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        return await dictionaries(self._connection, text, values)

    async def read(self, compiled: Any, values: Values) -> list[Row]:
        statement: ReadStatement = compiled.statement
        rows = await self._rows(statement.statement, values)
        return rows if not statement.estimate else expected(rows)

    async def write(self, compiled: WriteStatement, values: Values) -> Row | None:
        if (program := compiled.program) is not None:
            row: Row | None = await self.run(lambda: program(compiled, values))
            return row
        found = await self._rows(compiled.statement, values)
        return found[0] if found else None

    async def write_all(self, items: Sequence[Item]) -> list[Any]:
        asked = self._asked(items)

        async def step() -> list[Any]:
            if asked is not None and await asked.count(self._connection.fetch):
                return await asked.within(self._connection)
            return await drive_all(self._connection, items)

        found: list[Any] = await self._step(step)
        return found

    async def load(self, load: Load) -> Refused:
        return await self._some(Copy(load, self._tables), range(len(load.rows)))

    async def match(self, match: Match) -> list[Matched | None]:
        turn = self._turn_of(match.model)
        found: list[Matched | None] = await self._step(
            lambda: loads.match(self._connection, self._tables, match, turn)
        )
        return found
