"""PostgreSQL's rows of functions and aggregates.

What would leave its range raises there, so it is worked out as numeric and held against the range.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from abaft.model.functions import TIMED
from abaft.model.kinds import Kind, Number
from abaft.store.sql.dialect import Element, Function, number, text_literal
from abaft.store.sql.functions import (
    arithmetic,
    cut,
    float_operated,
    joined,
    mean,
    operated,
    power,
    quarter,
    real,
    reductions,
    rounding,
    total,
    within_range,
)
from abaft.store.sql.postgres_times import times

_NUMERIC: Any = sa.Numeric()
_DOUBLE: Any = postgresql.DOUBLE_PRECISION()


def _text(name: str, type_: Any = None) -> Function:
    """A function of text by code point, which letters beyond A-Z pass unchanged."""

    def make(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        binary = [sa.collate(arg.self_group(), "C") for arg in args]
        return getattr(sa.func, name)(*binary, type_=type_ or sa.Text())  # type: ignore[no-any-return]

    return make


def _arithmetic(name: str) -> Function:
    def make(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        if result.name in TIMED:
            return times(name, args, kinds, result)
        if result.name == "float":
            return float_operated(name, *(sa.cast(arg, _DOUBLE) for arg in args))
        return within_range(operated(name, *(sa.cast(arg, _NUMERIC) for arg in args)), result)

    return make


def _real(element: Element, kind: Kind) -> Element:
    """As SQLite does it: a decimal is an integer, divided."""
    if not isinstance(kind, Number):
        return sa.cast(element, _DOUBLE)
    whole = sa.cast(operated("mul", element, power(kind.places)), _DOUBLE)
    return operated("div", whole, sa.literal_column(f"1e{kind.places}::float8", _DOUBLE))


def _negated(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    if result.name == "float":
        return operated("sub", sa.literal_column("0.0::float8", _DOUBLE), args[0])
    return within_range(operated("sub", number(0), sa.cast(args[0], _NUMERIC)), result)


def _absolute(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    if result.name == "float":
        return sa.func.abs(args[0], type_=_DOUBLE)
    return within_range(sa.func.abs(sa.cast(args[0], _NUMERIC), type_=_NUMERIC), result)


def _local(element: Element, kind: Kind) -> Element:
    """An instant as the clock shows it in UTC; a day or a time of day is as it is."""
    if kind.name == "datetime":
        return sa.func.timezone(text_literal("UTC"), element)
    return element


def _part(name: str) -> Function:
    def make(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        found = sa.func.date_part(text_literal(name), _local(args[0], kinds[0]))
        return sa.cast(sa.func.trunc(found), sa.BigInteger)

    return make


def _date(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    return sa.cast(_local(args[0], kinds[0]), sa.Date)


def _rounded(name: str) -> Function:
    def make(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        if kinds[0].name == "integer":
            return args[0]
        step = sa.func.ceil if name == "ceil" else sa.func.floor
        if kinds[0].name == "decimal":
            half = sa.literal_column("0.5", _NUMERIC)
            return within_range(
                step(operated("add", args[0], half) if name == "round" else args[0]), result
            )
        half = sa.literal_column("0.5::float8", _DOUBLE)
        found = operated("add", args[0], half) if name == "round" else args[0]
        # By way of numeric it would lose digits.
        within = sa.and_(
            found >= real("-9223372036854775808.0"), found < real("9223372036854775808.0")
        )
        return sa.case((within, sa.cast(step(found), sa.BigInteger)))

    return make


FUNCTIONS: dict[str, Function] = {
    "lower": _text("lower"),
    "upper": _text("upper"),
    "trim": _text("btrim"),
    "length": _text("length", sa.BigInteger()),
    "left": cut("left"),
    "right": cut("right"),
    "replace": _text("replace"),
    "concat": joined,
    "year": _part("year"),
    "month": _part("month"),
    "quarter": quarter(_part("month")),
    "day": _part("day"),
    "hour": _part("hour"),
    "minute": _part("minute"),
    "second": _part("second"),
    "weekday": _part("isodow"),
    "date": _date,
    **arithmetic(_arithmetic),
    "neg": _negated,
    "float": lambda args, kinds, result: _real(args[0], kinds[0]),
    **rounding(_rounded),
    "abs": _absolute,
}


_SUM = total(_DOUBLE, _NUMERIC)
REDUCTIONS = reductions(_SUM, mean(_DOUBLE, _SUM, lambda element, kind: sa.cast(element, _DOUBLE)))
