"""The change feed of a copy's source: the records that it names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Container
from dataclasses import dataclass, field
from urllib.parse import unquote

from abaft.cli.copy_ends import End
from abaft.cli.copy_order import copied
from abaft.cli.copy_read import Key
from abaft.model.spec import Model
from abaft.plan.change import Change

FEED = 5_000
"""Change records at a time."""

Keys = dict[str, dict[Key, None]]


@dataclass(slots=True, eq=False)
class Named:
    """The records that the feed names after a position; where it ended, and by how many changes."""

    last: str
    count: int = 0
    keys: Keys = field(default_factory=dict)

    def or_by(self, other: Named) -> Keys:
        """The records that either names."""
        return {name: found | other.keys[name] for name, found in self.keys.items()}


async def pages(end: End, after: str, settled: bool = True) -> AsyncIterator[list[Change]]:
    """The feed after a position up to about now: who writes on and on can't keep it going."""
    full = True
    while full and (changes := await end.store.changes(after, FEED, settled)):
        after, full = changes[-1].position, len(changes) == FEED
        yield changes


async def read_feed(end: End, after: str, settled: bool = True) -> Named:
    """What the feed names after a position; all that can be seen by now, if not only `settled`."""
    found = Named(after, keys={model.name: {} for model in copied(end.schema)})
    async for changes in pages(end, after, settled):
        found.last, found.count = changes[-1].position, found.count + len(changes)
        for change in changes:
            if change.model in found.keys:
                model = end.schema.models[change.model]
                found.keys[change.model][read_key(model, change.id)] = None
    return found


def read_key(model: Model, written: str) -> Key:
    """The key that the feed writes so."""
    parts = zip(model.key, written.split(","), strict=True)
    return tuple(model.fields[name].kind.parse(unquote(part)) for name, part in parts)


def names(keys: Keys, model: Model, key: Key, links: Container[str]) -> bool:
    """Whether it is one of these records, or ties one: the feed names none of `links`."""
    if key in keys[model.name]:
        return True
    held = dict(zip(model.key, key, strict=True))
    return model.name in links and any(
        tuple(held[name] for name in one.columns) in keys.get(one.target, ())
        for one in model.one.values()
        if held.keys() >= set(one.columns)
    )
