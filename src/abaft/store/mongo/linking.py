"""To-many relations of linking models: a record is tied to what it is given, or to more or less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from abaft.plan.types import WritePlan
from abaft.store.base import GuardFailed
from abaft.store.mongo.documents import Document, id_of, path
from abaft.store.mongo.guards import Condition
from abaft.store.mongo.template import Values
from abaft.store.mongo.unit import Unit
from abaft.store.mongo.values import decode, encode

if TYPE_CHECKING:
    from abaft.store.mongo.write import Keepers


class Link:
    """Makes one to-many relation what it was given."""

    def __init__(self, keepers: Keepers, plan: WritePlan, name: str) -> None:
        many, schema = plan.model.many[name], keepers.schema
        assert many.link is not None and many.forward is not None
        self.name, self.owner = name, plan.model
        self.back, self.forward = many.back, many.forward
        self.keeper = keepers.of(schema.models[many.link])
        self.target = schema.models[many.target]
        self.guard = Condition(schema, self.target, dict(plan.link_guards)[name])
        self.operator = plan.operators.get(name)
        self.hidden = many.hidden

    async def tie(self, unit: Unit, key: dict[str, Any], values: Values) -> list[str] | None:
        """What it is tied to then, where an operator made it so."""
        ours = key[self.owner.key[0]]
        ids = list(dict.fromkeys(values[f"set.{self.name}"]))
        links = await self._links(unit, ours)
        if self.operator == "remove":
            # Of a key that leads nowhere, or to what may not be seen, nothing is told.
            await self._cut(unit, [row for row in links if self._leads(row) in ids], values)
        else:
            await self._tie(unit, ours, ids, links, values)
        if self.operator is None or self.hidden:
            return None
        left = await self._links(unit, ours)
        kind = self.target.fields[self.target.key[0]].kind
        place = path(self.keeper.model, self.forward)
        return [str(key) for key in sorted(decode(kind, row[place]) for row in left)]

    async def _links(self, unit: Unit, ours: Any) -> list[Document]:
        model = self.keeper.model
        held = encode(model.fields[self.back].kind, ours)
        return await unit.find(model.table, {path(model, self.back): {"$eq": held}})

    def _leads(self, link: Document) -> Any:
        return self.keeper.values(link)[self.forward]

    async def _tie(
        self, unit: Unit, ours: Any, ids: list[Any], links: list[Document], values: Values
    ) -> None:
        seen = await self._seen(unit, ids, values)
        if len(seen) != len(ids):
            raise GuardFailed(guard=f"target.{self.name}")
        there = {self._leads(row) for row in links}
        if self.operator is None:
            await self._cut(unit, [row for row in links if self._leads(row) not in ids], values)
        for theirs in ids:
            if theirs not in there:
                await self.keeper.insert(unit, {self.back: ours, self.forward: theirs})

    async def _cut(self, unit: Unit, links: list[Document], values: Values) -> None:
        """Unties as far as the actor sees what is tied: other links are none of theirs."""
        seen = await self._seen(unit, [self._leads(row) for row in links], values)
        for link in links:
            if self._leads(link) in seen:
                await unit.delete(self.keeper.model.table, link)

    async def _seen(self, unit: Unit, ids: list[Any], values: Values) -> list[Any]:
        """Those keys that lead to records which the actor may see."""
        name = self.target.key[0]
        wanted = [id_of(self.target, {name: key}) for key in ids]
        found = await unit.find(self.target.table, {"_id": {"$in": wanted}}) if ids else []
        kind = self.target.fields[name].kind
        return [
            decode(kind, row["_id"])
            for row in found
            if self.guard.always or await self.guard.holds(row, values, unit.run, stored=True)
        ]
