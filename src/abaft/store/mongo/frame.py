"""A record in a pipeline: where its fields are, and the ways from it to others."""

from __future__ import annotations

from itertools import count
from typing import Any, Protocol

from abaft.model import expr as e
from abaft.model.spec import RELEVANCE, Field, Model, One, Schema
from abaft.store.mongo.documents import compared, path
from abaft.store.mongo.template import Query

RANK = "_rank"
Expression = Any
"""An expression of MongoDB's: an operator's object, a path, or a constant."""


class Conditions(Protocol):
    """What turns a guard into stages; frames need it, and it needs frames."""

    def match(self, expr: e.Expr, scopes: list[Frame]) -> None:
        """Adds the stages that leave what meets the condition."""


class Context:
    """What one pipeline, with those within it, is built with."""

    def __init__(self, schema: Schema, conditions: Conditions) -> None:
        self.schema = schema
        self.conditions = conditions
        self._numbers = count()

    def name(self, prefix: str) -> str:
        """A new name for what a pipeline adds to its documents."""
        return f"_{prefix}{next(self._numbers)}"


class Pipe:
    """A pipeline that is being built; those within it know its documents by a variable."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.stages: list[Query] = []
        self.variable = context.name("s").replace("_", "")

    def add(self, operator: str, value: Any) -> None:
        self.stages.append({operator: value})


class Frame:
    """A record of a pipeline: its document, or one that a look-up has put into it."""

    def __init__(self, pipe: Pipe, model: Model, prefix: str = "") -> None:
        self.pipe = pipe
        self.model = model
        self.prefix = prefix
        self.linked: dict[str, Any] = {}
        """Keys in place of a to-many relation's links: those of a record as it was."""
        self._reached: dict[e.Hop, Frame] = {}

    def field(self, name: str) -> Field:
        return RELEVANCE if name == RELEVANCE.name else self.model.fields[name]

    def path(self, name: str) -> str:
        """The field as it is stored."""
        return RANK if name == RELEVANCE.name else self.prefix + path(self.model, name)

    def compared(self, name: str) -> str:
        """The field as comparisons see it."""
        return RANK if name == RELEVANCE.name else self.prefix + compared(self.model, name)

    def at(self, place: str, pipe: Pipe) -> Expression:
        """What is at a path, as an expression of that pipeline."""
        return f"${place}" if self.pipe is pipe else f"$${self.pipe.variable}.{place}"

    def nullable(self, name: str) -> bool:
        return bool(self.prefix) or self.field(name).nullable

    def hop(self, hop: e.Hop) -> Frame:
        """The record behind a to-one relation, looked up once."""
        if hop not in self._reached:
            self._reached[hop] = self._looked_up(hop)
        return self._reached[hop]

    def reach(self, hops: tuple[e.Hop, ...]) -> Frame:
        frame = self
        for hop in hops:
            frame = frame.hop(hop)
        return frame

    def _looked_up(self, hop: e.Hop) -> Frame:
        context, one = self.pipe.context, self.model.one[hop.relation]
        target = context.schema.models[one.target]
        name = context.name("j")
        inner = Pipe(context)
        tie = self.forward(one, target, inner)
        if hop.guard is not None:
            context.conditions.match(hop.guard, [Frame(inner, target)])
        look = {"from": target.table, **tie, "pipeline": inner.stages, "as": name}
        self.pipe.add("$lookup", look)
        self.pipe.add("$set", {name: {"$first": f"${name}"}})
        return Frame(self.pipe, target, f"{name}.")

    def forward(self, one: One, target: Model, inner: Pipe) -> Query:
        """How a look-up finds the record that a to-one relation leads to."""
        if len(target.key) == 1:
            # Null leads nowhere: nothing has it for a key.
            return {"localField": self.path(one.columns[0]), "foreignField": "_id"}
        pairs = zip(one.columns, target.key, strict=True)
        frame = Frame(inner, target)
        return self.tied([(self.path(ours), frame.path(theirs)) for ours, theirs in pairs], inner)

    def back(self, one: One, source: Frame, pipe: Pipe) -> Query:
        """How a look-up finds the records whose to-one relation leads here."""
        pairs = [
            (self.path(theirs), source.path(ours))
            for ours, theirs in zip(one.columns, self.model.key, strict=True)
        ]
        if len(pairs) > 1 or self.pipe is not pipe:
            found = self.tied(pairs, source.pipe)
            # A record of an outer pipeline has its variable already.
            return found if self.pipe is pipe else {}
        [(ours, theirs)] = pairs
        if self.prefix:
            # A record that isn't there has no key, which is no more than null.
            source.pipe.add("$match", {theirs: {"$ne": None}})
        return {"localField": ours, "foreignField": theirs}

    def tied(self, pairs: list[tuple[str, str]], inner: Pipe) -> Query:
        """The same by a condition, where there are several fields or it is of an outer record."""
        equal = [
            {"$and": [{"$ne": [f"${theirs}", None]}, {"$eq": [f"${theirs}", outer]}]}
            for ours, theirs in pairs
            for outer in [f"$${self.pipe.variable}.{ours}"]
        ]
        inner.add("$match", {"$expr": {"$and": equal}})
        return {"let": {self.pipe.variable: "$$ROOT"}}
