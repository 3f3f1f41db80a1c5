"""From a read plan to a pipeline, and from what it finds to rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bson import Int64

from abaft.model import expr as e
from abaft.model.highlight import MARKED
from abaft.model.kinds import Number
from abaft.model.spec import Model, Schema
from abaft.plan.types import Grouped, Highlight, Order, ReadPlan, Term
from abaft.store.base import Row, Rows
from abaft.store.mongo.conditions import Compiler, kind_of, match, test, value
from abaft.store.mongo.documents import STATE, Document, column
from abaft.store.mongo.existing import sorts_alike
from abaft.store.mongo.frame import Context, Frame, Pipe
from abaft.store.mongo.functions import counted_as, reduced
from abaft.store.mongo.guards import literal
from abaft.store.mongo.local import is_local
from abaft.store.mongo.runs import Runs
from abaft.store.mongo.search import find
from abaft.store.mongo.shapes import Shape, leave, sorting
from abaft.store.mongo.template import Bound, Fill, Query, Values, compiled
from abaft.store.mongo.values import Convert, decoder, hashable

ESTIMATED_UP_TO = 10_000
"""How far an estimate counts."""


PER_RECORD = frozenset(["$match", "$project", "$set", "$lookup", "$unwind", "$replaceWith"])
"""Stages that make of each document what they would make of it alone."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Read:
    """A compiled read: rows of (json, what the order goes by…, count when asked)."""

    plan: ReadPlan
    collection: str
    find: Fill
    count: Fill | None
    shape: Shape | None
    order: tuple[str, ...]
    decoders: tuple[Convert | None, ...]
    empty: Document | None = None
    """The one row of an aggregate over all records, where there are none."""
    rest: Fill | None = None
    """What is done with that row."""
    marked: tuple[str, ...] = ()
    """Where the beginnings of texts are, in which what a search finds is to be marked."""
    keyed: Keyed | None = None

    async def rows(self, values: Values, run: Runs) -> Rows:
        """What is found, by a function that runs pipelines."""
        if self.shape is None:
            return [(await self._counted(values, run),)]
        found, count = await self._both(values, run)
        return await self.shown(found, values, run, count)

    async def shown(
        self, found: list[Document], values: Values, run: Runs, count: int | None = None
    ) -> list[Row]:
        """The rows of some documents."""
        assert self.shape is not None
        texts = await self.shape.texts(found, values, run)
        columns = [column(found, place) for place in self.order]
        if count is not None:
            columns.append([count] * len(found))
        columns += [column(found, name) for name in self.marked]
        return [*zip(texts, *columns, strict=True)]

    async def _both(self, values: Values, run: Runs) -> tuple[list[Document], int | None]:
        if self.count is None:
            return await self.found(values, run), None
        if self.empty is not None:
            found = await self.found(values, run)
            return found, len(found)  # one group of all records, or none
        if self.nothing(values):
            return [], await self._counted(values, run)
        pipelines = [self.find(values), self.count(values)]
        found, counted = await run.several(self, self.collection, pipelines)
        return found, _number(counted)

    def nothing(self, values: Values) -> bool:
        """Whether no record is asked for: a pipeline has no limit of none."""
        return self.plan.kind == "page" and values.get("limit") == 0

    async def found(self, values: Values, run: Runs) -> list[Document]:
        if self.nothing(values):
            return []
        if self.keyed is not None:
            key = self.keyed.key.fill(values)
            return await run.keyed(self.collection, {hashable(key): key}, self.keyed.rest(values))
        [found] = await run.several(self, self.collection, [self.find(values)])
        return found or await self._of_nothing(values, run)

    async def _of_nothing(self, values: Values, run: Runs) -> list[Document]:
        if self.empty is None or self.rest is None:
            return []
        return await run(STATE, [*literal(self.empty), *self.rest(values)])

    async def _counted(self, values: Values, run: Runs) -> int:
        assert self.count is not None
        [found] = await run.several(self, self.collection, [self.count(values)])
        return _number(found)


@dataclass(frozen=True, slots=True)
class Keyed:
    """A read of one record by its key: the key's place, and what else is done."""

    key: Bound
    rest: Fill


def _keyed(plan: ReadPlan, stages: list[Query]) -> Keyed | None:
    """The same by key, where it is one that equals no other spelling of it."""
    if plan.kind != "one" or plan.source or plan.offset or len(plan.model.key) != 1:
        return None
    if any(not PER_RECORD.issuperset(stage) for stage in stages):
        return None
    if isinstance(plan.model.fields[plan.model.key[0]].kind, Number):
        return None
    match stages:
        case [{"$match": {"_id": {"$eq": Bound() as key}, **others}}, *rest] if not others:
            return Keyed(key, compiled(rest))
        case [{"$match": {"$and": [{"_id": {"$eq": Bound() as key}}, *more], **others}}, *rest]:
            if not others:
                return Keyed(key, compiled([{"$match": {"$and": more}}, *rest]))
    return None


def _number(found: list[Document]) -> int:
    return int(found[0]["n"]) if found else 0


