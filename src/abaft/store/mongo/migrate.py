"""Runs migrations on MongoDB, under a lease: each step is noted, for none is undone with others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from bson import json_util
from pymongo.errors import OperationFailure, PyMongoError

from abaft.base.digest import fingerprint
from abaft.model.spec import Model, Schema
from abaft.store.base import Session, StoreError
from abaft.store.migrations import MIGRATIONS, Record
from abaft.store.mongo.documents import STATE, path
from abaft.store.mongo.faults import translating
from abaft.store.mongo.renewing import noting, renewals, shape
from abaft.store.mongo.schema import TURN, managed, wanted
from abaft.store.mongo.store import MongoStore
from abaft.store.mongo.turns import alone
from abaft.store.mongo.unit import WRITER
from abaft.store.mongo.values import encode

RENEW = "abaftRenew"
"""Our own command: makes anew what documents have beside their fields."""
FILL = "abaftFill"
"""Our own: by what a field is filled where code that doesn't know it writes; `with` is a list of
the value, or an empty one."""
_EXISTS, _MISSING, _NO_INDEX = 48, 26, 27
_PROLONG = TURN / 1000 / 3


@dataclass(slots=True)
class Found:
    """A collection: what its documents are held to, its indexes, and a digest of what is beside.

    `fills` are the defaults of fields, as extended JSON.
    """

    validator: dict[str, Any] = field(default_factory=dict)
    indexes: dict[str, dict[str, Any]] = field(default_factory=dict)
    beside: str = ""
    fills: dict[str, Any] = field(default_factory=dict)
    wanted: bool = False


def wanted_of(schema: Schema) -> dict[str, Found]:
    """The collections as the models want them, but for those that keep our own state."""
    made = {}
    for row in wanted(schema):
        if row.name != STATE:
            made[row.name] = Found(row.validator or {}, row.indexes, wanted=True)
    for model in managed(schema):
        made[model.table].beside = shape(model)["beside"]
        for name, spec in model.fields.items():
            if spec.default is not None and not spec.key:
                value = spec.default()
                if value is not None:
                    made[model.table].fills[path(model, name)] = _plain(encode(spec.kind, value))
    return made


def _plain(value: Any) -> Any:
    """BSON as extended JSON, which a file of Python can hold."""
    options = json_util.CANONICAL_JSON_OPTIONS
    return json.loads(json_util.dumps({"v": value}, json_options=options))["v"]


async def found(store: MongoStore) -> dict[str, Found]:
    """The collections that there are, but for those that keep our own state."""
    await store.server.open()
    try:
        with translating():
            listed = await store.server.database.list_collections()
            rows = {row["name"]: row.get("options", {}) async for row in listed}
            noted = {
                row["_id"]: row
                async for row in store.server.collection(STATE).find({"_id": {"$regex": "^shape_"}})
            }
        made = {}
        for name, options in rows.items():
            if name in (STATE, MIGRATIONS) or name.startswith("system."):
                continue
            made[name] = Found(dict(options.get("validator") or {}), await _indexes(store, name))
            made[name].beside = noted.get(f"shape_{name}", {}).get("beside", "")
    finally:
        await store.server.close()
    return made


async def _indexes(store: MongoStore, name: str) -> dict[str, dict[str, Any]]:
    with translating():
        information = await store.server.collection(name).index_information()
    made = {}
    for index, told in information.items():
        if index == "_id_":
            continue
        spec: dict[str, Any] = {"key": {key: int(way) for key, way in told["key"]}}
        if told.get("unique"):
            spec["unique"] = True
        if "partialFilterExpression" in told:
            spec["partialFilterExpression"] = dict(told["partialFilterExpression"])
        made[index] = spec
    return made


class MongoRunner:
    """A database on which migrations run, while no other process does the same."""

    whole = False

    def __init__(self, store: MongoStore) -> None:
        self._store = store
        self._stack: AsyncExitStack | None = None
        self._session: Session | None = None
        self._waiting: list[Record] = []

    @asynccontextmanager
    async def alone(self, create: bool = True) -> AsyncIterator[None]:
        """Waits for its turn, and prolongs it for as long as steps take."""
        await self._store.open()
        try:
            if not create:
                yield
                return
            async with alone(self._store.server, "upgrade", TURN) as prolong:
                prolonging = asyncio.create_task(_prolonged(prolong))
                try:
                    yield
                finally:
                    prolonging.cancel()
                    with suppress(asyncio.CancelledError):
                        await prolonging
        finally:
            await self._store.close()

    async def begin(self, rebuilds: bool) -> None:
        """What is noted waits for the commit."""
        self._stack = AsyncExitStack()

    async def commit(self) -> None:
        """Lands what a data step wrote, and then what is noted of it."""
        if self._stack is not None:
            await self._stack.aclose()
        self._stack = self._session = None
        for record in self._waiting:
            await self._keep(record)
        self._waiting.clear()

    async def roll_back(self) -> None:
        """Undoes what a data step wrote."""
        self._waiting.clear()
        if self._stack is not None:
            stack, self._stack, self._session = self._stack, None, None
            with suppress(_GivenUp):
                await stack.__aexit__(_GivenUp, _GivenUp(), None)

    async def execute(self, statements: Sequence[str], rebuilds: bool = False) -> None:
        """MongoDB takes no SQL."""
        if statements:
            raise StoreError("do.sql() is for SQL databases: write do.command()")

    async def command(self, command: Mapping[str, Any]) -> None:
        """Runs a command, or our own that makes anew what stands beside fields."""
        text = json.dumps(dict(command))
        given = json_util.loads(text)
        if RENEW in given:
            await self._renew(given[RENEW])
            return
        if FILL in given:
            await self._fill(f"{given[FILL]}.{given['field']}", given["with"])
            return
        name = self._store.server.name
        try:
            if "renameCollection" in given:
                names = {"renameCollection": f"{name}.{given['renameCollection']}"}
                names["to"] = f"{name}.{given['to']}"
                try:
                    await self._store.server.client.admin.command(names)
                except OperationFailure as error:
                    if error.code != _MISSING:
                        raise
                    # An earlier try may have come no further than this.
                    await self._moved(given["renameCollection"], given["to"])
                    raise
                await self._moved(given["renameCollection"], given["to"])
                return
            result = await self._store.server.database.command(given)
        except PyMongoError as error:
            raise StoreError(f"{error}, of: {text[:300]}") from error
        if result.get("writeErrors"):
            raise StoreError(f"{result['writeErrors'][0].get('errmsg')}, of: {text[:300]}")

    async def _moved(self, old: str, new: str) -> None:
        """What is noted of a collection is found by its new name."""
        state = self._store.server.collection(STATE)
        with translating():
            noted = await state.find_one_and_delete({"_id": f"shape_{old}"})
            if noted is not None:
                row = {**noted, "_id": f"shape_{new}"}
                await state.replace_one({"_id": row["_id"]}, row, upsert=True)
        change = {"$rename": {f"fills.{old}": f"fills.{new}"}}
        await self._store.writer.submit(lambda unit: unit.fill(change), alone=True)

    async def _fill(self, place: str, values: Sequence[Any]) -> None:
        """In a turn of its own: who writes now has ended before, and who comes next knows it."""
        place = f"fills.{place}"
        change = {"$set": {place: values[0]}} if values else {"$unset": {place: ""}}
        await self._store.writer.submit(lambda unit: unit.fill(change), alone=True)

    async def _filled_in_vain(self, model: Model) -> list[str]:
        """What documents are filled with, and no field of the model is any more."""
        with translating():
            state = await self._store.server.collection(STATE).find_one({"_id": WRITER}) or {}
        fills = state.get("fills", {}).get(model.table, {})
        return sorted(fills.keys() - {path(model, name) for name in model.fields})

    async def _renew(self, table: str) -> None:
        """By the models as they are, if the collection is held to what they say."""
        server = self._store.server
        for model in self._store.schema.models.values():
            if model.table != table:
                continue
            steps, differences = await renewals(server, model)
            if differences:
                raise StoreError("; ".join(differences))
            for step in [*steps, noting(server, model)]:
                await step.run()
            for name in await self._filled_in_vain(model):
                await self._fill(f"{table}.{name}", ())

    def session(self) -> Session:
        """The transaction of a data step, which begins when it is first used."""
        return _Late(self)

    async def began(self) -> Session:
        """The session of the transaction that is open."""
        if self._session is None:
            assert self._stack is not None
            transaction = self._store.transaction(patient=True)
            self._session = await self._stack.enter_async_context(transaction)
        return self._session

    async def records(self) -> list[Record]:
        """What is known, the oldest revision first."""
        collection = self._store.server.collection(MIGRATIONS)
        with translating():
            rows = [row async for row in collection.find({}, {"_id": 0}, sort=[("revision", 1)])]
        return [Record(**{**row, "tables": tuple(row["tables"])}) for row in rows]

    async def keep(self, record: Record) -> None:
        """Notes how far a migration has come; in a transaction, once that has landed."""
        if self._session is not None:
            self._waiting.append(record)
        else:
            await self._keep(record)

    async def _keep(self, record: Record) -> None:
        row = {**asdict(record), "tables": list(record.tables)}
        with translating():
            await self._store.server.collection(MIGRATIONS).replace_one(
                {"_id": record.revision}, row, upsert=True
            )

    async def forget(self, revision: str) -> None:
        """Notes that a migration is undone."""
        with translating():
            await self._store.server.collection(MIGRATIONS).delete_one({"_id": revision})

    async def tables(self) -> set[str]:
        """The collections that there are."""
        with translating():
            return set(await self._store.server.database.list_collection_names())

    async def structure(self) -> str:
        """A digest of validators and indexes."""
        told = []
        with translating():
            listed = await self._store.server.database.list_collections()
            rows = sorted([(row["name"], row.get("options", {})) async for row in listed])
        for name, options in rows:
            if name not in (STATE, MIGRATIONS) and not name.startswith("system."):
                indexes = sorted((await _indexes(self._store, name)).items())
                told.append((name, options.get("validator"), indexes))
        return fingerprint(json.dumps(told, default=str, sort_keys=True))

    def already(self, error: Exception) -> bool:
        """Whether what it would make is there, or what it would drop is gone."""
        cause = error.__cause__
        codes = (_EXISTS, _MISSING, _NO_INDEX)
        return isinstance(cause, OperationFailure) and cause.code in codes


class _GivenUp(Exception):
    """The transaction is undone."""


class _Late:
    """A session whose transaction begins with the first that is asked of it."""

    def __init__(self, runner: MongoRunner) -> None:
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        async def call(*values: Any, **options: Any) -> Any:
            return await getattr(await self._runner.began(), name)(*values, **options)

        return call


async def _prolonged(prolong: Any) -> None:
    while True:
        await asyncio.sleep(_PROLONG)
        await prolong()
