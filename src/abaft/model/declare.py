"""What a user writes: Model, with its class keywords."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    dataclass_transform,
)

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from abaft.base.errors import ModelError, nearest
from abaft.model import spec
from abaft.model.decorators import FUNCTIONS, Function
from abaft.model.field import UNSET, Options, Unique, field
from abaft.model.schemas import field_schema, inlined, shown
from abaft.model.words import SIMPLE

MARKER = "x-abaft-model"
"""Names the model in a JSON Schema that pydantic makes of it."""


class NotLoaded(AttributeError):
    """A field that the record was read without; name it in `expand=` or read it again."""


@dataclass(frozen=True, slots=True)
class Config:
    """The class keywords of a model."""

    key: tuple[str, ...] | None = None
    table: str | None = None
    collection: str | None = None
    stamps: bool = True
    soft_delete: bool = False
    history: bool = False
    ordered: str | None = None
    unique: tuple[tuple[str, ...] | Unique, ...] = ()
    index: tuple[tuple[str, ...], ...] = ()
    abstract: bool = False
    schema: str = ""
    managed: bool = True
    read_only: bool = False
    search: str = SIMPLE
    tenant: str = ""


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
        _told_apart(name, bases, body, names)
        options: dict[str, Options] = {}
        for key in names:
            value = body.pop(key, UNSET)
            options[key] = value if isinstance(value, Options) else Options(value)
        functions = {key: value for key, value in body.items() if isinstance(value, FUNCTIONS)}
        cls = super().__new__(mcs, name, bases, body, **keywords)
        cls.__options__ = options
        cls.__functions__ = functions
        return cls


def _told_apart(
    name: str, bases: tuple[type, ...], body: Mapping[str, Any], names: Iterable[str]
) -> None:
    """ModelError where a field and a decorated function have one name."""
    family = [cls for base in bases for cls in base.__mro__]
    fields = {*names}.union(*(getattr(cls, "__options__", ()) for cls in family))
    functions = {key for key, value in body.items() if isinstance(value, FUNCTIONS)}
    functions = functions.union(*(getattr(cls, "__functions__", ()) for cls in family))
    for both in sorted(fields & functions):
        raise ModelError(
            f"{name}.{both} is a field and a decorated function: give the function another name"
        )


class Model(metaclass=ModelMeta):
    """A record of a collection.

    Without a `key` of its own a model has `id` (UUIDv7), and unless `stamps=False`, `created` and
    `updated`. Class keywords: `key`, `table`, `collection`, `stamps`, `unique` and `index` (tuples
    of field names over several fields; `Unique` for those of some records), `soft_delete` to keep
    what is deleted, `history` to keep versions, `ordered` to
    let clients order them, `search` (the language of text that is searched)
    and `abstract` for a base that is no model itself. Of an app with tenants `tenant` names the
    relation that leads to a record's own, or is "shared". For an existing table: `schema` where it
    isn't in the database's current one, `managed=False` where abaft must not change it,
    `read_only=True` for a view; these have no stamps unless told.
    """

    __config__: ClassVar[Config] = Config(abstract=True)
    __own__: ClassVar[bool] = False
    __ties__: ClassVar[tuple[str, ...]] = ()
    """The relations to a user and to a group, of a model of memberships."""
    __themselves__: ClassVar[str]
    """The rule by which a user is who asks, where models may be built on this one."""
    __registers__: ClassVar[tuple[str, ...]] = ()
    """The fields that one may say of oneself, of a model of users."""
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
        history: bool = False,
        ordered: bool | str = False,
        unique: Iterable[tuple[str, ...] | Unique] = (),
        index: Iterable[tuple[str, ...]] = (),
        abstract: bool = False,
        schema: str = "",
        managed: bool = True,
        read_only: bool = False,
        search: str = SIMPLE,
        tenant: str = "",
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
            history=history,
            ordered=(ordered if isinstance(ordered, str) else "") if ordered else None,
            unique=tuple(unique),
            index=tuple(index),
            abstract=abstract,
            schema=schema,
            managed=managed,
            read_only=read_only,
            search=search,
            tenant=tenant,
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
        found: JsonSchemaValue = inlined(shape)
        return found

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
