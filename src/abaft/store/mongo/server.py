"""The connection to MongoDB, and what the deployment can do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.command_cursor import AsyncCommandCursor
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from abaft.base.errors import SettingError
from abaft.base.settings import Settings
from abaft.store.base import Lost, StoreError
from abaft.store.mongo.documents import STATE, Document
from abaft.store.mongo.faults import translating
from abaft.store.mongo.template import Query

Options = CodecOptions[Mapping[str, Any]]
OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    uuid_representation=UuidRepresentation.UNSPECIFIED
)
"""Of UUIDs we make the BSON, and of BSON the UUIDs, where they are needed."""
DURABLE = WriteConcern(w="majority", j=True)
"""What is written is on disk where most have it."""
SNAPSHOT = ReadConcern("snapshot")
LASTING = ReadConcern("majority")
PATIENCE = 5_000
"""Milliseconds to find a server."""


def database_of(url: str) -> str:
    """The name of the database. SettingError for what is no URL of MongoDB's, or names none."""
    try:
        name = parse_uri(url)["database"]
    except (PyMongoError, ValueError) as error:
        raise SettingError(f"the address of MongoDB can't be read: {error}") from error
    if not name:
        raise SettingError("the address of MongoDB names no database: write mongodb://HOST/NAME")
    return str(name)


class Server:
    """One database of a deployment."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.name = database_of(url)
        self._url = url
        self._settings = settings
        self.seconds = settings.query_timeout
        self.transactional = False
        self.unites = False

    async def open(self) -> None:
        """Connects, and learns what the deployment can do. Raises Lost."""
        self.client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            self._url,
            maxPoolSize=self._settings.connections,
            serverSelectionTimeoutMS=PATIENCE,
            connectTimeoutMS=PATIENCE,
            appname="abaft",
        )
        try:
            await self._learn()
        except BaseException:
            await self.client.close()
            raise

    async def _learn(self) -> None:
        with translating():
            hello = await self.client.admin.command("hello")
        # A replica set, or the router of a cluster; a server alone has no transactions.
        self.transactional = "setName" in hello or hello.get("msg") == "isdbgrid"
        self.database = self.client.get_database(
            self.name, codec_options=OPTIONS, write_concern=DURABLE
        )
        self.unites = await self._unites()

    async def close(self) -> None:
        await self.client.close()

    async def _unites(self) -> bool:
        """Whether one command takes several pipelines."""
        part: Query = {"$unionWith": {"coll": STATE, "pipeline": [{"$limit": 1}]}}
        try:
            await self.run(STATE, [{"$limit": 1}, part])
        except Lost:
            raise
        except StoreError:
            return False
        return True

    def collection(self, name: str) -> AsyncCollection[dict[str, Any]]:
        return self.database[name]

    async def delete(self, collection: str, where: Query) -> int:
        """Deletes what meets a condition; how many."""
        with translating():
            done = await self.collection(collection).delete_many(where)
        return int(done.deleted_count)

    async def ping(self) -> None:
        """Raises Lost unless the server answers."""
        with translating():
            await self.database.command("ping")

    async def run(
        self,
        collection: str,
        stages: list[Query],
        session: AsyncClientSession | None = None,
        seconds: float | None = None,
    ) -> list[Document]:
        """All documents of a pipeline, within its time."""
        with translating():
            found = self.collection(collection)
            async with await self._found(found, stages, session, seconds) as cursor:
                return await cursor.to_list()

    async def lasting(self, collection: str, stages: list[Query]) -> list[Document]:
        """All documents of a pipeline, of what no failover can undo."""
        with translating():
            found = self.collection(collection).with_options(read_concern=LASTING)
            async with await self._found(found, stages) as cursor:
                return await cursor.to_list()

    async def each(
        self,
        collection: str,
        stages: list[Query],
        session: AsyncClientSession | None = None,
        seconds: float | None = None,
    ) -> AsyncGenerator[Document, None]:
        """The documents of a pipeline one by one."""
        with translating():
            found = self.collection(collection)
            async with await self._found(found, stages, session, seconds) as cursor:
                async for row in cursor:
                    yield row

    async def _found(
        self,
        collection: AsyncCollection[dict[str, Any]],
        stages: list[Query],
        session: AsyncClientSession | None = None,
        seconds: float | None = None,
    ) -> AsyncCommandCursor[Document]:
        limit = self.seconds if seconds is None else seconds
        options: dict[str, Any] = {"maxTimeMS": max(1, int(limit * 1000))} if limit else {}
        return await collection.aggregate(
            stages, session=session, allowDiskUse=True, batchSize=1000, **options
        )
