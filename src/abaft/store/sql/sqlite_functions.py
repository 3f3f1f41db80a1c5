"""SQLite's rows of functions and aggregates.

Times are text of fixed width, so their parts are parts of it. Decimals are integers, so many to
the unit; what leaves 64 bits becomes a float, by which it is noticed.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from abaft.model.functions import DIGITS, TIMED, places
from abaft.model.kinds import Kind, Number
from abaft.store.sql.dialect import Element, Function, number, text_literal
from abaft.store.sql.functions import (
    arithmetic,
    float_operated,
    joined,
    operated,
    plain,
    power,
    quarter,
    real,
    reductions,
    rounding,
    within_sums,
)
from abaft.store.sql.sqlite_times import times

_HALF = 2**32


def _whole(element: Element, result: Kind) -> Element:
    """The integer, null where it has left its range."""
    fits = sa.func.typeof(element) == text_literal("integer")
    if isinstance(result, Number):
        most = power(DIGITS)
        fits = sa.and_(fits, element < most, element > -most)
    return sa.case((fits, element))


def _real(element: Element, kind: Kind) -> Element:
    found = sa.cast(element, sa.REAL)
    if isinstance(kind, Number):
        return found.op("/")(sa.literal_column(f"1e{kind.places}", sa.Float)).self_group()
    return found


def _scaled(element: Element, kind: Kind, wanted: int) -> Element:
    """An exact number at so many digits after the point."""
    missing = wanted - places(kind)
    return operated("mul", element, power(missing)) if missing else element


def _arithmetic(name: str) -> Function:
    def make(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        if result.name in TIMED:
            return times(name, args, kinds, result)
        if result.name == "float":
            left, right = (_real(arg, kind) for arg, kind in zip(args, kinds, strict=True))
            return float_operated(name, left, right)
        if name != "mul":
            wanted = places(result)
            args = [_scaled(arg, kind, wanted) for arg, kind in zip(args, kinds, strict=True)]
        return _whole(operated(name, *args), result)

    return make


def _negated(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    negative = operated("sub", number(0), args[0])
    return negative if result.name == "float" else _whole(negative, result)


def _absolute(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    # abs() itself fails for the least integer.
    size = sa.case((args[0] < number(0), operated("sub", number(0), args[0])), else_=args[0])
    return size if result.name == "float" else _whole(size, result)


def _part(start: int, size: int, of_time: int | None = None) -> Function:
    """So many characters of the text; a time of day begins with its hour."""

    def make(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        first = of_time if of_time is not None and kinds[0].name == "time" else start
        return sa.cast(sa.func.substr(args[0], number(first), number(size)), sa.Integer)

    return make


def _weekday(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    day = sa.func.substr(args[0], number(1), number(10))
    return sa.cast(sa.func.strftime(text_literal("%u"), day), sa.Integer)


def _date(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    return sa.func.substr(args[0], number(1), number(10), type_=sa.Text())


def _right(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    text, size = args
    found = sa.func.substr(text, operated("sub", number(0), size), type_=sa.Text())
    empty = sa.and_(size <= number(0), text.is_not(None))
    whole = (size >= sa.func.length(text), text)
    return sa.case((empty, text_literal("")), whole, else_=found)


def _left(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    size = sa.func.max(args[1], number(0))
    return sa.func.substr(args[0], number(1), size, type_=sa.Text())


def _floor(element: Element) -> Element:
    """Of a float within 64 bits; a cast cuts towards zero."""
    whole = sa.cast(element, sa.Integer)
    lower = sa.case((element < whole, operated("sub", whole, number(1))), else_=whole)
    within = sa.and_(
        element >= real("-9223372036854775808.0"), element < real("9223372036854775808.0")
    )
    return sa.case((within, lower))


def _rounded(name: str) -> Function:
    def make(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        kind = kinds[0]
        if kind.name == "float":
            if name == "ceil":
                return _whole(
                    operated("sub", number(0), _floor(operated("sub", real("0.0"), args[0]))),
                    result,
                )
            return _floor(operated("add", args[0], real("0.5")) if name == "round" else args[0])
        size = 10 ** places(kind)
        more = {"floor": 0, "ceil": size - 1, "round": size // 2}[name]
        if not places(kind):
            return args[0]
        moved = operated("add", args[0], number(more))
        rest = operated(
            "mod", operated("add", operated("mod", moved, number(size)), number(size)), number(size)
        )
        return operated("div", operated("sub", moved, rest), number(size))

    return make


FUNCTIONS: dict[str, Function] = {
    "lower": plain("lower", sa.Text),
    "upper": plain("upper", sa.Text),
    "trim": plain("trim", sa.Text),
    "length": plain("length", sa.Integer),
    "left": _left,
    "right": _right,
    "replace": plain("replace", sa.Text),
    "concat": joined,
    "year": _part(1, 4),
    "month": _part(6, 2),
    "quarter": quarter(_part(6, 2)),
    "day": _part(9, 2),
    "hour": _part(12, 2, of_time=1),
    "minute": _part(15, 2, of_time=4),
    "second": _part(18, 2, of_time=7),
    "weekday": _weekday,
    "date": _date,
    **arithmetic(_arithmetic),
    "neg": _negated,
    "float": lambda args, kinds, result: _real(args[0], kinds[0]),
    **rounding(_rounded),
    "abs": _absolute,
}


def _sum(element: Element, kind: Kind | None, result: Kind) -> Element:
    if result.name == "float":
        return within_sums(element, lambda some: sa.func.sum(some, type_=sa.Float()))
    # sum() itself fails where it leaves 64 bits; of two halves, neither does.
    group = element.self_group()
    high = sa.func.sum(group.op(">>")(number(32)), type_=sa.Integer())
    low = sa.func.sum(group.op("&")(number(_HALF - 1)), type_=sa.Integer())
    return _whole(operated("add", operated("mul", high, number(_HALF)), low), result)


def _average(element: Element, kind: Kind | None, result: Kind) -> Element:
    assert kind is not None
    if kind.name == "float":
        return within_sums(element, lambda some: sa.func.avg(some, type_=sa.Float()))
    exact: Any = _sum(element, kind, kind)
    count = sa.cast(sa.func.count(element), sa.REAL)
    return operated("div", _real(exact, kind), count)


REDUCTIONS = reductions(_sum, _average)
