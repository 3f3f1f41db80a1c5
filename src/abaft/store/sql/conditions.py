"""From expressions to SQL conditions of two-valued truth, for every SQL database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from abaft.model import expr as e
from abaft.model.kinds import Kind, own_key
from abaft.model.spec import Field, Many, Model, One, Schema
from abaft.store.sql.dialect import Element, after_prefix, fold_ascii
from abaft.store.sql.statement import Binder

INVERTED: dict[str, e.Operator] = {"eq": "ne", "ne": "eq"}


class Context:
    """What one statement is built with."""

    def __init__(self, schema: Schema, tables: dict[str, sa.Table], binder: Binder) -> None:
        self.schema = schema
        self.tables = tables
        self.binder = binder
        self.dialect = binder.dialect
        self._aliases = 0

    def alias(self, model: str) -> Any:
        """The model's table under a short new name."""
        self._aliases += 1
        return self.tables[model].alias(f"t{self._aliases}")


class Frame:
    """A record in a statement: its columns, and how to reach others from it.

    With `joins`, relations are reached by outer joins gathered there, which a planner may turn
    round; without, by subqueries. `overlay` gives values in place of columns: a record that is
    about to be.
    """

    def __init__(
        self,
        context: Context,
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
        self.enclosing = (*enclosing, table) if table is not None else enclosing
        self._reached: dict[e.Hop, Frame] = {}

    def column(self, name: str) -> Element:
        if name in self.overlay:
            return self.overlay[name]
        found: Element = self.table.c[self.model.fields[name].column]
        return found

    def field(self, column: e.Column) -> Field:
        model = self.model
        for hop in column.hops:
            model = self.context.schema.target(model, hop.relation)
        return model.fields[column.name]

    def nullable(self, column: e.Column) -> bool:
        return bool(column.hops) or column.mask is not None or self.field(column).nullable

    def value(self, column: e.Column) -> Element:
        """The column's value, null where a record on the way isn't there."""
        if column.hops:
            return self._far(column)
        plain = self.column(column.name)
        if column.mask is None:
            return plain
        return sa.case((condition(column.mask, [self]), plain))

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
            on.append(condition(hop.guard, [inner]))
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


def condition(expr: e.Expr, scopes: list[Frame], negated: bool = False) -> Element:
    """The SQL condition; with `negated`, that of its complement, null counting as false."""
    match expr:
        case e.Const(value):
            return sa.true() if bool(value) != negated else sa.false()
        case e.And(items) | e.Or(items):
            parts = [condition(item, scopes, negated) for item in items]
            both = isinstance(expr, e.And) != negated
            return sa.and_(*parts) if both else sa.or_(*parts)
        case e.Not(item):
            return condition(item, scopes, not negated)
        case e.IsNull(left):
            found = _value(left, None, scopes)
            return found.is_not(None) if negated else found.is_(None)
        case e.Compare():
            return _compare(expr, scopes, negated)
        case e.OneOf():
            return _one_of(expr, scopes, negated)
        case e.Exists():
            found = _exists(expr, scopes)
            return sa.not_(found) if negated else found
        case e.Beyond():
            return _beyond(expr, scopes)
    raise TypeError(f"not a condition: {expr!r}")


def _kind(node: e.Value, scopes: list[Frame]) -> Kind | None:
    if isinstance(node, e.Column):
        return scopes[node.scope].field(node).kind
    return node.kind if isinstance(node, e.Param) else None


def _value(node: e.Value, kind: Kind | None, scopes: list[Frame], encode: Any = None) -> Element:
    binder = scopes[0].context.binder
    if isinstance(node, e.Column):
        return scopes[node.scope].value(node)
    if isinstance(node, e.Param):
        if node.name == "me":
            encode = own_key(node.kind)
        return binder.param(node.name, node.kind, node.many, encode)
    assert isinstance(node, e.Const) and kind is not None
    return binder.const(encode(node.value) if encode else node.value, kind)


def _nullable(node: e.Value, scopes: list[Frame]) -> bool:
    return isinstance(node, e.Column) and scopes[node.scope].nullable(node)


def _folds(node: e.Value, nocase: bool, scopes: list[Frame]) -> bool:
    return nocase or (isinstance(node, e.Column) and scopes[node.scope].field(node).nocase)


def _compare(node: e.Compare, scopes: list[Frame], negated: bool) -> Element:
    dialect = scopes[0].context.dialect
    kind = _kind(node.left, scopes) or _kind(node.right, scopes)
    assert kind is not None
    if kind.name == "boolean" and isinstance(node.right, e.Const) and node.op in ("eq", "ne"):
        return _boolean(node, scopes, negated)
    sides: list[e.Value] = [node.left, node.right]
    nocase = kind.textual and any(_folds(side, node.nocase, scopes) for side in sides)
    left = _value(node.left, kind, scopes)
    left = dialect.fold(left) if nocase else left
    op = node.op
    if op in ("contains", "startswith", "endswith"):
        found = _text(node, kind, left, scopes, nocase)
        return _complement(found, sides, scopes) if negated else found
    if isinstance(node.right, e.Column):
        right = _value(node.right, kind, scopes)
        right = dialect.fold(right) if nocase else right
    else:
        # Folded here: the database's lower() of a bare parameter may know more letters.
        right = _value(node.right, kind, scopes, fold_ascii if nocase else None)
    if op in ("eq", "ne"):
        equal = (op == "eq") != negated
        return _equality(node, left, right, equal, scopes)
    found = {
        "gt": lambda: left > right,
        "ge": lambda: left >= right,
        "lt": lambda: left < right,
        "le": lambda: left <= right,
    }[op]()
    return _complement(found, sides, scopes) if negated else found


def _boolean(node: e.Compare, scopes: list[Frame], negated: bool) -> Element:
    """A condition by a stored boolean, with the constant in the text so that indexes may match."""
    assert isinstance(node.right, e.Const) and isinstance(node.left, e.Column)
    left = _value(node.left, None, scopes)
    wanted = (node.op == "eq") != negated
    dialect = scopes[0].context.dialect
    literal: Element = sa.literal_column(dialect_bool(dialect, bool(node.right.value)))
    if wanted:
        return left == literal
    return (
        sa.or_(left != literal, left.is_(None)) if _nullable(node.left, scopes) else left != literal
    )


def dialect_bool(dialect: Any, value: bool) -> str:
    return ("true" if value else "false") if dialect.placeholder == "$" else str(int(value))


def _equality(
    node: e.Compare, left: Element, right: Element, equal: bool, scopes: list[Frame]
) -> Element:
    nulls = [side for side in (node.left, node.right) if _nullable(side, scopes)]
    if len(nulls) == 2:
        return left.is_not_distinct_from(right) if equal else left.is_distinct_from(right)
    if equal:
        return left == right
    different = left != right
    if not nulls:
        return different
    empty = left if nulls[0] is node.left else right
    return sa.or_(different, empty.is_(None))


def _complement(found: Element, values: list[e.Value], scopes: list[Frame]) -> Element:
    """NOT, with null as false before it."""
    nullable = any(_nullable(value, scopes) for value in values)
    return sa.not_(sa.func.coalesce(found, sa.false())) if nullable else sa.not_(found)


def _text(node: e.Compare, kind: Kind, left: Element, scopes: list[Frame], nocase: bool) -> Element:
    dialect = scopes[0].context.dialect
    fold = fold_ascii if nocase else None
    if isinstance(node.right, e.Column):
        part = _value(node.right, kind, scopes)
        part = dialect.fold(part) if nocase else part
        if node.op == "startswith":
            size = sa.func.length(part)
            return sa.func.substr(left, 1, size) == part
    else:
        part = _value(node.right, kind, scopes, fold)
    if node.op == "contains":
        return dialect.contains(left, part)
    if node.op == "endswith":
        return dialect.endswith(left, part)

    def above(text: str) -> str:
        return after_prefix(fold_ascii(text) if nocase else text)

    return dialect.startswith(left, part, part, _value(node.right, kind, scopes, above))


def _one_of(node: e.OneOf, scopes: list[Frame], negated: bool) -> Element:
    dialect = scopes[0].context.dialect
    kind = _kind(node.left, scopes)
    assert kind is not None
    nocase = _folds(node.left, node.nocase, scopes) and kind.textual
    left = _value(node.left, kind, scopes)
    left = dialect.fold(left) if nocase else left
    fold: Callable[[Any], Any] | None = _fold_all if nocase else None
    found = dialect.among(left, _value(node.right, kind, scopes, fold))
    return _complement(found, [node.left], scopes) if negated else found


def _fold_all(values: list[str]) -> list[str]:
    return [fold_ascii(value) for value in values]


def _exists(node: e.Exists, scopes: list[Frame]) -> Element:
    start = scopes[node.scope]
    frame, steps = start.reach(node.hops)
    inner, link, ties = members(frame, frame.model.many[node.relation])
    inner.joins = []
    tables = [table for table, _ in steps] + [found.table for found in (inner, link) if found]
    enclosing = {id(table): table for scope in scopes for table in scope.enclosing}
    inner.enclosing = (*enclosing.values(), *tables)
    where = [on for _, on in steps] + ties + [condition(node.where, [*scopes, inner])]
    if node.guard is not None:
        where.append(condition(node.guard, [_alone(inner)]))
    if node.link_guard is not None and link is not None:
        link.enclosing = inner.enclosing
        where.append(condition(node.link_guard, [link]))
    source = tables[0]
    for table in tables[1:]:
        source = source.join(table, sa.true())
    for table, on in inner.joins:
        source = source.outerjoin(table, on)
    query: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(source).where(*where)
    # The condition may have been the first to reach something from an outer record.
    reached = [table for scope in scopes for table, _ in scope.joins or ()]
    return query.correlate(*enclosing.values(), *reached).exists()


def _alone(frame: Frame) -> Frame:
    """The same record, whose relations are reached by subqueries."""
    return Frame(frame.context, frame.model, frame.table, frame.enclosing)


def _beyond(node: e.Beyond, scopes: list[Frame]) -> Element:
    context = scopes[0].context
    columns = []
    for column in node.left:
        value = scopes[column.scope].value(column)
        columns.append(context.dialect.fold(value) if _folds(column, False, scopes) else value)
    params = []
    for column, param in zip(node.left, node.right, strict=True):
        fold = fold_ascii if _folds(column, False, scopes) else None
        params.append(context.binder.param(param.name, param.kind, encode=fold))
    left, right = sa.tuple_(*columns), sa.tuple_(*params)
    return left < right if node.descending else left > right
