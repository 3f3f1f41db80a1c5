"""Conditions that ask of nothing but the record at hand: held against it without the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from abaft.model import expr as e
from abaft.model.evaluate import evaluate, evaluate_value
from abaft.model.kinds import Kind, own_key

Holds = Callable[[Any, Mapping[str, Any]], bool]


def is_local(node: e.Expr | e.Value) -> bool:
    """Whether it looks at no other record."""
    far = False

    def look(part: object) -> object:
        nonlocal far
        if isinstance(part, (e.Exists, e.Reduce)):
            far = True
        if isinstance(part, e.Column):
            far = far or bool(part.hops)
            if part.mask is not None:
                far = far or not is_local(part.mask)
        return part

    e.rewrite(node, look)  # type: ignore[arg-type]
    return not far


def _own(expr: e.Expr | e.Value) -> Kind | None:
    """The kind of the actor's key, where the condition is by it."""
    found: list[Kind] = []

    def look(part: object) -> object:
        if isinstance(part, e.Param) and part.name == "me":
            found.append(part.kind)
        if isinstance(part, e.Column) and part.mask is not None:
            e.rewrite(part.mask, look)
        return part

    e.rewrite(expr, look)  # type: ignore[arg-type]
    return found[0] if found else None


def local(expr: e.Expr) -> Holds:
    """What holds the condition against a record, given the parameters."""
    if expr == e.TRUE:
        return lambda record, values: True
    kind = _own(expr)

    def holds(record: Any, values: Mapping[str, Any]) -> bool:
        known = values if kind is None else {**values, "me": own_key(kind)(values["me"])}
        return evaluate(expr, [record], params=known)

    return holds


def local_value(value: e.Value) -> Callable[[Any], Any]:
    """What reckons a value of a record."""
    return lambda record: evaluate_value(value, [record])
