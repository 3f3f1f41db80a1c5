"""The decorators of a model's methods: rules, checks, computed fields, scopes and hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast, overload

from abaft.base.errors import ModelError, nearest
from abaft.model import spec
from abaft.model.evaluate import evaluate, evaluate_value
from abaft.model.spec import Action

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


@dataclass(slots=True)
class RuleFunction:
    """A rule as it was written; called with a record and an actor it gives the answer itself."""

    name: str
    function: Callable[..., Any]
    actions: tuple[Action, ...]
    fields: tuple[str, ...]
    check: bool = False

    def __call__(self, record: Any, me: Any = None) -> bool:
        model = getattr(type(record), "__spec__", None)
        if model is None:
            raise ModelError(f"{self.name}: {type(record).__name__} isn't part of an App yet")
        rules: tuple[spec.Rule | spec.Check, ...] = model.checks if self.check else model.rules
        for rule in rules:
            if rule.name == self.name:
                return evaluate(rule.where, [record], me)
        raise ModelError(f"{self.name} is no rule of {model.name}")


def allow(*actions: Action, fields: Iterable[str] = ()) -> Callable[[F], F]:
    """Lets the record be read, created, updated or deleted where the function is true.

    The function takes (record, me) and is called once, with symbols. Several rules for one action
    add up; without any, nobody but an administrator may. A rule with `fields` is the only way to
    those fields, of a record that may be reached at all.
    """
    for action in actions:
        if action not in spec.ACTIONS:
            raise ModelError(f"allow({action!r}): {nearest(str(action), spec.ACTIONS)}")
    if not actions:
        raise ModelError("allow() needs an action: 'read', 'create', 'update' or 'delete'")
    if isinstance(fields, str):
        raise ModelError(f"allow(…, fields={fields!r}): write a list, fields=[{fields!r}]")

    def decorate(function: F) -> F:
        rule = RuleFunction(function.__name__, function, actions, tuple(fields))
        return cast(F, rule)

    return decorate


def check(function: F) -> F:
    """A condition over a record's own fields that the database upholds for every record."""
    return cast(F, RuleFunction(function.__name__, function, (), (), check=True))


class ComputedFunction(Generic[T]):
    """A computed field as it was written; of a record it gives the value that was read with it."""

    def __init__(self, function: Callable[..., T], virtual: bool) -> None:
        self.function = function
        self.virtual = virtual

    @overload
    def __get__(self, record: None, owner: type[Any]) -> ComputedFunction[T]: ...
    @overload
    def __get__(self, record: object, owner: type[Any]) -> T: ...
    def __get__(self, record: Any, owner: type[Any]) -> Any:
        # What was read with the record is in its __dict__, which Python asks first.
        if record is None:
            return self
        return self.function(record) if self.virtual else self._reckoned(record)

    def _reckoned(self, record: Any) -> Any:
        model = getattr(type(record), "__spec__", None)
        if model is None:
            return self.function(record)
        return evaluate_value(model.computed[self.function.__name__].value, [record])


def computed(function: Callable[[Any], T]) -> ComputedFunction[T]:
    """A field reckoned of others by the database: it can be shown, filtered, sorted and ruled by.

    The function takes the record, is called once, with symbols, and returns a value: fields,
    arithmetic, `lower()`, `.year`, `when(…)`, `.count()` and `.sum(…)` of to-many relations.
    """
    return ComputedFunction(function, virtual=False)


def virtual(function: Callable[[Any], T]) -> ComputedFunction[T]:
    """A member that plain Python adds to each record after it has been read; it is only shown.

    The function sees all that is stored of the record. Its annotation says what JSON it gives.
    """
    return ComputedFunction(function, virtual=True)


@dataclass(slots=True)
class ScopeFunction:
    """A scope as it was written."""

    name: str
    function: Callable[..., Any]
    default: bool


@overload
def scope(function: F, /) -> F: ...
@overload
def scope(*, default: bool = True) -> Callable[[F], F]: ...
def scope(function: Any = None, /, *, default: bool = True) -> Any:
    """A condition on lists: of those that are default ones all hold, unless a reader names others.

    A convenience and never access: who may read a record can ask for it by `scope=all`.
    """
    if function is None:
        return lambda found: ScopeFunction(found.__name__, found, default)
    return ScopeFunction(function.__name__, function, default)


@dataclass(slots=True)
class HookFunction:
    """A hook as it was written."""

    when: Literal["before", "after"]
    actions: tuple[Action, ...]
    function: Callable[..., Any]


def before(*actions: Literal["create", "update", "delete"]) -> Callable[[F], F]:
    """An async function of (record, me, db) run before a write; it may change or refuse it.

    Assign to the record's fields to change what is written; raise a Fault such as
    `Invalid("…")` to refuse. It runs before the transaction, so a write that meets another one
    is tried again with the newer record.
    """
    return _hook("before", actions)


def after(*actions: Literal["create", "update", "delete"]) -> Callable[[F], F]:
    """An async function of (record, me, db) run once the write is durable."""
    return _hook("after", actions)


def _hook(when: Literal["before", "after"], actions: tuple[Action, ...]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        return cast(F, HookFunction(when, actions, function))

    return decorate


Function = RuleFunction | ScopeFunction | HookFunction | ComputedFunction[Any]
FUNCTIONS = (RuleFunction, ScopeFunction, HookFunction, ComputedFunction)
