"""A record in a pipeline: where its fields are, and the ways from it to others."""

from __future__ import annotations

from itertools import count
from typing import Any, Protocol

from abaft.model import expr as e
from abaft.model.spec import RELEVANCE, Field, Model, One, Schema
from abaft.store.mongo.documents import compared, path
from abaft.store.mongo.existing import RAW, beginning
from abaft.store.mongo.template import Query

RANK = "_rank"
Ties = list[tuple[str, str]]
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

    def __init__(self, context: Context, depth: int = 0) -> None:
        self.context = context
        self.depth = depth
        self.stages: list[Query] = []
        self.variable = context.name("s").replace("_", "")

    def within(self) -> Pipe:
        """A pipeline that looks something up for this one's documents."""
        return Pipe(self.context, self.depth + 1)

    def add(self, operator: str, value: Any) -> None:
        self.stages.append({operator: value})

    def look_up(self, table: str, ties: Ties, inner: Pipe, prefix: str) -> str:
        """Puts the one that another pipeline finds, or none, into each document; its name.

        `ties` are our fields, and theirs that equal them. Only a pipeline that asks for our
        document gets it: what is the same for all of them servers find once. Unwound at once it
        isn't looked up again by each stage that uses it, as DocumentDB would do.
        """
        name = self.context.name(prefix)
        look: Query = {"from": table}
        asks = f"$${self.variable}" in repr(inner.stages)
        if len(ties) == 1 and not asks and not self.depth:
            [(ours, theirs)] = ties
            look |= {"localField": ours, "foreignField": theirs}
            if "." in ours and theirs != "_id":
                # What isn't there is no more than null, which leads nowhere.
                inner.stages.insert(0, {"$match": {theirs: {"$ne": None}}})
        elif ties:
            inner.stages.insert(0, self.tied(ties))
            asks = True
        if asks:
            look["let"] = {self.variable: "$$ROOT"}
        self.add("$lookup", {**look, "pipeline": inner.stages, "as": name})
        self.add("$unwind", {"path": f"${name}", "preserveNullAndEmptyArrays": True})
        return name

    def tied(self, ties: Ties) -> Query:
        """The same by a condition, for a pipeline within. Null leads nowhere."""
        equal = [
            {operator: [f"${theirs}", other]}
            for ours, theirs in ties
            for operator, other in (("$ne", None), ("$eq", f"$${self.variable}.{ours}"))
        ]
        return {"$match": {"$expr": {"$and": equal}}}


class Frame:
    """A record of a pipeline: its document, or one that a look-up has put into it."""

    def __init__(self, pipe: Pipe, model: Model, prefix: str = "") -> None:
        self.pipe = pipe
        self.model = model
        self.prefix = prefix
        if not model.managed and not prefix and not pipe.stages:
            pipe.stages += beginning(model)
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

    def tie(self, name: str) -> str:
        """The field as other collections hold it, that relations lead to or from."""
        if self.model.managed:
            return self.path(name)
        return f"{self.prefix}{RAW}.{path(self.model, name)}"

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
        inner = self.pipe.within()
        frame = Frame(inner, target)
        if hop.guard is not None:
            context.conditions.match(hop.guard, [frame])
        pairs = zip(one.columns, target.key, strict=True)
        ties = [(self.tie(ours), frame.path(theirs)) for ours, theirs in pairs]
        name = self.pipe.look_up(target.table, ties, inner, "j")
        return Frame(self.pipe, target, f"{name}.")

    def back(self, one: One, source: Frame) -> Ties:
        """How a look-up finds the records whose to-one relation leads here."""
        pairs = zip(one.columns, self.model.key, strict=True)
        return [(self.tie(theirs), source.path(ours)) for ours, theirs in pairs]
