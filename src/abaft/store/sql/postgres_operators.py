"""PostgreSQL's rows of a PATCH's operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from abaft.store.sql.dialect import Element, Reckoning, text_literal
from abaft.store.sql.operators import ALIKE

_JSONB: Any = postgresql.JSONB()


def _extreme(name: str) -> Reckoning:
    """least or greatest, which pass over null."""

    def make(stored: Element, operand: Element) -> Element:
        return getattr(sa.func, name)(stored, operand, type_=stored.type)  # type: ignore[no-any-return]

    return make


def _nothing() -> Element:
    return sa.cast(text_literal("[]"), _JSONB)


def _append(stored: Element, operand: Element) -> Element:
    held = sa.func.coalesce(stored, _nothing(), type_=_JSONB)
    return sa.type_coerce(held.op("||")(operand).self_group(), _JSONB)


def _remove(stored: Element, operand: Element) -> Element:
    """The items that aren't among the operand's, in their order."""
    listed = sa.case(
        (sa.func.jsonb_typeof(stored) == text_literal("array"), stored),
        else_=sa.func.jsonb_build_array(stored),
    )
    items = sa.func.jsonb_array_elements(listed)
    held = items.table_valued(sa.column("item", _JSONB), with_ordinality="place")
    held = held.render_derived("held")
    others = sa.func.jsonb_array_elements(operand)
    gone = others.table_valued(sa.column("other", _JSONB)).render_derived("gone")
    one: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(gone)
    among = one.where(gone.c.other == held.c.item).correlate(held).exists()
    kept = sa.func.jsonb_agg(postgresql.aggregate_order_by(held.c.item, held.c.place))
    query = sa.select(sa.func.coalesce(kept, _nothing())).select_from(held).where(sa.not_(among))
    found = query.correlate(None).scalar_subquery()
    return sa.type_coerce(sa.case((stored.is_not(None), found)), _JSONB)


OPERATORS: Mapping[str, Reckoning] = {
    **ALIKE,
    "min": _extreme("least"),
    "max": _extreme("greatest"),
    "append": _append,
    "remove": _remove,
}
