"""A write transaction: what is done in it lands together, with its change records, or not at all.

One writer at a time: the first step takes the state document, which every other writer needs too.
So what a write has read stays as it is until its end, and the feed's numbers are in the order of
commits. No step asks the server for what it might refuse: that would end MongoDB's transaction; who
writes looks first, but for keys that no two writes make: if one is there all the same, it is tried
again, looking for them too. A step that fails undoes itself alone, by what was there before.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from bson import Int64
from pymongo import ReplaceOne, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from abaft.store.base import Busy, QueryTimeout, ReferenceViolation, UniqueViolation
from abaft.store.mongo.documents import CHANGES, STATE, Document
from abaft.store.mongo.faults import Overlooked, translating
from abaft.store.mongo.runs import Owners, Runs
from abaft.store.mongo.server import DURABLE, SNAPSHOT, Server
from abaft.store.mongo.template import Query
from abaft.store.mongo.values import hashable

WRITER = "writer"
Before = tuple[str, Any, Document | None]
"""A collection, a document's key there, and the document as it was; None: there was none."""
Mark = tuple[int, int, int]
SOME = 1_000


class UnitRuns(Runs):
    """Runs pipelines in a transaction, but for those that can find nothing."""

    def __init__(self, unit: Unit) -> None:
        super().__init__(unit.find_by)
        self._unit = unit

    async def owned(
        self, collection: str, ties: Query, owners: Owners | None, rest: list[Query]
    ) -> list[Document]:
        if owners is not None and self._unit.alone(collection, owners):
            return []
        return await super().owned(collection, ties, owners, rest)


