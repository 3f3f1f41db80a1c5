"""Change records; of models with history they are whole, and what was before goes ahead of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from abaft.model.spec import Model, Schema
from abaft.model.times import DateTime
from abaft.plan.versions import snapshot
from abaft.store.history import Before, Key, owners
from abaft.store.mongo.documents import CHANGES, Document, id_of
from abaft.store.mongo.guards import Text
from abaft.store.mongo.template import Query
from abaft.store.mongo.unit import Unit
from abaft.store.mongo.values import encode

Told = Mapping[str, Any]
"""The values of a write, of which those named change.… are the record's."""


def joined(data: str, results: str) -> str:
    """One JSON object of two, by which what was reckoned joins what was given."""
    if results == "{}":
        return data
    return results if data == "{}" else f"{data[:-1]},{results[1:]}"


_GIVEN = [(name, f"change.{name}") for name in ("actor", "model", "record", "action", "data")]
_TIME = DateTime()


def change(values: Told, **known: str) -> Document:
    """The feed's record of a write; what is known of it goes before its values."""
    told: Document = {"at": encode(_TIME, values["change.at"])}
    for name, place in _GIVEN:
        told[name] = known[name] if name in known else values[place]
    return told


class Recorder:
    """Tells the feed of changes, whatever models they are of."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._texts: dict[str, Text] = {}

    async def whole(self, unit: Unit, model: Model, key: Key) -> str | None:
        """What the feed keeps of a record as it is stored now; None where it isn't."""
        document = await unit.get(model.table, id_of(model, key))
        if document is None:
            return None
        if model.name not in self._texts:
            self._texts[model.name] = Text(self.schema, model, snapshot(self.schema, model))
        return await self._texts[model.name].of(document, {}, unit.run)

    async def before(self, unit: Unit, model: Model, key: Key) -> list[Before]:
        """What the feed must be told of, before this record and those tied by it are changed."""
        found = []
        for owner, place in [(model, key), *owners(self.schema, model, key)]:
            if owner.history:
                text = await self.whole(unit, owner, place)
                record = owner.written(place)
                if text is not None and not await self._known(unit, owner, record):
                    found.append(Before(owner, record, text))
        return found

    async def _known(self, unit: Unit, model: Model, record: str) -> bool:
        """Whether the feed has the record whole: a change from before the switch has no key."""
        for told in reversed(unit.changes):
            if (told["model"], told["record"]) == (model.name, record):
                return model.key[0] in orjson.loads(told["data"])
        where: Query = {"model": {"$eq": model.name}, "record": {"$eq": record}}
        stages: list[Query] = [{"$match": where}, {"$sort": {"_id": -1}}, {"$limit": 1}]
        last = await unit.run(CHANGES, stages)
        return bool(last) and model.key[0] in orjson.loads(last[0]["data"])

    def baselines(self, unit: Unit, found: list[Before], values: Told) -> None:
        """Tells the feed of records as they were."""
        for before in found:
            unit.tell(change(before.told(values)))

    async def after(
        self, unit: Unit, model: Model, key: Key, values: Told, gone: bool = False
    ) -> None:
        """Tells the feed of a change; a record that is gone has no values any more."""
        told = {**values, "change.model": model.name, "change.record": model.written(key)}
        if model.history and not gone:
            whole = await self.whole(unit, model, key)
            told = {**told, "change.data": whole or "{}"}
        unit.tell(change(told))
        for owner, place in owners(self.schema, model, key):
            text = await self.whole(unit, owner, place)
            if text is not None:
                named = {"change.model": owner.name, "change.record": owner.written(place)}
                data = {"change.action": "update", "change.data": text}
                unit.tell(change({**values, **named, **data}))
