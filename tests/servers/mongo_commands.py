"""The commands of MongoDB, each by a function of DocumentDB's engine."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import bson
from bson.raw_bson import RawBSONDocument

from servers.mongo_faults import Fault, fault_of, mended
from servers.mongo_wire import Document

if TYPE_CHECKING:
    from servers.mongo_gateway import Gateway

_BSON = "::documentdb_core.bson"
_ENVELOPE = frozenset(
    {
        "lsid",
        "txnNumber",
        "startTransaction",
        "autocommit",
        "writeConcern",
        "readConcern",
        "apiVersion",
        "maxTimeMS",
        "comment",
    }
)
HELLO: Document = {
    "ismaster": True,
    "isWritablePrimary": True,
    "helloOk": True,
    # What is said by a mongos: drivers then offer transactions.
    "msg": "isdbgrid",
    "maxBsonObjectSize": 16 * 2**20,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 25_000,
    "logicalSessionTimeoutMinutes": 30,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
}
FIRST_PAGES = {
    "find": "documentdb_api.find_cursor_first_page",
    "aggregate": "documentdb_api.aggregate_cursor_first_page",
    "listcollections": "documentdb_api.list_collections_cursor_first_page",
    "listindexes": "documentdb_api.list_indexes_cursor_first_page",
}
WRITES = {
    "insert": "documentdb_api.insert",
    "update": "documentdb_api.update",
    "delete": "documentdb_api.delete",
    "findandmodify": "documentdb_api.find_and_modify",
}
QUERIES = {
    "count": "documentdb_api.count_query",
    "distinct": "documentdb_api.distinct_query",
    "validate": "documentdb_api.validate",
}
Command = Callable[[Document], Awaitable[Mapping[str, Any]]]
OPEN = frozenset({"hello", "ismaster", "saslstart", "saslcontinue", "buildinfo", "ping"})
"""What may be asked before logging in."""


def decoded(data: bytes) -> Document:
    return bson.decode(data)


class Backend:
    """A connection to PostgreSQL, on which one command runs at a time."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.turn = asyncio.Lock()

    async def row(self, sql: str, *values: Any) -> Any:
        async with self.turn:
            return await self.connection.fetchrow(sql, *values)

    async def execute(self, sql: str) -> None:
        async with self.turn:
            await self.connection.execute(sql)


