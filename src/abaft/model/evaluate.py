"""The reference: what an expression means, in plain Python. Every engine is compared with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from abaft.base.actor import ANONYMOUS, Actor
from abaft.model import expr as e
from abaft.model.functions import FUNCTIONS, reduce
from abaft.model.kinds import Kind
from abaft.model.spec import DELETED

_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def evaluate(
    expr: e.Expr,
    records: Sequence[Any],
    actor: Actor | None = None,
    params: Mapping[str, Any] | None = None,
) -> bool:
    """Whether the condition holds for the last of `records`, the innermost scope."""
    return _Evaluator(actor or ANONYMOUS, params or {}).holds(expr, list(records))


def evaluate_value(value: e.Value, records: Sequence[Any]) -> Any:
    """The value, for the last of `records`."""
    return _Evaluator(ANONYMOUS, {}).value(value, list(records))


class _Evaluator:
    def __init__(self, actor: Actor, params: Mapping[str, Any]) -> None:
        self.actor = actor
        self.params = params

    def holds(self, expr: e.Expr, scopes: list[Any]) -> bool:
        match expr:
            case e.Const(value):
                return bool(value)
            case e.ActorRole(role):
                return self.actor.holds(role) if role else self.actor.anonymous
            case e.And(items):
                return all(self.holds(item, scopes) for item in items)
            case e.Or(items):
                return any(self.holds(item, scopes) for item in items)
            case e.Not(item):
                return not self.holds(item, scopes)
            case e.IsNull(left):
                return self.value(left, scopes) is None
            case e.Compare():
                return self.compare(expr, scopes)
            case e.OneOf(left, right, nocase):
                nocase = nocase or self.nocase(left, scopes)
                found = fold(self.value(left, scopes), nocase)
                options = self.value(right, scopes)
                return found is not None and found in [fold(item, nocase) for item in options]
            case e.Exists(relation, where, hops, scope, guard):
                owner = self.reach(scopes[scope], hops)
                items = getattr(owner, relation) if owner is not None else ()
                return any(
                    (guard is None or self.holds(guard, [item]))
                    and self.holds(where, [*scopes, item])
                    for item in items
                )
            case e.Beyond(left, right, descending):
                folds = [self.nocase(column, scopes) for column in left]
                mine = self.row(left, folds, scopes)
                theirs = self.row(right, folds, scopes)
                return bool(mine < theirs if descending else mine > theirs)
        raise TypeError(f"not a condition: {expr!r}")

    def compare(self, node: e.Compare, scopes: list[Any]) -> bool:
        if isinstance(node.right, e.ActorId) and self.value(node.right, scopes) is None:
            return node.op == "ne"
        sides = (node.left, node.right)
        nocase = node.nocase or any(self.nocase(side, scopes) for side in sides)
        left, right = (fold(self.value(side, scopes), nocase) for side in sides)
        if isinstance(node.right, e.ActorId) and left is not None:
            left = node.right.kind.spell(left)
        return compare(node.op, left, right)

    def row(self, nodes: Sequence[e.Value], folds: list[bool], scopes: list[Any]) -> list[Any]:
        pairs = zip(nodes, folds, strict=True)
        return [fold(self.value(node, scopes), nocase) for node, nocase in pairs]

    def value(self, node: e.Value, scopes: list[Any]) -> Any:
        match node:
            case e.Const(value):
                return value
            case e.Param(name):
                return self.params[name]
            case e.ActorId(name=name):
                return self.actor.id if name == "me" else self.actor.tenant
            case e.Call(name, args, kind):
                return self.call(name, args, kind, scopes)
            case e.Choose(where, then, otherwise):
                return self.value(then if self.holds(where, scopes) else otherwise, scopes)
            case e.Reduce():
                return self.reduce(node, scopes)
        record = self.reach(scopes[node.scope], node.hops)
        if record is None or (node.mask is not None and not self.holds(node.mask, [record])):
            return None
        if node.name == DELETED and node.name not in record.__dict__:
            # A record made by hand is there.
            return None
        value = getattr(record, node.name)
        if hasattr(type(value), "__written__"):
            return value.__key__[0]
        return value.value if isinstance(value, Enum) else value

    def call(self, name: str, args: tuple[e.Value, ...], kind: Kind, scopes: list[Any]) -> Any:
        values = [self.value(arg, scopes) for arg in args]
        if any(value is None for value in values):
            return None
        return FUNCTIONS[name].run(*values, kind)

    def reduce(self, node: e.Reduce, scopes: list[Any]) -> Any:
        owner = self.reach(scopes[node.scope], node.hops)
        items = [
            item
            for item in (getattr(owner, node.relation) if owner is not None else ())
            if (node.guard is None or self.holds(node.guard, [item]))
            and self.holds(node.where, [*scopes, item])
        ]
        if node.value is None:
            return len(items)
        found = [self.value(node.value, [*scopes, item]) for item in items]
        return reduce(node.name, [value for value in found if value is not None], node.kind)

    def nocase(self, node: e.Value, scopes: list[Any]) -> bool:
        """Whether the value is a field's whose every comparison is blind to case."""
        if not isinstance(node, e.Column):
            return False
        model = getattr(type(self.reach(scopes[node.scope], node.hops)), "__spec__", None)
        return model is not None and node.name in model.fields and model.fields[node.name].nocase

    def reach(self, record: Any, hops: Sequence[e.Hop]) -> Any:
        for hop in hops:
            record = getattr(record, hop.relation) if record is not None else None
            if record is not None and hop.guard is not None and not self.holds(hop.guard, [record]):
                return None
        return record


def compare(op: e.Operator, left: Any, right: Any) -> bool:
    """The meaning of each operator, null included."""
    if op == "eq":
        return bool(left == right)
    if op == "ne":
        return bool(left != right)
    if left is None or right is None:
        return False
    match op:
        case "gt":
            return bool(left > right)
        case "ge":
            return bool(left >= right)
        case "lt":
            return bool(left < right)
        case "le":
            return bool(left <= right)
        case "contains":
            return right in left
        case "startswith":
            return bool(left.startswith(right))
        case "endswith":
            return bool(left.endswith(right))


def fold(value: Any, nocase: bool) -> Any:
    """The value as comparisons see it; `nocase` folds A-Z alone, as every engine can."""
    if isinstance(value, datetime):
        return value
    return value.translate(_ASCII_LOWER) if nocase and isinstance(value, str) else value
