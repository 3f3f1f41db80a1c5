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
from abaft.store.mongo.unit import SOME, Unit
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
        mark = unit.mark()
        if await _TOGETHER[self.load.action](self, unit):
            for place in range(len(self.load.changes)):
                unit.tell(self._told(place))
            return {}
        # Something speaks against one of them: each by itself.
        await unit.back(mark)
        refused: Refused = {}
        for place in range(len(self.load.rows)):
            error = await self._one(unit, place)
            if error is not None:
                refused[place] = error
        return refused

    def _rows(self) -> list[dict[str, Any]]:
        return [dict(zip(self.load.names, row, strict=True)) for row in self.load.rows]

    async def _create_all(self, unit: Unit) -> bool:
        """Stores all at once, where nothing speaks against any."""
        rows = self._rows()
        if not rows or not await self.keeper.insert_all(unit, rows):
            return not rows
        return await self._tie_all(unit, rows)

    async def _update_all(self, unit: Unit) -> bool:
        rows = self._rows()
        found = await keyed(unit, self.model, rows)
        if len(found) < len(rows):  # one that comes twice, or isn't there
            return False
        befores = [found[_key(self.model, values)] for values in rows]
        whole = [
            (before, self.keeper.values(before) | values)
            for before, values in zip(befores, rows, strict=True)
        ]
        if not await self.keeper.replace_all(unit, whole, self.load.names):
            return False
        return await self._tie_all(unit, rows)

    async def _delete_all(self, unit: Unit) -> bool:
        found = await keyed(unit, self.model, self._rows())
        await unit.delete_all(self.model.table, list(found.values()))
        return True

    async def _tie_all(self, unit: Unit, rows: list[dict[str, Any]]) -> bool:
        """Ties the records to what they are given, where nothing speaks against any."""
        keys = [values[self.model.key[0]] for values in rows]
        for name, lists in self.load.links.items():
            many = self.model.many[name]
            assert many.link is not None and many.forward is not None
            link = self.keepers.of(self.schema.models[many.link])
            if self.load.action == "update":
                await self._cut_all(unit, link.model, many.back, keys)
            pairs = [
                {many.back: ours, many.forward: theirs}
                for ours, listed in zip(keys, lists, strict=True)
                for theirs in listed
            ]
            if pairs and not await link.insert_all(unit, pairs):
                return False
        return True

    async def _cut_all(self, unit: Unit, link: Model, back: str, keys: list[Any]) -> None:
        """Deletes what ties these records."""
        kind, place = link.fields[back].kind, path(link, back)
        for start in range(0, len(keys), SOME):
            held = [encode(kind, key) for key in keys[start : start + SOME]]
            found = await unit.find(link.table, {place: {"$in": held}})
            await unit.delete_all(link.table, found)

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


_TOGETHER = {
    "create": Loading._create_all,
    "update": Loading._update_all,
    "delete": Loading._delete_all,
}


def _key(model: Model, values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(values[name] for name in model.key)


async def keyed(
    unit: Unit, model: Model, rows: Sequence[Mapping[str, Any]]
) -> dict[tuple[Any, ...], Document]:
    """The stored records of the keys that these rows have, some at a time."""
    wanted = {_key(model, values): values for values in rows}
    listed = [id_of(model, values) for key, values in wanted.items() if None not in key]
    found: dict[tuple[Any, ...], Document] = {}
    for start in range(0, len(listed), SOME):
        where: Query = {"_id": {"$in": listed[start : start + SOME]}}
        for document in await unit.find(model.table, where):
            found[tuple(key_of(model, document).values())] = document
    return found


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
    rows = [dict(zip(match.names, row, strict=True)) for row in match.rows]
    model = match.model
    nocase = any(model.fields[name].nocase for name in match.on)
    if set(match.on) != set(model.key) or nocase or match.living:
        return [await _matched(unit, match, given) for given in rows]
    found = await keyed(unit, model, rows)
    return [_shown(match, found.get(_key(model, given)), given) for given in rows]


async def _matched(unit: Unit, match: Match, given: Mapping[str, Any]) -> Matched | None:
    model = match.model
    where: Query = {
        compared(model, name): {"$eq": _part(model, name, given[name])} for name in match.on
    }
    if any(given[name] is None for name in match.on):
        return None
    if match.living:
        where[path(model, DELETED)] = {"$eq": None}
    found = await unit.find(model.table, where, 1)
    return _shown(match, found[0] if found else None, given)


def _shown(match: Match, found: Document | None, given: Mapping[str, Any]) -> Matched | None:
    if found is None:
        return None
    return tuple(key_of(match.model, found).values()), _same(match.model, found, given, match)


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
