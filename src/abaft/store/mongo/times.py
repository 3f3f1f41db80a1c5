"""Sums and differences of times, which are text here: reckoned with in microseconds since 1970."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bson import Decimal128, Int64

from abaft.model.kinds import INT_MAX, INT_MIN, Kind

Expression = Any
MICROS, DAY = 1_000_000, 86_400
FIRST, LAST = -62_135_596_800, 253_402_300_800
"""The seconds at which the years 1 and 10,000 begin."""
_PARTS = {"year": (0, 4), "month": (5, 2), "day": (8, 2)}
_CLOCK = {"hour": (11, 2), "minute": (14, 2), "second": (17, 2)}


def _number(text: Expression, start: int, size: int) -> Expression:
    return {"$toInt": {"$substrBytes": [text, start, size]}}


def _micros(text: Expression, kind: Kind) -> Expression:
    """As a decimal, which can't overflow."""
    if kind.name == "duration":
        return {"$toDecimal": text}
    parts = _PARTS | (_CLOCK if kind.name == "datetime" else {})
    made = {name: _number(text, *place) for name, place in parts.items()}
    whole = {"$multiply": [{"$toDecimal": {"$toLong": {"$dateFromParts": made}}}, Int64(1000)]}
    if kind.name == "date":
        return whole
    return {"$add": [whole, {"$toDecimal": _number(text, 20, 6)}]}


def times(name: str, kinds: list[Kind], result: Kind) -> Expression:
    """The sum or difference of $$a0 and $$a1, null beyond the years 1 to 9999."""
    operator = {"add": "$add", "sub": "$subtract"}[name]
    args = ["$$a0", "$$a1"]
    if result.name == "date":
        return _date(operator, args, kinds)
    found = {operator: [_micros(arg, kind) for arg, kind in zip(args, kinds, strict=True)]}
    if result.name == "duration":
        return _between(found, INT_MIN, INT_MAX, {"$toLong": "$$x"})
    return _between(found, FIRST * MICROS, LAST * MICROS - 1, _text("$$x"))


def _between(value: Expression, low: int, high: int, found: Expression) -> Expression:
    least, most = Decimal128(Decimal(low)), Decimal128(Decimal(high))
    within = {"$and": [{"$gte": ["$$x", least]}, {"$lte": ["$$x", most]}]}
    return {"$let": {"vars": {"x": value}, "in": {"$cond": [within, found, None]}}}


def _floored(value: Expression, divisor: int) -> Expression:
    return {"$toLong": {"$floor": {"$divide": [{"$toDecimal": value}, Int64(divisor)]}}}


def _shown(seconds: Expression, format_: str) -> Expression:
    date = {"$toDate": {"$multiply": [seconds, Int64(1000)]}}
    return {"$dateToString": {"date": date, "format": format_}}


def _text(micros: Expression) -> Expression:
    seconds = _floored(micros, MICROS)
    rest = {"$subtract": [{"$toLong": micros}, {"$multiply": ["$$w", Int64(MICROS)]}]}
    # One digit more, so that there are always as many.
    digits = {"$substrBytes": [{"$toString": {"$add": [rest, Int64(MICROS)]}}, 1, 6]}
    whole = {"$concat": [_shown("$$w", "%Y-%m-%dT%H:%M:%S"), ".", digits, "Z"]}
    return {"$let": {"vars": {"w": seconds}, "in": whole}}


def _date(operator: str, args: list[str], kinds: list[Kind]) -> Expression:
    """A day and whole days, as Python has it: -PT1S is a day back."""
    if kinds[0].name == "duration":
        args, kinds = args[::-1], kinds[::-1]
    days = {"$multiply": [_floored(args[1], DAY * MICROS), Int64(DAY)]}
    seconds = {"$divide": [_micros(args[0], kinds[0]), Int64(MICROS)]}
    found = {operator: [seconds, {"$toDecimal": days}]}
    shown = _shown({"$toLong": "$$x"}, "%Y-%m-%d")
    return _between(found, FIRST, LAST - 1, shown)
