"""Symbols: what a rule or `where=` is called with once, to learn the expression it stands for."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from abaft.base.actor import Actor
from abaft.base.errors import nearest
from abaft.model import expr as e
from abaft.model.computed import moved
from abaft.model.functions import NoSuchKind, reduced_kind
from abaft.model.kinds import own_key
from abaft.model.relations import MEMBERSHIPS
from abaft.model.spec import Model, Schema
from abaft.model.value_symbols import (
    MeSymbol,
    Symbol,
    Truth,
    Untraceable,
    ValueSymbol,
    as_expr,
    as_symbol,
    called,
)

T = TypeVar("T")

_depth: contextvars.ContextVar[int] = contextvars.ContextVar("abaft_depth", default=0)


class RecordSymbol(Symbol):
    """A record: the rule's own, or one reached through to-one relations."""

    __slots__ = ("_hops", "_model", "_schema", "_scope", "_via")

    def __init__(
        self,
        schema: Schema,
        model: Model,
        scope: int = 0,
        hops: tuple[e.Hop, ...] = (),
        via: tuple[e.Column, ...] | None = None,
    ) -> None:
        self._schema, self._model, self._scope, self._hops = schema, model, scope, hops
        # The columns that hold this record's key: its own, or the relation's that led here.
        self._via = via or tuple(e.Column(name, hops, scope) for name in model.key)

    def described(self) -> str:
        return f"a {self._model.name}"

    def __getattr__(self, name: str) -> Any:
        model = self._model
        if name in model.one:
            one = model.one[name]
            via = tuple(self._column(column) for column in one.columns)
            target = self._schema.models[one.target]
            hops = (*self._hops, e.Hop(name, target.living))
            return RecordSymbol(self._schema, target, self._scope, hops, via)
        if name in model.many:
            return ManySymbol(self, name)
        if name in model.fields:
            field = model.fields[name]
            return ValueSymbol(self._column(name), field.kind, field.nocase)
        if name in model.computed:
            found = model.computed[name]
            value = moved(found.value, self._hops, self._scope, _depth.get() + 1)
            return ValueSymbol(value, found.field.kind)
        names = [*model.fields, *model.computed, *model.one, *model.many]
        raise Untraceable(f"{model.name} has no field {name!r}: {nearest(name, names)}")

    def _column(self, name: str) -> e.Column:
        key = self._model.key
        if name in key:
            return self._via[key.index(name)]
        return e.Column(name, self._hops, self._scope)

    def __eq__(self, other: object) -> Truth:  # type: ignore[override]
        if other is None:
            return Truth(e.any_of(e.IsNull(column) for column in self._via))
        if isinstance(other, MeSymbol):
            kind = self._model.fields[self._model.key[0]].kind
            return Truth(e.Compare("eq", self._only(), e.ActorId(kind)))
        if isinstance(other, Actor):
            return Truth(self._is(other))
        if isinstance(other, RecordSymbol) and other._model.name == self._model.name:
            pairs = zip(self._via, other._via, strict=True)
            return Truth(e.all_of(e.Compare("eq", mine, theirs) for mine, theirs in pairs))
        key = None if isinstance(other, Symbol) else getattr(other, "__key__", None)
        if key is not None and type(other).__name__ == self._model.name:
            pairs = zip(self._via, key, strict=True)
            return Truth(e.all_of(e.Compare("eq", mine, e.Const(part)) for mine, part in pairs))
        raise Untraceable(
            f"a {self._model.name} is compared with `me` or another {self._model.name}"
        )

    def __ne__(self, other: object) -> Truth:  # type: ignore[override]
        return ~(self == other)

    def with_member(self, me: MeSymbol, roles: tuple[str, ...]) -> Truth:
        """Whether who asks is a member of this group, in one of the roles if any are named."""
        if MEMBERSHIPS not in self._model.many:
            raise Untraceable(
                f"a {self._model.name} has no members: declare a model built on Membership"
            )

        def theirs(row: Any) -> Any:
            mine = row.user == me
            return mine & one_of(row.role, roles) if roles else mine

        return ManySymbol(self, MEMBERSHIPS).any(theirs)

    def _is(self, actor: Actor) -> e.Expr:
        """Whether the record is this actor, known by name in a `where=`; nobody is no record."""
        column = self._only()
        if actor.id is None:
            return e.FALSE
        kind = self._model.fields[self._model.key[0]].kind
        return e.Compare("eq", column, e.Const(own_key(kind)(actor.id)))

    def _only(self) -> e.Column:
        if len(self._via) > 1:
            raise Untraceable(f"`me` can't be a {self._model.name}: its key has several fields")
        return self._via[0]


