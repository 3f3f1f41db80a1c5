"""MongoDB 6 or newer, or what speaks its protocol: documents, pipelines, one writer at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import Any

import orjson
from bson import Int64
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError

from abaft.base import clock
from abaft.base.errors import BadRequest
from abaft.base.settings import Settings
from abaft.model.spec import Model, Schema
from abaft.plan.change import Change
from abaft.plan.loads import Load, Match, Matched
from abaft.plan.types import ReadPlan, WritePlan
from abaft.store.base import (
    Busy,
    Capabilities,
    HeldOff,
    Item,
    Pace,
    Row,
    Rows,
    Snapshot,
    StoreError,
    Transaction,
    Values,
)
from abaft.store.mongo.documents import CHANGES, Document
from abaft.store.mongo.ending import Endings
from abaft.store.mongo.faults import translating
from abaft.store.mongo.journal import LEASE, Journal
from abaft.store.mongo.kept import Answers, Progresses
from abaft.store.mongo.loading import Loading, Refused, matching, numbers, telling
from abaft.store.mongo.read import Read, compile_read
from abaft.store.mongo.refusals import check_storable
from abaft.store.mongo.runs import Runs
from abaft.store.mongo.schema import upgrade
from abaft.store.mongo.server import Server
from abaft.store.mongo.template import Query
from abaft.store.mongo.together import Together
from abaft.store.mongo.unit import Unit
from abaft.store.mongo.versions import compile_versions
from abaft.store.mongo.write import Keepers, Write, created
from abaft.store.mongo.writer import Work, Writer
from abaft.store.spelling import as_text
from abaft.store.transacting import Transacting

PATIENCE = 1.0
"""Seconds that a write waits for its turn, if a query has less time."""
SOME = 200
"""Records whose JSON is made at a time, of a read in bounded memory."""


def no_sql() -> BadRequest:
    return BadRequest("MongoDB takes no SQL: ask by the models", code="not_offered")


class MongoStore(Transacting):
    """One database of a MongoDB deployment."""

    capabilities = Capabilities("mongodb", shared=True, statement_change=False)
    limits: Sequence[str] = ()

    def __init__(self, schema: Schema, url: str, settings: Settings) -> None:
        for model in schema.models.values():
            check_storable(schema, model)
        self.schema = schema
        self.settings = settings
        self.server = Server(url, settings)
        self.keepers = Keepers(schema)
        self.answers = Answers()
        self.progresses = Progresses()
        self.endings = Endings()
        self.reads = Together(self.server.run, self.endings)
        patience = max(settings.query_timeout, PATIENCE)
        self.writer = Writer(self._begin, patience, settings.query_timeout)

    async def open(self) -> None:
        await self.endings.unharmed(self.server.open())
        self.reads.unites = self.server.unites

    async def close(self) -> None:
        await self.writer.stop()
        await self.endings.all()
        await self.server.close()

    async def upgrade(self, apply: bool) -> tuple[list[str], list[str]]:
        if apply and not self.server.transactional:
            await self._settle()
        return await self.endings.unharmed(upgrade(self.server, self.schema, apply))

    async def _settle(self) -> None:
        """Finishes what was left in the log; who left it may still have its turn for a while."""
        until = clock.monotonic() + 2 * LEASE / 1000
        while True:
            try:
                await self.writer.submit(_nothing)
                return
            except Busy:
                if clock.monotonic() > until:
                    raise

    @asynccontextmanager
    async def _begin(self, expected: int, careful: bool) -> AsyncIterator[Unit]:
        """A transaction that its user commits; what isn't is undone."""
        if not self.server.transactional:
            async with _undone(Journal(self.server), expected, careful) as unit:
                yield unit
            return
        async with (
            self.server.client.start_session() as session,
            _undone(Unit(self.server, session), expected, careful) as unit,
        ):
            yield unit

    def compile_read(self, plan: ReadPlan) -> Any:
        if plan.kind in ("version", "versions"):
            return compile_versions(self.schema, plan)
        return compile_read(self.schema, plan)

    def compile_write(self, plan: WritePlan) -> Write:
        return Write(self.keepers, plan)

    async def _get(self, collection: str, key: Any) -> Document | None:
        with translating():
            return await self.server.collection(collection).find_one({"_id": {"$eq": key}})

    async def read(self, compiled: Read, values: Values) -> Rows:
        return await compiled.rows(values, self.reads)

    async def write(self, compiled: Write, values: Values) -> Row | None:
        alike = (compiled, values) if compiled.several or compiled.changing else None
        row: Row | None = await self.writer.submit(
            lambda unit: compiled.run(unit, values), alike=alike, expected=1
        )
        return row

    async def write_all(self, items: Sequence[Item]) -> list[Any]:
        expected = sum(not item.reads for item in items)
        rows: list[Any] = await self.writer.submit(
            lambda unit: all_of(unit, items), expected=expected
        )
        return rows

    async def probe(self, compiled: Write, values: Values) -> dict[str, bool] | None:
        return await self.endings.unharmed(compiled.probe(values, self._get, self.reads))

    async def run(self, program: Any) -> Any:
        return await self.writer.submit(program())

    async def load(self, load: Load) -> Refused:
        refused: Refused = await self.writer.submit(Loading(self.keepers, load).run, alone=True)
        return refused

    async def sql(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        raise no_sql()

    @asynccontextmanager
    async def transaction(
        self, patient: bool = False, pace: Pace = ""
    ) -> AsyncIterator[Transaction]:
        # One writes at a time: none can cross another, at whatever pace.
        async with self.writer.exclusive(patient) as held:
            yield MongoSession(self.keepers, held.do)

    async def stream(
        self, compiled: Read, values: Values, seconds: float = 0
    ) -> AsyncGenerator[Row, None]:
        async for row in self._rows(compiled, values, seconds, None):
            yield row

    async def _rows(
        self,
        compiled: Read,
        values: Values,
        seconds: float,
        session: AsyncClientSession | None,
    ) -> AsyncGenerator[Row, None]:
        async def do(collection: str, stages: list[Query]) -> list[Document]:
            return await self.endings.unharmed(self.server.run(collection, stages, session))

        run = Runs(do)
        if compiled.nothing(values):
            return
        if compiled.shape is None:
            for row in await compiled.rows(values, run):  # a count
                yield row
            return
        stages = compiled.find(values)
        found = self.server.each(compiled.collection, stages, session, seconds)
        async with aclosing(self.endings.parts(found, SOME)) as parts:
            async for some in parts:
                for row in await compiled.shown(some, values, run):
                    yield as_text(row)

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        return self._snapshot()

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Snapshot]:
        # A server alone has none to give: there each read is of a moment of its own.
        alone = not self.server.transactional
        async with self.server.client.start_session(snapshot=not alone) as session:
            if not alone:
                # It takes a read for the moment to be now.
                await self.endings.unharmed(self.server.run(CHANGES, [{"$limit": 1}], session))

            async def rows(compiled: Read, values: Values) -> AsyncIterator[Row]:
                async for row in self._rows(compiled, values, 0, None if alone else session):
                    yield row

            yield rows

    async def changes(self, after: str, limit: int, settled: bool = True) -> list[Change]:
        where: Query = {"_id": {"$gt": Int64(after or 0)}}
        stages: list[Query] = [{"$match": where}, {"$sort": {"_id": 1}}, {"$limit": limit}]
        found = await self.endings.unharmed(self.server.lasting(CHANGES, stages))
        return [_change(row) for row in found]

    async def positions(self, numbers: Sequence[int]) -> dict[int, tuple[str, str, str]]:
        stages: list[Query] = [{"$match": {"_id": {"$in": [Int64(row) for row in numbers]}}}]
        found = await self.endings.unharmed(self.server.lasting(CHANGES, stages))
        return {int(row["_id"]): (str(row["_id"]), row["model"], row["record"]) for row in found}

    async def prune_changes(self, before: str) -> int:
        kept = self.schema.with_history()
        where: Query = {"at": {"$lt": _fixed(before)}, "model": {"$nin": kept}}
        return await self.endings.unharmed(self.server.delete(CHANGES, where))

    async def ping(self) -> None:
        await self.endings.unharmed(self.server.ping())


