"""SQLite: reads on the event loop where an index bounds them, writes by one thread.

Every connection has WAL, `synchronous=FULL` and foreign keys on.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import apsw
import orjson
import sqlalchemy as sa

from abaft.base import clock
from abaft.base.settings import Settings
from abaft.model.spec import Schema
from abaft.plan.change import Change
from abaft.plan.loads import Load
from abaft.plan.types import ReadPlan, WritePlan
from abaft.store.base import (
    Capabilities,
    Item,
    Lost,
    Pace,
    QueryTimeout,
    Row,
    Rows,
    Snapshot,
    Transaction,
    Values,
)
from abaft.store.sql import told
from abaft.store.sql.changes import change_statement, change_types, changes_table
from abaft.store.sql.conditions import Context
from abaft.store.sql.idempotency import Answers
from abaft.store.sql.load import Tables
from abaft.store.sql.progress import Progresses
from abaft.store.sql.read import Decoded, ReadStatement, compile_read
from abaft.store.sql.sqlite import SqliteDialect
from abaft.store.sql.statement import Binder, Statement
from abaft.store.sql.tables import make_tables
from abaft.store.sql.versions import compile_reading
from abaft.store.sql.write import WriteBuilder, WriteStatement, compile_plain
from abaft.store.sqlite_load import Loader, Refused
from abaft.store.sqlite_reader import Reader, connect
from abaft.store.sqlite_schema import upgrade
from abaft.store.sqlite_search import Indexer
from abaft.store.sqlite_session import (
    SqliteSession,
    all_work,
    dictionaries,
    drive,
    write_work,
)
from abaft.store.sqlite_stream import Stream, snapshot
from abaft.store.sqlite_writer import Exclusive, RolledBack, Work, Writer
from abaft.store.transacting import Transacting
from abaft.store.turns import Turns

LOOP_BUDGET = 0.002
"""Seconds a read may hold the event loop before it is moved to a thread."""


@dataclass(slots=True, eq=False)
class Read(Decoded):
    """A compiled read, and where it runs: `quick` None means not yet measured."""

    plan: ReadPlan
    statement: ReadStatement
    quick: bool | None = None
    slow_runs: int = 0
    settle: Work | None = None
    """What comes before it in a transaction: a search must find what was written there."""


PATIENCE = 0.2
"""Seconds that a search waits for what other programs wrote to be indexed."""


class SqliteStore(Transacting):
    """One file, or with an empty path a temporary one."""

    capabilities = Capabilities(
        "sqlite", shared=False, statement_change=False, defers=True, by_column=True
    )
    limits: Sequence[str] = ()

    def __init__(self, schema: Schema, url: str, settings: Settings) -> None:
        self.path = url.removeprefix("sqlite:///")
        self.schema = schema
        self.settings = settings
        self.dialect = SqliteDialect()
        self.tables = make_tables(schema, self.dialect)
        self.loader = Loader(Tables(schema, self.dialect))
        self.indexer = Indexer(schema, self.tables, self.dialect)
        sequence = sa.Column("seq", sa.Integer, primary_key=True)
        self.changes_table = changes_table(sa.MetaData(), change_types(self.dialect.type), sequence)
        self._change = change_statement(self._context(), self.changes_table)
        self.answers = Answers(self.dialect)
        self.progresses = Progresses(self.dialect)
        self._most = settings.max_answer_bytes
        self._readers: queue.LifoQueue[Reader] = queue.LifoQueue()

    async def open(self) -> None:
        try:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Lost(f"{self.path} can't be made: {error.strerror}") from error
        self._write_connection = connect(self.path)
        self._writer = Writer(self._write_connection, self.indexer.settle)
        self._writer.start()
        # Its time is the loop's own work: a machine that is busy elsewhere doesn't count.
        self._loop_reader = self._bounded(Reader(self.path, clock.work))
        # Pages come from the file's own cache, without a copy; one mapping is enough to count.
        self._loop_reader.connection.pragma("mmap_size", 1 << 28)
        threads = min(self.settings.connections, 8)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="abaft-sqlite-reader")
        self._turns = Turns(threads, self.settings.queue_timeout)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._writer.stop)
        self._pool.shutdown(wait=True)
        readers = [self._loop_reader]
        while not self._readers.empty():
            readers.append(self._readers.get_nowait())
        for reader in readers:
            reader.connection.close()
        self._write_connection.pragma("optimize")
        self._write_connection.close()

    async def upgrade(self, apply: bool) -> tuple[list[str], list[str]]:
        own = (self.changes_table, self.answers.table)

        def work(connection: apsw.Connection) -> tuple[list[str], list[str]]:
            done = upgrade(connection, self.schema, self.tables, own, self.dialect, apply)
            self.indexer.begin(connection)
            return done

        result: tuple[list[str], list[str]] = await self._writer.submit(work, alone=True)
        return result

    def _context(self) -> Context:
        return Context(self.schema, self.tables, Binder(self.dialect))

    def compile_read(self, plan: ReadPlan) -> Read:
        # What a search does isn't told by its plan, and what it finds must be sorted.
        late = plan.search is not None and plan.kind == "page"
        made = compile_reading(self._context(), plan, late=late)
        searches = plan.search is not None or (plan.source and plan.source.search)
        return Read(plan, made, settle=self.indexer.settle if searches else None)

    def compile_write(self, plan: WritePlan) -> WriteStatement:
        def make(plan: WritePlan) -> WriteBuilder:
            return WriteBuilder(self._context(), plan, self.tables[plan.model.name])

        return compile_plain(make, plan, self.changes_table, self._change)

    async def read(self, compiled: Read, values: Values) -> Rows:
        if compiled.settle is not None:
            await self._catch_up()
        statement = compiled.statement.statement
        args = statement.args(values)
        if compiled.quick is None:
            statement = self._settle(compiled, args)
            args = statement.args(values)
        if compiled.quick:
            try:
                return self._loop_reader.rows(statement.sql, args, LOOP_BUDGET)
            except QueryTimeout:
                compiled.quick = False
                compiled.slow_runs = 0
        rows = await self._in_thread(statement.sql, args)
        compiled.slow_runs += 1
        if compiled.slow_runs == 256:
            # Slow once isn't slow for ever: other values, or a table that has shrunk.
            compiled.quick = None
            compiled.slow_runs = 0
        return rows

    async def _catch_up(self) -> None:
        """What another program has written is found from the next search on."""
        if self.indexer.behind(self._loop_reader):
            # Every transaction ends with what is left to index. Where one is open for long, or none
            # can be, the index stays as it is.
            done = self._writer.submit(lambda connection: None)
            done.add_done_callback(lambda done: done.cancelled() or done.exception())
            await asyncio.wait({done}, timeout=PATIENCE)

    def _settle(self, compiled: Read, args: tuple[Any, ...]) -> Statement:
        """Learns by EXPLAIN if an index bounds the read; shows late what must be sorted."""
        if compiled.settle is not None:
            compiled.quick = False
            return compiled.statement.statement
        details = self._explain(compiled.statement.statement.sql, args)
        records = compiled.plan.kind == "page" and compiled.plan.source is None
        if records and "USE TEMP B-TREE FOR ORDER BY" in details:
            compiled.statement = compile_read(self._context(), compiled.plan, late=True)
        # A walk along an index in the order asked for ends with the page.
        scans = any(text.startswith("SCAN t") and " USING " not in text for text in details)
        sorts = any(text.startswith("SCAN t") for text in details) and len(details) > 1
        compiled.quick = not scans and not (sorts and "USE TEMP B-TREE FOR ORDER BY" in details)
        return compiled.statement.statement

    def _explain(self, sql: str, args: tuple[Any, ...]) -> list[str]:
        plan = self._loop_reader.rows("explain query plan " + sql, args, 1.0)
        return [str(row[3]) for row in plan]

    async def _in_thread(self, sql: str, args: tuple[Any, ...]) -> Rows:
        loop = asyncio.get_running_loop()
        with self._turns.wait() as until:
            return await loop.run_in_executor(self._pool, self._read_slowly, until, sql, args)

    def _read_slowly(self, until: float, sql: str, args: tuple[Any, ...]) -> Rows:
        begun = self._turns.begin(until)
        reader = self._reader()
        try:
            return reader.rows(sql, args, self.settings.query_timeout, self._most)
        finally:
            self._readers.put(reader)
            self._turns.learn(clock.monotonic() - begun)

    def _reader(self) -> Reader:
        try:
            return self._readers.get_nowait()
        except queue.Empty:
            return self._bounded(Reader(self.path))

    def _bounded(self, reader: Reader) -> Reader:
        if self._most:
            reader.bound(self._most)
        return reader

    async def write(self, compiled: WriteStatement, values: Values) -> Row | None:
        work = write_work(compiled, values)
        row: Row | None = await self._writer.submit(work, until=self._turns.until())
        return row

    async def write_all(self, items: Sequence[Item]) -> list[Any]:
        work = all_work(items, self.settings.query_timeout)
        rows: list[Any] = await self._writer.submit(work, until=self._turns.until())
        return rows

    async def probe(self, compiled: WriteStatement, values: Values) -> dict[str, bool] | None:
        probe = compiled.probe.statement
        args = probe.args(values)
        try:
            rows = self._loop_reader.rows(probe.sql, args, LOOP_BUDGET)
        except QueryTimeout:
            # A rule that looks far must not hold the loop.
            rows = await self._in_thread(probe.sql, args)
        return compiled.probe.answers(rows)

    async def run(self, program: Any) -> Any:
        return await self._writer.submit(lambda connection: drive(connection, program()))

    async def load(self, load: Load) -> Refused:
        refused: Refused = await self._writer.submit(self.loader.work(load), alone=True)
        return refused

    async def sql(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = await self._writer.submit(
            lambda connection: dictionaries(connection, text, values)
        )
        return result

    @asynccontextmanager
    async def transaction(
        self, patient: bool = False, pace: Pace = ""
    ) -> AsyncIterator[Transaction]:
        # Here all wait for each other in any case.
        exclusive = Exclusive(None if patient else self.settings.query_timeout)
        until = inf if patient else self._turns.until()
        done = self._writer.submit(exclusive.work, alone=True, until=until)
        try:
            await asyncio.wait({done, exclusive.begun}, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            exclusive.roll_back()  # its turn is still to come, and nobody holds it then
            done.add_done_callback(asyncio.Future.exception)  # that it did is no news
            raise
        if not exclusive.begun.done():
            await done  # it couldn't begin
        try:
            seconds = inf if patient else self.settings.query_timeout
            yield SqliteSession(exclusive, self.loader, seconds)
        except BaseException:
            exclusive.roll_back()
            await asyncio.wait({done})
            error = done.exception()
            if error is not None and not isinstance(error, RolledBack):
                raise error from None
            raise
        exclusive.commit()
        await done

    async def stream(
        self, compiled: Read, values: Values, seconds: float = 0
    ) -> AsyncGenerator[Row, None]:
        args = compiled.statement.statement.args(values)
        if compiled.quick is None:
            self._settle(compiled, args)
        statement = compiled.statement.statement
        stream = Stream(self.path, seconds or inf, self._pool)
        try:
            rows = await stream.begin(statement.sql, statement.args(values))
            while rows:
                for row in rows:
                    yield row
                rows = await stream.more()
        finally:
            await stream.close()

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        return snapshot(self.path, self._pool)

    async def changes(self, after: str, limit: int, settled: bool = True) -> list[Change]:
        sql = (
            "select seq, at, actor, model, record, action, data from abaft_changes "
            "where seq > ? order by seq limit ?"
        )
        rows = await self._in_thread(sql, (int(after or 0), limit))
        return [
            Change(
                str(seq),
                at.replace(".000000Z", "Z"),
                actor,
                model,
                record,
                action,
                orjson.loads(data),
            )
            for seq, at, actor, model, record, action, data in rows
        ]

    async def positions(self, numbers: Sequence[int]) -> dict[int, tuple[str, str, str]]:
        sql = (
            "select seq, seq, model, record from abaft_changes "
            "where seq in (select value from json_each(?))"
        )
        given = orjson.dumps(list(numbers)).decode()
        return told.placed(await self._in_thread(sql, (given,)))

    async def prune_changes(self, before: str) -> int:
        kept = orjson.dumps(self.schema.with_history()).decode()

        def work(connection: apsw.Connection) -> int:
            # The newest record stays, so that its number is never given again.
            connection.execute(
                "delete from abaft_changes where at < ? "
                "and seq < (select max(seq) from abaft_changes) "
                "and model not in (select value from json_each(?))",
                (before, kept),
            )
            return connection.changes()

        count: int = await self._writer.submit(work)
        return count

    async def ping(self) -> None:
        self._loop_reader.rows("select 1", (), 1.0)
