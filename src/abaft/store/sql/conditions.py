"""From expressions to SQL conditions of two-valued truth, for every SQL database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from abaft.model import expr as e
from abaft.model.kinds import Kind, own_key
from abaft.model.spec import Schema
from abaft.store.sql.dialect import Element
from abaft.store.sql.frame import Frame, members
from abaft.store.sql.statement import Binder
from abaft.store.texts import after_prefix, fold_ascii

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

    def label(self, prefix: str) -> str:
        """A new name for a table that a statement makes for itself."""
        self._aliases += 1
        return f"{prefix}{self._aliases}"

    def condition(self, expr: e.Expr, scopes: list[Frame]) -> Element:
        """The SQL of a condition."""
        return condition(expr, scopes)


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
            found = value_of(left, scopes)
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


def kind_of(node: e.Value, scopes: list[Frame]) -> Kind | None:
    """The kind of a value; None for a constant that takes it from what it is compared with."""
    if isinstance(node, e.Column):
        return scopes[node.scope].field(node).kind
    return node.kind


def value_of(
    node: e.Value, scopes: list[Frame], kind: Kind | None = None, encode: Any = None
) -> Element:
    """The SQL of a value; `kind` is that of what it is compared with."""
    binder = scopes[0].context.binder
    match node:
        case e.Column():
            return scopes[node.scope].value(node)
        case e.Param(name):
            encode = own_key(node.kind) if name in e.OF_ACTOR else encode
            return binder.param(name, node.kind, node.many, encode)
        case e.Call(name, args, result):
            kinds = [(kind_of(arg, scopes) or result).own for arg in args]
            given = [own_value(arg, scopes, result) for arg in args]
            dialect = scopes[0].context.dialect
            if any(isinstance(arg, (e.Call, e.Choose, e.Reduce)) for arg in args):
                return _once(
                    given, kinds, scopes, lambda args: dialect.call(name, args, kinds, result)
                )
            return dialect.call(name, given, kinds, result)
        case e.Choose(where, then, otherwise, result):
            first = (condition(where, scopes), own_value(then, scopes, result))
            return sa.case(first, else_=own_value(otherwise, scopes, result))
        case e.Reduce():
            return _reduce(node, scopes)
        case e.Const(const, own):
            kind = own or kind
            assert kind is not None
            return binder.const(encode(const) if encode else const, kind)
    raise TypeError(f"not a value: {node!r}")


def _once(
    args: list[Element],
    kinds: list[Kind],
    scopes: list[Frame],
    call: Callable[[list[Element]], Element],
) -> Element:
    """The call with names for its arguments, each of which it may need several times.

    Else functions within functions would double the statement at each step.
    """
    context = scopes[0].context
    if not context.tables:
        return call(args)  # within a table's definition, which takes no subqueries
    outer = _within_reach(scopes)
    given = context.dialect.named(args, kinds, outer, context.label("f"))
    found = call([given.c[f"v{place}"] for place in range(len(args))])
    return sa.select(found).select_from(given).correlate(*outer).scalar_subquery()


def _within_reach(scopes: list[Frame]) -> list[Any]:
    """The tables that a subquery may name without having them itself."""
    enclosing = {id(table): table for scope in scopes for table in scope.enclosing}
    return [*enclosing.values(), *(table for scope in scopes for table, _ in scope.joins or ())]


def own_value(node: e.Value, scopes: list[Frame], kind: Kind | None = None) -> Element:
    """The value in our own form, however an existing column may hold it."""
    found = kind_of(node, scopes) or kind
    if found is None or not found.stored:
        return value_of(node, scopes, kind)
    if isinstance(node, (e.Param, e.Const)):
        return value_of(replace(node, kind=found.own), scopes, found.own)
    return scopes[0].context.dialect.own(found, value_of(node, scopes, kind))


def _nullable(node: e.Value, scopes: list[Frame]) -> bool:
    if isinstance(node, e.Column):
        return scopes[node.scope].nullable(node)
    return isinstance(node, (e.Call, e.Choose, e.Reduce))


def _folds(node: e.Value, nocase: bool, scopes: list[Frame]) -> bool:
    return nocase or (isinstance(node, e.Column) and scopes[node.scope].field(node).nocase)


def ordered(found: Element, kind: Kind | None, scopes: list[Frame]) -> Element:
    """The value as its order goes, where an existing column goes by another."""
    if kind is None or not kind.stored:
        return found
    return scopes[0].context.dialect.ordered(kind, found)


def folded(
    node: e.Value, scopes: list[Frame], take: Callable[..., Element] | None = None
) -> Element:
    """The value as an order sees it: text without case is folded.

    `take` is `own_value` where it is to be in our own form besides.
    """
    if take is None:
        found = ordered(value_of(node, scopes), kind_of(node, scopes), scopes)
    else:
        found = take(node, scopes)
    return scopes[0].context.dialect.fold(found) if _folds(node, False, scopes) else found


def _compare(node: e.Compare, scopes: list[Frame], negated: bool) -> Element:
    dialect = scopes[0].context.dialect
    kind = kind_of(node.left, scopes) or kind_of(node.right, scopes)
    assert kind is not None
    if kind.name == "boolean" and isinstance(node.right, e.Const) and node.op in ("eq", "ne"):
        return _boolean(node, scopes, negated)
    sides: list[e.Value] = [node.left, node.right]
    theirs = kind if isinstance(node.right, (e.Param, e.Const)) else kind_of(node.right, scopes)
    take = value_of if theirs is None or theirs.stored == kind.stored else own_value
    kind = kind if take is value_of else kind.own
    nocase = kind.textual and any(_folds(side, node.nocase, scopes) for side in sides)
    left = take(node.left, scopes, kind)
    left = dialect.fold(left) if nocase else left
    op = node.op
    if op in ("contains", "startswith", "endswith"):
        found = _text(node, kind, left, scopes, nocase)
        return _complement(found, sides, scopes) if negated else found
    if not isinstance(node.right, (e.Param, e.Const)):
        right = take(node.right, scopes, kind)
        right = dialect.fold(right) if nocase else right
    else:
        # Folded here: the database's lower() of a bare parameter may know more letters.
        right = value_of(node.right, scopes, kind, fold_ascii if nocase else None)
    if op in ("eq", "ne"):
        equal = (op == "eq") != negated
        return _equality(node, left, right, equal, scopes)
    left, right = ordered(left, kind, scopes), ordered(right, kind, scopes)
    found = {
        "gt": lambda: left > right,
        "ge": lambda: left >= right,
        "lt": lambda: left < right,
        "le": lambda: left <= right,
    }[op]()
    return _complement(found, sides, scopes) if negated else found


def _boolean(node: e.Compare, scopes: list[Frame], negated: bool) -> Element:
    """A condition by a stored boolean, with the constant in the text so that indexes may match."""
    assert isinstance(node.right, e.Const)
    left = value_of(node.left, scopes)
    wanted = (node.op == "eq") != negated
    dialect = scopes[0].context.dialect
    literal: Element = sa.literal_column(dialect_bool(dialect, bool(node.right.value)))
    if wanted:
        return left == literal
    return (
        sa.or_(left != literal, left.is_(None)) if _nullable(node.left, scopes) else left != literal
    )


def dialect_bool(dialect: Any, value: bool) -> str:
    return str(dialect.truths[value])


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
    if not isinstance(node.right, (e.Param, e.Const)):
        part = value_of(node.right, scopes, kind)
        part = dialect.fold(part) if nocase else part
        if node.op == "startswith":
            size = sa.func.length(part)
            return sa.func.substr(left, 1, size) == part
    else:
        part = value_of(node.right, scopes, kind, fold)
    if node.op == "contains":
        return dialect.contains(left, part)
    if node.op == "endswith":
        return dialect.endswith(left, part)

    left = ordered(left, kind, scopes)

    def above(text: str) -> str:
        return after_prefix(fold_ascii(text) if nocase else text)

    return dialect.startswith(left, part, part, value_of(node.right, scopes, kind, above))


def _one_of(node: e.OneOf, scopes: list[Frame], negated: bool) -> Element:
    dialect = scopes[0].context.dialect
    kind = kind_of(node.left, scopes)
    assert kind is not None
    nocase = _folds(node.left, node.nocase, scopes) and kind.textual
    left = value_of(node.left, scopes, kind)
    left = dialect.fold(left) if nocase else left
    fold: Callable[[Any], Any] | None = _fold_all if nocase else None
    found = dialect.among(left, value_of(node.right, scopes, kind, fold))
    return _complement(found, [node.left], scopes) if negated else found


def _fold_all(values: list[str]) -> list[str]:
    return [fold_ascii(value) for value in values]


def _exists(node: e.Exists, scopes: list[Frame]) -> Element:
    query, _, _ = _inner(node, scopes)
    return query.exists()


def _inner(
    node: e.Exists | e.Reduce, scopes: list[Frame]
) -> tuple[sa.Select[Any], Element, Kind | None]:
    """The select of a to-many relation's records, what it gives of each, and of what kind."""
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
    given: Element = sa.literal_column("1")
    kind = None
    if isinstance(node, e.Reduce) and node.value is not None:
        given, kind = own_value(node.value, [*scopes, inner]), kind_of(node.value, [*scopes, inner])
        kind = None if kind is None else kind.own
    source = tables[0]
    for table in tables[1:]:
        source = source.join(table, sa.true())
    for table, on in inner.joins:
        source = source.outerjoin(table, on)
    query: sa.Select[Any] = sa.select(given).select_from(source).where(*where)
    # The condition may have been the first to reach something from an outer record.
    return query.correlate(*_within_reach(scopes)), given, kind


def _reduce(node: e.Reduce, scopes: list[Frame]) -> Element:
    query, given, kind = _inner(node, scopes)
    found = scopes[0].context.dialect.reduce(node.name, given, kind, node.kind)
    return query.with_only_columns(found).scalar_subquery()


def _alone(frame: Frame) -> Frame:
    """The same record, whose relations are reached by subqueries."""
    return Frame(frame.context, frame.model, frame.table, frame.enclosing)


def _beyond(node: e.Beyond, scopes: list[Frame]) -> Element:
    context = scopes[0].context
    columns = [folded(left, scopes) for left in node.left]
    params = []
    for left, param in zip(node.left, node.right, strict=True):
        fold = fold_ascii if _folds(left, False, scopes) else None
        bound = context.binder.param(param.name, param.kind, encode=fold)
        params.append(ordered(bound, param.kind, scopes))
    row, given = sa.tuple_(*columns), sa.tuple_(*params)
    return row < given if node.descending else row > given
