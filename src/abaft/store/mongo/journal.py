"""Writes on a server alone, which has no transactions: a log of single steps comes before them.

1. The writer's turn is a lease in the state document.
2. Each step is written to the log, with the document as it was, before it is done.
3. What the feed is to be told is written to the log.
4. A mark in the log is the commit: without it all steps are undone, with it the feed is completed.
5. The feed is told, the log is emptied, the turn is given back.

Whoever takes the turn next, or starts, finishes what another left in the log.
"""

from __future__ import annotations

from typing import Any

from pymongo.errors import BulkWriteError

from abaft.base import ids
from abaft.store.base import Lost, Unknown
from abaft.store.mongo.documents import CHANGES, INTENTS, STATE, Document
from abaft.store.mongo.faults import TAKEN, Conflicting, translating
from abaft.store.mongo.server import Server
from abaft.store.mongo.turns import lease, now, release
from abaft.store.mongo.unit import WRITER, Unit

LEASE = 4_000
"""Milliseconds for which a turn lasts, unless it is prolonged; clocks may be half of it apart."""


class Journal(Unit):
    """A transaction of single steps."""

    def __init__(self, server: Server) -> None:
        super().__init__(server, None)
        self.owner = ids.secret()
        self._until = 0
        self._logged = 0
        self._decided = False

    @property
    def _log(self) -> Any:
        return self.server.collection(INTENTS)

    async def begin(self) -> None:
        await self._lease()
        await self._finish_others()
        await self.take()

    async def _lease(self) -> None:
        if not await lease(self.server, WRITER, self.owner, LEASE):
            raise Conflicting("another writes")
        self._until = now() + LEASE

    async def _hold(self) -> None:
        """Prolongs the turn when half of it is over; who has lost it must stop."""
        if now() > self._until - LEASE // 2:
            await self._lease()

    async def _note(self, collection: str, key: Any, before: Document | None) -> None:
        await self._hold()
        await self._write({"in": collection, "key": key, "before": before})
        await super()._note(collection, key, before)

    async def _write(self, entry: Document) -> None:
        self._logged += 1
        with translating():
            await self._log.insert_one({"_id": f"{self.owner}.{self._logged:08d}", **entry})

    async def commit(self) -> None:
        await self.settle()
        if self.done or self.changes:
            await self._hold()
            feed = self.numbered()
            for record in feed:
                await self._write({"feed": record})
            self._decided = True
            try:
                with translating():
                    await self._log.insert_one({"_id": f"{self.owner}.done", "done": True})
                await self._complete(self.owner, feed)
            except Lost as error:
                raise Unknown(f"the commit's outcome isn't known: {error}") from error
        await release(self.server, WRITER, self.owner)

    async def abort(self) -> None:
        if self._decided:
            # The mark may be there: whoever writes next sees, and finishes it either way.
            return
        await self.back((0, 0, 0))
        await self._forget(self.owner)
        await release(self.server, WRITER, self.owner)

    async def _complete(self, owner: str, feed: list[Document]) -> None:
        """Tells the feed what was committed; again is nothing."""
        with translating():
            if feed:
                await self._tell(feed)
                last = {"$max": {"feed": feed[-1]["_id"]}}
                await self.server.collection(STATE).update_one({"_id": WRITER}, last)
        await self._forget(owner)

    async def _tell(self, feed: list[Document]) -> None:
        """In order: who reads the feed meanwhile must miss none. Some may be there already."""
        while feed:
            try:
                await self.server.collection(CHANGES).insert_many(feed)
                return
            except BulkWriteError as error:
                wrong = (error.details or {})["writeErrors"][0]
                if wrong["code"] != TAKEN:
                    raise
                feed = feed[wrong["index"] + 1 :]

    async def _forget(self, owner: str) -> None:
        """Empties the log of a turn, the mark last."""
        entries = {"_id": {"$gte": f"{owner}.0", "$lt": f"{owner}.a"}}
        with translating():
            await self._log.delete_many(entries)
            await self._log.delete_one({"_id": f"{owner}.done"})

    async def _finish_others(self) -> None:
        """Completes, or undoes, what those left who didn't come to their end."""
        with translating():
            found = await self._log.find({}, sort=[("_id", 1)]).to_list()
        turns: dict[str, list[Document]] = {}
        for entry in found:
            turns.setdefault(entry["_id"].rpartition(".")[0], []).append(entry)
        for owner, entries in turns.items():
            if any("done" in entry for entry in entries):
                await self._complete(owner, [row["feed"] for row in entries if "feed" in row])
                continue
            for entry in reversed(entries):
                if "in" in entry:
                    await self._undo((entry["in"], entry["key"], entry["before"]))
            await self._forget(owner)
