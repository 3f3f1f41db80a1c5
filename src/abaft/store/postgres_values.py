"""What field a PostgreSQL type becomes: one row a type, the rest as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Held = tuple[str, dict[str, Any]]
"""The kind of a column, and what else its field is told."""


@dataclass(frozen=True, slots=True)
class Type:
    """A type as it was declared: of a domain, what it is made of.

    `name` is as PostgreSQL spells it without its size, which `modifier` holds; `item` is the
    type of an array's items.
    """

    name: str
    modifier: int = -1
    words: tuple[str, ...] = ()
    item: Type | None = None
    by_code_point: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a column's values."""

    places: int = 0
    months: bool = False


_PLAIN = {
    "bigint": "integer",
    "boolean": "boolean",
    "date": "date",
    "double precision": "float",
    "timestamp with time zone": "datetime",
    "time without time zone": "time",
    "uuid": "uuid",
    "bytea": "binary",
    "jsonb": "json",
}
_STORED = {
    "smallint": "integer",
    "integer": "integer",
    "real": "float",
    "timestamp without time zone": "datetime",
    "json": "json",
}
_LEFT_OUT = {
    "money": "its values depend on the server's locale",
    "tsvector": "it is for text search",
    "tsquery": "it is for text search",
}
ITEMS = {
    "text": "str",
    "character varying": "str",
    "smallint": "int",
    "integer": "int",
    "bigint": "int",
    "real": "float",
    "double precision": "float",
    "boolean": "bool",
    "uuid": "UUID",
}
_DIGITS = 30
"""Of numbers without a size."""


def held(type_: Type, facts: Facts) -> Held:
    """The kind of the type, how it is stored and its size; "" where it is left out."""
    if type_.name in _LEFT_OUT:
        return "", {"note": _LEFT_OUT[type_.name]}
    if type_.name in _PLAIN:
        return _PLAIN[type_.name], {}
    if type_.name in _STORED:
        return _STORED[type_.name], {"stored": type_.name}
    if type_.words:
        return "choice", {"stored": type_.name, "words": type_.words, "enum": type_.name}
    if type_.item is not None:
        return _array(type_, type_.item)
    found = _SPECIAL.get(type_.name)
    return found(type_, facts) if found else ("text", {"stored": type_.name})


def _array(type_: Type, item: Type) -> Held:
    if item.words:
        return "json", {"stored": type_.name, "item": item.name, "words": item.words}
    if item.name in ITEMS:
        return "json", {"stored": type_.name, "item": ITEMS[item.name]}
    return "text", {"stored": type_.name}


def _text(type_: Type, facts: Facts) -> Held:
    return "text", {} if type_.by_code_point else {"stored": type_.name}


def _varchar(type_: Type, facts: Facts) -> Held:
    kind, told = _text(type_, facts)
    size = {} if type_.modifier < 4 else {"max_length": type_.modifier - 4}
    return kind, told | size


def _char(type_: Type, facts: Facts) -> Held:
    if type_.modifier < 4:
        return "text", {"stored": "bpchar"}
    return "text", {"stored": "character", "max_length": type_.modifier - 4}


def _numeric(type_: Type, facts: Facts) -> Held:
    if type_.modifier < 4:
        return "decimal", {"stored": "numeric", "digits": _DIGITS, "places": max(facts.places, 2)}
    digits, places = (type_.modifier - 4) >> 16, (type_.modifier - 4) & 0x7FF
    if places > digits:  # a negative scale, or one beyond the digits
        return "text", {"stored": "numeric"}
    if digits > 50:
        return "text", {"stored": "numeric"}
    stored = {"stored": "numeric"} if digits > 18 else {}
    return "decimal", {"digits": digits, "places": places} | stored


def _interval(type_: Type, facts: Facts) -> Held:
    """A duration; where months are in it, it has no length of its own."""
    return ("text" if facts.months else "duration"), {"stored": "interval"}


def _citext(type_: Type, facts: Facts) -> Held:
    return "text", {"stored": "citext", "nocase": True}


_SPECIAL: Mapping[str, Callable[[Type, Facts], Held]] = {
    "text": _text,
    "character varying": _varchar,
    "character": _char,
    "numeric": _numeric,
    "interval": _interval,
    "citext": _citext,
}
