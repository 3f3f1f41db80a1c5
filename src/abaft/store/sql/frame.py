"""A record in a statement: its columns, and the ways from it to others."""

from __future__ import annotations

from typing import Any, Protocol

import sqlalchemy as sa

from abaft.model import expr as e
from abaft.model.spec import RELEVANCE, Field, Many, Model, One, Schema
from abaft.store.sql.dialect import Dialect, Element
from abaft.store.sql.statement import Binder


class Builder(Protocol):
    """What a statement is built with, as frames need it."""

    schema: Schema
    tables: dict[str, sa.Table]
    binder: Binder
    dialect: Dialect

    def alias(self, model: str) -> Any:
        """The model's table under a short new name."""

    def label(self, prefix: str) -> str:
        """A new name for a table that a statement makes for itself."""

    def condition(self, expr: e.Expr, scopes: list[Frame]) -> Element:
        """The SQL of a condition."""


class Frame:
    """A record in a statement: its columns, and how to reach others from it.

    With `joins`, relations are reached by outer joins gathered there, which a planner may turn
    round; without, by subqueries. `overlay` gives values in place of columns: a record that is
    about to be. What a search found comes from an `origin` that `ties` hold to the table.
    """

    def __init__(
        self,
        context: Builder,
        model: Model,
        table: Any,
        enclosing: tuple[Any, ...] = (),
        joins: list[tuple[Any, Element]] | None = None,
        overlay: dict[str, Element] | None = None,
    ) -> None:
        self.context = context
        self.model = model
        self.table = table
        self.joins = joins
        self.overlay = overlay or {}
        self.origin: Any = None
        self.ties: list[Element] = []
        self.enclosing = (*enclosing, table) if table is not None else enclosing
        self.linked: dict[str, Element] = {}
        """Keys in place of a to-many relation's links: those of a record as it was."""
        self.expanded: list[tuple[Any, Element]] | None = None
        """Outer joins of what is shown besides, gathered here; None: subqueries show it."""
        self._reached: dict[e.Hop, Frame] = {}

    def column(self, name: str) -> Element:
        if name in self.overlay:
            return self.overlay[name]
        field = self.model.fields[name]
        found: Element = self.table.c[field.column]
        return self.context.dialect.value(field.kind, found) if field.kind.stored else found

    def field(self, column: e.Column) -> Field:
        model = self.model
        for hop in column.hops:
            model = self.context.schema.target(model, hop.relation)
        return RELEVANCE if column.name == RELEVANCE.name else model.fields[column.name]

    def nullable(self, column: e.Column) -> bool:
        return bool(column.hops) or column.mask is not None or self.field(column).nullable

    def value(self, column: e.Column) -> Element:
        """The column's value, null where a record on the way isn't there."""
        if column.hops:
            return self._far(column)
        plain = self.column(column.name)
        if column.mask is None:
            return plain
        return sa.case((self.context.condition(column.mask, [self]), plain))

    def _far(self, column: e.Column) -> Element:
        hop, rest = column.hops[0], e.Column(column.name, column.hops[1:], 0, column.mask)
        if self.joins is not None:
            return self._joined(hop).value(rest)
        inner, on = self.step(hop)
        query = sa.select(inner.value(rest)).select_from(inner.table).where(on)
        return query.correlate(*self.enclosing).scalar_subquery()

    def _joined(self, hop: e.Hop) -> Frame:
        if hop not in self._reached:
            assert self.joins is not None
            inner, on = self.step(hop)
            inner.joins = self.joins
            self._reached[hop] = inner
            self.joins.append((inner.table, on))
        return self._reached[hop]

    def step(self, hop: e.Hop) -> tuple[Frame, Element]:
        """The frame behind a to-one relation, and the condition that leads there."""
        one: One = self.model.one[hop.relation]
        target = self.context.schema.models[one.target]
        inner = Frame(self.context, target, self.context.alias(target.name), self.enclosing)
        on = [
            inner.column(theirs) == self.column(ours)
            for theirs, ours in zip(target.key, one.columns, strict=True)
        ]
        if hop.guard is not None:
            on.append(self.context.condition(hop.guard, [inner]))
        return inner, sa.and_(*on)

    def reach(self, hops: tuple[e.Hop, ...]) -> tuple[Frame, list[tuple[Any, Element]]]:
        """The frame behind several relations, with the joins that a subquery needs to get there."""
        frame, joins = self, []
        for hop in hops:
            frame, on = frame.step(hop)
            joins.append((frame.table, on))
        return frame, joins


def members(frame: Frame, many: Many) -> tuple[Frame, Frame | None, list[Element]]:
    """The frame of a to-many relation's records, that of its links, and how they are tied."""
    context = frame.context
    target = context.schema.models[many.target]
    inner = Frame(context, target, context.alias(target.name), frame.enclosing)
    if many.name in frame.linked:
        keys = frame.linked[many.name]
        return inner, None, [context.dialect.among(inner.column(target.key[0]), keys)]
    if many.link is None:
        return inner, None, _tie(inner, target.one[many.back], frame)
    model = context.schema.models[many.link]
    link = Frame(context, model, context.alias(model.name), frame.enclosing)
    assert many.forward is not None
    forward = _tie(link, model.one[many.forward], inner)
    return inner, link, [*_tie(link, model.one[many.back], frame), *forward]


def _tie(source: Frame, one: One, target: Frame) -> list[Element]:
    pairs = zip(one.columns, target.model.key, strict=True)
    return [source.column(ours) == target.column(theirs) for ours, theirs in pairs]
