"""How columns of existing SQLite tables hold values: one row a form, by kind and `stored=`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from abaft.model.kinds import Kind, Number
from abaft.store.sql.dialect import Element, Encoder, as_text, concat, number, text_literal
from abaft.store.sql.sqlite_floats import spelled

Shape = Callable[[Kind, Element], Element]


def _as_it_is(kind: Kind, element: Element) -> Element:
    return element


@dataclass(frozen=True, slots=True)
class Form:
    """A form of storage. `value` is what the column is compared as; `json` shows that, and `own`
    is that in our own form. `assigned` is what the column takes."""

    type: Any
    encode: Callable[[Kind], Encoder | None]
    decode: Callable[[Kind], Encoder | None]
    json: Shape
    own: Shape = _as_it_is
    value: Shape = _as_it_is
    assigned: Shape = _as_it_is


def _same(kind: Kind) -> None:
    return None


def _zone_left_out(value: datetime) -> datetime:
    return value.astimezone(UTC).replace(tzinfo=None)


def _datetime_text(separator: str, digits: int) -> Callable[[Kind], Encoder]:
    """Text with this many digits of a second; with more where the value has more."""

    def encode(value: datetime) -> str:
        local = _zone_left_out(value)
        exact = "seconds" if not value.microsecond else "microseconds"
        if digits == 3 and value.microsecond % 1000 == 0:
            exact = "milliseconds"
        text = local.isoformat(separator, "microseconds" if digits == 6 else exact)
        return text.rjust(len(text) + 4 - text.index("-"), "0")

    return lambda kind: encode


def _read_datetime(kind: Kind) -> Encoder:
    def decode(text: str) -> datetime:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)

    return decode


_MIDNIGHT = "0000-00-00 00:00:00.000000"


def _padded(element: Element, whole: str = _MIDNIGHT) -> Element:
    """The text with all its digits: 2013-01-31 is 2013-01-31 00:00:00.000000."""
    size = sa.func.length(element).op("+")(number(1)).self_group()
    return concat([as_text(element), as_text(sa.func.substr(text_literal(whole), size))])


def _quoted(text: Element) -> Element:
    return sa.func.json_quote(text, type_=sa.String)


def _without(text: Element, part: str, put: str = "") -> Element:
    return as_text(sa.func.replace(text, text_literal(part), text_literal(put)))


def _own_datetime(kind: Kind, element: Element) -> Element:
    whole = _padded(element).self_group()
    day = as_text(sa.func.substr(whole, number(1), number(10)))
    clock = as_text(sa.func.substr(whole, number(12)))
    return concat([day, text_literal("T"), clock, text_literal("Z")]).self_group()


def _datetime_json(kind: Kind, element: Element) -> Element:
    return _quoted(_without(_own_datetime(kind, element), ".000000Z", "Z"))


def _any_datetime(kind: Kind, element: Element) -> Element:
    """Of text in several forms, all in UTC: one that its order goes by."""
    plain = _without(_without(_without(element, "T", " "), "Z"), "+00:00")
    return _padded(plain).self_group()


def _short_datetime(kind: Kind, element: Element) -> Element:
    return _without(element, ".000000")


def _own_time(kind: Kind, element: Element) -> Element:
    return _padded(element, "00:00:00.000000").self_group()


def _time_json(kind: Kind, element: Element) -> Element:
    return _quoted(_without(_own_time(kind, element), ".000000"))


def _unix(parts: int) -> Callable[[Kind], Encoder]:
    """The count of seconds, or of parts of them, since 1970; a fraction where one is left."""

    def encode(value: datetime) -> int | float:
        micros = (value - _EPOCH) // _MICROSECOND
        whole, rest = divmod(micros * parts, 1_000_000)
        return whole + rest / 1_000_000 if rest else whole

    return lambda kind: encode


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = datetime.resolution


def _from_unix(parts: int) -> Callable[[Kind], Encoder]:
    def decode(value: float) -> datetime:
        return _EPOCH + _MICROSECOND * round(value * 1_000_000 / parts)

    return lambda kind: decode


def _own_unix(parts: int) -> Shape:
    """To the millisecond, the least that SQLite's calendar knows."""

    def own(kind: Kind, element: Element) -> Element:
        seconds = element.op("/")(sa.literal_column(f"{parts}.0"))
        form, epoch = text_literal("%Y-%m-%dT%H:%M:%f"), text_literal("unixepoch")
        text = as_text(sa.func.strftime(form, seconds, epoch)).concat(text_literal("000Z"))
        return text.self_group()

    return own