class Client:
    """One connection of a driver."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway
        self.backend: Backend | None = None
        self.begun: set[bytes] = set()
        self.login = None if gateway.scram is None else gateway.scram.login()
        self.commands: dict[str, Command] = {
            "hello": self.hello,
            "ismaster": self.hello,
            "buildinfo": self.build_info,
            "ping": self.nothing,
            "endsessions": self.nothing,
            "saslstart": self.sasl,
            "saslcontinue": self.sasl,
            "committransaction": self.end_transaction,
            "aborttransaction": self.end_transaction,
            "getmore": self.get_more,
            "killcursors": self.kill_cursors,
            "createindexes": self.create_indexes,
            "dropindexes": self.drop_indexes,
            "create": self.create,
            "collmod": self.change,
            "drop": self.drop,
            "renamecollection": self.rename,
            "dropdatabase": self.drop_database,
            "listdatabases": self.list_databases,
            "explain": self.explain,
            "compact": self.compact,
            **dict.fromkeys(FIRST_PAGES, self.first_page),
            **dict.fromkeys(WRITES, self.write),
            **dict.fromkeys(QUERIES, self.query),
        }

    async def close(self) -> None:
        """Ends what this connection began."""
        for key in self.begun:
            found = self.gateway.transactions.pop(key, None)
            if found is not None:
                await self.gateway.give_back(found[1])
        if self.backend is not None:
            await self.gateway.give_back(self.backend)

    async def answer(self, body: Document) -> Document:
        """The outcome of a command; faults as MongoDB words them."""
        name = next(iter(body)).lower()
        transaction = None
        try:
            command = self.commands.get(name)
            if command is None:
                raise Fault(59, f"no such command: '{next(iter(body))}'")
            if self.login is not None and not self.login.done and name not in OPEN:
                raise Fault(13, f"command {next(iter(body))} requires authentication")
            if name not in ("committransaction", "aborttransaction"):
                transaction = await self.transaction(body)
            answer = await self.within(body, command)
            if transaction is not None and answer.get("writeErrors"):
                # As in MongoDB, an error within a transaction is its end.
                await self.abort(body)
            return {"ok": 1.0, **answer}
        except Exception as error:
            fault = fault_of(error, in_transaction=transaction is not None)
            if transaction is not None:
                await self.abort(body)
            return fault.document()

    async def within(self, body: Document, command: Command) -> Mapping[str, Any]:
        """Runs the command, for no longer than it may take."""
        limit = body.get("maxTimeMS")
        if not limit or next(iter(body)).lower() == "getmore":
            return await command(body)
        try:
            async with asyncio.timeout(limit / 1000):
                return await command(body)
        except TimeoutError:
            raise Fault(50, "operation exceeded time limit") from None

    async def transaction(self, body: Document) -> Backend | None:
        """The backend of the transaction that the command is part of, begun by its first."""
        if body.get("autocommit") is not False:
            return None
        key, number = bytes(body["lsid"]["id"]), int(body["txnNumber"])
        found = self.gateway.transactions.get(key)
        if body.get("startTransaction"):
            if found is not None:
                await self.abort(body)
            backend = await self.gateway.take()
            await backend.execute("begin isolation level repeatable read")
            self.gateway.transactions[key] = (number, backend)
            self.begun.add(key)
            return backend
        if found is None or found[0] != number:
            raise Fault(251, f"Given transaction number {number} does not match any")
        return found[1]

    async def abort(self, body: Document) -> None:
        found = self.gateway.transactions.pop(bytes(body["lsid"]["id"]), None)
        if found is not None:
            await self.gateway.give_back(found[1])

    async def end_transaction(self, body: Document) -> Document:
        key, number = bytes(body["lsid"]["id"]), int(body["txnNumber"])
        found = self.gateway.transactions.pop(key, None)
        if found is None or found[0] != number:
            raise Fault(251, f"Transaction {number} has been aborted or never was")
        commits = next(iter(body)) == "commitTransaction"
        try:
            await found[1].execute("commit" if commits else "rollback")
        except asyncpg.PostgresError as error:
            raise fault_of(error, in_transaction=True) from error
        finally:
            await self.gateway.give_back(found[1])
        return {}

    async def of(self, body: Document) -> Backend:
        """Where a command runs: drivers have connections that ask for nothing but the time."""
        if body.get("autocommit") is False:
            return self.gateway.transactions[bytes(body["lsid"]["id"])][1]
        if self.backend is None:
            self.backend = await self.gateway.take()
        return self.backend

    async def run(self, function: str, body: Document, spec: Document | None = None) -> Document:
        given = plain(body) if spec is None else spec
        row = await (await self.of(body)).row(
            f"select * from {function}($1::text, $2{_BSON})",
            body.get("$db", "test"),
            bson.encode(given),
        )
        return decoded(row[0])

    async def hello(self, body: Document) -> Document:
        answer = HELLO | {"localTime": datetime.now(UTC)}
        if self.gateway.scram is not None and "saslSupportedMechs" in body:
            answer["saslSupportedMechs"] = ["SCRAM-SHA-256"]
        return answer

    async def build_info(self, body: Document) -> Document:
        return {"version": "7.0.0", "versionArray": [7, 0, 0, 0], "maxBsonObjectSize": 16 * 2**20}

    async def nothing(self, body: Document) -> Document:
        return {}

    async def sasl(self, body: Document) -> Document:
        if self.login is None:
            raise Fault(18, "this server asks for no password")
        return self.login.step(bytes(body["payload"]), body.get("mechanism"))

    async def first_page(self, body: Document) -> Mapping[str, Any]:
        function = FIRST_PAGES[next(iter(body)).lower()]
        number = secrets.randbits(62) + 1
        backend = await self.of(body)
        row = await backend.row(
            f"select cursorpage, continuation, cursorid from {function}($1::text, $2{_BSON}, $3)",
            body.get("$db", "test"),
            bson.encode(plain(body)),
            number,
        )
        answer = RawBSONDocument(row[0])
        if row[1] is not None and (number := answer["cursor"]["id"]):
            self.gateway.cursors[int(number)] = row[1]
        return answer

    async def get_more(self, body: Document) -> Mapping[str, Any]:
        number = int(body["getMore"])
        if number not in self.gateway.cursors:
            raise Fault(43, f"cursor id {number} not found")
        continuation = self.gateway.cursors[number]
        row = await (await self.of(body)).row(
            "select cursorpage, continuation "
            f"from documentdb_api.cursor_get_more($1::text, $2{_BSON}, $3{_BSON})",
            body["$db"],
            bson.encode(plain(body)),
            continuation,
        )
        answer = RawBSONDocument(row[0])
        if row[1] is None or not answer["cursor"]["id"]:
            del self.gateway.cursors[number]
        else:
            self.gateway.cursors[number] = row[1]
        return answer

    async def kill_cursors(self, body: Document) -> Document:
        killed = [n for n in body["cursors"] if self.gateway.cursors.pop(int(n), None) is not None]
        gone = [n for n in body["cursors"] if n not in killed]
        function = "documentdb_api_internal.delete_cursors"
        backend = await self.of(body)
        await backend.row(f"select {function}($1::bigint[])", [int(n) for n in killed])
        return {
            "cursorsKilled": killed,
            "cursorsNotFound": gone,
            "cursorsAlive": [],
            "cursorsUnknown": [],
        }

    async def write(self, body: Document) -> Document:
        return mended(await self.run(WRITES[next(iter(body)).lower()], body))

    async def query(self, body: Document) -> Document:
        return await self.run(QUERIES[next(iter(body)).lower()], body)

    async def create(self, body: Document) -> Document:
        return mended(await self.run("documentdb_api.create_collection_view", body))

    async def change(self, body: Document) -> Document:
        row = await (await self.of(body)).row(
            f"select documentdb_api.coll_mod($1, $2, $3{_BSON})",
            body["$db"],
            body["collMod"],
            bson.encode(plain(body)),
        )
        return decoded(row[0])

    async def create_indexes(self, body: Document) -> Document:
        row = await (await self.of(body)).row(
            "select documentdb_api_internal.create_indexes_non_concurrently"
            f"($1::text, $2{_BSON}, true)",
            body["$db"],
            bson.encode(plain(body)),
        )
        return mended(decoded(row[0]))

    async def drop_indexes(self, body: Document) -> Document:
        row = await (await self.of(body)).row(
            f"call documentdb_api.drop_indexes($1::text, $2{_BSON}, null)",
            body["$db"],
            bson.encode(plain(body)),
        )
        return decoded(row[0])

    async def drop(self, body: Document) -> Document:
        row = await (await self.of(body)).row(
            "select documentdb_api.drop_collection($1::text, $2::text)", body["$db"], body["drop"]
        )
        if not row[0]:
            raise Fault(26, "ns not found")
        return {}

    async def rename(self, body: Document) -> Document:
        base, _, old = body["renameCollection"].partition(".")
        row = await (await self.of(body)).row(
            "select count(*) from documentdb_api_catalog.collections"
            " where database_name = $1 and collection_name = $2",
            base,
            old,
        )
        if not row[0]:
            raise Fault(26, f"Source collection {body['renameCollection']} does not exist")
        await (await self.of(body)).row(
            "select documentdb_api.rename_collection($1::text, $2::text, $3::text, $4)",
            base,
            old,
            body["to"].partition(".")[2],
            bool(body.get("dropTarget")),
        )
        return {}

    async def drop_database(self, body: Document) -> Document:
        backend = await self.of(body)
        for _ in range(20):
            # The engine locks its tables in no order: who reads them meanwhile may be in the way.
            with contextlib.suppress(asyncpg.DeadlockDetectedError):
                await backend.row("select documentdb_api.drop_database($1::text)", body["$db"])
                break
        return {}

    async def compact(self, body: Document) -> Document:
        """As MongoDB's gives back room; the engine also counts what its planner goes by."""
        backend = await self.of(body)
        row = await backend.row(
            "select collection_id from documentdb_api_catalog.collections"
            " where database_name = $1 and collection_name = $2",
            body["$db"],
            body["compact"],
        )
        if row is None:
            raise Fault(26, "collection does not exist")
        await backend.execute(f"vacuum analyze documentdb_data.documents_{int(row[0])}")
        return {"bytesFreed": 0}

    async def list_databases(self, body: Document) -> Document:
        row = await (await self.of(body)).row(
            f"select documentdb_api.list_databases($1{_BSON})", bson.encode(plain(body))
        )
        return decoded(row[0])

    async def explain(self, body: Document) -> Document:
        asked = body["explain"]
        name = next(iter(asked))
        functions = {"find": "bson_aggregation_find", "aggregate": "bson_aggregation_pipeline"}
        if name not in functions:
            raise Fault(59, f"explain isn't offered for {name}")
        spec = "BSONHEX" + bson.encode(plain(asked)).hex()
        row = await (await self.of(body)).row(
            f"explain (format json) select document from documentdb_api_catalog.{functions[name]}"
            f"('{body['$db']}', '{spec}'::text{_BSON})"
        )
        return {"queryPlanner": {"winningPlan": {"documentdb": row[0]}}, "command": asked}


def plain(body: Document) -> Document:
    """The command without what is the gateway's own."""
    return {
        name: value
        for name, value in body.items()
        if not name.startswith("$") and name not in _ENVELOPE
    }