class Unit:
    """A transaction under way, and what it has done so far."""

    def __init__(self, server: Server, session: AsyncClientSession | None) -> None:
        self.server = server
        self.session = session
        self.changes: list[Document] = []
        self.done: list[Before] = []
        self.seconds: float | None = None
        self.run = UnitRuns(self)
        self.deferring = False
        """Whether a relation to a record of the same model may lead to one that comes later."""
        self.later: list[tuple[str, Any]] = []
        """What must be there at the end: collections and keys."""
        self.fills: Mapping[str, Document] = {}
        """By collection, what documents have that are written by code older than a migration."""
        self.careful = True
        """Whether keys are looked for that no two writes ever make."""
        self._new: set[tuple[str, Hashable]] = set()
        self._touched: set[str] = set()
        self._number = 0
        self._reserved = 0
        self._told = 0

    async def take(self, expected: int = 0) -> None:
        """The turn to write, and the number of the feed's last record.

        So many records are `expected` to join it: where that holds no more has to be noted.
        """
        try:
            with translating():
                state = await self.server.collection(STATE).find_one_and_update(
                    {"_id": WRITER},
                    {"$inc": {"turn": Int64(1), "feed": Int64(expected)}},
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                    session=self.session,
                    maxTimeMS=max(1000, int(self.server.seconds * 1000)),
                )
        except QueryTimeout as error:
            # MongoDB refuses at once; what waits for a lock does so no longer.
            raise Busy("others keep writing") from error
        state = state or {}
        self._reserved = int(state.get("feed", 0))
        self._number = self._reserved - expected
        self.fills = state.get("fills", {})

    async def find_by(self, collection: str, stages: list[Query]) -> list[Document]:
        """The documents of a pipeline, as this transaction sees them."""
        if collection == CHANGES and self.session is not None:
            await self._tell_feed()
        return await self.server.run(collection, stages, self.session, self.seconds)

    async def find(self, collection: str, where: Query, limit: int = 0) -> list[Document]:
        """The documents that meet a condition."""
        with translating():
            cursor = self.server.collection(collection).find(
                where, session=self.session, limit=limit
            )
            return await cursor.to_list()

    async def get(self, collection: str, key: Any) -> Document | None:
        """The document of a key."""
        found = await self.find(collection, {"_id": {"$eq": key}}, 1)
        return found[0] if found else None

    async def insert(self, collection: str, document: Document) -> None:
        await self.insert_all(collection, [document])

    async def insert_all(self, collection: str, documents: list[Document]) -> None:
        await self._note(*((collection, document["_id"], None) for document in documents))
        filled = [self._filled(collection, document) for document in documents]
        place = self.server.collection(collection)
        try:
            with translating():
                if len(filled) == 1:
                    await place.insert_one(filled[0], session=self.session)
                else:
                    await place.insert_many(filled, session=self.session)
        except UniqueViolation as error:
            if self.careful:
                raise
            raise Overlooked from error
        self._new.update((collection, hashable(document["_id"])) for document in documents)

    def alone(self, collection: str, owners: Owners) -> bool:
        """Whether nothing there can lead to them: they are new, and it wasn't touched."""
        return collection not in self._touched and all(
            self.made(owners[0], key) for key in owners[1]
        )

    def made(self, collection: str, key: Any) -> bool:
        """Whether this transaction has put the document of the key there."""
        return (collection, hashable(key)) in self._new

    def _filled(self, collection: str, document: Document) -> Document:
        """The document, with the fields that only newer code knows."""
        fills = self.fills.get(collection)
        return {**fills, **document} if fills else document

    async def fill(self, change: Query) -> None:
        """Changes what newer fields are filled by: whoever writes from now on goes by it."""
        with translating():
            await self.server.collection(STATE).update_one(
                {"_id": WRITER}, change, session=self.session
            )

    async def replace(self, collection: str, before: Document, document: Document) -> None:
        await self._note((collection, before["_id"], before))
        with translating():
            await self.server.collection(collection).replace_one(
                {"_id": before["_id"]}, document, session=self.session
            )

    async def replace_all(self, collection: str, pairs: list[tuple[Document, Document]]) -> None:
        """Puts documents in the place of others of the same keys."""
        if not pairs:
            return
        await self._note(*((collection, before["_id"], before) for before, _ in pairs))
        with translating():
            await self.server.collection(collection).bulk_write(
                [ReplaceOne({"_id": before["_id"]}, document) for before, document in pairs],
                session=self.session,
            )

    async def delete_all(self, collection: str, befores: Sequence[Document]) -> None:
        for start in range(0, len(befores), SOME):
            some = befores[start : start + SOME]
            await self._note(*((collection, before["_id"], before) for before in some))
            keys = [before["_id"] for before in some]
            with translating():
                await self.server.collection(collection).delete_many(
                    {"_id": {"$in": keys}}, session=self.session
                )

    async def delete(self, collection: str, before: Document) -> None:
        await self._note((collection, before["_id"], before))
        self._new.discard((collection, hashable(before["_id"])))
        with translating():
            await self.server.collection(collection).delete_one(
                {"_id": before["_id"]}, session=self.session
            )

    async def _note(self, *steps: Before) -> None:
        """What is about to be done."""
        self.done += steps
        self._touched.update(name for name, _, _ in steps)

    def tell(self, change: Mapping[str, Any]) -> None:
        """What the feed is to be told once all has been done."""
        self.changes.append(dict(change))

    def mark(self) -> Mark:
        """How far it has come, to go back to."""
        return len(self.done), len(self.changes), len(self.later)

    async def back(self, mark: Mark) -> None:
        """Undoes what came after the mark."""
        steps, told, later = mark
        self._new.clear()  # what was made before the mark is looked for from now on
        del self.later[later:]
        if self.session is not None:
            await self._forget_new(steps)
        while len(self.done) > steps:
            await self._undo(self.done[-1])
            self.done.pop()
        del self.changes[told:]
        self._told = min(self._told, told)

    async def settle(self) -> None:
        """Raises where a relation still leads nowhere."""
        wanted: dict[str, dict[str, Any]] = {}
        for collection, key in self.later:
            wanted.setdefault(collection, {})[repr(key)] = key
        for collection, keys in wanted.items():
            listed = list(keys.values())
            for start in range(0, len(listed), SOME):
                some = listed[start : start + SOME]
                there: Query = {"$match": {"_id": {"$in": some}}}
                if len(await self.run(collection, [there, {"$project": {"_id": 1}}])) < len(some):
                    raise ReferenceViolation

    async def _forget_new(self, steps: int) -> None:
        """Undoes at once what the last steps have only added."""
        added: dict[str, list[Any]] = {}
        while len(self.done) > steps and self.done[-1][2] is None:
            name, key, _ = self.done.pop()
            added.setdefault(name, []).append(key)
        for name, keys in added.items():
            with translating():
                await self.server.collection(name).delete_many(
                    {"_id": {"$in": keys}}, session=self.session
                )

    async def _undo(self, step: Before) -> None:
        name, key, before = step
        collection = self.server.collection(name)
        with translating():
            if before is None:
                await collection.delete_one({"_id": key}, session=self.session)
            else:
                await collection.replace_one(
                    {"_id": key}, before, upsert=True, session=self.session
                )

    def numbered(self) -> list[Document]:
        """The feed's records of what was done."""
        first = self._number + 1
        return [
            {"_id": Int64(number), **change} for number, change in enumerate(self.changes, first)
        ]

    async def told_last(self, records: Sequence[tuple[str, str]]) -> list[int | None]:
        """The numbers of the feed's last records of these, by model and written key."""
        first = self._number + 1
        last = {
            (row["model"], row["record"]): place for place, row in enumerate(self.changes, first)
        }
        return [last.get(row) for row in records]

    async def begin(self, expected: int = 0, careful: bool = True) -> None:
        assert self.session is not None
        self.careful = careful
        await self.session.start_transaction(read_concern=SNAPSHOT, write_concern=DURABLE)
        await self.take(expected)

    async def _tell_feed(self) -> list[Document]:
        """Puts into the feed what isn't there yet; all of it."""
        feed = self.numbered()
        if feed[self._told :]:
            await self.insert_all(CHANGES, feed[self._told :])
        self._told = len(feed)
        return feed

    async def commit(self) -> None:
        """Tells the feed, and makes all of it durable."""
        assert self.session is not None
        await self.settle()
        feed = await self._tell_feed()
        last = self._number + len(feed)
        if last != self._reserved:
            with translating():
                await self.server.collection(STATE).update_one(
                    {"_id": WRITER}, {"$set": {"feed": Int64(last)}}, session=self.session
                )
        await self.session.commit_transaction()

    async def abort(self) -> None:
        assert self.session is not None
        if self.session.in_transaction:
            await self.session.abort_transaction()
