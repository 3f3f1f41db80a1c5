"""Symbols: what a rule or `where=` is called with once, to learn the expression it stands for."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn, cast

from abaft.base.actor import Actor
from abaft.base.errors import nearest
from abaft.model import expr as e
from abaft.model.kinds import Choice, Kind, Number, own_key
from abaft.model.spec import Model, Schema

_depth: contextvars.ContextVar[int] = contextvars.ContextVar("abaft_depth", default=0)


class Untraceable(Exception):
    """Raised inside a rule by something that can't become a query; says what to write instead."""


_TRUTH = (
    "its truth isn't known before the query runs, so `and`, `or`, `not`, `if`, `in` and chained "
    "comparisons can't be used: write `&`, `|`, `~` or not_(…), one_of(…), contains(…) and put "
    "each comparison in parentheses"
)


class Symbol:
    """What stands for a value not known yet."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> Any:
        raise Untraceable("this can't be compared: ask a to-many relation with .any(…)")

    def __ne__(self, other: object) -> Any:
        return not_(self == other)

    def __bool__(self) -> NoReturn:
        raise Untraceable(_TRUTH)

    def __iter__(self) -> NoReturn:
        raise Untraceable("it can't be looped over: ask a to-many relation with .any(…)")

    def __contains__(self, item: object) -> NoReturn:
        raise Untraceable("`in` can't become a query: write contains(text, part)")

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        raise Untraceable("a call can't become a query: compare the value itself")

    def __getattr__(self, name: str) -> Any:
        raise Untraceable(f".{name} can't become a query: compare the value itself")

    def __len__(self) -> NoReturn:
        raise Untraceable("len() can't become a query: compare the value itself")

    def __int__(self, *_: object) -> NoReturn:
        raise Untraceable("a conversion can't become a query: compare the value itself")

    __float__ = __index__ = __str__ = __format__ = __int__


class Truth(Symbol):
    """A condition."""

    __slots__ = ("expr",)

    def __init__(self, expr: e.Expr) -> None:
        self.expr = expr

    def __and__(self, other: object) -> Truth:
        return Truth(e.all_of((self.expr, as_expr(other))))

    def __or__(self, other: object) -> Truth:
        return Truth(e.any_of((self.expr, as_expr(other))))

    def __invert__(self) -> Truth:
        return Truth(e.negate(self.expr))

    __rand__, __ror__ = __and__, __or__

    def __eq__(self, other: object) -> Truth:  # type: ignore[override]
        if isinstance(other, bool):
            return self if other else ~self
        raise Untraceable("a condition can be compared with True or False alone")

    def __ne__(self, other: object) -> Truth:  # type: ignore[override]
        return ~(self == other)


class ValueSymbol(Symbol):
    """A field's value; a boolean one is a condition too."""

    __slots__ = ("column", "kind", "nocase")

    def __init__(self, column: e.Column, kind: Kind, nocase: bool = False) -> None:
        self.column = column
        self.kind = kind
        self.nocase = nocase

    def _compare(self, op: e.Operator, other: object) -> Truth:
        if isinstance(other, MeSymbol):
            raise Untraceable("`me` is compared with a relation or a whole record")
        value = as_value(other, self.kind)
        if isinstance(value, e.Const) and value.value is None:
            if op not in ("eq", "ne"):
                raise Untraceable(f"None can't be compared by {op}")
            null: e.Expr = e.IsNull(self.column)
            return Truth(null if op == "eq" else e.Not(null))
        nocase = self.nocase or getattr(other, "nocase", False) is True
        return Truth(e.Compare(op, self.column, value, nocase))

    def __eq__(self, other: object) -> Truth:  # type: ignore[override]
        return self._compare("eq", other)

    def __ne__(self, other: object) -> Truth:  # type: ignore[override]
        return self._compare("ne", other)

    def __lt__(self, other: object) -> Truth:
        return self._ordered("lt", other)

    def __le__(self, other: object) -> Truth:
        return self._ordered("le", other)

    def __gt__(self, other: object) -> Truth:
        return self._ordered("gt", other)

    def __ge__(self, other: object) -> Truth:
        return self._ordered("ge", other)

    def _ordered(self, op: e.Operator, other: object) -> Truth:
        if not self.kind.ordered:
            raise Untraceable(f"{self.column.name} ({self.kind.name}) has no order")
        return self._compare(op, other)

    def startswith(self, prefix: object) -> Truth:
        return self._text("startswith", prefix)

    def endswith(self, suffix: object) -> Truth:
        return self._text("endswith", suffix)

    def _text(self, op: e.Operator, part: object) -> Truth:
        if not self.kind.textual:
            raise Untraceable(f".{op}() is for text; {self.column.name} is {self.kind.name}")
        return Truth(e.Compare(op, self.column, as_value(part, self.kind), self.nocase))

    def __and__(self, other: object) -> Truth:
        return Truth(as_expr(self)) & other

    def __or__(self, other: object) -> Truth:
        return Truth(as_expr(self)) | other

    def __invert__(self) -> Truth:
        return ~Truth(as_expr(self))

    __rand__, __ror__ = __and__, __or__


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

    def __getattr__(self, name: str) -> Any:
        model = self._model
        if name in model.one:
            one = model.one[name]
            via = tuple(self._column(column) for column in one.columns)
            target = self._schema.models[one.target]
            hops = (*self._hops, e.Hop(name))
            return RecordSymbol(self._schema, target, self._scope, hops, via)
        if name in model.many:
            return ManySymbol(self, name)
        if name in model.fields:
            field = model.fields[name]
            return ValueSymbol(self._column(name), field.kind, field.nocase)
        names = [*model.fields, *model.one, *model.many]
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

    def any(self, where: Callable[[Any], object] | None = None) -> Truth:
        record = self._record
        target = record._schema.target(record._model, self._name)
        depth = _depth.get() + 1
        token = _depth.set(depth)
        try:
            inner = RecordSymbol(record._schema, target, depth)
            condition = e.TRUE if where is None else as_expr(where(inner))
        finally:
            _depth.reset(token)
        return Truth(e.Exists(self._name, condition, record._hops, record._scope))


