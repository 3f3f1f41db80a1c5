"""MySQL's and MariaDB's rows of functions and aggregates.

What would leave its range raises there, so it is worked out as DECIMAL and held against the range.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from abaft.model.functions import TIMED
from abaft.model.kinds import Kind, Number
from abaft.store.sql.dialect import Element, Function, number
from abaft.store.sql.functions import (
    arithmetic,
    cut,
    float_operated,
    joined,
    mean,
    operated,
    plain,
    power,
    real,
    reductions,
    rounding,
    total,
    within_range,
)
from abaft.store.sql.mysql_columns import lowered, raised
from abaft.store.sql.mysql_times import times

_DOUBLE: Any = mysql.DOUBLE()
_WIDE: Any = sa.Numeric(20, 0)


def _exact(element: Element, kind: Kind) -> Element:
    """A number whose sums and products have no end."""
    return element if isinstance(kind, Number) else sa.cast(element, _WIDE)


def _arithmetic(name: str) -> Function:
    def make(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        if result.name in TIMED:
            return times(name, args, kinds, result)
        both = zip(args, kinds, strict=True)
        if result.name == "float":
            return float_operated(name, *(_real(arg, kind) for arg, kind in both))
        return within_range(operated(name, *(_exact(arg, kind) for arg, kind in both)), result)

    return make


def _real(element: Element, kind: Kind) -> Element:
    """As SQLite does it: a decimal is an integer, divided."""
    if not isinstance(kind, Number):
        return sa.cast(element, _DOUBLE)
    whole = sa.cast(operated("mul", element, power(kind.places)), _DOUBLE)
    return operated("div", whole, sa.literal_column(f"1e{kind.places}", _DOUBLE))


def _negated(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    if result.name == "float":
        return operated("sub", real("0e0"), args[0])
    return within_range(operated("sub", number(0), _exact(args[0], kinds[0])), result)


def _absolute(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    if result.name == "float":
        return sa.func.abs(args[0], type_=_DOUBLE)
    return within_range(sa.func.abs(_exact(args[0], kinds[0]), type_=_WIDE), result)


def _part(name: str) -> Function:
    return plain(name, sa.BigInteger)


def _weekday(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    return operated("add", sa.func.weekday(args[0]), number(1))


def _rounded(name: str) -> Function:
    def make(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        if kinds[0].name == "integer":
            return args[0]
        step = sa.func.ceiling if name == "ceil" else sa.func.floor
        if kinds[0].name == "decimal":
            half = sa.literal_column("0.5", sa.Numeric(2, 1))
            moved = operated("add", args[0], half) if name == "round" else args[0]
            return within_range(step(moved), result)
        moved = operated("add", args[0], real("0.5e0")) if name == "round" else args[0]
        low, high = (real(f"{sign}9223372036854775808e0") for sign in ("-", ""))
        within = sa.and_(moved >= low, moved < high)
        return sa.case((within, sa.cast(step(moved), sa.BigInteger)))

    return make


FUNCTIONS: dict[str, Function] = {
    "lower": lambda args, kinds, result: lowered(args[0]),
    "upper": lambda args, kinds, result: raised(args[0]),
    "trim": plain("trim", sa.Text),
    "length": plain("length", sa.BigInteger),
    "left": cut("left"),
    "right": cut("right"),
    "replace": plain("replace", sa.Text),
    "concat": joined,
    "year": _part("year"),
    "month": _part("month"),
    "quarter": _part("quarter"),
    "day": _part("dayofmonth"),
    "hour": _part("hour"),
    "minute": _part("minute"),
    "second": _part("second"),
    "weekday": _weekday,
    "date": lambda args, kinds, result: sa.cast(args[0], sa.Date),
    **arithmetic(_arithmetic),
    "neg": _negated,
    "float": lambda args, kinds, result: _real(args[0], kinds[0]),
    **rounding(_rounded),
    "abs": _absolute,
}


_SUM = total(_DOUBLE, _WIDE)
REDUCTIONS = reductions(_SUM, mean(_DOUBLE, _SUM, _real))