@asynccontextmanager
async def _undone(unit: Unit, expected: int, careful: bool) -> AsyncIterator[Unit]:
    """Begins the transaction; what isn't committed is undone."""
    await unit.begin(expected, careful)
    try:
        yield unit
    except BaseException:
        # Where it can't be, its end is the server's business, or the next writer's.
        with suppress(PyMongoError, StoreError):
            await unit.abort()
        raise


async def _nothing(unit: Unit) -> None:
    """A turn without a step."""


def _fixed(at: str) -> str:
    """An RFC 3339 time in the feed's form."""
    return at if "." in at else at.replace("Z", ".000000Z")


def _change(row: Document) -> Change:
    return Change(
        str(row["_id"]),
        row["at"].replace(".000000Z", "Z"),
        row["actor"],
        row["model"],
        row["record"],
        row["action"],
        orjson.loads(row["data"]),
    )


async def all_of(unit: Unit, items: Sequence[Item]) -> list[Any]:
    """One after the other; HeldOff where one doesn't take place."""
    rows: list[Any] = []
    while len(rows) < len(items):
        rows += await _created(unit, items, rows) or [await _next(unit, items, rows)]
    return rows


async def _next(unit: Unit, items: Sequence[Item], rows: list[Any]) -> Any:
    item = items[len(rows)]
    values = item.bound(rows)
    if item.reads:
        row: Any = await item.compiled.rows(values, unit.run)
    else:
        row = await item.compiled.run(unit, values)
    if item.held_off(row):
        raise HeldOff(place=len(rows))
    return row


