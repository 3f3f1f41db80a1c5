"""How SQLite spells a float, as all engines do: the fewest digits that give it back."""

from __future__ import annotations

import sqlalchemy as sa

from abaft.base.floats import FIXED_BELOW
from abaft.store.sql.dialect import Element, text_literal
from abaft.store.sql.functions import real


def spelled(element: Element) -> Element:
    """The JSON of a float; null where there is none.

    SQLite's own text has 17 digits where fewer would do, so Python's is asked for what needs them.
    """
    by_python = sa.func.abaft_float(element, type_=sa.String)
    if not isinstance(element, sa.ColumnClause):
        # What is reckoned is reckoned once.
        return by_python
    size = sa.func.abs(element)
    texts: list[Element] = [
        sa.func.format(text_literal(f"%.{digits}g"), element, type_=sa.String)
        for digits in (15, 16)
    ]
    own = sa.case(
        *((sa.cast(text, sa.REAL) == element, text) for text in texts),
        else_=by_python,
    )
    usual = sa.and_(size < real(repr(FIXED_BELOW)), size >= real("1e-05"))
    return sa.case((usual, own), (element == real("0.0"), text_literal("0")), else_=by_python)
