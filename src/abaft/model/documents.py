"""The kind of JSON of any shape."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, LiteralString

from pydantic import AfterValidator, JsonValue, TypeAdapter
from pydantic_core import PydanticCustomError

from abaft.model.kinds import INT_MAX, INT_MIN, Kind

_NOT_PLAIN: LiteralString = "JSON should have no NaN, no infinity and no integer over 64 bits"


def plain_json(value: Any) -> Any:
    """The value, if every engine can store it."""
    try:
        text = dump_json(value)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise PydanticCustomError("json_value", _NOT_PLAIN) from None
    # Escaped backslashes are taken out first: r"\\u0000" is six harmless characters.
    if "\\u0000" in text.replace("\\\\", ""):
        raise PydanticCustomError("nul_character", "JSON should not have the character U+0000")
    return value


def dump_json(value: Any) -> str:
    """Compact JSON text with keys in the order in which PostgreSQL's jsonb keeps them."""
    return json.dumps(_ordered(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return {key: _ordered(value[key]) for key in keys}
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if type(value) is int and not INT_MIN <= value <= INT_MAX:
        raise ValueError("an integer over 64 bits")
    # Engines spell -0.0 differently.
    return value + 0.0 if isinstance(value, float) else value


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, as PostgreSQL's jsonb compares them."""
    return bool(_comparable(one) == _comparable(other))


def _comparable(value: Any) -> Any:
    """A number by its digits, and never the same as true or false."""
    match value:
        case bool() | None:
            return (value,)
        case int() | float():
            return Decimal(repr(value))
        case list():
            return [_comparable(item) for item in value]
        case dict():
            return {name: _comparable(item) for name, item in value.items()}
    return value


@dataclass(frozen=True, slots=True)
class Json(Kind):
    """JSON of any shape, or of a pydantic model's."""

    name = "json"
    ordered = False
    constraints = frozenset()

    type: Any = field(default=None, compare=True)

    def python(self) -> Any:
        return Annotated[_json_annotation(self.type), AfterValidator(plain_json)]

    def parse(self, text: str) -> Any:
        raise ValueError("nothing: a JSON field can't be compared")

    def read(self, value: Any) -> Any:
        return value


def _json_annotation(declared: Any) -> Any:
    if declared in (dict, list):
        return {dict: dict[str, JsonValue], list: list[JsonValue]}[declared]
    if declared is JsonValue:
        return JsonValue
    adapter: TypeAdapter[Any] = TypeAdapter(declared)

    def plain(value: Any) -> Any:
        """Plain JSON of the declared type's value; pydantic would turn infinity into null."""
        _finite(adapter.dump_python(value))
        return adapter.dump_python(value, mode="json")

    return Annotated[declared, AfterValidator(plain)]


def _finite(value: Any) -> None:
    if isinstance(value, dict):
        value = value.values()
    elif isinstance(value, float) and not isfinite(value):
        raise PydanticCustomError("json_value", _NOT_PLAIN)
    elif not isinstance(value, (list, tuple, set, frozenset)):
        return
    for item in value:
        _finite(item)
