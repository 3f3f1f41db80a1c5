"""Answers kept by their Idempotency-Key: documents whose key is (actor, key)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bson import Int64

from abaft.model.times import DateTime
from abaft.store.base import Kept, Values
from abaft.store.mongo.documents import ANSWERS, Document
from abaft.store.mongo.unit import Unit
from abaft.store.mongo.values import encode

PRUNED = 1_000
"""Answers that are deleted at a time, so that nobody has to wait for it."""
Program = Callable[[Unit], Awaitable[Any]]
"""Steps of one transaction."""


def _id(values: Values) -> Document:
    return {"actor": values["actor"], "key": values["key"]}


class Answers:
    """The programs over the answers of one database."""

    def claim(self, values: Values) -> Program:
        """Takes the key for this request; what was answered by it before, if anything was."""

        async def program(unit: Unit) -> Kept | None:
            found = await unit.get(ANSWERS, _id(values))
            if found is not None:
                answer = [found.get(name) for name in ("status", "headers", "body")]
                return Kept(found["digest"], *answer)  # type: ignore[arg-type]
            at = encode(DateTime(), values["at"])
            claimed = {"_id": _id(values), "digest": values["digest"], "at": at}
            await unit.insert(ANSWERS, claimed)
            return None

        return program

    def keep(self, values: Values) -> Program:
        """Adds the answer to a key that was claimed."""

        async def program(unit: Unit) -> None:
            found = await unit.get(ANSWERS, _id(values))
            if found is None:
                return
            body = values["body"]
            answer = {
                "status": Int64(values["status"]),
                "headers": values["headers"],
                "body": None if body is None else bytes(body),
            }
            await unit.replace(ANSWERS, found, found | answer)

        return program

    def prune(self, before: Any) -> Program:
        """Deletes some that are older; how many."""

        async def program(unit: Unit) -> int:
            old = await unit.find(ANSWERS, {"at": {"$lt": encode(DateTime(), before)}}, PRUNED)
            for row in old:
                await unit.delete(ANSWERS, row)
            return len(old)

        return program
