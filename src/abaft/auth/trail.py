"""The audit trail: what befell accounts, in a chain in which nothing is changed unnoticed."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import orjson

from abaft.answers import Unit
from abaft.auth.models import LEDGER, TEXT, OwnModels
from abaft.auth.told import changes_of
from abaft.auth.vault import Vault
from abaft.base import clock, ids
from abaft.base.actor import Actor
from abaft.db import Database
from abaft.guard.signing_keys import derived
from abaft.model.times import show_datetime
from abaft.pipeline import Pipeline

T = TypeVar("T")
_PAGE = 1_000
_MEMBERS = ("number", "at", "what", "actor", "user", "address", "session", "detail", "changes")


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: `broken` is the first event that isn't as it was written, or is gone."""

    broken: int | None
    since: int
    last: int


class Trail:
    """Adds events within the transaction of what they tell of, one after the other.

    The digests need the key: who can write to the database alone can't make one.
    """

    def __init__(self, pipeline: Pipeline, keeper: Actor, models: OwnModels, vault: Vault) -> None:
        self._pipeline, self._keeper = pipeline, keeper
        self._model, self._vault = models.event, vault
        self._ledger: Any = models.ledger
        self.turn = asyncio.Lock()
        """Taken by who adds to it: of other workers each begins anew that was in one's way."""

    def _database(self, unit: Unit | None = None) -> Database:
        return Database(self._pipeline, self._keeper, unit)

    async def _whole(self, work: Callable[[Database], Awaitable[T]]) -> T:
        async with self.turn:
            return await self._pipeline.whole(lambda unit: work(self._database(unit)))

    async def add(
        self, db: Database, what: str, of: Any = None, *, ends: bool = False, **values: str
    ) -> None:
        """Puts an event at the end, which may be of what `ends` sessions; `db` is a transaction,
        which lands soon.

        It names the changes that were made in it, or those of the record `of` alone. The ledger is
        written first: of several workers that do so at once one can go on.
        """
        changes = [] if db.unit is None else await changes_of(db.unit, of)
        turn = ids.turn()
        told = {"turn": turn, "ended": turn} if ends else {"turn": turn}
        head: Any = await db.update(self._ledger(id=LEDGER), **told)
        event: dict[str, Any] = {
            "number": head.number + 1,
            "at": clock.now(),
            "what": what,
            **{name: text[:TEXT] for name, text in values.items()},
            "changes": changes,
        }
        digest = self._digest(head.digest, event)
        await db.create(self._model, **event, digest=digest)
        await db.update(head, number=event["number"], digest=digest)

    def _digest(self, before: str, event: dict[str, Any]) -> str:
        shown = [event.get(name, "") for name in _MEMBERS]
        shown[1] = show_datetime(event["at"])
        return self._keyed(before.encode() + orjson.dumps(shown))

    def _keyed(self, data: bytes) -> str:
        return hmac.digest(derived(self._vault.key, "audit"), data, "sha256").hex()

    def _seal(self, number: int, digest: str) -> str:
        return self._keyed(f"since {number} {digest}".encode())

    async def check(self) -> Checked:
        """Walks the whole chain, from where it begins.

        Those that were cut off at the end leave no trace in what is left: keep the last number.
        """
        db = self._database()
        head: Any = await db.get(self._ledger, LEDGER)
        number, before = head.since, head.since_digest
        if number and not hmac.compare_digest(head.seal, self._seal(number, before)):
            return Checked(number, number, head.number)
        since = number
        while rows := await self._after(db, number):
            for row in rows:
                number += 1
                event = {name: getattr(row, name) for name in _MEMBERS}
                right = hmac.compare_digest(row.digest, self._digest(before, event))
                if row.number != number or not right:
                    return Checked(number, since, head.number)
                before = row.digest
        # Events that were added meanwhile are past it.
        return Checked(
            number + 1 if number < head.number else None, since, max(number, head.number)
        )

    async def _after(self, db: Database, number: int) -> list[Any]:
        return list(
            await db.list(self._model, lambda row: row.number > number, sort="number", limit=_PAGE)
        )

    async def latest(self, limit: int = 100) -> list[Any]:
        """The last events, the newest first."""
        return list(await self._database().list(self._model, sort="-number", limit=limit))

    async def of(self, user: str, limit: int) -> list[Any]:
        """The last events that tell of a user, the newest first."""
        found = self._database().list(
            self._model, lambda row: row.user == user, sort="-number", limit=limit
        )
        return list(await found)

    async def prune(self, before: datetime) -> int:
        """Deletes what is older, page by page; the chain begins behind it, under a seal."""
        count = 0
        while await self._outlived(before):
            count += await self._whole(lambda db: self._pruned(db, before))
        return count

    async def _outlived(self, before: datetime) -> bool:
        """Whether there is anything to prune: to look keeps nobody waiting, as to write does."""
        db = self._database()
        head: Any = await db.get(self._ledger, LEDGER)
        first = await db.list(
            self._model, lambda row: row.number > head.since, sort="number", limit=1
        )
        return bool(first) and first[0].at < before and first[0].number < head.number

    async def _pruned(self, db: Database, before: datetime) -> int:
        head: Any = await db.update(self._ledger(id=LEDGER), turn=ids.turn())
        last: Any = None
        for row in await self._after(db, head.since):
            # The newest stays, and what follows a younger one: a clock may have gone back.
            if row.at >= before or row.number >= head.number:
                break
            last = row
        if last is None:
            return 0
        await self._begin(db, head, last.number, last.digest)
        end = last.number
        return await db.delete_where(self._model, lambda row: row.number <= end, limit=_PAGE)

    async def _begin(self, db: Database, head: Any, number: int, digest: str) -> None:
        seal = self._seal(number, digest)
        await db.update(head, since=number, since_digest=digest, seal=seal)

    async def begin_anew(self) -> None:
        """The chain begins where it ends: what is before was vouched for by a key that is lost."""
        await self._whole(self._anew)

    async def _anew(self, db: Database) -> None:
        head: Any = await db.update(self._ledger(id=LEDGER), turn=ids.turn())
        if head.number:
            await self._begin(db, head, head.number, head.digest)