class ManySymbol(Symbol):
    """A to-many relation: ask it with `.any(lambda item: …)`."""

    __slots__ = ("_name", "_record")

    def __init__(self, record: RecordSymbol, name: str) -> None:
        self._record, self._name = record, name

    def described(self) -> str:
        return "a to-many relation"

    def any(self, where: Callable[[Any], object] | None = None) -> Truth:
        condition, _ = self._asked(where, None)
        record = self._record
        there = self._there()
        return Truth(e.Exists(self._name, condition, record._hops, record._scope, *there))

    def all(self, where: Callable[[Any], object]) -> Truth:
        return ~self.any(lambda item: ~Truth(as_expr(where(item))))

    def count(self, where: Callable[[Any], object] | None = None) -> ValueSymbol:
        return self._reduced("count", None, where)

    def sum(self, of: Callable[[Any], object], where: Any = None) -> ValueSymbol:
        return self._reduced("sum", of, where)

    def avg(self, of: Callable[[Any], object], where: Any = None) -> ValueSymbol:
        return self._reduced("avg", of, where)

    def min(self, of: Callable[[Any], object], where: Any = None) -> ValueSymbol:
        return self._reduced("min", of, where)

    def max(self, of: Callable[[Any], object], where: Any = None) -> ValueSymbol:
        return self._reduced("max", of, where)

    def _reduced(self, name: str, of: Any, where: Any) -> ValueSymbol:
        record = self._record
        condition, value = self._asked(where, of)
        try:
            kind = reduced_kind(name, None if value is None else value.kind)
        except NoSuchKind as error:
            raise Untraceable(str(error)) from None
        found = None if value is None else value.value
        place = (record._hops, record._scope, *self._there())
        return ValueSymbol(e.Reduce(name, self._name, found, condition, kind, *place), kind)

    def _there(self) -> tuple[e.Expr | None, e.Expr | None]:
        """What records and links must be not to count as deleted."""
        schema, many = self._record._schema, self._record._model.many[self._name]
        link = None if many.link is None else schema.models[many.link].living
        return schema.models[many.target].living, link

    def _asked(self, where: Any, of: Any) -> tuple[e.Expr, ValueSymbol | None]:
        """The condition and the value that functions of a record of the relation stand for."""
        record = self._record
        target = record._schema.target(record._model, self._name)
        depth = _depth.get() + 1
        token = _depth.set(depth)
        try:
            inner = RecordSymbol(record._schema, target, depth)
            condition = e.TRUE if where is None else as_expr(where(inner))
            return condition, None if of is None else as_symbol(of(inner))
        finally:
            _depth.reset(token)


def _as_bool(truth: Truth) -> bool:
    """A symbol in the place of the bool that a type checker sees."""
    return cast(bool, truth)


def not_(condition: bool) -> bool:
    """The opposite of a condition; the same as `~`, for type checkers."""
    symbol: object = condition
    if isinstance(symbol, Symbol):
        return _as_bool(Truth(e.negate(as_expr(symbol))))
    return not condition


def one_of(value: object, options: Iterable[Any]) -> bool:
    """Whether a value is among others; what `in` says outside of rules."""
    if isinstance(value, ValueSymbol):
        return _as_bool(Truth(e.any_of(as_expr(value == option) for option in options)))
    return value in options


def contains(text: str | None, part: str) -> bool:
    """Whether the text has the part; what `in` says outside of rules."""
    symbol: object = text
    if isinstance(symbol, ValueSymbol):
        return _as_bool(symbol.text("contains", part))
    return text is not None and part in text


def is_null(value: object) -> bool:
    """Whether a value is absent; the same as `== None`, for linters."""
    if isinstance(value, (ValueSymbol, RecordSymbol)):
        return _as_bool(value == None)  # noqa: E711
    return value is None


def length(text: str) -> int:
    """How many characters a text has; what `len()` says outside of rules."""
    symbol: object = text
    return cast(int, called("length", symbol)) if isinstance(symbol, Symbol) else len(text)


def when(condition: bool, then: T, otherwise: T) -> T:
    """One value where a condition holds, else the other; what `… if … else …` says elsewhere."""
    symbol: object = condition
    if not isinstance(symbol, Symbol):
        return then if condition else otherwise
    first, second = as_symbol(then), as_symbol(otherwise)
    if first.kind.own != second.kind.own:
        kinds = f"{first.kind.name} and {second.kind.name}"
        raise Untraceable(f"when() gives values of one kind, not {kinds}")
    made = e.Choose(as_expr(symbol), first.value, second.value, first.kind.own)
    return cast(T, ValueSymbol(made, first.kind.own))
