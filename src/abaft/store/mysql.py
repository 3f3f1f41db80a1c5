"""MySQL and MariaDB: a pool of connections, each used by one statement or transaction at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import sqlalchemy as sa

from abaft.base.settings import Settings
from abaft.model.spec import Schema
from abaft.plan.change import Change
from abaft.plan.types import ReadPlan, WritePlan
from abaft.store import mysql_changes as feed
from abaft.store import mysql_session as steps
from abaft.store import mysql_together as together
from abaft.store.base import Capabilities, Item, Pace, Row, Snapshot, Transaction, Values
from abaft.store.mysql_errors import FAILURES, conflicts, gone, translate, translate_write
from abaft.store.mysql_escapes import shown
from abaft.store.mysql_lane import Job, Lane
from abaft.store.mysql_pool import Connection, Pool
from abaft.store.mysql_schema import unique_columns, upgrade
from abaft.store.mysql_search import Indexer
from abaft.store.mysql_session import MysqlSession
from abaft.store.server_session import drive
from abaft.store.spelling import as_texts
from abaft.store.sql import told
from abaft.store.sql.apart import compile_apart
from abaft.store.sql.changes import change_statement
from abaft.store.sql.conditions import Context
from abaft.store.sql.dialect import number
from abaft.store.sql.idempotency import Answers
from abaft.store.sql.load import Tables
from abaft.store.sql.mysql import MysqlDialect, Server, locks
from abaft.store.sql.mysql_columns import limits
from abaft.store.sql.mysql_literals import filled
from abaft.store.sql.progress import Progresses
from abaft.store.sql.read import ReadStatement
from abaft.store.sql.statement import Binder, Statement
from abaft.store.sql.tables import make_tables
from abaft.store.sql.versions import compile_reading
from abaft.store.sql.write import WriteBuilder, WriteStatement
from abaft.store.transacting import Again, ServerStore

Work = Callable[[Connection], Awaitable[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A compiled read."""

    statement: ReadStatement
    within: ReadStatement | None
    """Of a search, what finds in a transaction what was written there."""

    @property
    def decoders(self) -> tuple[Any, ...]:
        return self.statement.decoders


