"""The audit trail: what befell accounts, in a chain in which nothing is changed unnoticed."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Any

import orjson

from abaft.auth.models import TEXT, OwnModels
from abaft.base import clock, ids
from abaft.base.errors import Conflict, Unavailable
from abaft.db import Database
from abaft.guard.signing_keys import derived
from abaft.model.times import show_datetime

TRIES = 50
_PAUSE = 0.005
_PAGE = 1_000
_MEMBERS = ("number", "at", "what", "actor", "user", "address", "session", "detail")


class Trail:
    """Adds events, one after the other over all workers, and looks whether all still stand.

    The digests need the secret key: who can write to the database alone can't make one.
    """

    def __init__(self, database: Callable[[], Database], models: OwnModels, key: bytes) -> None:
        self._database, self._model = database, models.event
        self._key = derived(key, "audit")
        self._turn = asyncio.Lock()

    async def add(self, what: str, **values: str) -> None:
        """Puts an event at the end, durably."""
        cut = {name: text[:TEXT] for name, text in values.items()}
        async with self._turn:
            for attempt in range(TRIES):
                if await self._added(what, cut):
                    return
                # Another worker was there first.
                await asyncio.sleep(_PAUSE * (1 + attempt) * ids.fraction())
        raise Unavailable("the audit trail is written to by too many at the moment")

    async def _added(self, what: str, values: dict[str, str]) -> bool:
        db = self._database()
        found = await db.list(self._model, sort="-number", limit=1)
        last: Any = found[0] if found else None
        event: dict[str, Any] = {
            "number": 1 if last is None else last.number + 1,
            "at": clock.now(),
            "what": what,
            **values,
        }
        before = "" if last is None else last.digest
        try:
            await db.create(self._model, **event, digest=self._digest(before, event))
        except Conflict:
            return False
        return True

    def _digest(self, before: str, event: dict[str, Any]) -> str:
        shown = [event.get(name, "") for name in _MEMBERS]
        shown[1] = show_datetime(event["at"])
        return hmac.digest(self._key, before.encode() + orjson.dumps(shown), "sha256").hex()

    async def broken(self) -> int | None:
        """The number of the first event that isn't as it was written, or is gone; None: none is.

        Those that were cut off at the end leave no trace in what is left: keep the last number.
        """
        db, before, number = self._database(), "", 0
        while True:
            rows: list[Any] = await db.list(
                self._model, lambda row, last=number: row.number > last, sort="number", limit=_PAGE
            )
            if not rows:
                return None
            for row in rows:
                number += 1
                event = {name: getattr(row, name) for name in _MEMBERS}
                right = hmac.compare_digest(row.digest, self._digest(before, event))
                if row.number != number or not right:
                    return number
                before = row.digest

    async def latest(self, limit: int = 100) -> list[Any]:
        """The last events, the newest first."""
        return list(await self._database().list(self._model, sort="-number", limit=limit))
