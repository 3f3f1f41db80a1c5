"""Symbols of values and conditions, and what they can be compared and reckoned with."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn

from abaft.base.actor import FRESH, HERE, SCOPE, SCOPED
from abaft.model import expr as e
from abaft.model.functions import FUNCTIONS, NoSuchKind
from abaft.model.kinds import Boolean, Choice, Float, Integer, Kind, Number, Text

MAX_DEPTH = 8
"""Functions within functions: each may name its argument more than once in a statement."""
PARTS = ("year", "month", "day", "hour", "minute", "second")


class Untraceable(Exception):
    """Raised inside a rule by something that can't become a query; says what to write instead."""


_TRUTH = (
    "its truth isn't known before the query runs, so `and`, `or`, `not`, `if`, `in` and chained "
    "comparisons can't be used: write `&`, `|`, `~` or not_(…), one_of(…), contains(…) and put "
    "each comparison in parentheses"
)

_ME = (
    "`me` is compared with a relation or a whole record: post.author == me, or user == me in a "
    "rule of users"
)


class Symbol:
    """What stands for a value not known yet."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def described(self) -> str:
        """What it is, for a message."""
        return "this"

    def __eq__(self, other: object) -> Any:
        raise Untraceable("this can't be compared: ask a to-many relation with .any(…)")

    def __ne__(self, other: object) -> Any:
        return ~(self == other)

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

    def described(self) -> str:
        return "a condition"

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
    """A field's value, or one reckoned of others; a boolean one is a condition too."""

    __slots__ = ("kind", "nocase", "value")

    def __init__(self, value: e.Value, kind: Kind, nocase: bool = False) -> None:
        self.value = value
        self.kind = kind
        self.nocase = nocase

    def described(self) -> str:
        named = f" field {self.value.name!r}" if isinstance(self.value, e.Column) else " value"
        return f"the {self.kind.name}{named}"

    def _compare(self, op: e.Operator, other: object) -> Truth:
        if isinstance(other, MeSymbol):
            raise Untraceable(_ME)
        value = as_value(other, self.kind)
        if isinstance(value, e.Const) and value.value is None:
            if op not in ("eq", "ne"):
                raise Untraceable(f"None can't be compared by {op}")
            null: e.Expr = e.IsNull(self.value)
            return Truth(null if op == "eq" else e.Not(null))
        nocase = self.nocase or getattr(other, "nocase", False) is True
        return Truth(e.Compare(op, self.value, value, nocase))

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
            raise Untraceable(f"{self.described()} has no order")
        return self._compare(op, other)

    def startswith(self, prefix: object) -> Truth:
        return self.text("startswith", prefix)

    def endswith(self, suffix: object) -> Truth:
        return self.text("endswith", suffix)

    def text(self, op: e.Operator, part: object) -> Truth:
        """A comparison that is for text alone."""
        if not self.kind.textual:
            raise Untraceable(f".{op}() is for text; this is {self.described()}")
        return Truth(e.Compare(op, self.value, as_value(part, self.kind), self.nocase))

    def __and__(self, other: object) -> Truth:
        return Truth(as_expr(self)) & other

    def __or__(self, other: object) -> Truth:
        return Truth(as_expr(self)) | other

    def __invert__(self) -> Truth:
        return ~Truth(as_expr(self))

    __rand__, __ror__ = __and__, __or__

    def __getattr__(self, name: str) -> Any:
        if name in PARTS:
            return called(name, self)
        raise Untraceable(f".{name} can't become a query: compare the value itself")

    def lower(self) -> ValueSymbol:
        return called("lower", self)

    def upper(self) -> ValueSymbol:
        return called("upper", self)

    def strip(self) -> ValueSymbol:
        return called("trim", self)

    def date(self) -> ValueSymbol:
        return called("date", self)

    def isoweekday(self) -> ValueSymbol:
        return called("weekday", self)

    def __add__(self, other: object) -> ValueSymbol:
        return called("concat" if self.kind.textual else "add", self, other)

    def __radd__(self, other: object) -> ValueSymbol:
        return called("concat" if self.kind.textual else "add", other, self)

    def __sub__(self, other: object) -> ValueSymbol:
        return called("sub", self, other)

    def __rsub__(self, other: object) -> ValueSymbol:
        return called("sub", other, self)

    def __mul__(self, other: object) -> ValueSymbol:
        return called("mul", self, other)

    def __rmul__(self, other: object) -> ValueSymbol:
        return called("mul", other, self)

    def __truediv__(self, other: object) -> ValueSymbol:
        return called("div", self, other)

    def __rtruediv__(self, other: object) -> ValueSymbol:
        return called("div", other, self)

    def __neg__(self) -> ValueSymbol:
        return called("neg", self)

    def __abs__(self) -> ValueSymbol:
        return called("abs", self)