async def _created(unit: Unit, items: Sequence[Item], rows: list[Any]) -> list[Row] | None:
    """The rows of new records of one shape that come next, where they can be stored together."""
    begin = len(rows)
    first = items[begin].compiled
    if items[begin].reads or not first.several:
        return None
    end = begin
    while (
        end < len(items)
        and items[end].compiled is first
        and not items[end].reads
        and items[end].needs < begin
    ):
        end += 1
    return await created(unit, first, [item.bound(rows) for item in items[begin:end]])


class MongoSession:
    """A transaction's view: what it wrote it reads."""

    def __init__(self, keepers: Keepers, do: Any) -> None:
        self._keepers = keepers
        self._do = do

    async def _done(self, work: Work) -> Any:
        return await self._do(work)

    async def read(self, compiled: Read, values: Values) -> Rows:
        rows: Rows = await self._done(lambda unit: compiled.rows(values, unit.run))
        return rows

    async def write(self, compiled: Write, values: Values) -> Row | None:
        row: Row | None = await self._done(lambda unit: compiled.run(unit, values))
        return row

    async def write_all(self, items: Sequence[Item]) -> list[Any]:
        rows: list[Any] = await self._done(lambda unit: all_of(unit, items))
        return rows

    async def probe(self, compiled: Write, values: Values) -> dict[str, bool] | None:
        answers: dict[str, bool] | None = await self._done(
            lambda unit: compiled.probe(values, unit.get, unit.run)
        )
        return answers

    async def run(self, program: Any) -> Any:
        return await self._done(program())

    async def load(self, load: Load) -> Refused:
        refused: Refused = await self._done(Loading(self._keepers, load).run)
        return refused

    async def match(self, match: Match) -> list[Matched | None]:
        found: list[Matched | None] = await self._done(lambda unit: matching(unit, match))
        return found

    async def tell(self, changes: Sequence[Change]) -> None:
        await self._done(lambda unit: telling(unit, changes))

    async def told(self, records: Sequence[tuple[str, str]]) -> list[int | None]:
        found: list[int | None] = await self._done(lambda unit: unit.told_last(records))
        return found

    async def numbers(self, model: Model, count: int) -> list[int]:
        found: list[int] = await self._done(lambda unit: numbers(unit, model, count))
        return found

    async def sql(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        raise no_sql()
