"""Writes: the steps of each, in a transaction that nobody else writes beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import orjson

from abaft.model.spec import POSITION, Model, Schema
from abaft.plan.types import FieldItem, WritePlan
from abaft.store.base import GuardFailed, HeldOff, Row, UniqueViolation
from abaft.store.history import Before
from abaft.store.mongo.changing import Changing
from abaft.store.mongo.documents import Document, id_of, key_of, values_of
from abaft.store.mongo.guards import Condition, Guards
from abaft.store.mongo.keeping import Keeper
from abaft.store.mongo.linking import Link
from abaft.store.mongo.placing import Placing
from abaft.store.mongo.reckoning import result_of
from abaft.store.mongo.recording import Recorder, change, joined
from abaft.store.mongo.runs import Runs
from abaft.store.mongo.spreading import Deletion, Marking
from abaft.store.mongo.template import Values
from abaft.store.mongo.unit import Unit
from abaft.store.mongo.values import speller


class Keepers:
    """The keepers of a schema's models, each made once."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.recorder = Recorder(schema)
        self._made: dict[str, Keeper] = {}

    def of(self, model: Model) -> Keeper:
        if model.name not in self._made:
            self._made[model.name] = Keeper(self.schema, model)
        return self._made[model.name]


class Write:
    """A compiled write."""

    def __init__(self, keepers: Keepers, plan: WritePlan) -> None:
        self.keepers, self.plan, self.model = keepers, plan, plan.model
        self.schema, self.recorder = keepers.schema, keepers.recorder
        self.keeper = keepers.of(plan.model)
        self.guards = Guards(self.schema, plan)
        self.links = [Link(keepers, plan, name) for name in plan.links]
        placed = self.model.order and POSITION in plan.assigned
        self.placing = Placing(keepers, plan) if placed else None
        self.marks = plan.verb == "restore" or (plan.action == "delete" and bool(plan.assigned))

    @cached_property
    def visible(self) -> Condition:
        return Condition(self.schema, self.model, self.plan.visible)

    @cached_property
    def several(self) -> bool:
        """Whether new records may be stored together: none is shown what came of another."""
        plan = self.plan
        apart = self.placing or self.links or plan.late or self.model.history
        return bool(
            plan.action == "create"
            and self._own
            and not apart
            and not self.keeper.counted
            and self.guards.shown.alone
            and (self.visible.always or self.visible.alone)
            and (self.guards.after.always or self.guards.after.alone)
        )

    @cached_property
    def changing(self) -> Changing | None:
        """What changes several records together, where each asks of nothing but its own."""
        plan, guards = self.plan, self.guards
        asked = (guards.where, guards.before, guards.after, self.visible)
        told = self.model.history or self.model.internal
        apart = self.placing or self.links or plan.late or plan.targets or self.marks or told
        bound = {name for row, _ in self.keeper.uniques for name in row.fields}
        bound |= {column for one in self.keeper.ones for column in one.columns}
        bound |= set(self.model.key)
        shown = [text for text in (guards.shown, guards.seen) if text is not None]
        if (
            plan.action != "update"
            or apart
            or not bound.isdisjoint(plan.assigned)
            or not self._own
            or not all(condition.always or condition.alone for condition in asked)
            or not all(text.alone for text in shown)
        ):
            return None
        return Changing(self)

    @cached_property
    def _own(self) -> bool:
        """Whether nothing is shown but the record's own values."""
        items = self.plan.selection.items
        return all(isinstance(row, FieldItem) and row.value is None for row in items)

    async def create_all(self, unit: Unit, rows: Sequence[Values]) -> list[Row] | None:
        """Stores new records at once; None where something speaks against one of them."""
        given = [{name: values[f"set.{name}"] for name in self.plan.assigned} for values in rows]
        asked = rows if self.guards.ask_of_new else ()
        for record, values in zip(given, asked, strict=False):
            candidate = self.keeper.documents.make(record)
            answers = await self.guards.of_result(None, candidate, values, unit.run)
            if not all(answers.values()):
                return None
        documents = await self.keeper.insert_all(unit, given)
        if documents is None:
            return None
        texts = await self.guards.shown.alike(documents, unit.run)
        found: list[Row] = []
        for document, values, text in zip(documents, rows, texts, strict=True):
            written = self.model.written(key_of(self.model, document))
            unit.tell(change(values, record=written))
            seen = self.visible.always or await self.visible.holds(document, values, unit.run)
            found.append((text if seen else None, None))
        return found

    async def run(self, unit: Unit, values: Values) -> Row | None:
        """Does it; None where a guard held it off."""
        if self.placing is not None:
            placed = await self.placing.values(unit, values)
            if placed is None:
                return None
            values = placed
        row = await self._run(unit, values)
        if row is None and self.placing is not None and self.placing.moves:
            # The list may have been numbered anew for it: that goes with it.
            raise HeldOff
        return row

    async def _run(self, unit: Unit, values: Values) -> Row | None:
        if self.plan.action == "create":
            return await self._create(unit, values)
        stored = await self._stored(unit.get, values)
        if stored is None:
            return None
        answers = await self.guards.of_stored(stored, values, unit.run)
        if not all(answers.values()):
            return None
        if self.plan.action == "delete" and not self.plan.assigned:
            return await Deletion(self.keepers, self.model).run(unit, stored, values)
        return await self._change(unit, stored, values)

    async def _stored(self, get: Any, values: Values) -> Document | None:
        key = {name: values[f"key.{name}"] for name in self.model.key}
        found: Document | None = await get(self.model.table, id_of(self.model, key))
        return found

    async def _create(self, unit: Unit, values: Values) -> Row | None:
        given = {name: values[f"set.{name}"] for name in self.plan.assigned}
        if self.guards.ask_of_new:
            candidate = self.keeper.documents.make(given)
            answers = await self.guards.of_result(None, candidate, values, unit.run)
            if not all(answers.values()):
                return None
        document = await self.keeper.insert(unit, given)
        key = key_of(self.model, document)
        made = key[self.model.key[0]] if self.model.key[0] not in given else None
        told = {**values, "change.record": self.model.written(key)}
        return await self._finish(unit, document, told, made, [])

    def result(self, stored: Document, values: Values) -> tuple[dict[str, Any], dict[str, Any]]:
        """The record's values as they were, and as they will be."""
        held = values_of(self.model, stored)
        return held, held | result_of(self.plan, held, values)

    async def _change(self, unit: Unit, stored: Document, values: Values) -> Row | None:
        held, result = self.result(stored, values)
        candidate = self.keeper.documents.make(result)
        answers = await self.guards.of_result(held, candidate, values, unit.run)
        if not all(answers.values()):
            return None
        marking = Marking(self.keepers, self.plan) if self.marks else None
        going = None if marking is None else await marking.collect(unit, stored)
        before = await self.recorder.before(unit, self.model, key_of(self.model, stored))
        if going is not None:
            before += await going.before(unit)
        document = await self.keeper.replace(unit, stored, result, self.plan.assigned)
        row = await self._finish(unit, document, self.reckoned(values, result), None, before)
        if going is not None:
            await going.mark(unit, values)
        return row

    def reckoned(self, values: Values, result: Mapping[str, Any]) -> Values:
        """The values, with what operators made of fields among what the feed is told."""
        if self.plan.results is None:
            return values
        document = self.keeper.documents.make(result)
        parts = [
            f'"{item.name}":{self._spelled(item.name, document)}'
            for item in self.plan.results.items
            if isinstance(item, FieldItem)
        ]
        data = joined(values["change.data"], "{" + ",".join(parts) + "}")
        return {**values, "change.data": data}

    def _spelled(self, name: str, document: Document) -> str:
        return speller(self.model.fields[name].kind)(document.get(self.model.fields[name].column))

    async def _finish(
        self, unit: Unit, document: Document, values: Values, made: Any, before: list[Before]
    ) -> Row:
        """Ties what is to be tied, tells the feed, and shows what has become of the record."""
        key = key_of(self.model, document)
        results: dict[str, list[str]] = {}
        for link in self.links:
            tied = await link.tie(unit, key, values)
            if tied is not None:
                results[link.name] = tied
        self.recorder.baselines(unit, before, values)
        data = joined(values["change.data"], orjson.dumps(results).decode())
        if self.model.history:
            data = await self.recorder.whole(unit, self.model, key) or "{}"
        unit.tell(change(values, data=data))
        if not await self._allowed(unit, document, values):
            raise GuardFailed(guard="after")
        return (await self._shown(document, values, unit.run), made)

    async def _allowed(self, unit: Unit, document: Document, values: Values) -> bool:
        """What could not be asked of the result before it was stored."""
        if not (self.links or self.plan.late) or self.guards.after.always:
            return True
        return await self.guards.after.holds(document, values, unit.run, stored=True)

    async def _shown(self, document: Document, values: Values, run: Runs) -> str | None:
        """The record's JSON, where the actor may see what it has become."""
        if self.plan.action == "delete":
            return None
        seen = self.visible.always or await self.visible.holds(document, values, run, stored=True)
        return await self.guards.shown.of(document, values, run) if seen else None

    async def probe(self, values: Values, get: Any, run: Runs) -> dict[str, bool] | None:
        """Why it was held off: "read", and each guard by name; None where there is no record."""
        if self.plan.action == "create":
            given = {name: values[f"set.{name}"] for name in self.plan.assigned}
            candidate = self.keeper.documents.make(given)
            return {"read": True, **await self.guards.of_result(None, candidate, values, run)}
        stored = await self._stored(get, values)
        if stored is None:
            return None
        answers = {"read": await self.guards.reach.holds(stored, values, run, stored=True)}
        answers |= await self.guards.of_stored(stored, values, run)
        if self.plan.action == "delete" and not self.plan.assigned:
            return answers
        held, result = self.result(stored, values)
        candidate = self.keeper.documents.make(result)
        return answers | await self.guards.of_result(held, candidate, values, run)


async def created(unit: Unit, write: Write, rows: Sequence[Values]) -> list[Row] | None:
    """New records of one shape, stored together; None where they are to be stored one by one."""
    if len(rows) < 2:
        return None
    mark = unit.mark()
    try:
        return await write.create_all(unit, rows)
    except (GuardFailed, UniqueViolation):
        # One by one it is known which of them it was.
        await unit.back(mark)
        return None
