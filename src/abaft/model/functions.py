"""The functions of values: what each takes and gives, and what it means in plain Python.

Every function is total. Null in gives null out, and so does a result that has no place in its
kind: a number over its range, a division by zero. A compiler has one row for each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from abaft.model.kinds import INT_MAX, INT_MIN, Float, Integer, Kind, Number, Text
from abaft.model.times import MICROSECOND, Date, DateTime, Duration

DIGITS = 18
HUGE, TINY = 1e150, 1e-150
"""Products and quotients of floats beyond these are null: no engine overflows within them."""
SUMMED = 1e290
"""Sums and averages with a float beyond this are null: of 10^18 below it they have a place."""

TEXT = frozenset({"text", "email", "url"})
NUMBERS = frozenset({"integer", "float", "decimal"})
DAYS = frozenset({"date", "datetime"})
CLOCKS = frozenset({"time", "datetime"})
TIMED = frozenset({"date", "datetime", "duration"})
WHOLE = frozenset({"integer"})


class NoSuchKind(ValueError):
    """The function doesn't take values of these kinds; says what it takes."""


Result = Callable[[Sequence[Kind]], Kind]


@dataclass(frozen=True, slots=True)
class Function:
    """A row of the table: the names of kinds that each argument may have, and what comes out."""

    name: str
    takes: tuple[frozenset[str], ...]
    result: Result
    run: Callable[..., Any]
    """Called with (values…, kind of the result); never with a null."""
    help: str
    operator: str = ""

    def kind(self, kinds: Sequence[Kind]) -> Kind:
        """The kind of the result. Raises NoSuchKind for arguments that it doesn't take."""
        if len(kinds) != len(self.takes):
            raise NoSuchKind(f"{self.name} takes {_counted(len(self.takes))}, not {len(kinds)}")
        for kind, names in zip(kinds, self.takes, strict=True):
            if kind.name not in names:
                raise NoSuchKind(f"{self.name} takes {' or '.join(sorted(names))}, not {kind.name}")
        return self.result(kinds)


def _counted(number: int) -> str:
    return "1 value" if number == 1 else f"{number} values"


def _text(kinds: Sequence[Kind]) -> Kind:
    return Text()


def _integer(kinds: Sequence[Kind]) -> Kind:
    return Integer()


def _date(kinds: Sequence[Kind]) -> Kind:
    return Date()


def places(kind: Kind) -> int:
    """The digits after the point of an exact number."""
    return kind.places if isinstance(kind, Number) else 0


def _sum_kind(kinds: Sequence[Kind]) -> Kind:
    return _arithmetic(kinds, max(map(places, kinds)))


def _time_kind(name: str, left: str, right: str) -> Kind | None:
    """The kind of a sum or difference of times, None where there is none such."""
    if right == "duration":
        return {"datetime": DateTime(), "date": Date(), "duration": Duration()}.get(left)
    if name == "add":
        return _time_kind(name, right, left) if left == "duration" else None
    return Duration() if left == right and left in DAYS else None


def _timed(name: str) -> Result:
    def kind(kinds: Sequence[Kind]) -> Kind:
        left, right = (kind.name for kind in kinds)
        if not {left, right} & TIMED:
            return _sum_kind(kinds)
        found = _time_kind(name, left, right)
        if found is None:
            raise NoSuchKind(f"{name} doesn't take {left} and {right}")
        return found

    return kind


def _product_kind(kinds: Sequence[Kind]) -> Kind:
    return _arithmetic(kinds, sum(map(places, kinds)))


def _arithmetic(kinds: Sequence[Kind], digits: int) -> Kind:
    names = {kind.name for kind in kinds}
    if names == {"float", "decimal"}:
        raise NoSuchKind("a float and a decimal don't mix, as in Python")
    if "float" in names:
        return Float()
    if "decimal" not in names:
        return Integer()
    if digits > DIGITS:
        raise NoSuchKind(f"the result would have {digits} decimal places; {DIGITS} is the most")
    return Number(places=digits, digits=DIGITS)


