"""The operators of a PATCH: what each makes of a stored value, in plain Python.

Databases do the same in the statement itself, so that none is lost among many at once.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, get_origin

from abaft.base.errors import Problem
from abaft.model.documents import dump_json, same_json
from abaft.model.kinds import INT_MAX, Integer, Kind, Number
from abaft.model.spec import Model
from abaft.model.times import MICROSECOND

Apply = Callable[[Any, Any], Any]

NUMBERS = frozenset({"integer", "float", "decimal", "duration"})
ORDERED = NUMBERS | {"datetime", "date", "time"}
LISTS = frozenset({"list", "many"})


@dataclass(frozen=True, slots=True)
class Operator:
    """A row of the table: the forms of value it takes, and its result for (stored, operand).

    With `limited` the operand is held to the field's limits, else the result alone.
    """

    name: str
    takes: frozenset[str]
    apply: Apply
    limited: bool = True


def _without(stored: Any, items: Any) -> Any:
    """Null has nothing to be removed, and stays."""
    if stored is None:
        return None
    return [item for item in stored if not any(same_json(item, other) for other in items)]


_ROWS = (
    Operator(
        "increment",
        NUMBERS,
        lambda stored, operand: operand if stored is None else stored + operand,
        limited=False,
    ),
    Operator("min", ORDERED, lambda stored, o: o if stored is None else min(stored, o)),
    Operator("max", ORDERED, lambda stored, o: o if stored is None else max(stored, o)),
    Operator("append", LISTS, lambda stored, items: [*(stored or []), *items]),
    Operator("remove", LISTS, _without),
)
OPERATORS: Mapping[str, Operator] = {row.name: row for row in _ROWS}
SET = "set"
"""Takes the operand as it is, for whatever may be written."""

BOUNDS: Mapping[str, tuple[str, str, Callable[[Any, Any], bool]]] = {
    "ge": ("greater_than_equal", "greater than or equal to", operator.ge),
    "gt": ("greater_than", "greater than", operator.gt),
    "le": ("less_than_equal", "less than or equal to", operator.le),
    "lt": ("less_than", "less than", operator.lt),
}


def form_of(model: Model, name: str) -> str:
    """What an operator takes a member for: the name of its kind, `list` or `many`."""
    if name in model.many:
        return "many"
    kind = model.fields[name].kind
    declared = getattr(kind, "type", None)
    is_list = kind.name == "json" and (declared is list or get_origin(declared) is list)
    return "list" if is_list else kind.name


def operators_for(model: Model, name: str) -> list[Operator]:
    """The rows that take this member; of what nobody may read nothing is reckoned."""
    field = model.fields.get(name)
    if field is not None and (field.hidden or field.relation or held_otherwise(field.kind)):
        return []
    form = form_of(model, name)
    return [row for row in _ROWS if form in row.takes]


def held_otherwise(kind: Kind) -> bool:
    """Whether an existing column holds it in a form in which a sum might not be exact."""
    return kind.stored != "" and kind.name != "integer"


def extent(kind: Kind) -> tuple[Any, Any]:
    """The least and the greatest number that the kind holds."""
    match kind:
        case Number():
            most = Decimal(10**kind.digits - 1).scaleb(-kind.places)
            return -most, most
        case _ if kind.name == "float":
            return -sys.float_info.max, sys.float_info.max
        case _ if kind.name == "duration":
            return -INT_MAX * MICROSECOND, INT_MAX * MICROSECOND
    assert isinstance(kind, Integer)
    return kind.span


def bounds(kind: Kind) -> dict[str, Any]:
    """What a result is held to: the field's limits, and what its kind holds."""
    least, most = extent(kind)
    limits = {name: _fitting(kind, name, value) for name, value in kind.limits if name in BOUNDS}
    limits["ge"] = max(limits.get("ge", least), least)
    limits["le"] = min(limits.get("le", most), most)
    return limits


def _fitting(kind: Kind, name: str, limit: Any) -> Any:
    """The limit as a value of the kind that parts the values in the same way."""
    if kind.name == "float":
        return float(limit)
    if kind.name == "duration":
        return limit
    scale = 10 ** (kind.places if isinstance(kind, Number) else 0)
    shifted = Decimal(limit) * scale
    whole = math.ceil(shifted) if name in ("ge", "lt") else math.floor(shifted)
    return Decimal(whole) / scale if isinstance(kind, Number) else whole


def problem(model: Model, name: str, operator_: str, limit: str) -> Problem:
    """What is told where the result isn't within this limit."""
    pointer = f"/{name}/{operator_}"
    if limit not in BOUNDS:
        return Problem(pointer, "too_long", "the list would take more bytes than a body may have")
    code, words, _ = BOUNDS[limit]
    kind = model.fields[name].kind
    return Problem(pointer, code, f"the result should be {words} {kind.show(bounds(kind)[limit])}")


def broken(model: Model, name: str, operator_: str, result: Any, most_bytes: int) -> list[Problem]:
    """The limits that a result isn't within."""
    form = form_of(model, name)
    passed: list[str] = []
    if form in NUMBERS and operator_ == "increment":
        limits = bounds(model.fields[name].kind)
        passed = [limit for limit, value in limits.items() if not BOUNDS[limit][2](result, value)]
    elif form == "list" and result is not None and len(dump_json(result).encode()) > most_bytes:
        passed = ["bytes"]
    return [problem(model, name, operator_, limit) for limit in passed]
