"""The rows of functions and aggregates that all SQL databases write alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from abaft.model.functions import DIGITS, HUGE, SUMMED, TINY
from abaft.model.kinds import INT_MAX, INT_MIN, Kind, Number
from abaft.store.sql.dialect import Element, Function, Reduction, number

Ranged = Callable[[Element, Kind], Element]

_OPERATORS: dict[str, Callable[[Any, Any], Element]] = {
    "add": lambda a, b: a.op("+")(b),
    "sub": lambda a, b: a.op("-")(b),
    "mul": lambda a, b: a.op("*")(b),
    "div": lambda a, b: a.op("/")(b),
    "mod": lambda a, b: a.op("%")(b),
}


def remainder(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    """Null where the divisor is zero."""
    return operated("mod", args[0], sa.func.nullif(args[1], number(0), type_=sa.BigInteger()))


def plain(name: str, type_: Any) -> Function:
    """A function that the database has under a name."""

    def make(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        return getattr(sa.func, name)(*args, type_=type_())  # type: ignore[no-any-return]

    return make


def operated(name: str, left: Element, right: Element) -> Element:
    """Two numbers by an operator, in parentheses."""
    return _OPERATORS[name](left.self_group(), right.self_group()).self_group()


def real(text: str) -> Element:
    """A constant float."""
    return sa.literal_column(text, sa.Float)


def calm(element: Element) -> Element:
    """Whether a float is within what products are made of."""
    size = sa.func.abs(element)
    within = sa.and_(size > real(repr(TINY)), size < real(repr(HUGE)))
    return sa.or_(element == real("0.0"), within)


def float_operated(name: str, left: Element, right: Element) -> Element:
    """Two floats by an operator, null where the result might have no place."""
    checks = [calm(left), calm(right)]
    if name == "div":
        checks.append(right != real("0.0"))
    # Adding zero turns -0.0 into 0.0.
    return sa.case((sa.and_(*checks), operated(name, left, right).op("+")(real("0.0"))))


def joined(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    return args[0].self_group().concat(args[1].self_group()).self_group()


def arithmetic(make: Callable[[str], Function]) -> dict[str, Function]:
    """The rows of two numbers; null where the divisor is zero."""
    rows = {name: make(name) for name in ("add", "sub", "mul", "div")}
    return {**rows, "mod": remainder}


def rounding(make: Callable[[str], Function]) -> dict[str, Function]:
    return {name: make(name) for name in ("floor", "ceil", "round")}


def within_range(element: Element, result: Kind) -> Element:
    """An exact number of any size as its kind, null where it has left its range."""
    if isinstance(result, Number):
        most = power(DIGITS - result.places)
        kept = sa.cast(element, sa.Numeric(result.digits, result.places))
        return sa.case((sa.func.abs(element) < most, kept))
    within = element.between(number(INT_MIN), number(INT_MAX))
    return sa.case((within, sa.cast(element, sa.BigInteger)))


def counted(element: Element, kind: Kind | None, result: Kind) -> Element:
    """How many records, or of how many the value isn't null."""
    return sa.func.count() if kind is None else sa.func.count(element)


def distinct(element: Element, kind: Kind | None, result: Kind) -> Element:
    """How many values that differ."""
    return sa.func.count(sa.distinct(element))


def extreme(name: str) -> Reduction:
    """min or max."""

    def make(element: Element, kind: Kind | None, result: Kind) -> Element:
        return getattr(sa.func, name)(element, type_=element.type)  # type: ignore[no-any-return]

    return make


def within_sums(element: Element, reduce: Callable[[Element], Element]) -> Element:
    """The sum or average of floats, null where it might have no place."""
    size = sa.func.abs(element)
    most = real(repr(SUMMED))
    # Engines reckon all aggregates first, and may fail at it: what is too large is left out.
    reckoned = reduce(sa.case((size < most, element)))
    return sa.case((sa.func.max(size) < most, reckoned))


def total(double: Any, wide: Any) -> Reduction:
    """The sum, of exact numbers as a `wide` one, which has no end."""

    def make(element: Element, kind: Kind | None, result: Kind) -> Element:
        if result.name == "float":
            return within_sums(element, lambda some: sa.func.sum(some, type_=double))
        return within_range(sa.func.sum(element, type_=wide), result)

    return make


def mean(double: Any, summed: Reduction, real: Ranged) -> Reduction:
    """The average, of exact numbers by their exact sum."""

    def make(element: Element, kind: Kind | None, result: Kind) -> Element:
        assert kind is not None
        if kind.name == "float":
            return within_sums(element, lambda some: sa.func.avg(some, type_=double))
        whole = real(summed(element, kind, kind), kind)
        return operated("div", whole, sa.func.nullif(sa.func.count(element), number(0)))

    return make


def reductions(summed: Reduction, averaged: Reduction) -> dict[str, Reduction]:
    """The rows of aggregates, of which the databases have these two each in their own way."""
    return {
        "count": counted,
        "distinct": distinct,
        "sum": summed,
        "avg": averaged,
        "min": extreme("min"),
        "max": extreme("max"),
    }


def power(places: int) -> Element:
    return number(10**places)


_MOST = 2**31 - 1


def cut(name: str) -> Function:
    """The first or last characters: `name` is the database's function of (text, size)."""

    def make(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        text, size = args
        within = sa.case((size > number(_MOST), number(_MOST)), else_=size)
        found = getattr(sa.func, name)(text, sa.cast(within, sa.Integer), type_=sa.Text())
        empty = sa.and_(size <= number(0), text.is_not(None))
        return sa.case((empty, sa.literal_column("''", sa.Text())), else_=found)

    return make


def quarter(month: Function) -> Function:
    """By the month."""

    def make(args: list[Element], kinds: list[Kind], result: Kind) -> Element:
        later = operated("add", month(args, kinds, result), number(2))
        return operated("div", later, number(3))

    return make
