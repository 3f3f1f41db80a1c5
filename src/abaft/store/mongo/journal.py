"""Writes on a server alone, which has no transactions: a log of single steps comes before them.

1. The writer's turn is a lease in the state document.
2. Each step is written to the log, with the document as it was, before it is done.
3. What the feed is to be told is written to the log.
4. A mark in the log is the commit: without it all steps are undone, with it the feed is completed.
5. The feed is told, the log is emptied, the turn is given back.

Whoever takes the turn next, or starts, finishes what another left in the log.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from pymongo.errors import BulkWriteError

from abaft.base import ids
from abaft.store.base import StoreError, Unknown
from abaft.store.mongo.documents import CHANGES, INTENTS, STATE, Document
from abaft.store.mongo.faults import TAKEN, Conflicting, translating
from abaft.store.mongo.server import Server
from abaft.store.mongo.turns import lease, now, prolong, release
from abaft.store.mongo.unit import WRITER, Before, Unit

LEASE = 4_000
"""Milliseconds for which a turn lasts, unless it is prolonged; clocks may be half of it apart."""


class Journal(Unit):
    """A transaction of single steps."""

    def __init__(self, server: Server) -> None:
        super().__init__(server, None)
        self.owner = ids.secret()
        self._until = 0
        self._over = asyncio.Event()
        self._logged = 0
        self._decided = False

    @property
    def _log(self) -> Any:
        return self.server.collection(INTENTS)

    async def begin(self, expected: int = 0, careful: bool = True) -> None:
        until = now() + LEASE
        if not await lease(self.server, WRITER, self.owner, LEASE):
            raise Conflicting("another writes")
        self._until = until
        self._living = asyncio.create_task(self._live())
        try:
            await self._finish_others()
            await self.take()
        except BaseException:
            await self._end()
            raise

    async def _live(self) -> None:
        """Prolongs the turn as long as this goes on, until another has it."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), LEASE / 4000)
            if self._over.is_set():
                return
            until = now() + LEASE
            # Who doesn't reach the server goes on trying: the turn isn't over yet.
            with suppress(StoreError):
                ours = await prolong(self.server, WRITER, self.owner, LEASE)
                self._until = until if ours else 0

    async def _end(self) -> None:
        """Gives the turn back."""
        self._over.set()
        await self._living
        await release(self.server, WRITER, self.owner)

    def _hold(self) -> None:
        """Who has lost the turn must stop: what it did is undone."""
        if now() > self._until:
            raise Conflicting("the turn is over")

    async def _note(self, *steps: Before) -> None:
        self._hold()
        await self._write(
            [{"in": name, "key": key, "before": before} for name, key, before in steps]
        )
        await super()._note(*steps)

    async def _write(self, entries: list[Document]) -> None:
        first = self._logged + 1
        self._logged += len(entries)
        rows = [{"_id": f"{self.owner}.{at:08d}", **row} for at, row in enumerate(entries, first)]
        with translating():
            await self._log.insert_many(rows)

    async def commit(self) -> None:
        await self.settle()
        if self.done or self.changes:
            self._hold()
            feed = self.numbered()
            if feed:
                await self._write([{"feed": record} for record in feed])
            self._hold()
            self._decided = True
            try:
                with translating():
                    await self._log.insert_one({"_id": f"{self.owner}.done", "done": True})
                await self._complete(self.owner, feed)
            except StoreError as error:
                raise Unknown(f"the commit's outcome isn't known: {error}") from error
        await self._end()

    async def abort(self) -> None:
        try:
            # Another may have undone it; or the mark may be there: then who writes next finishes.
            if not self._decided and await prolong(self.server, WRITER, self.owner, LEASE):
                await self.back((0, 0, 0))
                await self._forget(self.owner)
                await release(self.server, WRITER, self.owner)
        finally:
            self._over.set()
            await self._living

    async def _undo(self, step: Before) -> None:
        self._hold()
        await super()._undo(step)

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
