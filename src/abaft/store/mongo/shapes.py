"""From a selection to the JSON of records, made here of documents.

What rules and computed fields say is reckoned by the database and comes along; related records are
read by one query a relation for all records of a page.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from abaft.model import expr as e
from abaft.model.spec import Model, One
from abaft.plan.types import (
    CountItem,
    FieldItem,
    Item,
    ManyItem,
    OneItem,
    Order,
    Selection,
    WholeItem,
)
from abaft.store.mongo.conditions import match, test, value
from abaft.store.mongo.documents import Document, Documents, at, path
from abaft.store.mongo.existing import stored_as
from abaft.store.mongo.frame import Context, Frame, Pipe
from abaft.store.mongo.runs import Runs
from abaft.store.mongo.template import Query, Values, compiled
from abaft.store.mongo.values import Show, hashable, shower, speller, text_json
from abaft.store.spelling import objects, spelled

OWNER = "_owner"
Texts = list[bytes]


class Member(Protocol):
    """One member of the JSON, for each of the documents."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The members of the document that it is made of."""

    async def texts(self, documents: Sequence[Document], values: Values, run: Runs) -> Texts:
        """The JSON for each document."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A value of the document's own."""

    needs: tuple[str, ...]
    show: Show | None

    def column(self, documents: Sequence[Document]) -> Sequence[Any]:
        """What is shown of each, as orjson takes it."""
        [place] = self.needs
        found = [document.get(place) for document in documents]
        return found if self.show is None else self.show(found)


@dataclass(frozen=True, slots=True)
class Nested:
    """The record itself within an array, with salt: what virtual fields are made of."""

    needs: tuple[str, ...]
    shape: Shape
    salt: str

    async def texts(self, documents: Sequence[Document], values: Values, run: Runs) -> Texts:
        found = await self.shape.texts(documents, values, run)
        end = f",{text_json(self.salt)}]".encode()
        return [b"[" + text + end for text in found]


class Related:
    """The records that a relation leads to, for many at once."""

    def __init__(self, context: Context, model: Model, item: ManyItem | OneItem) -> None:
        self.pipe = Pipe(context)
        self.frame = Frame(self.pipe, model)
        self.selection = item.selection

    def finish(self, more: tuple[str, ...]) -> None:
        """Ends the pipeline with what the selection shows."""
        self.shape = None if self.selection is None else Shape(self.frame, self.selection)
        needs = more if self.shape is None else (*more, *self.shape.needs)
        leave(self.frame, needs)
        self.fill = compiled(self.pipe.stages)


def projection(names: Sequence[str]) -> dict[str, int]:
    """What keeps these members, and the key."""
    return {"_id": 1, **dict.fromkeys((name for name in names if name != "_id"), 1)}


_AS_STORED = frozenset(["$match", "$sort", "$skip", "$limit"])
"""Stages that leave documents as they are stored."""


def leave(frame: Frame, names: Sequence[str]) -> None:
    """Ends a pipeline with what is needed of its documents.

    Where that is all that is stored nothing is said: a server takes a while to say it of each.
    """
    model, stages = frame.model, frame.pipe.stages
    stored = {path(model, name) for name in model.fields}
    whole = model.managed and not model.searched and Documents(model).plain
    if whole and stored.issubset(names) and all(_AS_STORED.issuperset(one) for one in stages):
        return
    frame.pipe.add("$project", projection(names))


class ToOne:
    """The object where it may be seen, else the key that the record holds."""

    def __init__(self, frame: Frame, item: OneItem) -> None:
        context, model = frame.pipe.context, frame.model
        self.one: One = model.one[item.name]
        target = context.schema.models[self.one.target]
        self.columns = [path(model, name) for name in self.one.columns]
        self.needs: tuple[str, ...] = tuple(self.columns)
        held = model.fields[item.name].kind if self.one.stored else None
        self.held = speller(held) if held else None
        self.key = [target.fields[name].column for name in target.key]
        self.hidden = item.guard == e.FALSE
        self.target = target
        self.related = Related(context, target, item)
        match(item.guard, [self.related.frame])
        self.related.finish(())

    def _id(self, document: Document) -> Any:
        found = [document.get(column) for column in self.columns]
        if None in found:
            return None
        return found[0] if len(found) == 1 else dict(zip(self.key, found, strict=True))

    async def texts(self, documents: Sequence[Document], values: Values, run: Runs) -> Texts:
        keys = [self._id(document) for document in documents]
        marks = [hashable(key) for key in keys]
        found: dict[Hashable, bytes] = {}
        wanted = {mark: key for mark, key in zip(marks, keys, strict=True) if key is not None}
        if wanted and not self.hidden:
            found = await self._found(wanted, values, run)
        return [
            found.get(mark) or self._held(document)
            for mark, document in zip(marks, documents, strict=True)
        ]

    def _held(self, document: Document) -> bytes:
        if self.held is None:
            return b"null"
        return self.held(document.get(self.columns[0])).encode()

    async def _found(
        self, wanted: dict[Hashable, Any], values: Values, run: Runs
    ) -> dict[Hashable, bytes]:
        if not self.target.managed:
            sought = stored_as(self.target, self.target.key[0], [*wanted.values()])
            wanted = {hashable(key): key for key in sought}
        records = await run.keyed(self.target.table, wanted, self.related.fill(values))
        assert self.related.shape is not None
        texts = await self.related.shape.texts(records, values, run)
        return {hashable(row["_id"]): text for row, text in zip(records, texts, strict=True)}


