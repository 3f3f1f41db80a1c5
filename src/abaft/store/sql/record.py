"""From a selection to the JSON of a record, made in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from abaft.model import expr as e
from abaft.model.kinds import Text
from abaft.plan.types import CountItem, Item, ManyItem, OneItem, Order, Selection, WholeItem
from abaft.store.sql.conditions import condition, folded, value_of
from abaft.store.sql.dialect import Element, concat, text_literal
from abaft.store.sql.frame import Frame, members

_JOINED = 16
"""Relations that one statement joins at most: MySQL takes 61 tables."""
_NULL = text_literal("null")


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
    return sa.func.coalesce(shown, _NULL, type_=sa.String)


def _field_json(frame: Frame, name: str) -> Element:
    field = frame.model.fields[name]
    shown = frame.context.dialect.json(field.kind, frame.column(name))
    return sa.func.coalesce(shown, _NULL, type_=sa.String) if field.nullable else shown


def _one_json(frame: Frame, item: OneItem) -> Element:
    """The object; where there is none to be seen, the key that the field holds."""
    held = _field_json(frame, item.name) if frame.model.one[item.name].stored else _NULL
    if item.guard == e.FALSE:
        return held
    inner = joined(frame, item)
    if inner is not None:
        there = inner.column(inner.model.key[0]).is_not(None)
        shown = sa.case((there, record_json(inner, item.selection)))
        return sa.func.coalesce(shown, held, type_=sa.String)
    inner, on = frame.step(_hop(item))
    query = sa.select(record_json(inner, item.selection)).select_from(inner.table).where(on)
    found = query.correlate(*frame.enclosing).scalar_subquery()
    return sa.func.coalesce(found, held, type_=sa.String)


def joined(frame: Frame, item: OneItem) -> Frame | None:
    """The record that a relation leads to, by one more join; None where there can't be one."""
    if frame.expanded is None or len(frame.expanded) >= _JOINED or item.guard == e.FALSE:
        return None
    inner, on = frame.step(_hop(item))
    frame.expanded.append((inner.table, on))
    inner.expanded = frame.expanded
    return inner


def _hop(item: OneItem) -> e.Hop:
    return e.Hop(item.name, None if item.guard == e.TRUE else item.guard)


def _many_json(frame: Frame, item: ManyItem) -> Element:
    if e.FALSE in (item.guard, item.link_guard):
        return text_literal("[]")
    dialect = frame.context.dialect
    inner, query = _members(frame, item)
    shown = _key_json(inner) if item.selection is None else record_json(inner, item.selection)
    orders = [sorted_by(folded(order.column, [inner]), order) for order in item.orders]
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


def sorted_by(value: Element, order: Order) -> Element:
    """Nulls last ascending and first descending, on every engine."""
    if order.descending:
        return value.desc().nulls_first() if order.nullable else value.desc()
    return value.asc().nulls_last() if order.nullable else value.asc()
