"""Whether two databases have the same records: counts, and a SHA-256 of each model's."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import orjson

from abaft.cli.copy_ends import End
from abaft.cli.copy_order import copied
from abaft.cli.copy_read import Reader, plain
from abaft.model.spec import Model
from abaft.store.base import Snapshot

NAMED = 5
"""Keys of records that differ which are told."""
_KEPT = 100_000
"""Records without their like that are remembered of either side."""
_FEED = 5_000
Told = Callable[[str, int], None]


@dataclass(slots=True, eq=False)
class Compared:
    """What two databases have of one model, or of the versions in the change feed."""

    name: str
    versions: bool = False
    counts: list[int] = field(default_factory=lambda: [0, 0])
    digests: list[str] = field(default_factory=lambda: ["", ""])
    changed: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    more: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return self.counts[0] == self.counts[1] and self.digests[0] == self.digests[1]


class _Pairs:
    """Brings the records of two walks together, each in the same order but for what is missing."""

    def __init__(self, compared: Compared, spell: Callable[[Any], str]) -> None:
        self.compared, self.spell = compared, spell
        self.left: dict[Any, bytes] = {}
        self.right: dict[Any, bytes] = {}

    def add(
        self, mine: dict[Any, bytes], theirs: dict[Any, bytes], key: Any, digest: bytes
    ) -> None:
        other = theirs.pop(key, None)
        if other is None:
            if len(mine) < _KEPT:
                mine[key] = digest
        elif other != digest:
            _name(self.compared.changed, self.spell(key))

    def finish(self) -> None:
        for key in self.left:
            _name(self.compared.lacking, self.spell(key))
        for key in self.right:
            _name(self.compared.more, self.spell(key))


def _name(names: list[str], name: str) -> None:
    if len(names) <= NAMED:
        names.append(name)


async def compare(source: End, target: End, told: Told) -> list[Compared]:
    """All models held against each other, in bounded memory; each side as of one moment."""
    async with source.store.snapshot() as ours, target.store.snapshot() as theirs:
        found = [
            await _model(Reader(source.pipeline, model), Reader(target.pipeline, model), rows, told)
            for model in copied(source.schema)
            for rows in [(ours, theirs)]
        ]
    if source.schema.with_history():
        found.append(await _feed(source, target))
    return found


async def _model(
    ours: Reader, theirs: Reader, rows: tuple[Snapshot, Snapshot], told: Told
) -> Compared:
    model = ours.model
    compared = Compared(model.collection or model.name)
    pairs = _Pairs(compared, lambda key: _spelled(model, key))
    hashes = [hashlib.sha256(), hashlib.sha256()]
    walks = ours.batches(rows[0]), theirs.batches(rows[1])
    async with aclosing(walks[0]), aclosing(walks[1]):
        going = True
        while going:
            some = await asyncio.gather(*(anext(walk, []) for walk in walks))
            going = any(some)
            for side, records in enumerate(some):
                _take(ours, records, hashes[side], compared, side, pairs)
            told(compared.name, max(compared.counts))
    pairs.finish()
    compared.digests = [made.hexdigest() for made in hashes]
    return compared


def _take(
    reader: Reader, records: list[Any], made: Any, compared: Compared, side: int, pairs: _Pairs
) -> None:
    sides = (pairs.left, pairs.right)
    for record in records:
        digest = reader.digest(record)
        made.update(digest)
        pairs.add(sides[side], sides[1 - side], tuple(reader.shown(record)), digest)
    compared.counts[side] += len(records)


def _spelled(model: Model, key: tuple[Any, ...]) -> str:
    return ",".join(map(str, key))


async def _feed(source: End, target: End) -> Compared:
    """The versions of models with history, which the feed keeps; what else it tells passes."""
    compared = Compared("versions", True)
    for side, end in enumerate((source, target)):
        made = hashlib.sha256()
        async for text in _versions(end):
            made.update(text)
            compared.counts[side] += 1
        compared.digests[side] = made.hexdigest()
    return compared


async def _versions(end: End) -> AsyncGenerator[bytes, None]:
    kept, after = set(end.schema.with_history()), ""
    while changes := await end.store.changes(after, _FEED):
        after = changes[-1].position
        for row in changes:
            if row.model in kept:
                told = [row.at, row.actor, row.model, row.id, row.action, plain(dict(row.data))]
                yield hashlib.sha256(orjson.dumps(told)).digest()


def checksum(compared: list[Compared], side: int = 0) -> str:
    """One SHA-256 of all models."""
    lines = [f"{row.name} {row.counts[side]} {row.digests[side]}\n" for row in compared]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
