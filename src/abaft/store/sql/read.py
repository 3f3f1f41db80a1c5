"""From a read plan to one SELECT, whose rows bring JSON text made in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import FromClause

from abaft.model import expr as e
from abaft.model.kinds import Text
from abaft.model.spec import Model
from abaft.plan.types import (
    CountItem,
    Grouped,
    Highlight,
    Item,
    ManyItem,
    OneItem,
    Order,
    ReadPlan,
    Selection,
    Term,
    WholeItem,
)
from abaft.store.sql.conditions import Context, condition, folded, kind_of, own_value, value_of
from abaft.store.sql.dialect import Dialect, Element, Encoder, concat, number, text_literal
from abaft.store.sql.found import begin, texts
from abaft.store.sql.frame import Frame, members
from abaft.store.sql.statement import Statement

_JOINED = 16
"""Relations that one statement joins at most: MySQL takes 61 tables."""
ESTIMATED_UP_TO = 10_000
"""How far an estimate counts where the database has no planner that tells."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadStatement:
    """A compiled read: rows of (json, key of the order…, count when asked).

    `decoders` make our values of the order's; a cursor is made of them.
    """

    statement: Statement
    decoders: tuple[Encoder | None, ...]
    count: bool
    estimate: bool = False
    """Whether it asks the planner, whose answer is yet to be read."""


class Decoded:
    """A store's read, whose statement knows how the values of its order are decoded."""

    __slots__ = ()
    statement: ReadStatement

    @property
    def decoders(self) -> tuple[Encoder | None, ...]:
        return self.statement.decoders


def compile_read(context: Context, plan: ReadPlan, late: bool = False) -> ReadStatement:
    """The statement of a plan; parameters `limit` and `offset` where the plan has a page.

    With `late` a page's records are found first and shown then: where the database sorts, it
    would make the JSON of every record that it sorts.
    """
    if plan.kind == "count" and plan.count == "estimated" and plan.open and context.dialect.explain:
        statement = context.binder.finish(_matching(context, plan))
        asked = replace(statement, sql=context.dialect.explain + statement.sql)
        return ReadStatement(asked, (), True, estimate=True)
    if plan.kind == "count":
        return ReadStatement(context.binder.finish(sa.select(_counted(context, plan))), (), True)
    query = read_query(context, plan, late)
    decoders = tuple(context.dialect.decoder(order.kind) for order in plan.orders)
    return ReadStatement(context.binder.finish(query), decoders, bool(plan.count))


def read_query(context: Context, plan: ReadPlan, late: bool = False) -> sa.Select[Any]:
    """The query of a plan that isn't of a count alone."""
    frame = _frame(context, plan, ranked=True)
    parts = [part for part in (plan.where, plan.beyond) if part != e.TRUE]
    where = [*frame.ties, *(condition(part, [frame]) for part in parts)]
    shows = plan.search.highlights if plan.search is not None else ()
    order_values = [folded(order.column, [frame]) for order in plan.orders]
    shown_frame = _plain(frame)
    if context.dialect.joins_expanded and not late:
        shown_frame.expanded = []
    shown = record_json(shown_frame, plan.selection)
    first = [frame.column(name) for name in plan.model.key] if late else [shown]
    values: list[Element] = [*first, *order_values]
    if plan.count in ("exact", "bounded"):
        values.append(_counted(context, plan))
    labels: list[Element] = [value.label(f"c{place}") for place, value in enumerate(values)]
    labels += [] if late else texts(_plain(frame), shows)
    query = sa.select(*labels).select_from(_source(frame, shown_frame)).where(*where)
    if plan.kind == "page":
        pairs = zip(order_values, plan.orders, strict=True)
        query = query.order_by(*(_sorted(value, order) for value, order in pairs))
        query = query.limit(context.binder.plain("limit", sa.BigInteger()))
        if plan.offset:
            query = query.offset(context.binder.plain("offset", sa.BigInteger()))
    return _shown_late(context, plan, query, shows) if late else query


def _shown_late(
    context: Context, plan: ReadPlan, found: sa.Select[Any], shows: tuple[Highlight, ...]
) -> sa.Select[Any]:
    """The records of the keys found, in the order found."""
    keys = found.subquery("p")
    frame = Frame(context, plan.model, context.alias(plan.model.name))
    size = len(plan.model.key)
    tie = [frame.column(name) == keys.c[f"c{i}"] for i, name in enumerate(plan.model.key)]
    shown = record_json(frame, plan.selection).label("j")
    rest = [*[column for column in keys.c][size:], *texts(frame, shows)]
    # CROSS JOIN keeps SQLite from turning the loops round: the order is the subquery's.
    source = context.dialect.nested(keys, frame.table)
    return sa.select(shown, *rest).select_from(source).where(*tie)


