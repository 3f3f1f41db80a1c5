"""Sums and differences of times on PostgreSQL, where durations are microseconds."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from abaft.model.kinds import INT_MAX, INT_MIN, Kind
from abaft.store.sql.dialect import Element, number, text_literal
from abaft.store.sql.functions import operated

DAY = 86_400_000_000
_DOUBLE: Any = postgresql.DOUBLE_PRECISION()
_FIRST = {"datetime": "timestamp '0001-01-01'", "date": "date '0001-01-01'"}
_LAST = {"datetime": "timestamp '9999-12-31 23:59:59.999999'", "date": "date '9999-12-31'"}


def _plain(element: Element, kind: Kind) -> Element:
    """A datetime as the clock shows it in UTC: no zone of a session has a say in it."""
    if kind.name == "datetime":
        return sa.func.timezone(text_literal("UTC"), element, type_=postgresql.TIMESTAMP())
    return element


def times(name: str, args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    """The sum or difference, null beyond the years 1 to 9999."""
    if result.name == "duration":
        return _difference(name, args, kinds)
    if kinds[0].name == "duration":
        args = args[::-1]
    start, dated = _plain(args[0], result), result.name == "date"
    step = _days(args[1]) if dated else _interval(args[1])
    first, last = (
        sa.literal_column(bound[result.name], sa.Date if dated else postgresql.TIMESTAMP)
        for bound in (_FIRST, _LAST)
    )
    if name == "add":
        low, high = operated("sub", first, start), operated("sub", last, start)
    else:
        low, high = operated("sub", start, last), operated("sub", start, first)
    narrow = sa.cast(step, sa.Integer) if dated else step
    moved = operated(name, start, narrow)
    if not dated:
        moved = sa.func.timezone(text_literal("UTC"), moved)
    return sa.case((step.between(low, high), moved))


def _days(micros: Element) -> Element:
    """Whole days, as Python has them: -PT1S is a day back."""
    rest = operated("mod", micros, number(DAY))
    floored = operated("div", operated("sub", micros, rest), number(DAY))
    return sa.case((rest < number(0), operated("sub", floored, number(1))), else_=floored)


def _interval(micros: Element) -> Element:
    days = sa.cast(operated("div", micros, number(DAY)), sa.Integer)
    rest = sa.cast(operated("mod", micros, number(DAY)), _DOUBLE)
    seconds = operated("div", rest, sa.literal_column("1e6::float8", _DOUBLE))
    none = [number(0)] * 3
    return sa.func.make_interval(
        *none, days, number(0), number(0), seconds, type_=postgresql.INTERVAL()
    )


def _difference(name: str, args: list[Element], kinds: list[Kind]) -> Element:
    if kinds[0].name == "duration":
        wide = operated(name, *(sa.cast(arg, sa.Numeric()) for arg in args))
        within = wide.between(number(INT_MIN), number(INT_MAX))
        return sa.case((within, sa.cast(wide, sa.BigInteger)))
    if kinds[0].name == "date":
        days = sa.cast(operated(name, *args), sa.BigInteger)
        return operated("mul", days, number(DAY))
    apart = operated(name, *(_plain(arg, kind) for arg, kind in zip(args, kinds, strict=True)))
    days = sa.cast(sa.func.date_part(text_literal("day"), apart), sa.BigInteger)
    within_day = operated("sub", apart, sa.func.date_trunc(text_literal("day"), apart))
    seconds = sa.func.date_part(text_literal("epoch"), within_day, type_=_DOUBLE)
    micros = sa.func.round(operated("mul", seconds, sa.literal_column("1e6::float8", _DOUBLE)))
    whole = operated("mul", days, number(DAY))
    return operated("add", whole, sa.cast(micros, sa.BigInteger))