def _unix_json(parts: int) -> Shape:
    own = _own_unix(parts)
    return lambda kind, element: _quoted(_without(own(kind, element), ".000000Z", "Z"))


def _rounded(kind: Kind, element: Element) -> Element:
    assert isinstance(kind, Number)
    return sa.func.round(element, number(kind.places), type_=sa.REAL)


def _own_decimal(kind: Kind, element: Element) -> Element:
    assert isinstance(kind, Number)
    scaled = element.op("*")(number(10**kind.places)).self_group()
    return sa.cast(sa.func.round(scaled), sa.Integer)


def _decimal_json(kind: Kind, element: Element) -> Element:
    assert isinstance(kind, Number)
    # Zero has no sign, and null stays null.
    text = sa.func.printf(
        text_literal(f'"%.{kind.places}f"'), element.op("+")(sa.literal_column("0.0"))
    )
    return sa.case((element.is_not(None), as_text(text)))


def _from_real(kind: Kind) -> Encoder:
    assert isinstance(kind, Number)
    return lambda value: Decimal(f"{value:.{kind.places}f}")


def _own_float(kind: Kind, element: Element) -> Element:
    return sa.cast(element, sa.REAL)


def _float_json(kind: Kind, element: Element) -> Element:
    return spelled(_own_float(kind, element))


def _as_text(kind: Kind, element: Element) -> Element:
    return sa.cast(element, sa.Text)


def _text_json(kind: Kind, element: Element) -> Element:
    return _quoted(element)


def _moment(separator: str, digits: int) -> Form:
    encode = _datetime_text(separator, digits)
    return Form(sa.Text, encode, _read_datetime, _datetime_json, _own_datetime)


FORMS: dict[tuple[str, str], Form] = {
    ("datetime", "YYYY-MM-DD HH:MM:SS"): _moment(" ", 0),
    ("datetime", "YYYY-MM-DD HH:MM:SS.SSS"): _moment(" ", 3),
    ("datetime", "YYYY-MM-DD HH:MM:SS.SSSSSS"): _moment(" ", 6),
    ("datetime", "YYYY-MM-DDTHH:MM:SS"): _moment("T", 0),
    ("datetime", "YYYY-MM-DDTHH:MM:SS.SSS"): _moment("T", 3),
    ("datetime", "YYYY-MM-DDTHH:MM:SS.SSSSSS"): _moment("T", 6),
    ("datetime", "text"): Form(
        sa.Text,
        _datetime_text(" ", 6),
        _read_datetime,
        _datetime_json,
        _own_datetime,
        _any_datetime,
        _short_datetime,
    ),
    ("datetime", "unix"): Form(sa.Integer, _unix(1), _from_unix(1), _unix_json(1), _own_unix(1)),
    ("datetime", "unix ms"): Form(
        sa.Integer, _unix(1000), _from_unix(1000), _unix_json(1000), _own_unix(1000)
    ),
    ("time", "HH:MM:SS"): Form(
        sa.Text, lambda kind: time.isoformat, lambda kind: time.fromisoformat, _time_json, _own_time
    ),
    ("decimal", "numeric"): Form(
        sa.Numeric, lambda kind: float, _from_real, _decimal_json, _own_decimal, _rounded
    ),
    ("float", "numeric"): Form(sa.Numeric, _same, lambda kind: float, _float_json, _own_float),
    ("text", "any"): Form(sa.Text, _same, _same, _text_json, _as_it_is, _as_text),
}