class MysqlStore(ServerStore[Connection]):
    """A database on a server, shared by any number of workers and machines."""

    capabilities = Capabilities(
        "mysql",
        shared=True,
        statement_change=False,
        numbers_rows=True,
        defers=True,
        searches_write=True,
    )

    _retry = Again(gone, conflicts)
    _failures = FAILURES

    def __init__(self, schema: Schema, url: str, settings: Settings) -> None:
        self.schema = schema
        self.settings = settings
        self.dialect = MysqlDialect()
        self._columns: dict[tuple[str, str], tuple[str, ...]] = {}
        seconds = settings.query_timeout
        self._pool = Pool(url, settings.connections, seconds, self._columns)
        self._lane = Lane(self._together, self._alone)
        self._make()

    def _make(self) -> None:
        """What is made of the schema for this server."""
        self.tables = make_tables(self.schema, self.dialect)
        self._load_tables = Tables(self.schema, self.dialect)
        self.changes_table, self._feed = feed.feed_tables(self.dialect.type)
        self._change = change_statement(self._context(), self.changes_table)
        written = sa.func.row_count() > number(0)
        self._change_if = change_statement(self._context(), self.changes_table, written)
        self.answers = Answers(self.dialect)
        self.progresses = Progresses(self.dialect)
        self.indexer = Indexer(self.schema, self.tables, self.dialect)
        self.limits: Sequence[str] = limits(self.schema)

    def meet(self, server: Server) -> None:
        """Speaks as this server does."""
        if server != self.dialect.server:
            self.dialect.meet(server)
            self._make()

    @property
    def own(self) -> tuple[sa.Table, ...]:
        """The tables that no model names."""
        return (self.changes_table, self._feed, self.answers.table, locks)

    async def open(self) -> None:
        self._pool.open()
        async with self._pool.hold(self._until()) as connection:
            self.meet(connection.server)
            self._columns.update(await unique_columns(connection, self.schema))
            await self.indexer.begin(connection)

    async def close(self) -> None:
        await self._pool.close(self.settings.query_timeout)

    async def upgrade(self, apply: bool) -> tuple[list[str], list[str]]:
        async with self._pool.hold(self._until()) as connection:
            result = await upgrade(
                connection, self.schema, self.tables, self.own, self.dialect, apply
            )
        async with self._pool.hold(self._until()) as connection:
            self._columns.update(await unique_columns(connection, self.schema))
            await self.indexer.begin(connection)
        return result

    def _context(self, dialect: MysqlDialect | None = None) -> Context:
        return Context(self.schema, self.tables, Binder(dialect or self.dialect))

    def compile_read(self, plan: ReadPlan) -> Read:
        made = compile_reading(self._context(), plan)
        if not (plan.search or (plan.source and plan.source.search)):
            return Read(made, None)
        return Read(made, compile_reading(self._context(self.dialect.looking()), plan))

    def compile_write(self, plan: WritePlan) -> WriteStatement:
        def make(plan: WritePlan) -> WriteBuilder:
            return WriteBuilder(self._context(), plan, self.tables[plan.model.name])

        return compile_apart(make, plan, self.changes_table, self._change)

    async def read(self, compiled: Read, values: Values) -> list[Row]:
        statement = compiled.statement.statement
        if compiled.within is not None:
            await self._catch_up()
        found = await self._bound(statement.sql, statement.args(values))
        rows = shown(compiled.statement, found)
        return steps.expected(rows) if compiled.statement.estimate else rows

    async def _catch_up(self) -> None:
        """What another program has written is found from the next search on."""
        async with self._pool.hold(self._until()) as connection:
            behind = await self.indexer.behind(connection)
        if behind:
            await self._whole(self.indexer.settle)

    async def write(self, compiled: WriteStatement, values: Values) -> Row | None:
        if compiled.change is not self._change or not together.plain(compiled) or self.indexer.live:
            row: Row | None = await self._whole(
                lambda connection: steps.write(connection, compiled, values)
            )
        elif self.dialect.server.maria:
            row = await self._lane.write(compiled, values)
        else:
            row = await self._alone(compiled, values)
        return row

    async def _alone(self, compiled: WriteStatement, values: Values) -> Row | None:
        writes = [(compiled, values)]
        rows: list[Row | None]
        rows = await self._again(lambda until, pace: self._at_once(writes, until))
        return rows[0]

    async def _together(self, jobs: list[Job]) -> list[Row | None]:
        writes = [(job.compiled, job.values) for job in jobs]
        return await self._at_once(writes, self._until())

    async def _at_once(
        self, writes: Sequence[tuple[WriteStatement, Values]], until: float
    ) -> list[Row | None]:
        async with self._pool.hold(until) as connection:
            try:
                return await steps.write_at_once(connection, self._change_if, writes)
            except Exception as error:
                if gone(error):
                    raise translate_write(error, self._columns) from error
                await steps.roll_back(connection)
                raise

    async def write_all(self, items: Sequence[Item]) -> list[Any]:
        flights = [] if self.indexer.live else [*together.flights(items)]
        flies = len(flights) == 1 and together.can_fly(items[0])
        settle = self.indexer.settle

        async def work(until: float, pace: Pace) -> list[Any]:
            if flies and not pace:
                return await self._flown(items, flights[0], until)
            rows: list[Any] = await self._once(
                lambda one: steps.write_all(one, items, settle), until, pace
            )
            return rows

        found: list[Any] = await self._again(work)
        return found

    async def _flown(
        self, items: Sequence[Item], flight: together.Flight, until: float
    ) -> list[Any]:
        """The rows of each of several that can be sent at once, with what begins and ends it."""
        lands = together.lands(items, flight)
        around = (["START TRANSACTION"], ["COMMIT"] if lands else [])
        async with self._pool.hold(until) as connection:
            try:
                rows = await together.fly(connection, items, flight, [], around)
            except BaseException as error:
                if lands and isinstance(error, Exception) and gone(error):
                    raise translate_write(error, self._columns) from error
                await steps.roll_back(connection)
                raise
            if not lands:
                await steps.commit(connection, self._columns)
        return rows

    async def probe(self, compiled: WriteStatement, values: Values) -> dict[str, bool] | None:
        probe: Statement = compiled.probe.statement
        rows = await self._fetch(probe.sql, probe.args(values))
        return compiled.probe.answers(rows)

    async def run(self, program: Any) -> Any:
        return await self._whole(lambda connection: drive(partial(steps.rows, connection), program))

    def _translated(self, error: Exception) -> Exception:
        return translate(error, self._columns)

    async def _once(self, work: Work, until: float, pace: Pace) -> Any:
        async with self._pool.hold(until) as connection:
            await steps.begin(connection, pace)
            try:
                result = await work(connection)
                await self.indexer.settle(connection)
            except BaseException:
                await steps.roll_back(connection)
                raise
            await steps.commit(connection, self._columns)
        return result

    async def sql(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        async with self._pool.hold(self._until()) as connection:
            try:
                return await steps.dictionaries(connection, text, values)
            except FAILURES as error:
                if gone(error):
                    connection.terminate()
                raise translate_write(error, self._columns) from error

    @asynccontextmanager
    async def transaction(
        self, patient: bool = False, pace: Pace = ""
    ) -> AsyncIterator[Transaction]:
        async with self._pool.hold(self._until()) as connection:
            try:
                if patient:
                    await self._wait(connection)
                await steps.begin(connection, pace)
            except FAILURES as error:
                if gone(error):
                    connection.terminate()
                raise self._translated(error) from error
            session = self.session_on(connection, patient)
            try:
                yield session
                await session.finish()
            except BaseException:
                await steps.roll_back(connection)
                raise
            else:
                await steps.commit(connection, self._columns)
            finally:
                session.stop()
                if patient:
                    connection.terminate()

    def session_on(self, connection: Connection, patient: bool) -> MysqlSession:
        seconds = 0 if patient else self.settings.query_timeout
        settle = self.indexer.settle
        return MysqlSession(connection, self._columns, self._load_tables, settle, seconds)

    async def _wait(self, connection: Connection) -> None:
        """Lets the connection, which isn't kept afterwards, take its time."""
        limit = "max_statement_time" if self.dialect.server.maria else "max_execution_time"
        await connection.run(f"SET SESSION {limit} = 0, SESSION innodb_lock_wait_timeout = 3600")
        connection.limit.seconds = None

    async def stream(
        self, compiled: Read, values: Values, seconds: float = 0
    ) -> AsyncGenerator[Row, None]:
        statement = compiled.statement.statement
        sql = filled(statement.sql, statement.args(values))
        async with self._pool.hold(self._until()) as connection:
            try:
                await connection.run(self._hurry(seconds))
                async for some in connection.stream(sql):
                    for row in as_texts(shown(compiled.statement, some)):
                        yield row
            except FAILURES as error:
                raise self._translated(error) from error
            finally:
                connection.terminate()

    def _hurry(self, seconds: float) -> str:
        if self.dialect.server.maria:
            return f"SET SESSION max_statement_time = {seconds:.3f}"
        return f"SET SESSION max_execution_time = {int(seconds * 1000)}"

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        async with self._pool.hold(self._until()) as connection:
            try:
                await self._wait(connection)
                await connection.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                await connection.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
                yield partial(steps.stream, connection)
            except FAILURES as error:
                raise self._translated(error) from error
            finally:
                connection.terminate()

    async def changes(self, after: str, limit: int, settled: bool = True) -> list[Change]:
        await self._number()
        rows = await self._fetch(feed.READ, (int(after or 0), limit))
        return [feed.change(row) for row in rows]

    async def positions(self, numbers: Sequence[int]) -> dict[int, tuple[str, str, str]]:
        await self._number()
        given = orjson.dumps(list(numbers)).decode()
        return told.placed(await self._fetch(feed.PLACES, (given,)))

    async def _number(self) -> None:
        """Gives places to all that has none yet."""
        while await self._fetch(feed.UNNUMBERED):
            if not await self._whole(feed.number):
                break

    async def _fetch(self, sql: str, args: Sequence[Any] = ()) -> list[Row]:
        """Rows of a read; tried again where the connection breaks."""

        async def ask(connection: Connection) -> list[Row]:
            return await connection.rows(await connection.spelled(sql, args))

        found: list[Row] = await self._asked(ask)
        return found

    async def _bound(self, sql: str, args: Sequence[Any]) -> Sequence[Row]:
        """Rows of a compiled read, whose times come as such rather than as text."""
        found: Sequence[Row] = await self._asked(lambda connection: connection.read(sql, args))
        return found

    async def _asked(self, work: Work) -> Any:
        async def ask(until: float, pace: Pace) -> Any:
            async with self._pool.hold(until) as connection:
                try:
                    return await work(connection)
                except FAILURES as error:
                    if gone(error):
                        connection.terminate()
                    raise

        return await self._again(ask)

    async def prune_changes(self, before: str) -> int:
        async with self._pool.hold(self._until()) as connection:
            try:
                return await feed.prune(connection, before, self.schema.with_history())
            except FAILURES as error:
                raise self._translated(error) from error
