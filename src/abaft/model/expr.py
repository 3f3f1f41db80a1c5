"""Expressions over a record: the one language of rules, `where=`, filters and checks.

Truth has two values on every engine, as in Python: a comparison with null is false, but for
`==` and `!=`, where null equals null and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from abaft.model.kinds import Kind

Operator = Literal["eq", "ne", "gt", "ge", "lt", "le", "contains", "startswith", "endswith"]

OPPOSITE: dict[str, Operator] = {"eq": "ne", "ne": "eq"}


@dataclass(frozen=True, slots=True)
class Hop:
    """A step through a to-one relation; `guard` is what the reached record must satisfy."""

    relation: str
    guard: Expr | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A field's value, reached from the record of scope number `scope` through `hops`.

    `mask` is a condition on the field's own record: where it fails the value counts as null.
    """

    name: str
    hops: tuple[Hop, ...] = ()
    scope: int = 0
    mask: Expr | None = None


@dataclass(frozen=True, slots=True)
class Const:
    """A value known when the plan is made; True and False are the constant conditions.

    `kind` is only needed where the value isn't compared with one that has a kind.
    """

    value: Any
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Param:
    """A value bound at each request; with `many`, a list of them."""

    name: str
    kind: Kind
    many: bool = False


@dataclass(frozen=True, slots=True)
class ActorId:
    """The key of who asks, or of their tenant, as a value of the kind that it is compared with."""

    kind: Kind
    name: Literal["me", "tenant"] = "me"


OF_ACTOR = ("me", "tenant")
"""Parameters whose values are written keys: of who asks, and of their tenant."""


@dataclass(frozen=True, slots=True)
class Call:
    """The value of a function: a row of `functions.FUNCTIONS`, with the kind of its result."""

    name: str
    args: tuple[Value, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Choose:
    """One value where a condition holds, another where it doesn't."""

    where: Expr
    then: Value
    otherwise: Value
    kind: Kind


@dataclass(frozen=True, slots=True)
class Reduce:
    """An aggregate over a to-many relation's records that satisfy `where`, in whose scope the
    record is the last; `value` is None for a count. The guards are as those of Exists.
    """

    name: str
    relation: str
    value: Value | None
    where: Expr
    kind: Kind
    hops: tuple[Hop, ...] = ()
    scope: int = 0
    guard: Expr | None = None
    link_guard: Expr | None = None


@dataclass(frozen=True, slots=True)
class ActorRole:
    """Whether who asks has a role, or a mark of base/actor; "": whether nobody has logged in."""

    role: str


@dataclass(frozen=True, slots=True)
class Compare:
    """`left` op `right`; with `nocase`, letters A-Z and a-z count as the same."""

    op: Operator
    left: Value
    right: Value
    nocase: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """Whether a value is among others."""

    left: Value
    right: Value
    nocase: bool = False


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether a value is absent."""

    left: Value


@dataclass(frozen=True, slots=True)
class And:
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Or:
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Not:
    item: Expr


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether a record of a to-many relation satisfies `where`, in whose scope it is the last.

    `guard` is a condition on that record alone, as a rule states it; `link_guard` one on the record
    of the linking model between.
    """

    relation: str
    where: Expr
    hops: tuple[Hop, ...] = ()
    scope: int = 0
    guard: Expr | None = None
    link_guard: Expr | None = None


@dataclass(frozen=True, slots=True)
class Beyond:
    """Whether a row of columns comes after a row of values, all ascending or all descending."""

    left: tuple[Value, ...]
    right: tuple[Param, ...]
    descending: bool


Value = Column | Const | Param | ActorId | Call | Choose | Reduce
Expr = Compare | OneOf | IsNull | And | Or | Not | Exists | Beyond | Const | ActorRole

TRUE = Const(True)
FALSE = Const(False)


def all_of(items: Iterable[Expr]) -> Expr:
    """The conjunction, with constants folded."""
    kept: list[Expr] = []
    for item in items:
        if item == FALSE:
            return FALSE
        if item != TRUE and item not in kept:
            kept.append(item)
    return TRUE if not kept else kept[0] if len(kept) == 1 else And(tuple(kept))


def any_of(items: Iterable[Expr]) -> Expr:
    """The disjunction, with constants folded."""
    kept: list[Expr] = []
    for item in items:
        if item == TRUE:
            return TRUE
        if item != FALSE and item not in kept:
            kept.append(item)
    return FALSE if not kept else kept[0] if len(kept) == 1 else Or(tuple(kept))


def negate(item: Expr) -> Expr:
    """The complement, with constants and double negation folded."""
    if isinstance(item, Const):
        return Const(not item.value)
    return item.item if isinstance(item, Not) else Not(item)


def rewrite(expr: Expr, change: Callable[[Any], Any]) -> Expr:
    """The tree with `change` applied to each node, leaves first, and constants folded."""
    return _rewrite(expr, change)  # type: ignore[no-any-return]


def _rewrite(node: Any, change: Callable[[Any], Any]) -> Any:
    match node:
        case And(items):
            return change(all_of(_rewrite(item, change) for item in items))
        case Or(items):
            return change(any_of(_rewrite(item, change) for item in items))
        case Not(item):
            return change(negate(_rewrite(item, change)))
        case Compare(op, left, right, nocase):
            return change(Compare(op, _rewrite(left, change), _rewrite(right, change), nocase))
        case OneOf(left, right, nocase):
            return change(OneOf(_rewrite(left, change), _rewrite(right, change), nocase))
        case IsNull(left):
            return change(IsNull(_rewrite(left, change)))
        case Exists(relation, where, hops, scope, guard, link_guard):
            inner = _rewrite(where, change)
            return change(Exists(relation, inner, hops, scope, guard, link_guard))
        case Call(name, args, kind):
            return change(Call(name, tuple(_rewrite(arg, change) for arg in args), kind))
        case Choose(where, then, otherwise, kind):
            test, one, other = (_rewrite(part, change) for part in (where, then, otherwise))
            return change(Choose(test, one, other, kind))
        case Reduce(value=value, where=where):
            of = None if value is None else _rewrite(value, change)
            return change(replace(node, value=of, where=_rewrite(where, change)))
    return change(node)


def rewrite_value(value: Value, change: Callable[[Any], Any]) -> Value:
    """The same for a value."""
    return _rewrite(value, change)  # type: ignore[no-any-return]