def _quotient_kind(kinds: Sequence[Kind]) -> Kind:
    return Float()


def fitting(value: Any, kind: Kind) -> Any:
    """The number where its kind has a place for it, else None."""
    if isinstance(kind, Duration):
        return value if INT_MIN <= value // MICROSECOND <= INT_MAX else None
    if isinstance(kind, Float):
        return value + 0.0 if math.isfinite(value) else None
    if isinstance(kind, Number):
        fits = abs(value) < Decimal(10) ** (kind.digits - kind.places)
        return value.quantize(Decimal(1).scaleb(-kind.places)) if fits else None
    return value if INT_MIN <= value <= INT_MAX else None


def _calm(*values: Any) -> bool:
    """Whether floats are within what products are made of."""
    return all(value == 0 or TINY < abs(value) < HUGE for value in values)


def _run(operate: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def run(left: Any, right: Any, result: Kind) -> Any:
        if isinstance(result, Float):
            left, right = float(left), float(right)
            return fitting(operate(left, right), result) if _calm(left, right) else None
        if isinstance(result, Number):
            left, right = Decimal(left), Decimal(right)
        if isinstance(result, (DateTime, Date)):
            return _moment(operate, left, right)
        return fitting(operate(left, right), result)

    return run


def _moment(operate: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    try:
        return operate(left, right)
    except OverflowError:
        return None


def _remainder(left: int, right: int, result: Kind) -> int | None:
    """With the sign of the dividend, as SQL has it."""
    if right == 0:
        return None
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _divide(left: Any, right: Any, result: Kind) -> Any:
    left, right = float(left), float(right)
    return left / right + 0.0 if right != 0 and _calm(left, right) else None


def _negate(value: Any, result: Kind) -> Any:
    return fitting(-value, result)


def _absolute(value: Any, result: Kind) -> Any:
    return fitting(abs(value), result)


def _real(value: Any, result: Kind) -> float:
    """The nearest float, of a decimal as engines reckon it."""
    if isinstance(value, Decimal):
        scale = -int(value.as_tuple().exponent)
        return float(int(value.scaleb(scale))) / 10.0**scale + 0.0
    return float(value)


def _rounded(plus: float, step: Callable[[Any], int]) -> Callable[..., Any]:
    def run(value: Any, result: Kind) -> int | None:
        more = Decimal(str(plus)) if isinstance(value, Decimal) else plus
        return fitting(step(value if isinstance(value, int) else value + more), result)  # type: ignore[no-any-return]

    return run


def _quarter(value: Any, *_: Any) -> int:
    return (int(_utc(value).month) + 2) // 3


def _right(text: str, size: int, *_: Any) -> str:
    return text[-size:] if size > 0 else ""


def _replace(text: str, old: str, new: str, *_: Any) -> str:
    return text.replace(old, new) if old else text


_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _part(name: str, kinds: frozenset[str], help_: str) -> Function:
    def run(value: Any, *_: Any) -> Any:
        found = getattr(_utc(value), name)
        return found() if callable(found) else found

    shown = "weekday" if name == "isoweekday" else name
    return Function(shown, (kinds,), _integer, run, help_)


def _day(value: Any, *_: Any) -> date:
    return _utc(value).date()  # type: ignore[no-any-return]


NUMBER = (NUMBERS,)
ADDED = (NUMBERS | TIMED,) * 2
FUNCTIONS = {
    row.name: row
    for row in (
        Function("lower", (TEXT,), _text, lambda v, *_: v.translate(_LOWER), "A-Z as a-z"),
        Function("upper", (TEXT,), _text, lambda v, *_: v.translate(_UPPER), "a-z as A-Z"),
        Function("trim", (TEXT,), _text, lambda v, *_: v.strip(" "), "without spaces around"),
        Function("length", (TEXT,), _integer, lambda v, *_: len(v), "how many characters"),
        Function(
            "left",
            (TEXT, WHOLE),
            _text,
            lambda v, n, *_: v[: max(n, 0)],
            "so many of the first characters",
        ),
        Function("right", (TEXT, WHOLE), _text, _right, "so many of the last characters"),
        Function(
            "replace",
            (TEXT,) * 3,
            _text,
            _replace,
            "the first text with every second one made the third",
        ),
        Function("concat", (TEXT, TEXT), _text, lambda a, b, *_: a + b, "both texts, joined"),
        _part("year", DAYS, "the year, in UTC"),
        _part("month", DAYS, "the month, 1 to 12"),
        Function("quarter", (DAYS,), _integer, _quarter, "the quarter, 1 to 4"),
        _part("day", DAYS, "the day of the month"),
        _part("isoweekday", DAYS, "1 (Monday) to 7 (Sunday)"),
        _part("hour", CLOCKS, "the hour, in UTC"),
        _part("minute", CLOCKS, "the minute"),
        _part("second", CLOCKS, "the second, without its fraction"),
        Function("date", (frozenset({"datetime"}),), _date, _day, "the day, in UTC"),
        Function("add", ADDED, _timed("add"), _run(lambda a, b: a + b), "the sum", "+"),
        Function("sub", ADDED, _timed("sub"), _run(lambda a, b: a - b), "the difference", "-"),
        Function("mul", NUMBER * 2, _product_kind, _run(lambda a, b: a * b), "the product", "*"),
        Function("div", NUMBER * 2, _quotient_kind, _divide, "the quotient, a float", "/"),
        Function("mod", (WHOLE, WHOLE), _integer, _remainder, "the rest of a division", "%"),
        Function("neg", NUMBER, _sum_kind, _negate, "the number with its sign changed", "-"),
        Function("float", NUMBER, _quotient_kind, _real, "the number as a float"),
        Function("floor", NUMBER, _integer, _rounded(0, math.floor), "the next integer below"),
        Function("ceil", NUMBER, _integer, _rounded(0, math.ceil), "the next integer above"),
        Function(
            "round",
            NUMBER,
            _integer,
            _rounded(0.5, math.floor),
            "the nearest integer, the upper of two",
        ),
        Function("abs", NUMBER, _sum_kind, _absolute, "the number without its sign"),
    )
}

REDUCTIONS = ("count", "distinct", "sum", "avg", "min", "max")


def reduced_kind(name: str, kind: Kind | None) -> Kind:
    """The kind of an aggregate over values of a kind. Raises NoSuchKind."""
    if name == "count":
        return Integer()
    if kind is not None and name == "distinct" and kind.name not in ("json", "binary"):
        return Integer()
    if kind is None:
        raise NoSuchKind(f"{name} takes a value: {name}(field)")
    if name in ("sum", "avg"):
        if kind.name not in NUMBERS:
            raise NoSuchKind(f"{name} takes {' or '.join(sorted(NUMBERS))}, not {kind.name}")
        if name == "avg":
            return Float()
        return Number(places=kind.places, digits=DIGITS) if isinstance(kind, Number) else kind.own
    if not kind.ordered or kind.name in ("boolean", "uuid"):
        raise NoSuchKind(f"{name} takes what has an order, not {kind.name}")
    return kind.own


def reduce(name: str, values: Sequence[Any], kind: Kind) -> Any:
    """The aggregate of values, of which the nulls are left out; `kind` is the result's."""
    if name == "count":
        return len(values)
    if name == "distinct":
        return len(set(values))
    if not values:
        return None
    if name in ("min", "max"):
        return min(values) if name == "min" else max(values)
    if any(isinstance(value, float) and abs(value) >= SUMMED for value in values):
        return None
    if name == "avg":
        return float(sum(values)) / len(values)
    return fitting(sum(values), kind)
