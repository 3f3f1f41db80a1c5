"""Brings over what was written to the source while it was copied: the records its feed names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import orjson

from abaft.base.actor import SYSTEM
from abaft.cli.copy_ends import End
from abaft.cli.copy_feed import FEED, Keys, Named, pages, read_feed
from abaft.cli.copy_order import Group
from abaft.cli.copy_read import EVERY, Key, Reader, Record
from abaft.cli.copy_state import Notes, State, Told, at
from abaft.cli.copy_write import Refused, store
from abaft.cli.load_links import Search
from abaft.model import expr as e
from abaft.model.spec import Many, Model
from abaft.plan.change import Change
from abaft.plan.loads import Match, Matched
from abaft.plan.types import Pick, ReadShape
from abaft.store.base import Snapshot, Transaction

_WAYS = (
    ("values", "create", "update", "remove"),
    ("remove", "values", "create", "update"),
    ("create", "update", "remove"),
    ("remove", "create", "update"),
)
"""What has left a unique value comes before what took it; what is referred to, before who refers;
which way that is shows by trying."""
_PREPARING = (("create",), ("values", "create"), ("remove", "values", "create"))


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """Records of the source that have changed, and the reads of it as it was at one moment."""

    keys: Keys
    rows: Snapshot


class Changes:
    """The feed of the source, and the records that it names."""

    def __init__(self, source: End, target: End, groups: list[Group], notes: Notes) -> None:
        self.source, self.target, self.groups, self.notes = source, target, groups, notes
        self.order = [
            (model, group, part)
            for group in groups
            for part in group.parts
            for model in part.models
        ]
        self._searches = {
            model.name: Search(model, Pick(tuple(model.fields))) for model, *_ in self.order
        }
        self._readers = {model.name: Reader(source.pipeline, model) for model, *_ in self.order}

    async def begin(self, state: State, shown: Callable[[int], None]) -> State:
        """Copies the feed up to now: what it tells of later has changed since."""
        told = await self.notes.told()
        async for changes in pages(self.source, told.position):
            async with self.target.store.transaction(patient=True) as session:
                told = await self._tell(session, told, changes)
            shown(told.rows)
        async with self.target.store.transaction(patient=True) as session:
            return await self.notes.keep(session, at(state, "records"))

    async def _tell(self, session: Transaction, told: Told, changes: list[Change]) -> Told:
        await session.tell(changes)
        after = Told(changes[-1].position, told.rows + len(changes))
        return await self.notes.keep_told(session, after)

    async def named(self) -> Named:
        """What has changed since the feed was followed last."""
        return await read_feed(self.source, (await self.notes.told()).position)

    async def follow(self, state: State, named: Named, rows: Snapshot) -> None:
        """Brings over what changed up to a moment, and what the feed says of it.

        The feed ends before that moment, with what is `named`. What came between is brought
        over as well, since records may refer to it; the feed tells of it the next time.
        """
        moment = await self._moment(named, rows)
        if not any(moment.keys.values()) and not named.count:
            return
        for way in _WAYS:
            try:
                await self._brought(state, named, moment, way)
                return
            except Refused as error:
                if way == _WAYS[-1]:
                    raise Refused(
                        f"{error}. It was changed while it was copied, in a way that can't be "
                        "followed: stop what writes to the source, and copy into an empty database"
                    ) from error

    async def prepare(self, models: set[str], rows: Snapshot) -> None:
        """Stores what has come to these models since they were copied: others may refer to it.

        All else of the changes waits until all models are there.
        """
        moment = await self._moment(await self.named(), rows)
        keys: Keys = {n: found if n in models else {} for n, found in moment.keys.items()}
        if not any(keys.values()):
            return
        for way in _PREPARING:
            try:
                async with self.target.store.transaction(patient=True) as session:
                    await self._walk(session, Moment(keys, rows), way)
                return
            except Refused:
                if way == _PREPARING[-1]:
                    raise

    async def _moment(self, before: Named, rows: Snapshot) -> Moment:
        """All that has changed up to the moment of `rows`, which the feed is read behind again."""
        return Moment(before.or_by(await read_feed(self.source, before.last, settled=False)), rows)

    async def _walk(self, session: Transaction, moment: Moment, way: tuple[str, ...]) -> None:
        steps = {
            "values": self._values,
            "create": self._create,
            "update": self._update,
            "remove": self._remove,
        }
        for name in way:
            await steps[name](session, moment)

    async def _brought(
        self, state: State, named: Named, moment: Moment, way: tuple[str, ...]
    ) -> None:
        told, left = await self.notes.told(), named.count
        async with self.target.store.transaction(patient=True) as session:
            await self._walk(session, moment, way)
            while left and (
                changes := await self.source.store.changes(told.position, min(left, FEED))
            ):
                told = await self._tell(session, told, changes)
                left -= len(changes)
            await self.notes.keep(session, at(state, "changes"))

    async def _values(self, session: Transaction, moment: Moment) -> None:
        """Changes what the stored ones have, but for what they refer to."""
        for model, *_ in self.order:
            tied = {name for one in model.one.values() for name in one.columns}
            names = [name for name in model.fields if name not in tied or name in model.key]
            if set(names) == set(model.key):
                continue
            async for records, _ in self._found(model, moment):
                columns = await self._stored(session, model, records, stored=True)
                kept = {name: columns[name] for name in names}
                await store(self.target.pipeline, session, model, kept, "update")

    async def _create(self, session: Transaction, moment: Moment) -> None:
        """Stores the new ones, without what may lead to others that are new."""
        for model, group, part in self.order:
            async for records, _ in self._found(model, moment):
                columns = await self._stored(session, model, records, stored=False)
                for name in group.later.get(model.name, ()):
                    columns[name] = [None] * len(columns[name])
                await store(self.target.pipeline, session, model, columns, deferred=part.whole)

    async def _stored(
        self, session: Transaction, model: Model, records: list[Record], stored: bool
    ) -> dict[str, list[Any]]:
        """The values of those records that the destination has, or of those it hasn't."""
        columns = self._readers[model.name].columns(records)
        rows = list(zip(*(columns[name] for name in model.key), strict=True))
        there = [found is not None for found in await self._match(session, model, rows)]
        kept = [is_there is stored for is_there in there]
        return {name: list(compress(column, kept)) for name, column in columns.items()}

    async def _match(
        self, session: Transaction, model: Model, rows: list[Key]
    ) -> Sequence[Matched | None]:
        return await session.match(Match(model, model.key, model.key, rows)) if rows else []

    async def _update(self, session: Transaction, moment: Moment) -> None:
        """Gives all of them their values, and what they are tied to."""
        for model, *_ in self.order:
            many = [row for row in model.many.values() if row.writable]
            if not many and set(model.fields) == set(model.key):
                continue
            reader = self._readers[model.name]
            async for records, _ in self._found(model, moment):
                columns = reader.columns(records)
                own = columns[model.key[0]]
                links = {row.name: await self._links(moment.rows, model, row, own) for row in many}
                await store(self.target.pipeline, session, model, columns, "update", links=links)

    async def _remove(self, session: Transaction, moment: Moment) -> None:
        """Deletes those that the source has no more."""
        for model, group, _ in reversed(self.order):
            async for _, gone in self._found(model, moment):
                found = await self._match(session, model, gone)
                there = [key for key, row in zip(gone, found, strict=True) if row is not None]
                columns: dict[str, Any] = dict(
                    zip(model.key, zip(*there, strict=True), strict=False)
                )
                if there and (later := group.later.get(model.name)):
                    # They may refer to each other.
                    nulls = {name: [None] * len(there) for name in later}
                    await store(
                        self.target.pipeline, session, model, {**nulls, **columns}, "update"
                    )
                if there:
                    await store(
                        self.target.pipeline, session, model, columns, "delete", deferred=True
                    )

    async def _found(
        self, model: Model, moment: Moment
    ) -> AsyncIterator[tuple[list[Record], list[Key]]]:
        """The source's records of these keys at that moment, and the keys that no record has."""
        search, reader = self._searches[model.name], self._readers[model.name]
        wanted = list(moment.keys[model.name])
        for start in range(0, len(wanted), search.size):
            some = wanted[start : start + search.size]
            asked = [key[0] if search.single else key for key in some]
            records = await self._read(moment.rows, search.shape, search.values(asked))
            there = {reader.key(reader.shown(record)) for record in records}
            yield records, [key for key in some if key not in there]

    async def _read(self, rows: Snapshot, shape: ReadShape, values: dict[str, Any]) -> list[Record]:
        compiled = self.source.pipeline.ready(shape, SYSTEM).compiled
        return [orjson.loads(row[0]) async for row in rows(compiled, values)]

    async def _links(
        self, rows: Snapshot, model: Model, many: Many, own: Iterable[Any]
    ) -> list[list[Any]]:
        """The keys that each of the source's records is tied to."""
        assert many.link is not None and many.forward is not None
        link = self.source.schema.models[many.link]
        kind, other = link.fields[many.back].kind, link.fields[many.forward].kind
        where = e.OneOf(e.Column(many.back), e.Param("keys", kind, many=True))
        shape = ReadShape(link.name, "page", where, pick=Pick(tuple(link.fields)), scopes=())
        own = list(own)
        found: dict[Any, list[Any]] = {key: [] for key in own}
        for pair in await self._read(rows, shape, {"keys": own, "limit": EVERY}):
            found[kind.read(pair[many.back])].append(other.read(pair[many.forward]))
        return [found[key] for key in own]
