"""What is kept beside the records: answers by their Idempotency-Key, and progress of loads."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from bson import Int64

from abaft.model.times import DateTime
from abaft.plan.loads import Progress
from abaft.store.base import Kept, Values
from abaft.store.mongo.documents import ANSWERS, LOADS, Document
from abaft.store.mongo.unit import Unit
from abaft.store.mongo.values import encode

PRUNED = 1_000
"""Answers that are deleted at a time, so that nobody has to wait for it."""
Program = Callable[[Unit], Coroutine[Any, Any, Any]]
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


class Progresses:
    """Reads and keeps the progress of loads, by their names."""

    def read(self, name: str) -> Program:
        """The progress of the load of that name, None where there is none."""

        async def program(unit: Unit) -> Progress | None:
            found = await unit.get(LOADS, name)
            if found is None:
                return None
            counts = {part: int(count) for part, count in found["counts"].items()}
            at = datetime.fromisoformat(found["at"])
            return Progress(name, int(found["rows"]), found["digest"], counts, at)

        return program

    def keep(self, progress: Progress) -> Program:
        """Puts the progress in the place of what was known before."""

        async def program(unit: Unit) -> None:
            before = await unit.get(LOADS, progress.name)
            kept: Document = {
                "_id": progress.name,
                "rows": Int64(progress.rows),
                "digest": progress.digest,
                "counts": {name: Int64(count) for name, count in progress.counts.items()},
                "at": encode(DateTime(), progress.at),
            }
            if before is None:
                await unit.insert(LOADS, kept)
            else:
                await unit.replace(LOADS, before, kept)

        return program