class ToMany:
    """A list of objects, or of keys; as many as there are, or as were asked for of each record."""

    def __init__(self, frame: Frame, item: ManyItem, counts: bool = False) -> None:
        context, model = frame.pipe.context, frame.model
        self.many = model.many[item.name]
        self.counts = counts
        self.hidden = e.FALSE in (item.guard, item.link_guard)
        self.target = context.schema.models[self.many.target]
        linked = frame.linked.get(item.name)
        self.linked = None if linked is None else compiled(linked)
        own = self.many.link is None or linked is not None
        linking = None if own else context.schema.models[str(self.many.link)]
        self.source = linking or self.target
        back = [] if linked is not None else self.source.one[self.many.back].columns
        self.columns = [path(self.source, name) for name in back]
        self.back = back[0] if back else ""
        self.table = model.table
        self.held = bool(back) and self.source.one[self.many.back].constraint
        self.key = [path(model, name) for name in model.key] if linked is None else []
        self.needs: tuple[str, ...] = tuple(self.key)
        self.related = Related(context, self.target, item)
        self._tie(item, linking)
        frame = self.related.frame
        match(e.all_of((item.guard if linking is None else e.TRUE, item.where)), [frame])
        if counts:
            self.related.pipe.add("$group", {"_id": f"${OWNER}", "n": {"$sum": 1}})
            self.fill = compiled(self.related.pipe.stages)
            return
        self._cut(item)
        keys = [path(self.target, name) for name in self.target.key]
        self.related.finish((OWNER, *keys))
        self.fill = self.related.fill
        self.key_texts = [
            (name, path(self.target, name), speller(self.target.fields[name].kind))
            for name in self.target.key
        ]

    def _tie(self, item: ManyItem, linking: Model | None) -> None:
        """From what ties the records to the records, each with its owner's key."""
        pipe = self.related.pipe
        # An object: records can't be parted by a list.
        owner: Any = {f"k{at}": f"${column}" for at, column in enumerate(self.columns)}
        if linking is None:
            pipe.add("$set", {OWNER: owner})
            return
        link = Frame(pipe, linking)
        match(item.link_guard, [link])
        assert self.many.forward is not None
        hop = link.hop(e.Hop(self.many.forward, None if item.guard == e.TRUE else item.guard))
        name = hop.prefix[:-1]
        pipe.add("$match", {hop.path(self.target.key[0]): {"$ne": None}})
        pipe.add("$replaceWith", {"$mergeObjects": [f"${name}", {OWNER: owner}]})

    def _cut(self, item: ManyItem) -> None:
        pipe, frame = self.related.pipe, self.related.frame
        order, _ = sorting(frame, item.orders)
        pipe.add("$sort", order)
        if item.limit is not None:
            first = {"$firstN": {"n": item.limit, "input": "$$ROOT"}}
            pipe.add("$group", {"_id": f"${OWNER}", "first": first})
            pipe.add("$unwind", "$first")
            pipe.add("$replaceWith", "$first")

    def _owners(self, documents: Sequence[Document], values: Values) -> Query:
        if self.linked is not None:
            return {"_id": {"$in": self.linked(values)}}
        keys = [[at(document, name) for name in self.key] for document in documents]
        if len(self.columns) == 1:
            found = [key[0] for key in keys]
            if not self.source.managed:
                found = stored_as(self.source, self.back, found)
            return {self.columns[0]: {"$in": found}}
        return {"$or": [dict(zip(self.columns, key, strict=True)) for key in keys]}

    async def texts(self, documents: Sequence[Document], values: Values, run: Runs) -> Texts:
        if self.hidden or not documents:
            return [b"0" if self.counts else b"[]"] * len(documents)
        ties, rest = self._owners(documents, values), self.fill(values)
        known = (self.table, [document["_id"] for document in documents]) if self.held else None
        records = await run.owned(self.source.table, ties, known, rest)
        owners = [hashable([at(document, name) for name in self.key]) for document in documents]
        if self.counts:
            counted = {hashable(row["_id"]): b"%d" % row["n"] for row in records}
            return [counted.get(owner, b"0") for owner in owners]
        gathered: dict[Hashable, Texts] = {owner: [] for owner in owners}
        texts = await self._texts(records, values, run)
        for row, text in zip(records, texts, strict=True):
            gathered[hashable(row[OWNER])].append(text)
        return [b"[" + b",".join(gathered[owner]) + b"]" for owner in owners]

    async def _texts(self, records: list[Document], values: Values, run: Runs) -> Texts:
        if self.related.shape is not None:
            return await self.related.shape.texts(records, values, run)
        return [self._key_text(row) for row in records]

    def _key_text(self, row: Document) -> bytes:
        parts = [(name, spell(row.get(place))) for name, place, spell in self.key_texts]
        if len(parts) == 1:
            return parts[0][1].encode()
        return ("{" + ",".join(f'"{name}":{text}' for name, text in parts) + "}").encode()


