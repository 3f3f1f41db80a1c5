"""The records of a model as a copy reads them: whole, in the order of their keys."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, cast

import orjson

from abaft.base.actor import SYSTEM
from abaft.base.columns import each
from abaft.model import expr as e
from abaft.model.spec import Model
from abaft.pipeline import Pipeline
from abaft.plan.types import Deleted, Pick, ReadKind, ReadShape, Sort
from abaft.store.base import Snapshot

AT_ONCE = 5_000
"""Records of a batch."""
BYTES = 16 * 1024 * 1024
"""Characters after which a batch is full, so that large records can't fill the memory."""
EVERY = 2**62
_AS_SHOWN = frozenset({"text", "integer", "boolean", "json"})
"""Kinds whose values are what JSON has of them."""

Key = tuple[Any, ...]
Record = dict[str, Any]


class Reader:
    """Reads the records of one model by the ordinary plan, above the rules and scopes."""

    def __init__(self, pipeline: Pipeline, model: Model, where: e.Expr = e.TRUE) -> None:
        self.pipeline, self.model, self.where = pipeline, model, where
        self.names = tuple(model.fields)
        self._kinds = {name: model.fields[name].kind for name in self.names}
        kinds = self._kinds.items()
        self._spelled = [name for name, kind in kinds if kind.name in ("json", "float")]

    def _ready(self, kind: ReadKind, after: tuple[bool, ...] | None = None) -> Any:
        deleted: Deleted = "with" if self.model.soft_delete else "without"
        shape = ReadShape(
            self.model.name,
            kind,
            self.where,
            sort=tuple(Sort((name,)) for name in self.model.key) if kind == "page" else (),
            pick=Pick(self.names),
            after=after,
            count="exact" if kind == "count" else "",
            hidden=True,
            scopes=(),
            deleted=deleted,
        )
        return self.pipeline.ready(shape, SYSTEM)

    async def count(self, rows: Snapshot) -> int:
        """How many records there are."""
        # To the end: a read that is left early may take its connection along.
        [count] = [int(row[0]) async for row in rows(self._ready("count").compiled, {})]
        return count

    async def is_empty(self) -> bool:
        """Whether there is no record."""
        rows = await self.pipeline.store.read(self._ready("page").compiled, {"limit": 1})
        return not rows

    async def batches(
        self, rows: Snapshot, after: Key | None = None
    ) -> AsyncGenerator[list[Record], None]:
        """The records after a key, some at a time, as their JSON says them."""
        values: dict[str, Any] = {"limit": EVERY}
        values |= {f"after{place}": part for place, part in enumerate(after or ())}
        ready = self._ready("page", None if after is None else (False,) * len(after))
        some: list[Record] = []
        size = 0
        async with aclosing(cast(Any, rows(ready.compiled, values))) as found:
            async for row in found:
                some.append(orjson.loads(row[0]))
                size += len(row[0])
                if len(some) == AT_ONCE or size > BYTES:
                    yield some
                    some, size = [], 0
        if some:
            yield some

    def columns(self, records: Sequence[Record]) -> dict[str, list[Any]]:
        """The values of each field."""
        return {
            name: [record[name] for record in records]
            if kind.name in _AS_SHOWN
            else each(kind.read, [record[name] for record in records])
            for name, kind in self._kinds.items()
        }

    def shown(self, record: Record) -> list[Any]:
        """The record's key as JSON has it."""
        return [record[name] for name in self.model.key]

    def key(self, shown: Sequence[Any]) -> Key:
        """The key that JSON has so."""
        pairs = zip(self.model.key, shown, strict=True)
        return tuple(self._kinds[name].read(part) for name, part in pairs)

    def digest(self, record: Record) -> bytes:
        """The SHA-256 of the record, the same whatever the engine."""
        for name in self._spelled:
            record[name] = plain(record[name])
        return hashlib.sha256(orjson.dumps(record)).digest()


def plain(value: Any) -> Any:
    """JSON with each number in one spelling, and members in one order."""
    match value:
        case dict():
            return {name: plain(value[name]) for name in sorted(value)}
        case list():
            return [plain(item) for item in value]
        case float() if value.is_integer() and abs(value) < 2**63:
            return int(value)
    return value
