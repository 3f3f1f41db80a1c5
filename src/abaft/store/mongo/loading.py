"""Many records at once, above the rules: each is stored or refused by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from bson import Int64

from abaft.model.evaluate import fold
from abaft.model.spec import DELETED, Model
from abaft.model.times import DateTime
from abaft.plan.change import Change
from abaft.plan.loads import Load, Match, Matched
from abaft.store.base import StoreError, Values
from abaft.store.mongo.documents import STATE, Document, compared, id_of, key_of, path
from abaft.store.mongo.recording import change
from abaft.store.mongo.template import Query
from abaft.store.mongo.unit import Unit
from abaft.store.mongo.values import encode
from abaft.store.mongo.write import Keepers

Refused = dict[int, StoreError]


class Loading:
    """Stores the records of one load."""

    def __init__(self, keepers: Keepers, load: Load) -> None:
        self.keepers, self.load = keepers, load
        self.model = load.model
        self.keeper = keepers.of(load.model)
        self.schema = keepers.schema

    async def run(self, unit: Unit) -> Refused:
        unit.deferring = self.load.deferred
        try:
            return await self._run(unit)
        finally:
            unit.deferring = False

    async def _run(self, unit: Unit) -> Refused:
        if self.load.action == "create" and await self._all(unit):
            return {}
        refused: Refused = {}
        for place in range(len(self.load.rows)):
            error = await self._one(unit, place)
            if error is not None:
                refused[place] = error
        return refused

    async def _all(self, unit: Unit) -> bool:
        """Stores all at once, where nothing speaks against any."""
        mark = unit.mark()
        rows = [dict(zip(self.load.names, row, strict=True)) for row in self.load.rows]
        if not rows or not await self.keeper.insert_all(unit, rows):
            return not rows
        for name, lists in self.load.links.items():
            many = self.model.many[name]
            assert many.link is not None and many.forward is not None
            link, at = self.keepers.of(self.schema.models[many.link]), self.model.key[0]
            pairs = [
                {many.back: values[at], many.forward: theirs}
                for values, keys in zip(rows, lists, strict=True)
                for theirs in keys
            ]
            if pairs and not await link.insert_all(unit, pairs):
                await unit.back(mark)
                return False
        for place in range(len(self.load.changes)):
            unit.tell(self._told(place))
        return True

    async def _again(self, unit: Unit, places: list[int]) -> Refused:
        """Those whose relation led to a record that came later, as long as some are stored."""
        while places:
            refused = {}
            for place in places:
                error = await self._one(unit, place)
                if error is not None:
                    refused[place] = error
            if len(refused) == len(places):
                return refused
            places = list(refused)
        return {}

    async def _one(self, unit: Unit, place: int) -> StoreError | None:
        mark = unit.mark()
        try:
            await self._store(unit, place)
        except StoreError as error:
            await unit.back(mark)
            return error
        return None

    async def _store(self, unit: Unit, place: int) -> None:
        given = dict(zip(self.load.names, self.load.rows[place], strict=True))
        if self.load.action == "delete":
            before = await unit.get(self.model.table, id_of(self.model, given))
            if before is not None:
                await unit.delete(self.model.table, before)
            return
        if self.load.action == "create":
            document = await self.keeper.insert(unit, given)
        else:
            before = await unit.get(self.model.table, id_of(self.model, given))
            assert before is not None
            held = self.keeper.values(before) | given
            document = await self.keeper.replace(unit, before, held, self.load.names)
        await self._tie(unit, key_of(self.model, document), place)
        if self.load.changes:
            unit.tell(self._told(place))

    def _told(self, place: int) -> Document:
        """What the feed keeps of a row."""
        record, data = self.load.changes[place]
        told: Values = {
            "change.at": self.load.at,
            "change.actor": self.load.actor,
            "change.model": self.model.name,
            "change.record": record,
            "change.action": self.load.action,
            "change.data": data,
        }
        return change(told)

    async def _tie(self, unit: Unit, key: Mapping[str, Any], place: int) -> None:
        ours = key[self.model.key[0]]
        for name, lists in self.load.links.items():
            many = self.model.many[name]
            assert many.link is not None and many.forward is not None
            link = self.keepers.of(self.schema.models[many.link])
            if self.load.action == "update":
                held = encode(link.model.fields[many.back].kind, ours)
                where: Query = {path(link.model, many.back): {"$eq": held}}
                for row in await unit.find(link.model.table, where):
                    await unit.delete(link.model.table, row)
            for theirs in lists[place]:
                await link.insert(unit, {many.back: ours, many.forward: theirs})


async def telling(unit: Unit, changes: Sequence[Change]) -> None:
    """Puts change records into the feed."""
    for row in changes:
        told: Values = {
            "change.at": DateTime().parse(row.at),
            "change.actor": row.actor,
            "change.model": row.model,
            "change.record": row.id,
            "change.action": row.action,
            "change.data": orjson.dumps(row.data).decode(),
        }
        unit.tell(change(told))


async def matching(unit: Unit, match: Match) -> list[Matched | None]:
    """The stored record of each row, where there is one."""
    return [await _matched(unit, match, row) for row in match.rows]


async def _matched(unit: Unit, match: Match, row: Any) -> Matched | None:
    model = match.model
    given = dict(zip(match.names, row, strict=True))
    where: Query = {
        compared(model, name): {"$eq": _part(model, name, given[name])} for name in match.on
    }
    if any(given[name] is None for name in match.on):
        return None
    if match.living:
        where[path(model, DELETED)] = {"$eq": None}
    found = await unit.find(model.table, where, 1)
    if not found:
        return None
    return tuple(key_of(model, found[0]).values()), _same(model, found[0], given, match)


def _part(model: Model, name: str, value: Any) -> Any:
    field = model.fields[name]
    return encode(field.kind, fold(value, field.nocase))


def _same(model: Model, document: Document, given: Mapping[str, Any], match: Match) -> bool:
    names = match.names[len(match.on) :]
    return all(
        document.get(path(model, name)) == encode(model.fields[name].kind, given[name])
        for name in names
    )


async def numbers(unit: Unit, model: Model, count: int) -> list[int]:
    """Keys for new records, as the counter goes on."""
    place = f"keys_{model.table}"
    state = await unit.get(STATE, place)
    last = int(state["last"]) if state else 0
    after: Document = {"_id": place, "last": Int64(last + count)}
    if state is None:
        await unit.insert(STATE, after)
    else:
        await unit.replace(STATE, state, after)
    return list(range(last + 1, last + 1 + count))
