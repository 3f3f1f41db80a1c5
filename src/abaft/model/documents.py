"""The kind of JSON of any shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from json.encoder import encode_basestring as _quoted
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
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise PydanticCustomError("json_value", _NOT_PLAIN) from None
    # Escaped backslashes are taken out first: r"\\u0000" is six harmless characters.
    if "\\u0000" in text.replace("\\\\", ""):
        raise PydanticCustomError("nul_character", "JSON should not have the character U+0000")
    return value


def dump_json(value: Any) -> str:
    """JSON text as PostgreSQL's jsonb shows it, so that it has the same ETag on every engine."""
    return _DUMPS.get(type(value), _other)(value)


def _object(value: dict[str, Any]) -> str:
    if len(value) > 1:
        value = {key: value[key] for key in sorted(value, key=_place)}
    return f"{{{', '.join([f'{_quoted(key)}: {dump_json(value[key])}' for key in value])}}}"


def _place(key: str) -> tuple[int, bytes]:
    told = key.encode()
    return len(told), told


def _list(value: Iterable[Any]) -> str:
    return f"[{', '.join(map(dump_json, value))}]"


def _whole(value: int) -> str:
    """A large float is shown, and so comes back, as an integer."""
    text = int.__repr__(value)
    if not INT_MIN <= value <= INT_MAX and text != _float(float(value)):
        raise ValueError("an integer over 64 bits")
    return text


def _float(value: float) -> str:
    """The shortest digits, without an exponent; there is no -0.0."""
    if not isfinite(value):
        raise ValueError("a number that isn't finite")
    text = float.__repr__(value + 0.0)
    return f"{Decimal(text):f}" if "e" in text else text


_DUMPS: dict[type, Callable[[Any], str]] = {
    dict: _object,
    list: _list,
    tuple: _list,
    str: _quoted,
    bool: {True: "true", False: "false"}.__getitem__,
    type(None): lambda value: "null",
    int: _whole,
    float: _float,
}


def _other(value: Any) -> str:
    """A value of a class that is one of JSON's with a name of its own."""
    for kind, dump in _DUMPS.items():
        if isinstance(value, kind):
            return dump(value)
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


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
