"""Places of records that clients order: given by a create, by a move, and by coming into a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from abaft.model.places import LONGEST, place_between, places_after
from abaft.model.spec import POSITION, Model
from abaft.plan.types import MOVES, WritePlan
from abaft.store.base import GuardFailed
from abaft.store.mongo.documents import Document, id_of, key_of, path
from abaft.store.mongo.guards import Condition
from abaft.store.mongo.recording import joined
from abaft.store.mongo.template import Query, Values
from abaft.store.mongo.unit import Unit
from abaft.store.mongo.values import encode

if TYPE_CHECKING:
    from abaft.store.mongo.write import Keepers


class Placing:
    """Finds the place of a record; nobody else does so meanwhile."""

    def __init__(self, keepers: Keepers, plan: WritePlan) -> None:
        self.keepers, self.plan = keepers, plan
        self.model: Model = plan.model
        self.keeper = keepers.of(plan.model)
        self.moves = plan.verb in MOVES
        self.place = path(self.model, POSITION)
        self.before = Condition(keepers.schema, self.model, plan.before)
        self.anchor = Condition(keepers.schema, self.model, plan.anchor)

    async def values(self, unit: Unit, values: Values) -> Values | None:
        """The values with the place among them; None where there is no record to be moved."""
        if self.plan.action == "create":
            found: str | None = await self._appended(unit, self._given(values))
        else:
            found = await self._moved(unit, values)
        if found is None:
            return None
        told = orjson.dumps({POSITION: found}).decode()
        data = joined(values["change.data"], told)
        return {**values, f"set.{POSITION}": found, "change.data": data}

    def _given(self, values: Values) -> Any:
        """The list that the write names."""
        return values[f"set.{self.model.ordered}"] if self.model.ordered else None

    def _list(self, group: Any) -> Query:
        name = self.model.ordered
        if not name:
            return {}
        return {path(self.model, name): {"$eq": encode(self.model.fields[name].kind, group)}}

    async def _end(self, unit: Unit, where: Query, way: int) -> str | None:
        """The last or first place of what meets a condition."""
        stages: list[Query] = [{"$match": where}, {"$sort": {self.place: way}}, {"$limit": 1}]
        found = await unit.run(self.model.table, stages)
        return str(found[0][self.place]) if found else None

    async def _appended(self, unit: Unit, group: Any) -> str:
        return places_after(await self._end(unit, self._list(group), -1), 1)[0]

    async def _moved(self, unit: Unit, values: Values) -> str | None:
        key = {name: values[f"key.{name}"] for name in self.model.key}
        stored = await unit.get(self.model.table, id_of(self.model, key))
        if stored is None:
            return None if self.moves else ""
        group = self.keeper.values(stored)[self.model.ordered] if self.model.ordered else None
        if not self.moves:
            given = self._given(values)
            same = not self.model.ordered or group == given
            return str(stored[self.place]) if same else await self._appended(unit, given)
        if not await self.before.holds(stored, values, unit.run, stored=True):
            return None
        found = await self._found(unit, stored, group, values)
        if len(found) <= LONGEST:
            return found
        await self._number(unit, stored, group, values)
        return await self._found(unit, stored, group, values)

    async def _found(self, unit: Unit, stored: Document, group: Any, values: Values) -> str:
        """The place that is asked for."""
        within = self._list(group)
        if self.plan.verb == "last":
            return await self._appended(unit, group)
        if self.plan.verb == "first":
            return place_between(None, await self._end(unit, within, 1))
        place = await self._anchored(unit, within, values)
        others = {**within, "_id": {"$ne": stored["_id"]}}
        if self.plan.verb == "before":
            below = await self._end(unit, {**others, self.place: {"$lt": place}}, -1)
            return place_between(below, place)
        above = await self._end(unit, {**others, self.place: {"$gt": place}}, 1)
        return place_between(place, above)

    async def _anchored(self, unit: Unit, within: Query, values: Values) -> str:
        """The place of the record that the move goes by, where the actor may see it."""
        key = {name: values[f"anchor.{name}"] for name in self.model.key}
        where = {**within, "_id": {"$eq": id_of(self.model, key)}}
        found = await unit.find(self.model.table, where, 1)
        if not found or not await self.anchor.holds(found[0], values, unit.run, stored=True):
            raise GuardFailed(guard="anchor")
        return str(found[0][self.place])

    async def _number(self, unit: Unit, stored: Document, group: Any, values: Values) -> None:
        """Gives all others of the list new places above the old ones.

        The record itself is still held against its ETag, so it has its place until it is moved.
        """
        stages: list[Query] = [{"$match": self._list(group)}, {"$sort": {self.place: 1}}]
        last = await self._end(unit, self._list(group), -1)
        rows = await unit.run(self.model.table, stages)
        rows = [row for row in rows if row["_id"] != stored["_id"]]
        recorder = self.keepers.recorder
        before = []
        for row in rows:
            before += await recorder.before(unit, self.model, key_of(self.model, row))
        recorder.baselines(unit, before, values)
        places = places_after(last, len(rows))
        for row, place in zip(rows, places, strict=True):
            held = self.keeper.values(row) | {POSITION: place}
            await self.keeper.replace(unit, row, held, (POSITION,))
            told = {**values, "change.data": orjson.dumps({POSITION: place}).decode()}
            await recorder.after(unit, self.model, key_of(self.model, row), told)
