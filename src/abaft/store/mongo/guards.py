"""What must hold for a write to take place, asked of the stored record and of what it becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from abaft.base.digest import fingerprint
from abaft.model import expr as e
from abaft.model.spec import Model, Schema
from abaft.plan.types import Selection, WritePlan
from abaft.store.mongo.conditions import Compiler, match
from abaft.store.mongo.documents import STATE, Document, Documents, id_of, values_of
from abaft.store.mongo.frame import Context, Frame, Pipe
from abaft.store.mongo.local import is_local, local
from abaft.store.mongo.reckoning import limits
from abaft.store.mongo.runs import Runs
from abaft.store.mongo.shapes import Shape
from abaft.store.mongo.template import Query, Values, compiled

Answers = dict[str, bool]


def literal(document: Document) -> list[Query]:
    """The stages, on the state's collection, that bring a document in place of one there.

    None of its values is read as an expression. A pipeline without a collection would be shorter,
    but not every deployment takes one within a transaction.
    """
    return [{"$limit": 1}, {"$replaceWith": {"$literal": document}}]


class Condition:
    """A condition on one record, stored or about to be."""

    def __init__(self, schema: Schema, model: Model, expr: e.Expr) -> None:
        self.model = model
        self.always = expr == e.TRUE
        self._documents = Documents(model)
        self._local = local(expr) if is_local(expr) else None
        if self._local is None:
            pipe = Pipe(Context(schema, Compiler()))
            match(expr, [Frame(pipe, model)])
            self._fill = compiled([*pipe.stages, {"$project": {"_id": 1}}])

    @property
    def alone(self) -> bool:
        """Whether it asks of nothing but the record."""
        return self._local is not None

    async def holds(
        self, document: Document, values: Values, run: Runs, *, stored: bool = False
    ) -> bool:
        """Whether it holds; of a stored record the database looks at the one that it has."""
        if self._local is not None:
            return self._local(self._documents.record(values_of(self.model, document)), values)
        rest = self._fill(values)
        if stored:
            by_key: Query = {"$match": {"_id": {"$eq": document["_id"]}}}
            return bool(await run(self.model.table, [by_key, *rest]))
        return bool(await run(STATE, [*literal(document), *rest]))


class Text:
    """The JSON of one record by a selection."""

    def __init__(self, schema: Schema, model: Model, selection: Selection) -> None:
        self.model = model
        pipe = Pipe(Context(schema, Compiler()))
        self._shape = Shape(Frame(pipe, model), selection)
        self._stages = compiled(pipe.stages) if pipe.stages else None

    @property
    def alone(self) -> bool:
        """Whether the database reckons nothing for it."""
        return self._stages is None

    async def alike(self, documents: Sequence[Document], run: Runs) -> list[str]:
        """Of several, for which the database reckons nothing."""
        return [text.decode() for text in await self._shape.texts(documents, {}, run)]

    async def of(self, document: Document, values: Values, run: Runs) -> str:
        """Of a stored record; what it shows beside its own values the database reckons."""
        documents = [document]
        if self._stages is not None:
            by_key: Query = {"$match": {"_id": {"$eq": document["_id"]}}}
            documents = await run(self.model.table, [by_key, *self._stages(values)])
        [text] = await self._shape.texts(documents, values, run)
        return text.decode()


class Guards:
    """The guards of one plan by name, in the order in which a refusal is explained."""

    def __init__(self, schema: Schema, plan: WritePlan) -> None:
        self.schema, self.plan, self.model = schema, plan, plan.model
        self.where = self._condition(plan.where)
        self.before = self._condition(plan.before)
        self.targets = {
            name: Condition(schema, schema.models[self.model.one[name].target], guard)
            for name, guard in plan.targets
        }
        self.shown = Text(schema, self.model, plan.selection)
        self.seen = None if plan.seen is None else Text(schema, self.model, plan.seen)

    def _condition(self, expr: e.Expr) -> Condition:
        return Condition(self.schema, self.model, expr)

    @cached_property
    def after(self) -> Condition:
        return self._condition(self.plan.after)

    @cached_property
    def reach(self) -> Condition:
        return self._condition(self.plan.reach)

    @property
    def asks_after(self) -> bool:
        """Whether what results can be judged before it is stored."""
        return not (self.after.always or self.plan.links or self.plan.late)

    @property
    def ask_of_new(self) -> bool:
        """Whether any looks at a new record."""
        return self.asks_after or bool(self.targets)

    async def of_stored(self, stored: Document, values: Values, run: Runs) -> Answers:
        """Those of the record as it is."""
        found: Answers = {}
        if not self.where.always:
            found["where"] = await self.where.holds(stored, values, run, stored=True)
        if self.plan.match:
            etag = fingerprint(await self.shown.of(stored, values, run))
            found["match"] = etag in (values["etags"] or ())
        if self.seen is not None:
            found["seen"] = fingerprint(await self.seen.of(stored, values, run)) == values["seen"]
        if not self.before.always:
            found["before"] = await self.before.holds(stored, values, run, stored=True)
        return found

    async def of_result(
        self, stored: Mapping[str, Any] | None, result: Document, values: Values, run: Runs
    ) -> Answers:
        """Those of the record as it will be."""
        found = {} if stored is None else limits(self.plan, stored, values)
        if self.asks_after:
            found["after"] = await self.after.holds(result, values, run)
        for name, guard in self.targets.items():
            found[f"target.{name}"] = await self._reaches(name, guard, result, values, run)
        return found

    async def _reaches(
        self, name: str, guard: Condition, result: Document, values: Values, run: Runs
    ) -> bool:
        """An assigned relation must be empty, or lead to a record that the actor may see."""
        one = self.model.one[name]
        held = values_of(self.model, result)
        if any(held[column] is None for column in one.columns):
            return True
        target = guard.model
        pairs = zip(target.key, one.columns, strict=True)
        key = id_of(target, {theirs: held[ours] for theirs, ours in pairs})
        found = await run(target.table, [{"$match": {"_id": {"$eq": key}}}])
        return bool(found) and await guard.holds(found[0], values, run, stored=True)