def _plain(frame: Frame) -> Frame:
    return Frame(frame.context, frame.model, frame.table)


def _source(frame: Frame, shown: Frame | None = None) -> FromClause[Any]:
    source: FromClause[Any] = frame.table if frame.origin is None else frame.origin
    expanded = shown.expanded if shown is not None else None
    for table, on in [*(frame.joins or ()), *(expanded or ())]:
        source = source.outerjoin(table, on)
    return source


def _frame(context: Context, plan: ReadPlan, ranked: bool = False) -> Frame:
    if plan.source is None:
        return begin(context, plan.model, plan.search, ranked)
    return Frame(context, plan.model, _groups(context, plan.source), joins=[])


def _groups(context: Context, source: Grouped) -> FromClause[Any]:
    """The groups as a table: one column a term."""
    frame = begin(context, source.model, source.search)
    columns = [_term(context, frame, term) for term in source.terms]
    where = [*frame.ties, *_asked(source.where, frame)]
    query = sa.select(*columns).select_from(_source(frame)).where(*where)
    places = [place for place, term in enumerate(source.terms, 1) if not term.reduce]
    if places:
        # By place: the text of an expression with values in it isn't the same twice.
        query = query.group_by(*(sa.literal_column(str(place)) for place in places))
    return query.correlate(None).subquery(context.label("g"))


def _term(context: Context, frame: Frame, term: Term) -> Element:
    dialect = context.dialect
    if term.value is None:
        found = dialect.reduce(term.reduce, sa.literal_column("1"), None, term.kind)
    elif term.reduce:
        given = own_value(term.value, [frame])
        kind = kind_of(term.value, [frame]) or term.kind
        found = dialect.reduce(term.reduce, given, kind.own, term.kind)
    else:
        found = folded(term.value, [frame], own_value)
    return sa.type_coerce(found, dialect.type(term.kind)).label(term.name)


def _matching(context: Context, plan: ReadPlan) -> sa.Select[Any]:
    """A row for each record that matches, on whatever page."""
    frame = _frame(context, plan)
    where = [*frame.ties, *_asked(plan.where, frame)]
    return sa.select(sa.literal_column("1")).select_from(_source(frame)).where(*where)


def _asked(where: e.Expr, frame: Frame) -> list[Element]:
    return [] if where == e.TRUE else [condition(where, [frame])]


def _counted(context: Context, plan: ReadPlan) -> Element:
    rows = _matching(context, plan)
    count = sa.func.count()
    if plan.count == "exact" or not plan.count:
        return rows.with_only_columns(count).correlate(None).scalar_subquery()
    limit = number(ESTIMATED_UP_TO)
    if plan.count == "bounded":
        limit = context.binder.plain("count_limit", sa.BigInteger())
    few = rows.limit(limit).correlate(None).subquery(context.label("n"))
    return sa.select(count).select_from(few).scalar_subquery()


def _sorted(value: Element, order: Order) -> Element:
    """Nulls last ascending and first descending, on every engine."""
    if order.descending:
        return value.desc().nulls_first() if order.nullable else value.desc()
    return value.asc().nulls_last() if order.nullable else value.asc()


def record_json(frame: Frame, selection: Selection, others: Sequence[Frame] = ()) -> Element:
    """The record's JSON object as text; members that may not be read are left out.

    With `others`, what is masked must be readable of these as well.
    """
    if not selection.items:
        return text_literal("{}")
    parts: list[Element] = []
    open_first = selection.items[0].mask != e.TRUE
    for place, item in enumerate(selection.items):
        comma = "," if place or open_first else ""
        member = [text_literal(f'{comma}"{item.name}":'), member_json(frame, item)]
        if item.mask == e.TRUE:
            parts += member
        else:
            readable = (condition(item.mask, [one]) for one in (frame, *others))
            shown = (sa.and_(*readable), concat(member))
            parts.append(sa.case(shown, else_=text_literal("")))
    if open_first:
        inner = sa.func.substr(concat(parts).self_group(), 2, type_=sa.String)
        return concat([text_literal("{"), inner, text_literal("}")])
    return concat([text_literal("{"), *parts, text_literal("}")])


