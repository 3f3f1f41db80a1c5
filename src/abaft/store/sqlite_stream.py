"""A long read of SQLite: in a thread, some rows at a time, on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Any

import apsw

from abaft.base import clock
from abaft.store.base import Lost, QueryTimeout, Row, Rows, Snapshot, Values
from abaft.store.sqlite_reader import Reader

_SOME = 500
_SORTED_IN_FILES = 1


class Stream:
    """Reads on its own connection, so that whoever leaves can end it without regard for others."""

    def __init__(self, path: str, seconds: float, threads: Executor) -> None:
        self._path = path
        self._until = clock.monotonic() + seconds
        self._threads = threads
        self._working: asyncio.Future[Rows] | None = None
        self._reader: Reader | None = None
        self._cursor: apsw.Cursor | None = None

    async def begin(self, sql: str, args: tuple[Any, ...]) -> Rows:
        """The first rows."""
        return await self._run(lambda: self._begin(sql, args))

    async def again(self, sql: str, args: tuple[Any, ...]) -> Rows:
        """The first rows of another statement, in the transaction that was begun."""
        return await self._run(lambda: self._execute(sql, args))

    async def more(self) -> Rows:
        """The next rows; none after the last."""
        return await self._run(self._some)

    async def close(self) -> None:
        """Gives all back that was held, after a read that nobody waits for any more."""
        if self._working is not None and not self._working.done():
            self._end()
            await asyncio.wait({self._working})
        if self._reader is not None:
            connection = self._reader.connection
            await asyncio.get_running_loop().run_in_executor(self._threads, connection.close, True)

    def _begin(self, sql: str, args: tuple[Any, ...]) -> Rows:
        reader = Reader(self._path)
        # A sort of a whole table is no matter of memory.
        reader.connection.pragma("temp_store", _SORTED_IN_FILES)
        reader.until = self._until
        self._reader = reader
        if not self._until:
            raise apsw.InterruptError  # ended before it was there to be ended
        return self._execute(sql, args)

    def _execute(self, sql: str, args: tuple[Any, ...]) -> Rows:
        assert self._reader is not None
        self._cursor = self._reader.connection.execute(sql, args)
        return self._some()

    def _some(self) -> Rows:
        rows = []
        assert self._cursor is not None
        for row in self._cursor:
            rows.append(row)
            if len(rows) == _SOME:
                break
        return rows

    def _end(self) -> None:
        """Asks the thread, which still has the connection, to let go of it."""
        self._until = 0.0
        if self._reader is not None:
            self._reader.until = 0.0

    async def _run(self, work: Callable[[], Rows]) -> Rows:
        done = asyncio.get_running_loop().run_in_executor(self._threads, work)
        self._working = done
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            self._end()
            await asyncio.wait({done})
            _ = done.exception()
            raise
        except apsw.InterruptError:
            raise QueryTimeout from None
        except apsw.BusyError as error:
            raise Lost(str(error)) from error


@asynccontextmanager
async def snapshot(path: str, threads: Executor) -> AsyncIterator[Snapshot]:
    """Reads within one transaction, one after the other, that may take their time."""
    stream = Stream(path, float("inf"), threads)
    # It takes a read for the moment to be now.
    await stream.begin("begin; select 1 from sqlite_schema limit 1", ())

    async def rows(compiled: Any, values: Values) -> AsyncIterator[Row]:
        statement = compiled.statement.statement
        some = await stream.again(statement.sql, statement.args(values))
        while some:
            for row in some:
                yield row
            some = await stream.more()

    try:
        yield rows
    finally:
        await stream.close()
