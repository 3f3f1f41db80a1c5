"""What a user writes: Model, field, Ref, Many, and the decorators for rules, checks and hooks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    TypeVar,
    cast,
    dataclass_transform,
    overload,
)

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from abaft.base.errors import ModelError, nearest
from abaft.model import spec
from abaft.model.evaluate import evaluate, evaluate_value
from abaft.model.field import UNSET, Options, Unique, field
from abaft.model.schemas import field_schema, shown
from abaft.model.spec import Action
from abaft.model.words import SIMPLE

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


MARKER = "x-abaft-model"
"""Names the model in a JSON Schema that pydantic makes of it."""


class NotLoaded(AttributeError):
    """A field that the record was read without; name it in `expand=` or read it again."""


@dataclass(slots=True)
class RuleFunction:
    """A rule as it was written; called with a record and an actor it gives the answer itself."""

    name: str
    function: Callable[..., Any]
    actions: tuple[Action, ...]
    fields: tuple[str, ...]
    check: bool = False

    def __call__(self, record: Model, me: Any = None) -> bool:
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


@dataclass(frozen=True, slots=True)
class Config:
    """The class keywords of a model."""

    key: tuple[str, ...] | None = None
    table: str | None = None
    collection: str | None = None
    stamps: bool = True
    soft_delete: bool = False
    unique: tuple[tuple[str, ...] | Unique, ...] = ()
    index: tuple[tuple[str, ...], ...] = ()
    abstract: bool = False
    schema: str = ""
    managed: bool = True
    read_only: bool = False
    search: str = SIMPLE


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class ModelMeta(type):
    """Takes the declarations out of a class's body, so that instances hold values alone."""

    __options__: dict[str, Options]
    __functions__: dict[str, Function]
    __declared__: Mapping[str, Any]

    def __new__(
        mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], **keywords: Any
    ) -> ModelMeta:
        names = [key for key in body.get("__annotations__", {}) if not key.startswith("_")]
        options: dict[str, Options] = {}
        for key in names:
            value = body.pop(key, UNSET)
            options[key] = value if isinstance(value, Options) else Options(value)
        functions = {key: value for key, value in body.items() if isinstance(value, FUNCTIONS)}
        cls = super().__new__(mcs, name, bases, body, **keywords)
        cls.__options__ = options
        cls.__functions__ = functions
        return cls


