"""The functions of values and the aggregates, as expressions: a row each.

Whole numbers are reckoned with as decimals, whose 34 digits hold what may leave 64 bits; what has
no place in its kind is null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from bson import Decimal128, Int64

from abaft.model.functions import HUGE, SUMMED, TIMED, TINY, places
from abaft.model.kinds import INT_MAX, INT_MIN, Kind, Number
from abaft.store.mongo.times import times

Expression = Any
Body = Callable[[list[Kind], Kind], Expression]
"""Makes the expression of $$a0, $$a1…, none of which is null, by their kinds and the result's."""


def call(name: str, args: list[Expression], kinds: list[Kind], result: Kind) -> Expression:
    """A function's value, null where an argument is."""
    given = {f"a{place}": arg for place, arg in enumerate(args)}
    there = [{"$ne": [f"$${name}", None]} for name in given]
    body = FUNCTIONS[name](kinds, result)
    return {"$let": {"vars": given, "in": {"$cond": [{"$and": there}, body, None]}}}


def _let(value: Expression, found: Expression) -> Expression:
    return {"$let": {"vars": {"x": value}, "in": found}}


def _decimal(text: str | int) -> Decimal128:
    return Decimal128(Decimal(text))


def _within(value: Expression, low: Any, high: Any, found: Expression) -> Expression:
    """What is made of $$x, the value, where it is from `low` to `high`."""
    between = {"$and": [{"$gte": ["$$x", low]}, {"$lte": ["$$x", high]}]}
    return _let(value, {"$cond": [between, found, None]})


def whole(value: Expression) -> Expression:
    """A decimal as an integer, where it is within 64 bits."""
    return _within(value, _decimal(INT_MIN), _decimal(INT_MAX), {"$toLong": "$$x"})


def _exact(value: Expression, result: Kind) -> Expression:
    """A decimal, or an integer, where its kind has a place for it."""
    if not isinstance(result, Number):
        return whole(value)
    beyond = Decimal(10) ** (result.digits - result.places)
    fits = {"$lt": [{"$abs": "$$x"}, Decimal128(beyond)]}
    return _let(value, {"$cond": [fits, "$$x", None]})


def real(value: Expression, kind: Kind) -> Expression:
    """The float of a number."""
    size = 10 ** places(kind)
    if not isinstance(kind, Number):
        return {"$toDouble": value}
    return {"$divide": [{"$toDouble": {"$multiply": [value, _decimal(size)]}}, float(size)]}


def _calm(value: Expression) -> Expression:
    size = {"$abs": value}
    within = {"$and": [{"$gt": [size, TINY]}, {"$lt": [size, HUGE]}]}
    return {"$or": [{"$eq": [value, 0.0]}, within]}


def _float(operator: str, kinds: list[Kind]) -> Expression:
    left, right = (real(f"$$a{place}", kind) for place, kind in enumerate(kinds))
    checks = [_calm("$$l"), _calm("$$r")]
    if operator == "$divide":
        checks.append({"$ne": ["$$r", 0.0]})
    found = {"$add": [{operator: ["$$l", "$$r"]}, 0.0]}
    safe = {"$cond": [{"$and": checks}, found, None]}
    return {"$let": {"vars": {"l": left, "r": right}, "in": safe}}


def _arithmetic(name: str, operator: str) -> Body:
    def body(kinds: list[Kind], result: Kind) -> Expression:
        if result.name in TIMED:
            return times(name, kinds, result)
        if result.name == "float":
            return _float(operator, kinds)
        sides = [{"$toDecimal": "$$a0"}, {"$toDecimal": "$$a1"}]
        return _exact({operator: sides}, result)

    return body


def _remainder(kinds: list[Kind], result: Kind) -> Expression:
    return {"$cond": [{"$eq": ["$$a1", 0]}, None, {"$toLong": {"$mod": ["$$a0", "$$a1"]}}]}


def _signed(operator: str, more: list[Any]) -> Body:
    """The number by one of its own: less than nothing, or its size."""

    def body(kinds: list[Kind], result: Kind) -> Expression:
        if result.name == "float":
            given = {operator: ["$$a0", *([-1.0] if more else [])]}
            return {"$add": [given, 0.0]}
        return _exact({operator: [{"$toDecimal": "$$a0"}, *more]}, result)

    return body


def _rounded(operator: str, plus: str) -> Body:
    def body(kinds: list[Kind], result: Kind) -> Expression:
        kind = kinds[0]
        if kind.name == "integer":
            return "$$a0"
        if kind.name == "float":
            found = {operator: {"$add": ["$$a0", float(plus)]}}
            fits = {"$and": [{"$gte": ["$$x", -(2.0**63)]}, {"$lt": ["$$x", 2.0**63]}]}
            return _let(found, {"$cond": [fits, {"$toLong": "$$x"}, None]})
        return whole({operator: {"$add": ["$$a0", _decimal(plus)]}})

    return body


def _part(start: int, size: int, of_time: int = 0) -> Body:
    """So many characters of the text; a time of day begins with its hour."""

    def body(kinds: list[Kind], result: Kind) -> Expression:
        first = of_time if kinds[0].name == "time" else start
        return {"$toLong": {"$substrBytes": ["$$a0", first, size]}}

    return body


def _quarter(kinds: list[Kind], result: Kind) -> Expression:
    later = {"$add": [_part(5, 2)(kinds, result), 2]}
    return {"$toLong": {"$floor": {"$divide": [later, 3]}}}


def _weekday(kinds: list[Kind], result: Kind) -> Expression:
    parts = {"year": (0, 4), "month": (5, 2), "day": (8, 2)}
    day = {
        name: {"$toInt": {"$substrBytes": ["$$a0", start, size]}}
        for name, (start, size) in parts.items()
    }
    return {"$toLong": {"$isoDayOfWeek": {"$dateFromParts": day}}}


