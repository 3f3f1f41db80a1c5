"""Deletes that spread, and soft ones that are undone: what goes along is found first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from abaft.model.spec import DELETED, Model, One
from abaft.plan.types import WritePlan
from abaft.store.base import ReferenceViolation, Row
from abaft.store.history import Before
from abaft.store.mongo.documents import Document, key_of
from abaft.store.mongo.recording import change
from abaft.store.mongo.template import Values
from abaft.store.mongo.unit import Unit

if TYPE_CHECKING:
    from abaft.store.mongo.write import Keepers

Place = tuple[str, Any]


def _place(model: Model, document: Document) -> Place:
    return model.name, tuple(key_of(model, document).values())


class Deletion:
    """Deletes a record for good, with those that a cascade takes; others let go of it."""

    def __init__(self, keepers: Keepers, model: Model) -> None:
        self.keepers, self.schema, self.model = keepers, keepers.schema, model
        self.gone: set[Place] = set()
        self.taken: list[tuple[Model, Document, One | None]] = []
        """What goes along, in the order found, and the relation that is emptied; None: deleted."""
        self.held: list[Place] = []

    async def run(self, unit: Unit, stored: Document, values: Values) -> Row:
        await self._collect(unit, stored)
        if any(place not in self.gone for place in self.held):
            raise ReferenceViolation
        recorder = self.keepers.recorder
        before: list[Before] = await recorder.before(unit, self.model, key_of(self.model, stored))
        taken = [row for row in self.taken if row[2] is None or self._stays(row[0], row[1])]
        for model, document, _ in taken:
            before += await recorder.before(unit, model, key_of(model, document))
        await unit.delete(self.model.table, stored)
        for model, document, one in taken:
            if one is None:
                await unit.delete(model.table, document)
            else:
                await self._empty(unit, model, one, document)
        recorder.baselines(unit, before, values)
        unit.tell(change(values))
        for model, document, one in taken:
            told = {**values, **_change(one)}
            await recorder.after(unit, model, key_of(model, document), told, gone=one is None)
        return (None, None)

    def _stays(self, model: Model, document: Document) -> bool:
        return _place(model, document) not in self.gone

    async def _empty(self, unit: Unit, model: Model, one: One, document: Document) -> None:
        keeper = self.keepers.of(model)
        stored = await unit.get(model.table, document["_id"])
        assert stored is not None
        held = keeper.values(stored) | dict.fromkeys(one.columns)
        await keeper.replace(unit, stored, held, one.columns)

    async def _collect(self, unit: Unit, stored: Document) -> None:
        """Walks from the record to all that goes with it, each once."""
        queue = [(self.model, stored)]
        self.gone.add(_place(self.model, stored))
        while queue:
            model, document = queue.pop()
            for source, one in self.schema.inbound(model):
                keeper = self.keepers.of(source)
                for row in await keeper.referring(unit, one, key_of(model, document)):
                    place = _place(source, row)
                    if one.on_delete == "restrict":
                        self.held.append(place)
                    elif one.on_delete == "set null":
                        self.taken.append((source, row, one))
                    elif place not in self.gone:
                        self.gone.add(place)
                        self.taken.append((source, row, None))
                        queue.append((source, row))


def _change(one: One | None) -> Values:
    """What the feed is told of a record that lost its relation, or is gone."""
    data = "{}" if one is None else orjson.dumps({one.columns[0]: None}).decode()
    return {"change.action": "update" if one else "delete", "change.data": data}


@dataclass(slots=True)
class Going:
    """The records that a soft delete, or its undoing, takes along."""

    keepers: Keepers
    restores: bool
    taken: list[tuple[Model, Document]] = field(default_factory=list)

    async def before(self, unit: Unit) -> list[Before]:
        """What the feed must be told of ahead."""
        found: list[Before] = []
        for model, document in self.taken:
            found += await self.keepers.recorder.before(unit, model, key_of(model, document))
        return found

    async def mark(self, unit: Unit, values: Values) -> None:
        """Marks them at the same time as the record, by which a restore knows them."""
        stamp = values[f"set.{DELETED}"]
        if self.restores:
            values = {**values, "change.data": f'{{"{DELETED}":null}}'}
        for model, document in self.taken:
            keeper = self.keepers.of(model)
            held = keeper.values(document) | {DELETED: stamp}
            await keeper.replace(unit, document, held, (DELETED,))
            await self.keepers.recorder.after(unit, model, key_of(model, document), values)


class Marking:
    """Finds what goes along with a record that is softly deleted, or restored.

    A relation that restricts keeps a record from being deleted while others that are there lead to
    it.
    """

    def __init__(self, keepers: Keepers, plan: WritePlan) -> None:
        self.keepers, self.model = keepers, plan.model
        self.restores = plan.verb == "restore"

    async def collect(self, unit: Unit, stored: Document) -> Going:
        going = Going(self.keepers, self.restores)
        stamp = stored.get(self.model.fields[DELETED].column)
        seen, held = {_place(self.model, stored)}, set[Place]()
        queue = [(self.model, stored)]
        while queue:
            model, document = queue.pop()
            for source, one in self.keepers.schema.inbound(model):
                along = one.on_delete == "cascade" and source.soft_delete
                if not along and (self.restores or one.on_delete != "restrict"):
                    continue
                keeper = self.keepers.of(source)
                for row in await keeper.referring(unit, one, key_of(model, document)):
                    place = _place(source, row)
                    if not self._meant(source, row, stamp):
                        continue
                    if not along:
                        held.add(place)
                    elif place not in seen:
                        seen.add(place)
                        going.taken.append((source, row))
                        queue.append((source, row))
        if held - seen:
            raise ReferenceViolation
        return going

    def _meant(self, model: Model, document: Document, stamp: Any) -> bool:
        """Whether it is there, or of a restore whether it went at the same time."""
        if not model.soft_delete:
            return True
        found = document.get(model.fields[DELETED].column)
        return bool(found == stamp) if self.restores else found is None
