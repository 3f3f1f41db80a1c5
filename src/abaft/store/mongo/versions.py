"""Reads of what the feed keeps: a record's versions, and the record as it was in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bson import Int64

from abaft.model import expr as e
from abaft.model.spec import Schema
from abaft.model.times import DateTime
from abaft.plan.types import ReadPlan
from abaft.store.base import Row, Rows
from abaft.store.mongo.conditions import Compiler, match, test
from abaft.store.mongo.documents import CHANGES, STATE, Document, path
from abaft.store.mongo.frame import Context, Frame, Pipe
from abaft.store.mongo.guards import literal
from abaft.store.mongo.runs import Runs
from abaft.store.mongo.shapes import Shape
from abaft.store.mongo.template import Bound, Query, Values, compiled
from abaft.store.mongo.values import Convert, decoder, encode


@dataclass(frozen=True, slots=True, eq=False)
class Versions:
    """What the feed has of `record`, before the number `before` and no later than `until`."""

    plan: ReadPlan
    decoders: tuple[Convert | None, ...] = (None, decoder(DateTime()), None, None)

    async def rows(self, values: Values, run: Runs) -> Rows:
        where: Query = {
            "model": {"$eq": self.plan.model.name},
            "record": {"$eq": values["record"]},
            "_id": {"$lt": Int64(values["before"])},
            "at": {"$lte": encode(DateTime(), values["until"])},
        }
        limit = {"$limit": Int64(values["limit"])}
        found = await run(CHANGES, [{"$match": where}, {"$sort": {"_id": -1}}, limit])
        names = ("data", "_id", "at", "actor", "action")
        return [tuple(row[name] for name in names) for row in found]


class Version:
    """The record as it was, by values named was.…, where the rules hold for it then and now."""

    decoders: tuple[Convert | None, ...] = ()

    def __init__(self, schema: Schema, plan: ReadPlan) -> None:
        self.plan, self.model = plan, plan.model
        now = Frame(Pipe(Context(schema, Compiler())), plan.model)
        match(plan.where, [now])
        self.masks: dict[str, str] = {}
        for item in plan.selection.items:
            if item.mask != e.TRUE:
                name = self.masks[item.name] = now.pipe.context.name("m")
                now.pipe.add("$set", {name: test(item.mask, [now])})
        self._now = compiled(now.pipe.stages)
        was = Frame(Pipe(Context(schema, Compiler())), plan.model)
        for name in plan.was:
            if name not in plan.model.fields:
                was.linked[name] = _keys(schema, plan, name)
        match(plan.beyond, [was])
        self._shape = Shape(was, plan.selection)
        self._was = compiled(was.pipe.stages)

    async def rows(self, values: Values, run: Runs) -> Rows:
        found = await run(self.model.table, self._now(values))
        if not found:
            return []
        stages = [*literal(self._overlaid(found[0], values)), *self._was(values)]
        then = await run(STATE, stages)
        hidden = frozenset(name for name, flag in self.masks.items() if not found[0][flag])
        texts = await self._shape.texts(then, values, run, hidden)
        rows: list[Row] = [(text.decode(),) for text in texts]
        return rows

    def _overlaid(self, now: Document, values: Values) -> Document:
        """The record as it is, with what is known of how it was."""
        flags = set(self.masks.values())
        was = {name: value for name, value in now.items() if name not in flags}
        for name in self.plan.was:
            if name in self.model.fields:
                kind = self.model.fields[name].kind
                was[path(self.model, name)] = encode(kind, values[f"was.{name}"])
        return was


def _keys(schema: Schema, plan: ReadPlan, name: str) -> Any:
    target = schema.target(plan.model, name)
    kind = target.fields[target.key[0]].kind
    return Bound(f"was.{name}", lambda values: [encode(kind, value) for value in values])


def compile_versions(schema: Schema, plan: ReadPlan) -> Versions | Version:
    """A read of what is no record as it is."""
    return Versions(plan) if plan.kind == "versions" else Version(schema, plan)