def _size(value: Expression, most: Expression) -> Expression:
    """How many characters are taken, of at most so many."""
    return {"$toInt": {"$max": [0, {"$min": [value, most]}]}}


def _left(kinds: list[Kind], result: Kind) -> Expression:
    return {"$substrCP": ["$$a0", 0, _size("$$a1", 2**31 - 1)]}


def _right(kinds: list[Kind], result: Kind) -> Expression:
    size = {"$strLenCP": "$$a0"}
    found = {"$substrCP": ["$$a0", {"$toInt": {"$subtract": [size, "$$x"]}}, "$$x"]}
    return _let(_size("$$a1", size), found)


def _replace(kinds: list[Kind], result: Kind) -> Expression:
    replaced = {"$replaceAll": {"input": "$$a0", "find": "$$a1", "replacement": "$$a2"}}
    return {"$cond": [{"$eq": ["$$a1", ""]}, "$$a0", replaced]}


def _plain(expression: Expression) -> Body:
    return lambda kinds, result: expression


FUNCTIONS: Mapping[str, Body] = {
    "lower": _plain({"$toLower": "$$a0"}),
    "upper": _plain({"$toUpper": "$$a0"}),
    "trim": _plain({"$trim": {"input": "$$a0", "chars": " "}}),
    "length": _plain({"$toLong": {"$strLenCP": "$$a0"}}),
    "left": _left,
    "right": _right,
    "replace": _replace,
    "concat": _plain({"$concat": ["$$a0", "$$a1"]}),
    "year": _part(0, 4),
    "month": _part(5, 2),
    "quarter": _quarter,
    "day": _part(8, 2),
    "hour": _part(11, 2, 0),
    "minute": _part(14, 2, 3),
    "second": _part(17, 2, 6),
    "weekday": _weekday,
    "date": _plain({"$substrBytes": ["$$a0", 0, 10]}),
    "add": _arithmetic("add", "$add"),
    "sub": _arithmetic("sub", "$subtract"),
    "mul": _arithmetic("mul", "$multiply"),
    "div": _arithmetic("div", "$divide"),
    "mod": _remainder,
    "neg": _signed("$multiply", [_decimal(-1)]),
    "float": lambda kinds, result: {"$add": [real("$$a0", kinds[0]), 0.0]},
    "floor": _rounded("$floor", "0"),
    "ceil": _rounded("$ceil", "0"),
    "round": _rounded("$floor", "0.5"),
    "abs": _signed("$abs", []),
}

Group = dict[str, Expression]
Reduction = Callable[[Expression, Kind | None, Kind, str], tuple[Group, Expression]]
"""The accumulators of a value, by names that begin so, and what is made of them."""


def reduced(
    name: str, value: Expression, kind: Kind | None, result: Kind, prefix: str = "a"
) -> tuple[Group, Expression]:
    """An aggregate: what a group gathers, and what comes of it."""
    return REDUCTIONS[name](value, kind, result, prefix)


def counted_as(name: str) -> Any:
    """What an aggregate over nothing is."""
    return Int64(0) if name in ("count", "distinct") else None


def _known(value: Expression) -> Expression:
    return {"$sum": {"$cond": [{"$eq": [value, None]}, 0, 1]}}


def _count(value: Expression, kind: Kind | None, result: Kind, prefix: str) -> Any:
    found = {"$sum": 1} if kind is None else _known(value)
    return {prefix: found}, {"$toLong": f"${prefix}"}


def _distinct(value: Expression, kind: Kind | None, result: Kind, prefix: str) -> Any:
    there = {"$setDifference": [f"${prefix}", [None]]}
    return {prefix: {"$addToSet": value}}, {"$toLong": {"$size": there}}


def _summed(value: Expression, kind: Kind | None, prefix: str) -> Group:
    assert kind is not None
    # Of no value there is no sum; null itself is left out by $sum.
    if kind.name == "float":
        size = {f"{prefix}m": {"$max": {"$abs": value}}}
        return {prefix: {"$sum": value}, f"{prefix}n": _known(value), **size}
    return {prefix: {"$sum": {"$toDecimal": value}}, f"{prefix}n": _known(value)}


def _shown(found: Expression, kind: Kind | None, prefix: str) -> Expression:
    """Null of no value, and of floats where one is too large."""
    none: Expression = {"$eq": [f"${prefix}n", 0]}
    if kind is not None and kind.name == "float":
        none = {"$or": [none, {"$gte": [f"${prefix}m", SUMMED]}]}
    return {"$cond": [none, None, found]}


def _sum(value: Expression, kind: Kind | None, result: Kind, prefix: str) -> Any:
    total = f"${prefix}"
    of_floats = result.name == "float"
    found = {"$add": [total, 0.0]} if of_floats else _exact({"$toDecimal": total}, result)
    return _summed(value, kind, prefix), _shown(found, kind, prefix)


def _average(value: Expression, kind: Kind | None, result: Kind, prefix: str) -> Any:
    found = {"$divide": [{"$toDouble": f"${prefix}"}, f"${prefix}n"]}
    return _summed(value, kind, prefix), _shown(found, kind, prefix)


def _extreme(name: str) -> Reduction:
    def made(value: Expression, kind: Kind | None, result: Kind, prefix: str) -> Any:
        return {prefix: {f"${name}": value}}, {"$ifNull": [f"${prefix}", None]}

    return made


REDUCTIONS: Mapping[str, Reduction] = {
    "count": _count,
    "distinct": _distinct,
    "sum": _sum,
    "avg": _average,
    "min": _extreme("min"),
    "max": _extreme("max"),
}
