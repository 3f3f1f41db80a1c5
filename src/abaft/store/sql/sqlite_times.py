"""Sums and differences of times on SQLite, where datetimes and dates are text."""

from __future__ import annotations

import sqlalchemy as sa

from abaft.model.kinds import Kind
from abaft.store.sql.dialect import Element, number, text_literal
from abaft.store.sql.functions import operated

MICROS, DAY = 1_000_000, 86_400
FIRST, LAST = -62_135_596_800, 253_402_300_800
"""The seconds at which the years 1 and 10,000 begin."""


def _seconds(element: Element) -> Element:
    """Of a datetime or date, without its fraction."""
    return sa.func.unixepoch(sa.func.substr(element, number(1), number(19)), type_=sa.Integer())


def _micros(element: Element, kind: Kind) -> Element:
    if kind.name == "duration":
        return element
    whole = operated("mul", _seconds(element), number(MICROS))
    if kind.name == "date":
        return whole
    fraction = sa.cast(sa.func.substr(element, number(21), number(6)), sa.Integer)
    return operated("add", whole, fraction)


def _rest(element: Element, divisor: int) -> Element:
    """The remainder, which is never below zero."""
    rest = operated("mod", element, number(divisor))
    return operated("mod", operated("add", rest, number(divisor)), number(divisor))


def _floored(element: Element, divisor: int) -> Element:
    return operated("div", operated("sub", element, _rest(element, divisor)), number(divisor))


def times(name: str, args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    """The sum or difference, null beyond the years 1 to 9999."""
    if result.name == "date":
        return _date(name, args, kinds)
    found = operated(name, *(_micros(arg, kind) for arg, kind in zip(args, kinds, strict=True)))
    if result.name == "duration":
        # What leaves 64 bits becomes a float.
        fits = sa.func.typeof(found) == text_literal("integer")
        return found if kinds[0].name != "duration" else sa.case((fits, found))
    within = found.between(number(FIRST * MICROS), number(LAST * MICROS - 1))
    format_ = text_literal("%Y-%m-%dT%H:%M:%S.")
    shown = sa.func.strftime(format_, _floored(found, MICROS), text_literal("unixepoch"))
    digits = sa.func.format(text_literal("%06d"), _rest(found, MICROS), type_=sa.Text())
    whole = sa.type_coerce(shown, sa.Text()).concat(digits).concat(text_literal("Z"))
    return sa.case((within, whole))


def _date(name: str, args: list[Element], kinds: list[Kind]) -> Element:
    """A day and whole days, as Python has it: -PT1S is a day back."""
    if kinds[0].name == "duration":
        args = args[::-1]
    days = operated("mul", _floored(args[1], DAY * MICROS), number(DAY))
    found = operated(name, _seconds(args[0]), days)
    within = found.between(number(FIRST), number(LAST - 1))
    return sa.case((within, sa.func.date(found, text_literal("unixepoch"), type_=sa.Text())))
