"""Sums and differences of times on MySQL and MariaDB, where durations are microseconds."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from abaft.model.kinds import INT_MAX, INT_MIN, Kind
from abaft.store.sql.dialect import Element, number
from abaft.store.sql.functions import operated
from abaft.store.sql.mysql_compiler import Moment

DAY = 86_400_000_000
_WIDE: Any = sa.Numeric(20, 0)
_FIRST = {"datetime": "TIMESTAMP'0001-01-01 00:00:00'", "date": "DATE'0001-01-01'"}
_LAST = {"datetime": "TIMESTAMP'9999-12-31 23:59:59.999999'", "date": "DATE'9999-12-31'"}


class _Moved(FunctionElement[Any]):
    """An instant or a day, and so many units later."""

    name = "abaft_moved"
    inherit_cache = False

    def __init__(self, start: Any, amount: Any, unit: str, type_: Any) -> None:
        super().__init__(start, amount)
        self.unit, self.type = unit, type_


@compiles(_Moved)
def _moved(element: _Moved, compiler: Any, **options: Any) -> str:
    start, amount = (compiler.process(clause, **options) for clause in element.clauses)
    return f"date_add({start}, INTERVAL ({amount}) {element.unit})"


def _apart(start: Element, end: Element) -> Element:
    """The microseconds from one to the other."""
    unit: Any = sa.literal_column("MICROSECOND")
    return sa.func.timestampdiff(unit, start, end, type_=sa.BigInteger())


def _since(start: Element, end: Element, dated: bool) -> Element:
    return sa.func.datediff(end, start) if dated else _apart(start, end)


def times(name: str, args: list[Element], kinds: list[Kind], result: Kind) -> Element:
    """The sum or difference, null beyond the years 1 to 9999."""
    if result.name == "duration":
        return _difference(name, args, kinds)
    if kinds[0].name == "duration":
        args = args[::-1]
    start, dated = args[0], result.name == "date"
    step = _days(args[1]) if dated else args[1]
    first: Element = sa.literal_column(_FIRST[result.name])
    last: Element = sa.literal_column(_LAST[result.name])
    back, ahead = _since(first, start, dated), _since(start, last, dated)
    if name == "sub":
        step = operated("sub", number(0), sa.cast(step, _WIDE))
    low = operated("sub", number(0), back)
    unit, type_ = ("DAY", sa.Date()) if dated else ("MICROSECOND", Moment())
    moved = _Moved(start, sa.cast(step, sa.BigInteger), unit, type_)
    return sa.case((sa.and_(step >= low, step <= ahead), moved))


def _days(micros: Element) -> Element:
    """Whole days, as Python has them: -PT1S is a day back."""
    rest = operated("mod", micros, number(DAY))
    whole = operated("sub", micros, rest).op("DIV")(number(DAY)).self_group()
    return sa.case((rest < number(0), operated("sub", whole, number(1))), else_=whole)


def _difference(name: str, args: list[Element], kinds: list[Kind]) -> Element:
    if kinds[0].name == "duration":
        wide = operated(name, *(sa.cast(arg, _WIDE) for arg in args))
        within = wide.between(number(INT_MIN), number(INT_MAX))
        return sa.case((within, sa.cast(wide, sa.BigInteger)))
    if kinds[0].name == "date":
        return operated("mul", sa.func.datediff(*args), number(DAY))
    return _apart(args[1], args[0])