def member_json(frame: Frame, item: Item) -> Element:
    """The JSON text of one member, "null" where there is no value."""
    if isinstance(item, CountItem):
        return _many_count(frame, item.of)
    if isinstance(item, WholeItem):
        salt = frame.context.binder.const(item.salt, Text())
        opened, between, closed = map(text_literal, ("[", ',"', '"]'))
        return concat([opened, record_json(frame, item.selection), between, salt, closed])
    if isinstance(item, ManyItem):
        return _many_json(frame, item)
    if isinstance(item, OneItem):
        return _one_json(frame, item)
    if item.value is not None:
        return _computed_json(frame, item.value, item.name)
    return _field_json(frame, item.name)


def _computed_json(frame: Frame, value: e.Value, name: str) -> Element:
    kind = frame.model.computed[name].field.kind
    shown = frame.context.dialect.json(kind, value_of(value, [frame], kind))
    return sa.func.coalesce(shown, text_literal("null"), type_=sa.String)


def _field_json(frame: Frame, name: str) -> Element:
    field = frame.model.fields[name]
    shown = frame.context.dialect.json(field.kind, frame.column(name))
    return (
        sa.func.coalesce(shown, text_literal("null"), type_=sa.String) if field.nullable else shown
    )


def _one_json(frame: Frame, item: OneItem) -> Element:
    """The object; where there is none to be seen, the key that the field holds."""
    one = frame.model.one[item.name]
    held = _field_json(frame, item.name) if one.stored else text_literal("null")
    if item.guard == e.FALSE:
        return held
    inner, on = frame.step(e.Hop(item.name, None if item.guard == e.TRUE else item.guard))
    if frame.expanded is not None and len(frame.expanded) < _JOINED:
        frame.expanded.append((inner.table, on))
        inner.expanded = frame.expanded
        there = inner.column(inner.model.key[0]).is_not(None)
        joined = sa.case((there, record_json(inner, item.selection)))
        return sa.func.coalesce(joined, held, type_=sa.String)
    query = sa.select(record_json(inner, item.selection)).select_from(inner.table).where(on)
    found = query.correlate(*frame.enclosing).scalar_subquery()
    return sa.func.coalesce(found, held, type_=sa.String)


def _many_json(frame: Frame, item: ManyItem) -> Element:
    if e.FALSE in (item.guard, item.link_guard):
        return text_literal("[]")
    dialect = frame.context.dialect
    inner, query = _members(frame, item)
    shown = _key_json(inner) if item.selection is None else record_json(inner, item.selection)
    orders = [_sorted(folded(order.column, [inner]), order) for order in item.orders]
    return dialect.listed(query, shown, orders, item.limit, f"r_{inner.table.name}")


def _many_count(frame: Frame, item: ManyItem) -> Element:
    if e.FALSE in (item.guard, item.link_guard):
        return text_literal("0")
    _, query = _members(frame, item)
    return sa.cast(query.with_only_columns(sa.func.count()).scalar_subquery(), sa.Text)


def _members(frame: Frame, item: ManyItem) -> tuple[Frame, sa.Select[Any]]:
    """The records of a to-many relation that may be shown and were asked for."""
    inner, link, where = members(frame, frame.model.many[item.name])
    if link is not None:
        inner.enclosing = link.enclosing = (*inner.enclosing, link.table)
    if item.guard != e.TRUE:
        where.append(condition(item.guard, [inner]))
    if link is not None and item.link_guard != e.TRUE:
        where.append(condition(item.link_guard, [link]))
    if item.where != e.TRUE:
        where.append(condition(item.where, [inner]))
    source = inner.table if link is None else link.table.join(inner.table, sa.true())
    one: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(source)
    return inner, one.where(*where).correlate(*frame.enclosing)


def _key_json(frame: Frame) -> Element:
    dialect, model = frame.context.dialect, frame.model
    parts = [dialect.json(model.fields[name].kind, frame.column(name)) for name in model.key]
    if len(parts) == 1:
        return parts[0]
    members_ = [
        text_literal(f'{"," if place else ""}"{name}":').concat(part)
        for place, (name, part) in enumerate(zip(model.key, parts, strict=True))
    ]
    return concat([text_literal("{"), *members_, text_literal("}")])


def literal_frame(context: Context, model: Model, table: sa.Table, dialect: Dialect) -> Frame:
    """A record by its table's bare columns, as RETURNING and WHERE of a write see it."""
    prepare = dialect.sa.identifier_preparer
    name = prepare.format_table(table)
    overlay: dict[str, Element] = {
        field.name: dialect.value(
            field.kind,
            sa.literal_column(f"{name}.{prepare.quote(field.column)}", dialect.type(field.kind)),
        )
        for field in model.fields.values()
    }
    return Frame(context, model, None, overlay=overlay)
