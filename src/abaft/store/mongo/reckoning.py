"""What a write assigns, operators reckoned: one writes at a time, so Python does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from abaft.model.documents import dump_json
from abaft.plan.operators import BOUNDS, OPERATORS, bounds
from abaft.plan.types import WritePlan

Stored = Mapping[str, Any]


def result_of(plan: WritePlan, stored: Stored, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the assigned fields become; None where a sum has no place in its kind."""
    found = {}
    for name in plan.assigned:
        operator, operand = plan.operators.get(name), values[f"set.{name}"]
        found[name] = operand if operator is None else _applied(operator, stored[name], operand)
    return found


def _applied(operator: str, stored: Any, operand: Any) -> Any:
    listed = operator in ("append", "remove") and not isinstance(stored, list | None)
    try:
        return OPERATORS[operator].apply([stored] if listed else stored, operand)
    except (OverflowError, ArithmeticError):
        return None


def limits(plan: WritePlan, stored: Stored, values: Mapping[str, Any]) -> dict[str, bool]:
    """Whether what operators make is within each limit."""
    found: dict[str, bool] = {}
    results = result_of(plan, stored, values) if plan.operators else {}
    for name, operator in plan.operators.items():
        if name not in plan.assigned:
            continue
        kind = plan.model.fields[name].kind
        if operator == "increment":
            for limit, bound in bounds(kind).items():
                holds = _holds(limit, results[name], bound, values[f"set.{name}"])
                found[f"limit.{name}.{limit}"] = holds
        elif operator == "append" and kind.name == "json":
            size = len(dump_json(results[name]).encode())
            found[f"limit.{name}.bytes"] = size <= plan.most_bytes
    return found


def _holds(limit: str, result: Any, bound: Any, operand: Any) -> bool:
    if result is None:
        # Beyond all that can be reckoned with, on the side to which the operand goes.
        up = operand > type(operand)()
        return bool(up != (limit in ("le", "lt")))
    return BOUNDS[limit][2](result, bound)