def sorting(frame: Frame, orders: Sequence[Order]) -> tuple[dict[str, int], tuple[str, ...]]:
    """The order by what is stored, or was reckoned for it, and where each step's value is found.

    Nulls come last ascending.
    """
    order: dict[str, int] = {}
    places: list[str] = []
    for step in orders:
        place = _sorted_by(frame, step)
        way = -1 if step.descending else 1
        if step.nullable:
            empty = frame.pipe.context.name("n")
            absent = {"$eq": [{"$ifNull": [f"${place}", None]}, None]}
            frame.pipe.add("$set", {empty: {"$cond": [absent, 1, 0]}})
            order[empty] = way
        # What is sorted by again has been decided: a relation, and the key that it leads to.
        order.setdefault(place, way)
        places.append(place)
    return order, tuple(places)


def _sorted_by(frame: Frame, step: Order) -> str:
    column = step.column
    if isinstance(column, e.Column) and column.mask is None:
        return frame.reach(column.hops).compared(column.name)
    name = frame.pipe.context.name("o")
    frame.pipe.add("$set", {name: value(column, [frame], nocase=_folds(column, frame))})
    return name


def _folds(column: e.Value, frame: Frame) -> bool:
    if not isinstance(column, e.Column):
        return False
    return frame.reach(column.hops).field(column.name).nocase


class Shape:
    """What a selection shows: the members in order, each with what says whether it is shown."""

    def __init__(self, frame: Frame, selection: Selection) -> None:
        self.members: list[tuple[str, Member | Stored, str | None]] = []
        needs: list[str] = []
        for item in selection.items:
            member = _member(frame, item)
            shown = None
            if item.mask != e.TRUE:
                shown = frame.pipe.context.name("m")
                frame.pipe.add("$set", {shown: test(item.mask, [frame])})
                needs.append(shown)
            needs += member.needs
            self.members.append((item.name, member, shown))
        self.needs = tuple(dict.fromkeys(needs))
        self.whole = all(shown is None for _, _, shown in self.members)

    async def texts(
        self,
        documents: Sequence[Document],
        values: Values,
        run: Runs,
        hidden: frozenset[str] = frozenset(),
    ) -> Texts:
        """The JSON of each document, without the members that are hidden."""
        if self.whole and not hidden and self.members:
            names = [name for name, _, _ in self.members]
            members = [member for _, member, _ in self.members]
            columns = [await _column(member, documents, values, run) for member in members]
            return spelled(objects(names, columns))
        parts: list[dict[str, Any]] = [{} for _ in documents]
        for name, member, shown in self.members:
            if name in hidden:
                continue
            rows, into = documents, parts
            if shown is not None:
                which = [n for n, row in enumerate(documents) if row[shown] is True]
                rows, into = [documents[n] for n in which], [parts[n] for n in which]
            found = await _column(member, rows, values, run)
            for part, one in zip(into, found, strict=True):
                part[name] = one
        return spelled(parts)


async def _column(
    member: Member | Stored, documents: Sequence[Document], values: Values, run: Runs
) -> Sequence[Any]:
    """What orjson takes for the member of each document."""
    if isinstance(member, Stored):
        return member.column(documents)
    return [orjson.Fragment(text) for text in await member.texts(documents, values, run)]


def _member(frame: Frame, item: Item) -> Member | Stored:
    match item:
        case CountItem(of=of):
            return ToMany(frame, of, counts=True)
        case ManyItem():
            return ToMany(frame, item)
        case OneItem():
            return ToOne(frame, item)
        case WholeItem(selection=selection, salt=salt):
            shape = Shape(frame, selection)
            return Nested(shape.needs, shape, salt)
    return _field(frame, item)


def _field(frame: Frame, item: FieldItem) -> Stored:
    model = frame.model
    if item.value is None:
        return Stored((path(model, item.name),), shower(model.fields[item.name].kind))
    kind = model.computed[item.name].field.kind
    name = frame.pipe.context.name("c")
    frame.pipe.add("$set", {name: value(item.value, [frame], kind)})
    return Stored((name,), shower(kind))
