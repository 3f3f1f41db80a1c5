"""A transaction of SQLite, and the work that the writer is handed: writes, programs, statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from abaft.base import clock
from abaft.model.spec import Model
from abaft.plan.change import Change
from abaft.plan.loads import Load, Match, Matched
from abaft.store.base import HeldOff, Item, Program, QueryTimeout, Row, Rows, Values
from abaft.store.columns import Columns
from abaft.store.sql.statement import Statement
from abaft.store.sql.told import AMONG_RECENT, Of, last_told, question
from abaft.store.sql.write import WriteStatement
from abaft.store.sqlite_load import Loader, Refused
from abaft.store.sqlite_reader import STEPS
from abaft.store.sqlite_writer import Exclusive, Work


class SqliteSession:
    """A transaction's view: what it wrote it reads, on the writer's connection."""

    def __init__(self, exclusive: Exclusive, loader: Loader, seconds: float) -> None:
        self._exclusive = exclusive
        self._loader = loader
        self._seconds = seconds

    async def read(self, compiled: Any, values: Values) -> Rows:
        rows: Rows = await self._exclusive.do(read_work(compiled, values, self._seconds))
        return rows

    async def write(self, compiled: WriteStatement, values: Values) -> Row | None:
        row: Row | None = await self._exclusive.do(write_work(compiled, values))
        return row

    async def write_all(self, items: Sequence[Item]) -> list[Any]:
        rows: list[Any] = await self._exclusive.do(all_work(items, self._seconds))
        return rows

    async def probe(self, compiled: WriteStatement, values: Values) -> dict[str, bool] | None:
        probe = compiled.probe.statement
        args = probe.args(values)
        rows = await self._exclusive.do(
            lambda connection: connection.execute(probe.sql, args).fetchall()
        )
        return compiled.probe.answers(rows)

    async def run(self, program: Any) -> Any:
        return await self._exclusive.do(lambda connection: drive(connection, program()))

    async def load(self, load: Load) -> Refused:
        refused: Refused = await self._exclusive.do(self._loader.work(load))
        return refused

    async def match(self, match: Match) -> list[Matched | None]:
        found: list[Matched | None] = await self._exclusive.do(self._loader.match(match))
        return found

    async def tell(self, changes: Sequence[Change]) -> None:
        await self._exclusive.do(self._loader.tell(changes))

    async def numbers(self, model: Model, count: int) -> list[int]:
        found: list[int] = await self._exclusive.do(self._loader.numbers(model, count))
        return found

    async def told(self, records: Sequence[Of]) -> list[int | None]:
        return await last_told(self, records, AMONG_RECENT, question)

    async def sql(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = await self._exclusive.do(
            lambda connection: dictionaries(connection, text, values)
        )
        return result


def write_work(compiled: WriteStatement, values: Values) -> Work:
    """The write and its change record; the values are encoded before the writer sees them."""
    if compiled.program is not None:
        program = compiled.program
        return lambda connection: drive(connection, program(compiled, values))
    change = compiled.change
    assert change is not None
    sql, args = compiled.statement.sql, compiled.statement.args(values)
    change_args = () if compiled.waits else change.args(values)

    def work(connection: apsw.Connection) -> Row | None:
        rows = connection.execute(sql, args).fetchall()
        if not rows:
            return None
        row: Row = rows[0]
        named = change_args or change.args(compiled.noted(values, row))
        connection.execute(change.sql, named)
        return row

    return work


def all_work(items: Sequence[Item], seconds: float) -> Work:
    """One after the other, in one go; values that wait for nothing are encoded beforehand."""
    works = [None if callable(item.values) else _item_work(item, seconds) for item in items]

    def work(connection: apsw.Connection) -> list[Any]:
        rows: list[Any] = []
        for item, step in zip(items, works, strict=True):
            if isinstance(item.values, Columns):
                assert step is not None
                rows += step(connection)
                continue
            row = (step or _values_work(item, item.bound(rows), seconds))(connection)
            if item.held_off(row):
                raise HeldOff(len(rows))
            rows.append(row)
        return rows

    return work


def _item_work(item: Item, seconds: float) -> Work:
    if isinstance(item.values, Columns):
        return columns_work(item.compiled, item.values)
    return _values_work(item, item.bound(()), seconds)


def _values_work(item: Item, values: Values, seconds: float) -> Work:
    if not item.reads:
        return write_work(item.compiled, values)
    return read_work(item.compiled, values, seconds)


def columns_work(compiled: WriteStatement, values: Columns) -> Work:
    """New records of one shape, then their change records."""
    change = compiled.change
    assert change is not None
    sql, args = compiled.statement.sql, compiled.statement.args_of(values)
    change_args = () if compiled.waits else change.args_of(values)

    def work(connection: apsw.Connection) -> Rows:
        rows: Rows = connection.executemany(sql, args).fetchall()
        if len(rows) < values.count:
            raise HeldOff
        named = change_args or change.args_of(
            values.with_own({"change.record": [str(row[1]) for row in rows]})
        )
        connection.executemany(change.sql, named)
        return rows

    return work


def read_work(compiled: Any, values: Values, seconds: float) -> Work:
    """A read that others may have worded: it must not hold up all who write."""
    statement: Statement = compiled.statement.statement
    sql, args = statement.sql, statement.args(values)

    def work(connection: apsw.Connection) -> Rows:
        if compiled.settle is not None:
            compiled.settle(connection)
        until = clock.monotonic() + seconds
        connection.set_progress_handler(lambda: clock.monotonic() > until, STEPS)
        try:
            return connection.execute(sql, args).fetchall()
        except apsw.InterruptError:
            raise QueryTimeout from None
        finally:
            connection.set_progress_handler(None)

    return work


def drive(connection: apsw.Connection, program: Program) -> Any:
    """Runs a program's steps; its own StopIteration carries the result."""
    rows: Rows | None = None
    try:
        while True:
            statement, values = program.send(rows)
            args = statement.args(values)
            rows = connection.execute(statement.sql, args).fetchall()
    except StopIteration as end:
        return end.value


def dictionaries(
    connection: apsw.Connection, text: str, values: Sequence[Any]
) -> list[dict[str, Any]]:
    cursor = connection.execute(text, tuple(values))
    try:
        names = [column[0] for column in cursor.description]
    except apsw.ExecutionCompleteError:
        return []
    return [dict(zip(names, row, strict=True)) for row in cursor]