class Model(metaclass=ModelMeta):
    """A record of a collection.

    Without a `key` of its own a model has `id` (UUIDv7), and unless `stamps=False`, `created` and
    `updated`. Class keywords: `key`, `table`, `collection`, `stamps`, `unique` and `index` (tuples
    of field names over several fields; `Unique` for those of some records), `soft_delete` to keep
    what is deleted, `search` (the language of text that is searched) and `abstract` for a base
    that is no model itself. For an existing table: `schema` where it isn't in the database's
    current one, `managed=False` where abaft must not change it, `read_only=True` for a view; these
    have no stamps unless told.
    """

    __config__: ClassVar[Config] = Config(abstract=True)
    __spec__: ClassVar[spec.Model]

    if TYPE_CHECKING:
        id: Any = field(init=False)
        created: dt.datetime = field(init=False)
        updated: dt.datetime = field(init=False)

    def __init_subclass__(
        cls,
        *,
        key: str | tuple[str, ...] | None = None,
        table: str | None = None,
        collection: str | None = None,
        stamps: bool | None = None,
        soft_delete: bool = False,
        unique: Iterable[tuple[str, ...] | Unique] = (),
        index: Iterable[tuple[str, ...]] = (),
        abstract: bool = False,
        schema: str = "",
        managed: bool = True,
        read_only: bool = False,
        search: str = SIMPLE,
    ) -> None:
        super().__init_subclass__()
        keys = (key,) if isinstance(key, str) else key
        managed = managed and not read_only
        cls.__config__ = Config(
            key=keys,
            table=table,
            collection=collection,
            stamps=managed if stamps is None else stamps,
            soft_delete=soft_delete,
            unique=tuple(unique),
            index=tuple(index),
            abstract=abstract,
            schema=schema,
            managed=managed,
            read_only=read_only,
            search=search,
        )

    def __init__(self, **values: Any) -> None:
        known = _names(type(self))
        for name in values:
            if name not in known:
                raise TypeError(
                    f"{type(self).__name__} has no field {name!r}: {nearest(name, known)}"
                )
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in _names(type(self)):
            raise NotLoaded(
                f"{type(self).__name__}.{name} was not read: name it in expand or fields"
            )
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    @property
    def __key__(self) -> tuple[Any, ...]:
        """The values of the key's fields; of a relation, the key that it holds."""
        return tuple(key_part(getattr(self, name)) for name in type(self).__spec__.key)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Model):
            return type(other) is type(self) and other.__key__ == self.__key__
        from_actor = getattr(other, "id", None)
        return from_actor is not None and self.__written__ == from_actor

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.__key__))

    @property
    def __written__(self) -> str:
        """The key as URLs spell it, without percent-encoding."""
        fields = type(self).__spec__.fields
        pairs = zip(type(self).__spec__.key, self.__key__, strict=True)
        return ",".join(fields[name].kind.spell(part) for name, part in pairs)

    def __repr__(self) -> str:
        spec_ = getattr(type(self), "__spec__", None)
        hidden = {name for name, row in spec_.fields.items() if row.hidden} if spec_ else set()
        shown = (f"{key}={value!r}" for key, value in self.__dict__.items() if key not in hidden)
        return f"{type(self).__name__}({', '.join(shown)})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.__from_value__,
            serialization=core_schema.plain_serializer_function_ser_schema(cls.__to_value__),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The record with its relations as keys; an App's document refers to its own instead."""
        declared = cls.__dict__.get("__spec__")
        shape: JsonSchemaValue = {"type": "object", "title": cls.__name__, MARKER: cls.__name__}
        if declared is not None:
            members = (row for row in declared.fields.values() if not row.hidden)
            shape["properties"] = {row.name: field_schema(declared, row, shown) for row in members}
        return shape

    @classmethod
    def __from_value__(cls, value: Any) -> Model:
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict):
            raise ValueError(f"a {cls.__name__} was expected")
        try:
            return cls(**value)
        except TypeError as error:
            raise ValueError(str(error)) from None

    @staticmethod
    def __to_value__(record: Model) -> dict[str, Any]:
        """What JSON shows of the record: fields that were read and are not hidden."""
        model = type(record).__spec__
        shown: dict[str, Any] = {}
        for name, value in record.__dict__.items():
            row = model.value(name)
            if row is not None and row.hidden:
                continue
            shown[name] = _show(row, value)
        return shown


def _show(row: spec.Field | None, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, Model):
        # A relation that wasn't expanded is a record with its key alone.
        bare = set(value.__dict__) <= set(type(value).__spec__.key)
        return _key(value) if bare else Model.__to_value__(value)
    if row is None:
        return [_show(None, item) for item in value] if isinstance(value, list) else value
    return row.kind.show(value)


def _key(record: Model) -> Any:
    model = type(record).__spec__
    shown = [model.fields[name].kind.show(key_part(getattr(record, name))) for name in model.key]
    return shown[0] if len(shown) == 1 else dict(zip(model.key, shown, strict=True))


def key_part(value: Any) -> Any:
    """A key's value; of a record, its own key."""
    return value.__key__[0] if isinstance(value, Model) else value


def _names(cls: type) -> set[str]:
    names = {name for base in cls.__mro__ for name in getattr(base, "__options__", ())}
    declared = getattr(cls, "__spec__", None)
    if declared is not None:
        names |= {*declared.fields, *declared.one, *declared.many, *declared.computed}
    return names | {"id", "created", "updated"}
