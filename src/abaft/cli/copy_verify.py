"""Whether two databases have the same records: counts, and a SHA-256 of each model's."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import orjson

from abaft.cli.copy_ends import End
from abaft.cli.copy_feed import Keys, names, pages, read_feed
from abaft.cli.copy_order import copied
from abaft.cli.copy_read import Reader, plain
from abaft.model.spec import Model
from abaft.plan.change import Change
from abaft.store.base import Snapshot

NAMED = 5
"""Keys of records that differ which are told."""
_KEPT = 100_000
"""Records without their like that are remembered of either side."""
_LOOKS, _PAUSE = 3, 0.3
"""How often the feed is asked for what differs, and how soon: on a MongoDB server alone it tells
of a record only after it was written."""
Told = Callable[[str, int], None]


@dataclass(slots=True, eq=False)
class Compared:
    """What two databases have of one model, or of the versions in the change feed.

    `meanwhile` are those that differ since the source has changed later than what is compared.
    """

    name: str
    versions: bool = False
    counts: list[int] = field(default_factory=lambda: [0, 0])
    digests: list[str] = field(default_factory=lambda: ["", ""])
    changed: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    meanwhile: int = 0

    @property
    def equal(self) -> bool:
        """Whether both have the very same."""
        return self.counts[0] == self.counts[1] and self.digests[0] == self.digests[1]

    @property
    def same(self) -> bool:
        """Whether both have the same, but for what was changed meanwhile."""
        return self.equal or (
            self.meanwhile > 0 and not (self.changed or self.lacking or self.more)
        )


class _Pairs:
    """Brings the records of two walks together, each in the same order but for what is missing."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.compared = Compared(reader.model.collection or reader.model.name)
        self.sides: tuple[dict[Any, bytes], dict[Any, bytes]] = ({}, {})
        self.changed: dict[Any, bytes] = {}

    def add(self, side: int, key: Any, digest: bytes) -> None:
        other = self.sides[1 - side].pop(key, None)
        if other is None:
            _keep(self.sides[side], key, digest)
        elif other != digest:
            _keep(self.changed, key, digest)

    def settle(self, keys: Keys, links: set[str]) -> None:
        """Tells those that differ, but for these and what ties them."""
        found = (self.changed, *self.sides)
        # What wasn't remembered can't be told apart.
        whole = all(len(some) < _KEPT for some in found)
        model, lists = self.reader.model, []
        self.compared.meanwhile = 0
        for some in found:
            left = [
                shown
                for shown in some
                if not (whole and names(keys, model, self.reader.key(shown), links))
            ]
            self.compared.meanwhile += len(some) - len(left)
            lists.append([_spelled(shown) for shown in left[: NAMED + 1]])
        self.compared.changed, self.compared.lacking, self.compared.more = lists


def _keep(kept: dict[Any, bytes], key: Any, digest: bytes) -> None:
    if len(kept) < _KEPT:
        kept[key] = digest


def _spelled(key: tuple[Any, ...]) -> str:
    return ",".join(map(str, key))


async def _next(walks: Iterable[AsyncGenerator[list[Any], None]]) -> list[list[Any]]:
    """The next batch of each walk; whoever is cancelled meanwhile leaves none of them running."""
    tasks = [asyncio.ensure_future(anext(walk, [])) for walk in walks]
    try:
        # It leaves the tasks to `finally`: one that is cancelled twice doesn't clean up to its end.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        return [task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


class Comparing:
    """All models held against each other, in bounded memory; each side as of one moment."""

    def __init__(self, source: End, target: End, told: Told) -> None:
        self.source, self.target, self.told = source, target, told
        self.links = {
            many.link
            for model in source.schema.models.values()
            for many in model.many.values()
            if many.link is not None and many.writable
        }

    async def run(self, ours: Snapshot, since: str | None) -> list[Compared]:
        """What both have, the source as `ours` shows it.

        What the source's feed names after `since` isn't held against the destination.
        """
        async with self.target.store.snapshot() as theirs:
            pairs = [await self._model(model, ours, theirs) for model in copied(self.source.schema)]
        await self._settle([pair for pair in pairs if not pair.compared.equal], since)
        found = [pair.compared for pair in pairs]
        if self.source.schema.with_history():
            found.append(await self._versions(since))
        return found

    async def _model(self, model: Model, ours: Snapshot, theirs: Snapshot) -> _Pairs:
        pairs = _Pairs(Reader(self.source.pipeline, model))
        compared = pairs.compared
        hashes = [hashlib.sha256(), hashlib.sha256()]
        walks = pairs.reader.batches(ours), Reader(self.target.pipeline, model).batches(theirs)
        async with aclosing(walks[0]), aclosing(walks[1]):
            going = True
            while going:
                some = await _next(walks)
                going = any(some)
                for side, records in enumerate(some):
                    _take(pairs, side, records, hashes[side])
                self.told(compared.name, max(compared.counts))
        compared.digests = [made.hexdigest() for made in hashes]
        return pairs

    async def _settle(self, differing: list[_Pairs], since: str | None) -> None:
        """Sets aside what the feed names; looks again as long as something differs besides."""
        keys: Keys = {model.name: {} for model in copied(self.source.schema)}
        for look in range(_LOOKS):
            await asyncio.sleep(_PAUSE if look else 0)
            if differing and since is not None:
                keys = (await read_feed(self.source, since, settled=False)).keys
            for pair in differing:
                pair.settle(keys, self.links)
            if since is None or all(pair.compared.same for pair in differing):
                return

    async def _versions(self, since: str | None) -> Compared:
        """The versions of models with history, which the feed keeps; what else it tells passes."""
        compared, hashes = Compared("versions", True), [hashlib.sha256(), hashlib.sha256()]
        async for row in _versions(self.target, ""):
            hashes[1].update(_digest(row))
            compared.counts[1] += 1
        # The source may have more by now: those behind are new, if the feed says so.
        later = ""
        async for row in _versions(self.source, ""):
            if compared.counts[0] < compared.counts[1]:
                hashes[0].update(_digest(row))
                compared.counts[0] += 1
            else:
                later = later or row.position
                compared.meanwhile += 1
        compared.digests = [made.hexdigest() for made in hashes]
        if compared.meanwhile and later != await self._first_version(since):
            compared.counts[0] += compared.meanwhile
            compared.meanwhile = 0
        return compared

    async def _first_version(self, since: str | None) -> str | None:
        """The position of the first version after a position."""
        if since is None:
            return None
        async with aclosing(_versions(self.source, since)) as found:
            first = await anext(found, None)
        return None if first is None else first.position


def _take(pairs: _Pairs, side: int, records: list[Any], made: Any) -> None:
    reader = pairs.reader
    for record in records:
        digest = reader.digest(record)
        made.update(digest)
        pairs.add(side, tuple(reader.shown(record)), digest)
    pairs.compared.counts[side] += len(records)


async def _versions(end: End, after: str) -> AsyncGenerator[Change, None]:
    kept = set(end.schema.with_history())
    async for changes in pages(end, after):
        for row in changes:
            if row.model in kept:
                yield row


def _digest(row: Change) -> bytes:
    told = [row.at, row.actor, row.model, row.id, row.action, plain(dict(row.data))]
    return hashlib.sha256(orjson.dumps(told)).digest()


def checksum(compared: list[Compared], side: int = 0) -> str:
    """One SHA-256 of all models."""
    lines = [f"{row.name} {row.counts[side]} {row.digests[side]}\n" for row in compared]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
