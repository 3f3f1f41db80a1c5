"""From an annotation to a kind or a relation."""

from __future__ import annotations

import enum
import types
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from abaft.base.errors import ModelError
from abaft.model import kinds
from abaft.model.declare import Model
from abaft.model.documents import Json
from abaft.model.field import Many, Mark, Options, Sentinel, now
from abaft.model.rich import rich_text
from abaft.model.spec import DELETED, POSITION
from abaft.model.times import Date, DateTime, Duration, Time

SIMPLE: dict[Any, type[kinds.Kind]] = {
    str: kinds.Text,
    int: kinds.Integer,
    float: kinds.Float,
    bool: kinds.Boolean,
    datetime: DateTime,
    date: Date,
    time: Time,
    timedelta: Duration,
    UUID: kinds.Uuid,
    bytes: kinds.Binary,
}


@dataclass(slots=True)
class Shape:
    """What an annotation says: a kind of value, or the model that a relation leads to."""

    kind: kinds.Kind | None = None
    nullable: bool = False
    target: type[Model] | None = None
    many: bool = False
    through: type[Model] | None = None
    made_for: str | None = None

    @classmethod
    def made(cls, name: str) -> Shape:
        """A field that is abaft's own: "id", "created", "updated", "deleted" or "position"."""
        own: dict[str, kinds.Kind] = {"id": kinds.Uuid(), POSITION: kinds.Text()}
        kind = own.get(name) or DateTime()
        return cls(kind, nullable=name == DELETED, made_for=name)


def read_annotation(model: str, name: str, annotation: Any, options: Options) -> Shape:
    """The shape of `model.name`; raises ModelError for a type that no column holds."""
    inner, nullable = _optional(annotation)
    shape = _relation(inner)
    if shape is None:
        kind = _kind(inner, options)
        if kind is None:
            raise ModelError(
                f"{model}.{name}: {annotation!r} is no kind of field; known are str, int, float, "
                "Decimal, bool, datetime, date, time, timedelta, UUID, bytes, Enum, Literal, dict, "
                "list, a pydantic model, Email, Url, Ref[Model] and Many[Model]"
            )
        shape = Shape(_limited(model, name, kind, options))
    if shape.many and nullable:
        raise ModelError(f"{model}.{name}: a to-many relation can't be optional, it can be empty")
    shape.nullable = shape.nullable or nullable
    return shape


def _optional(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    members = [member for member in get_args(annotation) if member is not type(None)]
    return (members[0], True) if len(members) == 1 else (annotation, False)


def _relation(annotation: Any) -> Shape | None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Many:
        return Shape(target=arguments[0], many=True)
    if origin is Annotated and Mark("ref") in arguments[1:]:
        inner, nullable = _optional(arguments[0])
        return Shape(target=inner, nullable=nullable)
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return Shape(target=annotation)
    return None


def _kind(annotation: Any, options: Options) -> kinds.Kind | None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        marks = {Mark("email"): kinds.Email(), Mark("url"): kinds.Url()}
        found = [marks[mark] for mark in arguments[1:] if mark in marks]
        return found[0] if found else _kind(arguments[0], options)
    if annotation in SIMPLE:
        return SIMPLE[annotation]()
    if annotation is Decimal:
        return kinds.Number()
    if origin is Literal:
        return _choice(annotation, arguments)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _choice(annotation, tuple(member.value for member in annotation))
    if annotation in (dict, list, JsonValue):
        return Json(type=annotation)
    is_json = origin in (dict, list) or (
        isinstance(annotation, type) and issubclass(annotation, BaseModel)
    )
    return Json(type=annotation) if is_json else None


def _choice(annotation: Any, values: tuple[Any, ...]) -> kinds.Kind | None:
    options = _options(values)
    return kinds.Choice(type=annotation, options=options) if options else None


def _options(values: tuple[Any, ...]) -> tuple[str | int, ...] | None:
    """The options of a Literal or Enum, or None where they aren't all words or all integers."""
    for kind in (str, int):
        if all(type(value) is kind for value in values):
            return values
    return None


def _limited(model: str, name: str, kind: kinds.Kind, options: Options) -> kinds.Kind:
    """The kind with the constraints that field() was given."""
    limits = dict(options.limits)
    if isinstance(kind, kinds.Number):
        if "decimal_places" not in limits:
            raise ModelError(
                f"{model}.{name}: say how exact it is: field(max_digits=10, decimal_places=2)"
            )
        places, digits = limits.pop("decimal_places"), limits.pop("max_digits", 18)
        most = 50 if options.flags.get("stored") == "numeric" else 18
        if not 0 <= places <= digits <= most:
            raise ModelError(
                f"{model}.{name}: a Decimal has at most 18 digits, which fit 64 bits, and in an "
                "existing column, stored='numeric', 50"
            )
        kind = kinds.Number(places=places, digits=digits)
    if options.flags.get("format"):
        kind = rich_text(f"{model}.{name}", kind, options.flags["format"])
    for limit in limits:
        if limit not in type(kind).constraints:
            raise ModelError(f"{model}.{name}: {limit} is no constraint of {kind.name}")
    if options.flags.get("nocase") and not kind.textual:
        raise ModelError(f"{model}.{name}: collate is for text, this is {kind.name}")
    if options.flags.get("search") and not kind.textual:
        raise ModelError(f"{model}.{name}: search is for text, this is {kind.name}")
    default = options.default
    if isinstance(default, datetime) and default.tzinfo is None:
        raise ModelError(f"{model}.{name}: the default has no time zone")
    stored = options.flags.get("stored", "")
    limited = replace(kind, limits=tuple(sorted(limits.items())), stored=stored)
    check_sound(f"{model}.{name}", limited, options)
    return limited


@lru_cache(1_000)
def _adapter_of(kind: kinds.Kind) -> TypeAdapter[Any]:
    """Its validator; fields that are alike are many, and to make one is most of a model's start."""
    return TypeAdapter(kind.limited())


def check_sound(where: str, kind: kinds.Kind, options: Options) -> None:
    """Raises ModelError for a constraint or a default that the kind can't have."""
    default = options.default
    if default is now and kind.name != "datetime":
        raise ModelError(f"{where}: the default now is for datetime, this is {kind.name}")
    told = default is not None and not isinstance(default, Sentinel)
    checked = told and not options.flags.get("factory")
    if not checked and not kind.limits:
        return
    try:
        adapter = _adapter_of(kind)
    except Exception as error:
        raise ModelError(f"{where}: its constraints can't be used: {error}") from error
    try:
        if checked:
            adapter.validate_python(default)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise ModelError(f"{where}: the default {default!r} can't be stored: {reason}") from None
