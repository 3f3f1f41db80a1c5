"""How each kind is kept in BSON, and the one spelling of its JSON.

What BSON has no exact place for is text of fixed width, whose order is the value's: MongoDB's own
dates end at milliseconds. JSON is text too: no name in it can be taken for an operator.
"""

from __future__ import annotations

import base64
from binascii import hexlify
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from struct import iter_unpack
from typing import Any
from uuid import UUID

import orjson
from bson import Binary, DBRef, Decimal128, Int64
from bson.binary import UUID_SUBTYPE

from abaft.base.floats import spell
from abaft.model.documents import dump_json
from abaft.model.kinds import Choice, Kind, Number
from abaft.model.times import MICROSECOND

Convert = Callable[[Any], Any]
Spell = Callable[[Any], str]
Show = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Form:
    """BSON of our value, our value of BSON, and the JSON text of BSON; `type` as validators say."""

    type: str
    encode: Convert
    decode: Convert
    spell: Spell


def _same(value: Any) -> Any:
    return value


def text_json(value: str) -> str:
    """The text in quotes, escaped as the SQL databases do it."""
    return orjson.dumps(value).decode()


def datetime_text(value: datetime) -> str:
    """27 characters: 2013-01-31T10:00:00.000000Z."""
    text = value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return text.rjust(26, "0") + "Z"


def _decimal_json(kind: Number) -> Spell:
    # Zero has no sign.
    return lambda value: f'"{value.to_decimal() or Decimal(0):.{kind.places}f}"'


def _number(kind: Number) -> Form:
    step = Decimal(1).scaleb(-kind.places)
    return Form(
        "decimal",
        lambda value: Decimal128(value or Decimal(0)),
        lambda value: value.to_decimal().quantize(step),
        _decimal_json(kind),
    )


def _choice(kind: Choice) -> Form:
    text = kind.of_text
    return Form(
        "string" if text else "long",
        kind.show if text else lambda value: Int64(kind.show(value)),
        _same if text else int,
        text_json if text else str,
    )


def _quoted(text: str) -> str:
    return f'"{text}"'


def binary(value: UUID | str) -> Binary:
    """The BSON of a UUID. A key that a program read from JSON is text."""
    return Binary((value if isinstance(value, UUID) else UUID(value)).bytes, UUID_SUBTYPE)


def _uuid(value: bytes) -> UUID:
    return UUID(bytes=value)


def _uuid_text(value: bytes) -> str:
    # Of many that are shown none has to become a UUID, which takes Python a while.
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _uuid_texts(values: Sequence[Any]) -> Sequence[Any]:
    """The same of many: at once, where none of them is null."""
    try:
        digits = hexlify(b"".join(values))
    except TypeError:
        digits = b""
    if len(digits) != 32 * len(values):
        return [None if value is None else _uuid_text(value) for value in values]
    return b" ".join(map(b"-".join, iter_unpack("8s4s4s4s12s", digits))).decode().split()


def _uuid_json(value: bytes) -> str:
    return f'"{_uuid_text(value)}"'


def _moment_text(value: str) -> str:
    return value.replace(".000000Z", "Z")


def _moment_json(value: str) -> str:
    return f'"{_moment_text(value)}"'


def _bool_json(value: bool) -> str:
    return "true" if value else "false"


def _duration_json(kind: Kind) -> Spell:
    return lambda value: f'"{kind.show(value * MICROSECOND)}"'


_TEXT = Form("string", _same, _same, text_json)
_FORMS: Mapping[str, Form] = {
    "text": _TEXT,
    "email": _TEXT,
    "url": _TEXT,
    "integer": Form("long", Int64, int, str),
    "float": Form("double", float, _same, spell),
    "boolean": Form("bool", bool, _same, _bool_json),
    "datetime": Form(
        "string",
        datetime_text,
        datetime.fromisoformat,
        _moment_json,
    ),
    "time": Form(
        "string",
        lambda value: value.isoformat(timespec="microseconds"),
        time.fromisoformat,
        lambda value: _quoted(value.replace(".000000", "")),
    ),
    "uuid": Form("binData", binary, _uuid, _uuid_json),
    "json": Form("string", dump_json, orjson.loads, _same),
}


BSON = "bson"
"""How JSON of other programs is stored: as whatever they have put there."""


def _plain(value: Any) -> Any:
    """What JSON has no place for, as text."""
    match value:
        case float() if value != value or abs(value) == float("inf"):
            return None
        case DBRef():
            return _plain(dict(value.as_doc()))
        case dict():
            return {str(name): _plain(part) for name, part in value.items()}
        case list():
            return [_plain(part) for part in value]
        case datetime():
            return datetime_text(value).replace(".000000Z", "Z")
        case Binary(subtype=4):
            return _uuid_text(value)
        case bytes():
            return base64.b64encode(value).decode()
        case None | bool() | int() | float() | str():
            return value
    return str(value)


_ANY = Form("object", _same, _plain, lambda value: dump_json(_plain(value)))


def form(kind: Kind) -> Form:
    """The row of a kind."""
    if kind.stored == BSON:
        return _ANY
    match kind:
        case Number():
            return _number(kind)
        case Choice():
            return _choice(kind)
    match kind.name:
        case "date":
            return Form("string", lambda value: value.isoformat(), kind.parse, _quoted)
        case "duration":
            return Form(
                "long",
                lambda value: Int64(value // MICROSECOND),
                lambda value: int(value) * MICROSECOND,
                _duration_json(kind),
            )
        case "binary":
            return Form("binData", bytes, bytes, lambda value: _quoted(kind.show(value)))
    return _FORMS[kind.name]


def encode(kind: Kind, value: Any) -> Any:
    """The BSON of our value, of null null."""
    return None if value is None else form(kind).encode(value)


def decode(kind: Kind, value: Any) -> Any:
    """Our value of BSON, of null null."""
    return None if value is None else form(kind).decode(value)


def decoder(kind: Kind) -> Convert:
    """What makes our value of BSON."""
    found = form(kind).decode
    return lambda value: None if value is None else found(value)


def shower(kind: Kind) -> Show | None:
    """What makes of BSON values that orjson spells as `speller` does; None: nothing has to."""
    spell = form(kind).spell
    if spell in (text_json, str, _quoted, _bool_json):
        return None
    if spell is _uuid_json:
        return _uuid_texts
    if spell is _moment_json:
        return lambda values: [None if one is None else _moment_text(one) for one in values]
    return lambda values: [None if one is None else orjson.Fragment(spell(one)) for one in values]


def speller(kind: Kind) -> Spell:
    """What makes JSON text of BSON."""
    found = form(kind).spell
    return lambda value: "null" if value is None else found(value)


def hashable(value: Any) -> Hashable:
    """A key of a document, to look records up by."""
    if type(value) is Binary:
        return bytes(value)  # which Python compares and hashes by itself
    if isinstance(value, dict):
        return tuple(map(hashable, value.values()))
    if isinstance(value, list):
        return tuple(map(hashable, value))
    return value.bid if isinstance(value, Decimal128) else value
