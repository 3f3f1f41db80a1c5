"""From a read plan to one SELECT, whose rows bring JSON text made in the database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import FromClause

from abaft.model import expr as e
from abaft.model.spec import Model
from abaft.plan.types import (
    Grouped,
    Highlight,
    ReadPlan,
    Term,
)
from abaft.store.sql.bare import Bare, Picked, bare
from abaft.store.sql.conditions import Context, condition, folded, kind_of, own_value
from abaft.store.sql.dialect import Dialect, Element, Encoder, number
from abaft.store.sql.found import begin, texts
from abaft.store.sql.frame import Frame
from abaft.store.sql.record import record_json, sorted_by
from abaft.store.sql.statement import Statement

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
    bare: Bare | None = None
    """What makes the rows of those that come, where these aren't so yet."""


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
    query, made = _query(context, plan, late)
    decoders = tuple(context.dialect.decoder(order.kind) for order in plan.orders)
    return ReadStatement(context.binder.finish(query), decoders, bool(plan.count), bare=made)


def read_query(context: Context, plan: ReadPlan) -> sa.Select[Any]:
    """The query of a plan that isn't of a count alone."""
    return _query(context, plan)[0]


def _query(
    context: Context, plan: ReadPlan, late: bool = False
) -> tuple[sa.Select[Any], Bare | None]:
    frame = _frame(context, plan, ranked=True)
    parts = [part for part in (plan.where, plan.beyond) if part != e.TRUE]
    where = [*frame.ties, *(condition(part, [frame]) for part in parts)]
    shows = plan.search.highlights if plan.search is not None else ()
    order_values = [folded(order.column, [frame]) for order in plan.orders]
    rest = [*order_values]
    if plan.count in ("exact", "bounded"):
        rest.append(_counted(context, plan))
    shown_frame = _plain(frame)
    if context.dialect.joins_expanded and not late:
        shown_frame.expanded = []
    made = None
    if late:
        values = [*(frame.column(name) for name in plan.model.key), *rest]
    else:
        rest += texts(_plain(frame), shows)
        made, values = _shown(shown_frame, plan, rest)
    labels = [value.label(f"c{place}") for place, value in enumerate(values)]
    query = sa.select(*labels).select_from(_source(frame, shown_frame)).where(*where)
    if plan.kind == "page":
        pairs = zip(order_values, plan.orders, strict=True)
        query = query.order_by(*(sorted_by(value, order) for value, order in pairs))
        query = query.limit(context.binder.plain("limit", sa.BigInteger()))
        if plan.offset:
            query = query.offset(context.binder.plain("offset", sa.BigInteger()))
    return (_shown_late(context, plan, query, shows) if late else query), made


def _shown(frame: Frame, plan: ReadPlan, rest: list[Element]) -> tuple[Bare | None, list[Element]]:
    """What a query gives: the JSON, or the columns that it is made of, and the rest."""
    picked = Picked()
    listed = plan.kind == "page" and plan.source is None
    record = bare(frame, plan.selection, picked) if listed else None
    if record is None:
        return None, [record_json(frame, plan.selection), *rest]
    places = tuple(picked.place(element) for element in rest)
    return Bare(record, places), picked.elements


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
