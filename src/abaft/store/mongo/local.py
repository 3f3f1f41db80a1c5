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


def _own(expr: e.Expr | e.Value) -> dict[str, Kind]:
    """The kinds of the keys of the actor and their tenant, where the condition is by them."""
    found: dict[str, Kind] = {}

    def look(part: object) -> object:
        if isinstance(part, e.Param) and part.name in e.OF_ACTOR:
            found[part.name] = part.kind
        if isinstance(part, e.Column) and part.mask is not None:
            e.rewrite(part.mask, look)
        return part

    e.rewrite(expr, look)  # type: ignore[arg-type]
    return found


def local(expr: e.Expr) -> Holds:
    """What holds the condition against a record, given the parameters."""
    if expr == e.TRUE:
        return lambda record, values: True
    kinds = _own(expr)

    def holds(record: Any, values: Mapping[str, Any]) -> bool:
        own = {name: own_key(kind)(values[name]) for name, kind in kinds.items()}
        return evaluate(expr, [record], params={**values, **own} if own else values)

    return holds


def local_value(value: e.Value) -> Callable[[Any], Any]:
    """What reckons a value of a record."""
    return lambda record: evaluate_value(value, [record])
