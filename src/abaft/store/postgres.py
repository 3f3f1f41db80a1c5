"""PostgreSQL: few connections kept full; what waits together travels together.

Reads and single-statement writes go by the lanes of `postgres_batch`; all else holds a patient
connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from math import inf
from typing import Any

from abaft.base.settings import Settings
from abaft.model.spec import Model, Schema
from abaft.plan.change import Change
from abaft.plan.types import ReadPlan, WritePlan
from abaft.store import postgres_changes as feed
from abaft.store import postgres_session as steps
from abaft.store.base import Capabilities, Item, Pace, Row, Snapshot, Transaction, Values
from abaft.store.postgres_batch import HASTE, Lane, Line, ReadLane, read_lane, write_lane
from abaft.store.postgres_begin import begin, roll_back
from abaft.store.postgres_bell import PostgresBell
from abaft.store.postgres_errors import CONFLICTS, FAILURES, gone, translate, translate_write
from abaft.store.postgres_pool import Connection, Pool, check_server
from abaft.store.postgres_schema import unique_columns, upgrade, views
from abaft.store.postgres_session import PostgresSession
from abaft.store.postgres_whole import Counted, Wholes
from abaft.store.server_session import drive
from abaft.store.sql import told
from abaft.store.sql.changes import change_statement
from abaft.store.sql.conditions import Context
from abaft.store.sql.dialect import Element
from abaft.store.sql.idempotency import Answers
from abaft.store.sql.load import Tables
from abaft.store.sql.postgres import PostgresDialect
from abaft.store.sql.progress import Progresses
from abaft.store.sql.read import Decoded, ReadStatement, read_query
from abaft.store.sql.several import Several, compile_several
from abaft.store.sql.statement import Binder
from abaft.store.sql.tables import make_tables
from abaft.store.sql.together import Branch, Part
from abaft.store.sql.versions import compile_reading
from abaft.store.sql.write import (
    WriteBuilder,
    WriteStatement,
    compile_joined,
    compile_plain,
    joined_query,
)
from abaft.store.transacting import Again, ServerStore

_USUAL = 8
"""How often a limit is asked for before it gets a statement of its own."""
_LANES, _COUNTED = 8, 64
"""Limits that may have one, and that are counted: who asks for each there is gains nothing."""
_PATIENCE = (
    "set local statement_timeout = 0; set local lock_timeout = 0;"
    "set local idle_in_transaction_session_timeout = 0"
)
_LONGEST = 2**31 - 1  # milliseconds that PostgreSQL takes for a time-out


Work = Callable[[Connection], Awaitable[Any]]


@dataclass(slots=True, eq=False)
class Read(Decoded):
    """A compiled read with its lanes: one for any limit, and one for each that is usual."""

    statement: ReadStatement
    lane: ReadLane
    limit: int | None
    branch: Branch | None = None
    lanes: dict[int, ReadLane] = field(default_factory=dict)
    asked: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Write(WriteStatement):
    """A compiled write with its lane."""

    lane: Lane | None
    """None for a write of several statements."""
    branch: Branch | None
    """What it is among others that are sent together; None as well."""
    counted: Counted | None
    """Whose next number is its key."""
    several: Callable[[], Several | None]
    """Makes the statement of several such new records, if there is one."""


class PostgresStore(ServerStore[Connection]):
    """A database on a server, shared by any number of workers and machines."""

    capabilities = Capabilities("postgres", shared=True, statement_change=True, by_column=True)
    limits: Sequence[str] = ()

    _retry = Again(gone, lambda error: isinstance(error, CONFLICTS))
    _failures = FAILURES

    def __init__(self, schema: Schema, url: str, settings: Settings) -> None:
        self.schema = schema
        self.settings = settings
        self.dialect = PostgresDialect()
        self.tables = make_tables(schema, self.dialect)
        self._load_tables = Tables(schema, self.dialect)
        self.changes_table = feed.feed_table(self.dialect.type)
        self.answers = Answers(self.dialect)
        self.progresses = Progresses(self.dialect)
        self._columns: dict[tuple[str, str], tuple[str, ...]] = {}
        self._views: frozenset[str] = frozenset()
        self._line = self._make_line(url)
        self._wholes = Wholes(self._line, self.dialect)

    def _make_line(self, url: str) -> Line:
        settings = self.settings
        timeout = str(int(settings.query_timeout * 1000))
        manners = {
            "statement_timeout": timeout,
            # Before the other, so that waiting and working can be told apart.
            "lock_timeout": str(int(settings.query_timeout * 900)),
            "idle_in_transaction_session_timeout": timeout,
        }
        hasty = max(1, settings.connections // 2)
        return Line(
            Pool(url, hasty, {**manners, **HASTE}),
            Pool(url, max(1, settings.connections - hasty), manners),
            settings.query_timeout,
            settings.queue_timeout or inf,
            self._columns,
        )

    async def open(self) -> None:
        self._line.hasty.open()
        self._line.patient.open()
        async with self._line.patient.hold(self._until()) as connection:
            await check_server(connection, self._line.patient.manners)
            self._columns.update(await unique_columns(connection, self.schema))
            self._views = await views(connection, self.schema)

    async def close(self) -> None:
        if tasks := self._line.tasks:
            await asyncio.wait({*tasks}, timeout=self.settings.query_timeout)
        await self._line.hasty.close(self.settings.query_timeout)
        await self._line.patient.close(self.settings.query_timeout)

    async def upgrade(self, apply: bool) -> tuple[list[str], list[str]]:
        async with self._line.patient.hold(self._until()) as connection:
            changes, own = self.changes_table, (self.answers.table,)
            try:
                result = await upgrade(
                    connection, self.schema, self.tables, changes, own, self.dialect, apply
                )
            except FAILURES as error:
                raise self._translated(error) from error
            self._columns.update(await unique_columns(connection, self.schema))
        return result

    def bell(self, channel: str) -> PostgresBell:
        return PostgresBell(self._line.patient.dial, self._fetch, channel)

    def _context(self, binder: Binder | None = None) -> Context:
        return Context(self.schema, self.tables, binder or Binder(self.dialect))

    def compile_read(self, plan: ReadPlan) -> Read:
        statement = compile_reading(self._context(), plan)
        names = [bind.name for bind in statement.statement.binds]
        limit = names.index("limit") if "limit" in names else None
        branch = partial(self._reading, plan) if plan.kind == "one" else None
        return Read(statement, read_lane(self._line, statement.statement), limit, branch)

    def compile_write(self, plan: WritePlan) -> Write:
        if any(name in plan.operators for name in plan.links):
            # What an operator made of a relation is told once it is done.
            change = change_statement(self._context(), self.changes_table)
            made = compile_plain(self._builder, plan, self.changes_table, change)
        else:
            made = compile_joined(self._builder, plan, self.changes_table)
        alone = made.program is None
        return Write(
            **{row.name: getattr(made, row.name) for row in fields(made)},
            lane=write_lane(self._line, made.statement) if alone else None,
            branch=partial(self._writing, plan) if alone else None,
            counted=self._counted(plan) if made.generated else None,
            several=lambda: compile_several(self._builder(plan), self.changes_table),
        )

    def _counted(self, plan: WritePlan) -> Counted | None:
        key = plan.model.fields[plan.model.key[0]]
        if key.kind.name != "integer":
            return None
        table = self.dialect.sa.identifier_preparer.format_table(self.tables[plan.model.name])
        return Counted(table, key.column, key.name, partial(self._writing, plan, numbered=True))

    def _builder(self, plan: WritePlan, context: Context | None = None) -> WriteBuilder:
        table = self.tables[plan.model.name]
        turn = None if plan.model.place in self._views else self.dialect.in_turn(table)
        return WriteBuilder(context or self._context(), plan, table, turn)

    def _writing(
        self,
        plan: WritePlan,
        binder: Binder,
        place: int,
        chance: Element | None,
        numbered: bool = False,
    ) -> Part:
        builder = self._builder(plan, self._context(binder))
        builder.chance, builder.numbered = chance, numbered
        query = joined_query(builder, self.changes_table, (f"w{place}", f"c{place}"))
        return Part(query, reads=False, keyed=builder.generated() is not None)

    def _reading(self, plan: ReadPlan, binder: Binder, place: int, chance: Element | None) -> Part:
        query = read_query(self._context(binder), plan)
        shown = query.with_only_columns(query.selected_columns[0].label("j"))
        return Part(shown if chance is None else shown.where(chance), reads=True, keyed=False)

    async def read(self, compiled: Read, values: Values) -> list[Row]:
        args = compiled.statement.statement.args(values)
        if compiled.statement.estimate:
            # What EXPLAIN answers has no ordinal to travel by.
            return steps.expected(await self._fetch(compiled.statement.statement.sql, *args))
        return await self._read_lane(compiled, args).ask(args)

    def _read_lane(self, compiled: Read, args: tuple[Any, ...]) -> ReadLane:
        if compiled.limit is None:
            return compiled.lane
        limit = args[compiled.limit]
        if (lane := compiled.lanes.get(limit)) is not None:
            return lane
        if len(compiled.lanes) >= _LANES:
            return compiled.lane
        if len(compiled.asked) >= _COUNTED:
            compiled.asked.clear()
        compiled.asked[limit] = compiled.asked.get(limit, 0) + 1
        if compiled.asked[limit] < _USUAL:
            return compiled.lane
        made = read_lane(self._line, compiled.statement.statement, (compiled.limit, limit))
        return compiled.lanes.setdefault(limit, made)

    async def write(self, compiled: Write, values: Values) -> Row | None:
        if (program := compiled.program) is not None:
            row: Row | None = await self.run(lambda: program(compiled, values))
            return row
        assert compiled.lane is not None
        rows = await compiled.lane.ask(compiled.statement.args(values))
        return rows[0] if rows else None

    async def write_all(self, items: Sequence[Item]) -> list[Any]:
        asked = self._wholes.asked(items)
        if asked is not None and await asked.count(self._fetch):
            return await asked.alone()
        rows: list[Any] = await self._whole(lambda connection: steps.drive_all(connection, items))
        return rows

    async def probe(self, compiled: Write, values: Values) -> dict[str, bool] | None:
        probe = compiled.probe.statement
        rows = await read_lane(self._line, probe).ask(probe.args(values))
        return compiled.probe.answers(rows)

    async def run(self, program: Any) -> Any:
        return await self._whole(lambda connection: drive(partial(steps.rows, connection), program))

    def _translated(self, error: Exception) -> Exception:
        return translate(error, self._columns)

    async def _once(self, work: Work, until: float, pace: Pace) -> Any:
        async with self._line.patient.hold(until) as connection:
            await begin(connection, pace)
            try:
                result = await work(connection)
            except BaseException:
                await roll_back(connection)
                raise
            await steps.commit(connection, self._columns)
        return result

    async def sql(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        async with self._line.patient.hold(self._until()) as connection:
            try:
                return await steps.dictionaries(connection, text, values)
            except Exception as error:
                if gone(error):
                    connection.terminate()
                raise translate_write(error, self._columns) from error

    @asynccontextmanager
    async def transaction(
        self, patient: bool = False, pace: Pace = ""
    ) -> AsyncIterator[Transaction]:
        async with self._line.patient.hold(self._until()) as connection:
            try:
                await begin(connection, pace)
                if patient:
                    await connection.execute(_PATIENCE)
            except Exception as error:
                if gone(error):
                    connection.terminate()
                raise self._translated(error) from error
            try:
                yield self.session_on(connection)
            except BaseException:
                await roll_back(connection)
                raise
            await steps.commit(connection, self._columns)

    def session_on(self, connection: Connection) -> PostgresSession:
        tables, asked = self._load_tables, self._wholes.asked
        return PostgresSession(connection, self._columns, tables, self._turn, asked)

    def _turn(self, model: Model) -> str:
        table = self.tables[model.name]
        return "true" if model.place in self._views else str(self.dialect.in_turn(table))

    async def stream(
        self, compiled: Read, values: Values, seconds: float = 0
    ) -> AsyncGenerator[Row, None]:
        statement = compiled.statement.statement
        # Who reads a whole table takes their time, between rows as well.
        timeout = min(int(seconds * 1000), _LONGEST)
        async with self._line.patient.hold(self._until()) as connection:
            try:
                async with connection.transaction(readonly=True):
                    await connection.execute(
                        f"set local statement_timeout = {timeout};"
                        f"set local idle_in_transaction_session_timeout = {timeout}"
                    )
                    args = statement.args(values)
                    async for record in connection.cursor(statement.sql, *args, prefetch=500):
                        yield tuple(record)
            except FAILURES as error:
                raise self._translated(error) from error

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        async with self._line.patient.hold(self._until()) as connection:
            try:
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    # It takes a read for the moment to be now.
                    await connection.execute(f"{_PATIENCE}; select 1")
                    yield partial(steps.stream, connection)
            except FAILURES as error:
                raise self._translated(error) from error

    async def changes(self, after: str, limit: int, settled: bool = True) -> list[Change]:
        tx, seq = feed.position(after)
        sql = feed.READ if settled else feed.READ_ALL
        return [feed.change(row) for row in await self._fetch(sql, tx, seq, limit)]

    async def positions(self, numbers: Sequence[int]) -> dict[int, tuple[str, str, str]]:
        return told.placed(await self._fetch(feed.PLACES, list(numbers)))

    async def _fetch(self, sql: str, *args: Any) -> list[Any]:
        """Rows of a read of our own; tried again where the connection breaks."""

        async def ask(until: float, pace: Pace) -> list[Any]:
            async with self._line.patient.hold(until) as connection:
                try:
                    return await connection.fetch(sql, *args)
                except Exception as error:
                    if gone(error):
                        connection.terminate()
                    raise

        found: list[Any] = await self._again(ask)
        return found

    async def prune_changes(self, before: str) -> int:
        async with self._line.patient.hold(self._until()) as connection:
            try:
                return await feed.prune(connection, before, self.schema.with_history())
            except Exception as error:
                raise self._translated(error) from error