class MeSymbol(Symbol):
    """Who asks."""

    __slots__ = ()

    def described(self) -> str:
        return "`me`"

    def __eq__(self, other: object) -> Any:
        if isinstance(other, Symbol) and not isinstance(other, MeSymbol):
            return other == self
        raise Untraceable(_ME)

    def __ne__(self, other: object) -> Any:
        return ~(self == other)

    def __getattr__(self, name: str) -> Any:
        raise Untraceable(f"`me` has no {name} in a rule: {_ME}")

    def has_role(self, role: object) -> Truth:
        if not isinstance(role, str) or not role:
            raise Untraceable("has_role() takes the role's name")
        return Truth(e.ActorRole(role))

    def has_scope(self, scope: object) -> Truth:
        if not isinstance(scope, str) or not scope:
            raise Untraceable("has_scope() takes the scope's name")
        unbound = e.negate(e.ActorRole(SCOPED))
        return Truth(e.any_of((unbound, e.ActorRole(SCOPE + scope))))

    def member_of(self, group: object, *roles: str) -> Truth:
        asked = getattr(type(group), "with_member", None)
        if asked is None:
            raise Untraceable("member_of() takes the record of a group: note.organisation")
        found: Truth = asked(group, self, roles)
        return found

    def has_role_here(self, role: object) -> Truth:
        if not isinstance(role, str) or not role:
            raise Untraceable("has_role_here() takes the name of a role in the tenant")
        return Truth(e.ActorRole(HERE + role))

    def fresh(self, *, minutes: float = 0, seconds: float = 0) -> Truth:
        age = round(minutes * 60 + seconds)
        if age < 1:
            raise Untraceable("fresh() takes how long ago it may be: me.fresh(minutes=5)")
        return Truth(e.ActorRole(f"{FRESH}{age}"))

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
        return e.Compare("eq", value.value, e.Const(True))
    raise Untraceable(f"a condition was expected here, not {_describe(value)}")


def as_value(value: object, kind: Kind) -> e.Value:
    """The right-hand side of a comparison with a value of this kind."""
    if isinstance(value, ValueSymbol):
        if not alike(kind, value.kind):
            raise Untraceable(f"{_long_name(kind)} can't be compared with {_long_name(value.kind)}")
        return value.value
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


def alike(kind: Kind, other: Kind) -> bool:
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
    return value.described() if isinstance(value, Symbol) else repr(value)


def called(name: str, *given: object) -> ValueSymbol:
    """The value of a function; Untraceable for what it doesn't take."""
    symbols = [as_symbol(value) for value in given]
    try:
        kind = FUNCTIONS[name].kind([symbol.kind for symbol in symbols])
    except NoSuchKind as error:
        raise Untraceable(str(error)) from None
    made = e.Call(name, tuple(symbol.value for symbol in symbols), kind)
    if depth(made) > MAX_DEPTH:
        raise Untraceable(f"more than {MAX_DEPTH} functions or operators within one another")
    return ValueSymbol(made, kind)


def depth(value: e.Value) -> int:
    """How many functions are within one another."""
    if isinstance(value, e.Call):
        return 1 + max(map(depth, value.args))
    if isinstance(value, e.Choose):
        return 1 + max(depth(value.then), depth(value.otherwise))
    return 0


def as_symbol(value: object) -> ValueSymbol:
    """A value to reckon with: a symbol, or a constant of Python's."""
    if isinstance(value, ValueSymbol):
        return value
    if isinstance(value, Truth):
        kind = Boolean()
        yes, no = e.Const(True, kind), e.Const(False, kind)
        return ValueSymbol(e.Choose(value.expr, yes, no, kind), kind)
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        digits = -exponent if isinstance(exponent, int) and exponent < 0 else 0
        return _constant(value, Number(places=digits))
    kinds: dict[type, Kind] = {bool: Boolean(), int: Integer(), float: Float(), str: Text()}
    if type(value) in kinds:
        return _constant(value, kinds[type(value)])
    raise Untraceable(f"{_describe(value)} can't be reckoned with")


def _constant(value: Any, kind: Kind) -> ValueSymbol:
    checked = as_value(value, kind)
    assert isinstance(checked, e.Const)
    return ValueSymbol(e.Const(checked.value, kind), kind)
