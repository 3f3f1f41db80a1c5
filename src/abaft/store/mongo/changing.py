"""Changes of one shape, of which none asks of other records: together they are few commands."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from abaft.store.base import Row, StoreError
from abaft.store.mongo.documents import Document, id_of, path
from abaft.store.mongo.recording import change
from abaft.store.mongo.template import Values
from abaft.store.mongo.unit import Unit
from abaft.store.mongo.values import encode, hashable

if TYPE_CHECKING:
    from abaft.store.mongo.write import Write

Outcome = Row | StoreError | None


class Changing:
    """Reads all records at once, changes one after the other here, and stores all at once."""

    def __init__(self, write: Write) -> None:
        self.write, self.model, self.keeper = write, write.model, write.keeper
        made, plan = self.keeper.documents, write.plan
        beside = made.nocase or made.uniques or self.model.searched or self.model.checks
        fields = self.model.fields
        self.places = [(name, path(self.model, name), fields[name].kind) for name in plan.assigned]
        self.plain = not (beside or plan.operators)
        """Whether nothing but what is assigned has to be looked at."""

    async def run(self, unit: Unit, rows: Sequence[Values]) -> list[Outcome]:
        """The outcome of each: None where its guards held it off, or what refuses it."""
        keys = [self._key(values) for values in rows]
        wanted = {hashable(key): key for key in keys}
        found = await unit.find(self.model.table, {"_id": {"$in": list(wanted.values())}})
        before = {hashable(document["_id"]): document for document in found}
        now = dict(before)
        outcomes = [
            await self._changed(unit, now, hashable(key), values)
            for key, values in zip(keys, rows, strict=True)
        ]
        pairs = [(before[key], now[key]) for key in before if now[key] is not before[key]]
        if pairs:
            await unit.replace_all(self.model.table, pairs)
        return outcomes

    def _key(self, values: Values) -> Any:
        return id_of(self.model, {name: values[f"key.{name}"] for name in self.model.key})

    async def _changed(
        self, unit: Unit, now: dict[Hashable, Document], key: Hashable, values: Values
    ) -> Outcome:
        """Puts the record as it will be among those there are now, and tells the feed of it."""
        stored, write, guards = now.get(key), self.write, self.write.guards
        if stored is None:
            return None
        if not all((await guards.of_stored(stored, values, unit.run)).values()):
            return None
        try:
            held, document, told = self._made(stored, values)
        except StoreError as error:
            return error
        if not all((await guards.of_result(held, document, values, unit.run)).values()):
            return None
        now[key] = document
        unit.tell(change(told))
        if not (write.visible.always or await write.visible.holds(document, values, unit.run)):
            return (None, None)
        return (await guards.shown.of(document, values, unit.run), None)

    def _made(self, stored: Document, values: Values) -> tuple[dict[str, Any], Document, Values]:
        """The record's values as far as they matter, what it becomes, and what the feed is told."""
        if self.plain:
            given = {at: encode(kind, values[f"set.{name}"]) for name, at, kind in self.places}
            return {}, {**stored, **given}, values
        held, result = self.write.result(stored, values)
        return held, self.keeper.changed(stored, result), self.write.reckoned(values, result)