class MeSymbol(Symbol):
    """Who asks."""

    __slots__ = ()

    def __eq__(self, other: object) -> Any:
        if isinstance(other, (RecordSymbol, ValueSymbol)):
            return other == self
        raise Untraceable("`me` is compared with a relation or a whole record")

    def __ne__(self, other: object) -> Any:
        return ~(self == other)

    def has_role(self, role: object) -> Truth:
        if not isinstance(role, str) or not role:
            raise Untraceable("has_role() takes the role's name")
        return Truth(e.ActorRole(role))

    @property
    def anonymous(self) -> Truth:
        return Truth(e.ActorRole(""))


def as_expr(value: object) -> e.Expr:
    """The condition that a traced function gave."""
    if isinstance(value, Truth):
        return value.expr
    if isinstance(value, bool):
        return e.Const(value)
    if isinstance(value, ValueSymbol) and value.kind.name == "boolean":
        return e.Compare("eq", value.column, e.Const(True))
    raise Untraceable(f"a condition was expected here, not {_describe(value)}")


def as_value(value: object, kind: Kind) -> e.Value:
    """The right-hand side of a comparison with a value of this kind."""
    if isinstance(value, ValueSymbol):
        if not _alike(kind, value.kind):
            raise Untraceable(f"{_long_name(kind)} can't be compared with {_long_name(value.kind)}")
        return value.column
    if isinstance(value, Symbol):
        raise Untraceable(f"{kind.name} can't be compared with {_describe(value)}")
    if value is None:
        return e.Const(None)
    try:
        read = kind.parse(kind.spell(value))
        exact = kind.show(read) == kind.show(value) and (
            read == value or not isinstance(value, (int, float, Decimal))
        )
    except (ValueError, TypeError, AttributeError, ArithmeticError):
        exact = False
    if not exact or kind.name == "json" or _naive(value):
        raise Untraceable(f"{value!r} isn't a value of kind {kind.name}")
    return e.Const(read)


def _alike(kind: Kind, other: Kind) -> bool:
    """Whether every engine stores the two so that one can be held against the other."""
    facts = ("name", "places", "of_text")
    return all(getattr(kind, fact, None) == getattr(other, fact, None) for fact in facts)


def _long_name(kind: Kind) -> str:
    if isinstance(kind, Number):
        return f"{kind.name} of {kind.places} places"
    if isinstance(kind, Choice):
        return f"{kind.name} of {'words' if kind.of_text else 'integers'}"
    return kind.name


def _naive(value: object) -> bool:
    return isinstance(value, datetime) and value.tzinfo is None


def _describe(value: object) -> str:
    if isinstance(value, ValueSymbol):
        return f"the {value.kind.name} field {value.column.name!r}"
    if isinstance(value, RecordSymbol):
        return f"a {value._model.name}"
    return {ManySymbol: "a to-many relation", MeSymbol: "`me`", Truth: "a condition"}.get(
        type(value), repr(value)
    )


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
        return _as_bool(symbol._text("contains", part))
    return text is not None and part in text


def is_null(value: object) -> bool:
    """Whether a value is absent; the same as `== None`, for linters."""
    if isinstance(value, (ValueSymbol, RecordSymbol)):
        return _as_bool(value == None)  # noqa: E711
    return value is None
