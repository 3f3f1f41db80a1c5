"""A path of names through relations becomes a column, and each to-many relation an `exists`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from abaft.base.errors import nearest
from abaft.language.faults import bad
from abaft.language.operators import Operator
from abaft.model import expr as e
from abaft.model.spec import Field, Model, Schema
from abaft.plan.resolve import visible


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a path ends in: a field's value, or those that hold a relation's key.

    `depth` is how many scopes there are at that place.
    """

    name: str
    depth: int
    values: tuple[e.Value, ...]
    fields: tuple[Field, ...]

    def written(self, operator: Operator, parts: Sequence[e.Value]) -> e.Expr:
        """The comparison of a relation that several fields hold with the parts of a key."""
        pairs = zip(self.values, parts, strict=True)
        same = e.all_of(e.Compare("eq", value, part) for value, part in pairs)
        return e.negate(same) if operator.name == "ne" else same

    @property
    def null(self) -> e.Expr:
        return e.any_of(e.IsNull(value) for value in self.values)


@dataclass(frozen=True, slots=True)
class Start:
    """Where a path begins: a record's model and scope, and the next scope's number."""

    model: Model
    scope: int = 0
    next: int = 1


@dataclass(frozen=True, slots=True)
class Members:
    """A to-many relation: where its records are reached from, and the names behind it."""

    relation: str
    target: Model
    hops: tuple[e.Hop, ...]
    scope: int
    rest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Paths:
    """Follows paths; `depth` is how many relations may stand in a row."""

    schema: Schema
    depth: int

    def follow(
        self,
        start: Start,
        names: tuple[str, ...],
        finish: Callable[[Leaf], e.Expr],
        at: int | None = None,
        null: bool | None = None,
    ) -> e.Expr:
        """The condition that `finish` makes of the path's end, of one record of each `Many`.

        With `null` given, a path that ends in a `Many` asks whether it has no records, or some.
        """
        if len(names) - 1 > self.depth:
            shown = ".".join(names)[:80]
            bad(at, "filter_too_deep", f"{shown!r} goes through too many relations in a row")
        return self._follow(start, names, (), finish, at, null)

    def _follow(
        self,
        start: Start,
        names: tuple[str, ...],
        hops: tuple[e.Hop, ...],
        finish: Callable[[Leaf], e.Expr],
        at: int | None,
        null: bool | None,
    ) -> e.Expr:
        model, (name, *more) = start.model, names
        rest = tuple(more)
        known(model, name, at)
        if name in model.many:
            if not rest and null is not None:
                some = e.Exists(name, e.TRUE, hops, start.scope)
                return e.negate(some) if null else some
            target = self.schema.target(model, name)
            if not rest and len(target.key) > 1:
                bad(at, "composite_key", f"name one of {name}'s fields: {name}.…")
            inner = Start(target, start.next, start.next + 1)
            where = self._follow(inner, rest or target.key, (), finish, at, null)
            return e.Exists(name, where, hops, start.scope)
        if rest and name in model.one:
            target = self.schema.target(model, name)
            if not (rest == target.key and model.one[name].stored):
                onward = Start(target, start.scope, start.next)
                return self._follow(onward, rest, (*hops, e.Hop(name)), finish, at, null)
        elif rest:
            unknown(model, f"{name}.{rest[0]}", at)
        return finish(leaf(start, name, hops))

    def members(self, start: Start, names: tuple[str, ...], at: int | None) -> Members:
        """The first to-many relation of a path, and the names that are left behind it."""
        model = start.model
        hops: list[e.Hop] = []
        for place, name in enumerate(names):
            known(model, name, at)
            if name in model.many:
                target = self.schema.target(model, name)
                return Members(name, target, tuple(hops), start.scope, names[place + 1 :])
            if name not in model.one:
                break
            hops.append(e.Hop(name))
            model = self.schema.target(model, name)
        shown = ".".join(names)[:80]
        bad(at, "not_to_many", f"{shown!r} holds no more than one record: compare it directly")

    def ends_in_many(self, start: Start, names: tuple[str, ...]) -> bool:
        """Whether the path's last name is a to-many relation."""
        model = start.model
        for name in names[:-1]:
            if name not in model.one and name not in model.many:
                return False
            model = self.schema.target(model, name)
        return names[-1] in model.many


def known(model: Model, name: str, at: int | None) -> None:
    """Raises Wrong where a client may not use the name: hidden ones are as if not there."""
    if name not in visible(model):
        unknown(model, name, at)


def unknown(model: Model, name: str, at: int | None) -> NoReturn:
    hint = nearest(name, visible(model))
    bad(at, "unknown_field", f"{model.collection} has no field {name[:80]!r}: {hint}")


def leaf(start: Start, name: str, hops: tuple[e.Hop, ...]) -> Leaf:
    """A field, or a relation by the fields that hold its key."""
    model = start.model
    own = model.value(name)
    if own is not None:
        return Leaf(name, start.next, (e.Column(name, hops, start.scope),), (own,))
    names = model.one[name].columns
    columns = tuple(e.Column(column, hops, start.scope) for column in names)
    return Leaf(name, start.next, columns, tuple(model.fields[column] for column in names))