def compile_read(schema: Schema, plan: ReadPlan) -> Read:
    """The pipeline of a plan; parameters `limit` and `offset` where the plan has a page."""
    collection = (plan.source.model if plan.source else plan.model).table
    counts = compiled(_counting(schema, plan)) if plan.count or plan.kind == "count" else None
    if plan.kind == "count":
        return Read(plan, collection, counts or _none, counts, None, (), ())
    frame, begun = _begin(schema, plan)
    pipe = frame.pipe
    place = len(pipe.stages)
    # In an order of its own an index may bring records, until enough have met what looks at others.
    early = all(is_local(step.column) for step in plan.orders)
    places = _sorted(frame, plan) if early else ()
    match(e.all_of((plan.where, plan.beyond)), [frame], place)
    places = places if early else _sorted(frame, plan)
    if plan.offset:
        pipe.add("$skip", Bound("offset", Int64))
    if plan.kind == "page":
        pipe.add("$limit", Bound("limit", Int64))
    shape = Shape(frame, plan.selection)
    shows = plan.search.highlights if plan.search is not None else ()
    marked = tuple(_marked(frame, row) for row in shows)
    leave(frame, (*shape.needs, *places, *marked))
    decoders = tuple(decoder(step.kind) for step in plan.orders)
    find_ = compiled(pipe.stages)
    made = Read(plan, collection, find_, counts, shape, places, decoders, marked=marked)
    made = replace(made, keyed=_keyed(plan, pipe.stages))
    if plan.source is None or any(not term.reduce for term in plan.source.terms):
        return made
    rest = compiled(pipe.stages[begun:])
    return replace(made, empty=_of_nothing(plan.source), rest=rest)


def _sorted(frame: Frame, plan: ReadPlan) -> tuple[str, ...]:
    """Sorts; where each step's value is found."""
    order, places = sorting(frame, plan.orders)
    if order and plan.source is None and not frame.model.managed and _alike(frame, plan.orders):
        # As they are stored an index may bring them.
        frame.pipe.stages[1] = {"$sort": order}
    elif order:
        frame.pipe.add("$sort", order)
    return places


def _alike(frame: Frame, orders: Sequence[Order]) -> bool:
    """Whether other programs' values have the order of ours."""
    columns = [step.column for step in orders if not step.nullable]
    return len(columns) == len(orders) and all(
        isinstance(column, e.Column)
        and not column.hops
        and column.mask is None
        and not frame.field(column.name).nocase
        and sorts_alike(frame.field(column.name).kind)
        for column in columns
    )


def _marked(frame: Frame, row: Highlight) -> str:
    """The beginning of a text, null where it may not be read."""
    name = frame.pipe.context.name("h")
    text = value(e.Column(row.name), [frame])
    begun = {"$substrCP": [{"$ifNull": [text, ""]}, 0, MARKED]}
    there = {"$and": [{"$ne": [text, None]}, test(row.mask, [frame])]}
    frame.pipe.add("$set", {name: {"$cond": [there, begun, None]}})
    return name


def _none(values: Values) -> Sequence[Query]:
    return []


def _begin(schema: Schema, plan: ReadPlan, ranked: bool = True) -> tuple[Frame, int]:
    """The frame of what is read, and with how many stages its documents are made."""
    pipe = Pipe(Context(schema, Compiler()))
    if plan.source is None:
        frame = Frame(pipe, plan.model)
        if plan.search is not None:
            find(plan.search, frame, ranked and plan.search.ranked)
        return frame, 0
    frame = _grouped(pipe, plan.model, plan.source)
    return frame, len(pipe.stages)


def _counting(schema: Schema, plan: ReadPlan) -> list[Query]:
    frame, _ = _begin(schema, plan, ranked=False)
    match(plan.where, [frame])
    if plan.count == "estimated":
        frame.pipe.add("$limit", ESTIMATED_UP_TO)
    if plan.count == "bounded":
        frame.pipe.add("$limit", Bound("count_limit", Int64))
    frame.pipe.add("$count", "n")
    return frame.pipe.stages


def _rows_of(model: Model, source: Grouped) -> Model:
    """The model of groups, whose names may be what no document's member can be called."""
    names = {term.name: f"t{place}" for place, term in enumerate(source.terms)}
    fields = {name: replace(field, column=names[name]) for name, field in model.fields.items()}
    return replace(model, fields=fields)


def _grouped(pipe: Pipe, model: Model, source: Grouped) -> Frame:
    frame = Frame(pipe, source.model)
    if source.search is not None:
        find(source.search, frame, ranked=False)
    match(source.where, [frame])
    rows = _rows_of(model, source)
    keys: Query = {}
    gathered: Query = {}
    shown: Query = {"_id": 0}
    for place, term in enumerate(source.terms):
        name = f"t{place}"
        if term.reduce:
            group, shown[name] = _reduced(term, frame, name)
            gathered |= group
        else:
            keys[name] = _key(term, frame)
            shown["_id" if len(model.key) == 1 else name] = f"$_id.{name}"
    pipe.add("$group", {"_id": keys or None, **gathered})
    pipe.add("$project", shown)
    return Frame(pipe, rows)


def _reduced(term: Term, frame: Frame, name: str) -> tuple[Query, Any]:
    given = None if term.value is None else value(term.value, [frame])
    kind = None
    if term.value is not None:
        kind = (kind_of(term.value, [frame]) or term.kind).own
    return reduced(term.reduce, given, kind, term.kind, name)


def _key(term: Term, frame: Frame) -> Any:
    assert term.value is not None
    column = term.value
    nocase = isinstance(column, e.Column) and frame.reach(column.hops).field(column.name).nocase
    return value(column, [frame], term.kind, nocase)


def _of_nothing(source: Grouped) -> Document:
    return {f"t{place}": counted_as(term.reduce) for place, term in enumerate(source.terms)}
