"""How columns of existing PostgreSQL tables hold values: `stored=` is the type as it spells it.

A text, a word of an enum and what is shown as text have rules of their own; the rest is a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import UserDefinedType

from abaft.model.kinds import Kind
from abaft.store.sql.dialect import Element, Encoder, number

Shape = Callable[[Kind, Element], Element]


class Named(UserDefinedType[Any]):
    """A type by its name."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name


def _as_it_is(kind: Kind, element: Element) -> Element:
    return element


def by_code_point(kind: Kind, element: Element) -> Element:
    return sa.collate(element, "C")


def _text_by_code_point(kind: Kind, element: Element) -> Element:
    return sa.collate(sa.cast(element, sa.Text), "C")


def _as_text(kind: Kind, element: Element) -> Element:
    return sa.cast(element, sa.Text)


def _from_text(kind: Kind, element: Element) -> Element:
    return sa.cast(element, Named(kind.stored))


@dataclass(frozen=True, slots=True)
class Form:
    """A form of storage.

    `value` is what the column is compared as, `ordered` what its order goes by, `shown` what its
    JSON is made of, `own` our own form of it and `assigned` what the column takes.
    """

    type: Any
    encode: Encoder | None = None
    decode: Encoder | None = None
    value: Shape = _as_it_is
    ordered: Shape = _as_it_is
    own: Shape = _as_it_is
    assigned: Shape = _as_it_is
    shown: Shape | None = None


def _local(value: datetime) -> datetime:
    return value.astimezone(UTC).replace(tzinfo=None)


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


def _in_utc(kind: Kind, element: Element) -> Element:
    return sa.func.timezone(sa.literal_column("'UTC'"), element)


def _micros(kind: Kind, element: Element) -> Element:
    seconds = sa.extract("epoch", element).self_group()
    return sa.cast(seconds.op("*")(number(1_000_000)), sa.BigInteger)


def _exact(kind: Any, element: Element) -> Element:
    """With the places of its kind, and with more where it has more."""
    places = sa.func.greatest(sa.func.scale(element), number(kind.places))
    return sa.func.round(element, places, type_=sa.Numeric)


def _double(kind: Kind, element: Element) -> Element:
    # By way of its text: the nearest double of 0.1, not of the nearest float of 32 bits.
    return sa.cast(sa.cast(element, sa.Text), postgresql.DOUBLE_PRECISION)


def _wide(kind: Kind, element: Element) -> Element:
    return sa.cast(element, sa.BigInteger)


_WIDE = Form(sa.BigInteger(), own=_wide)
_FORMS: dict[tuple[str, str], Form] = {
    ("integer", "smallint"): _WIDE,
    ("integer", "integer"): _WIDE,
    ("integer", "bigint"): _WIDE,
    ("float", "real"): Form(Named("real"), own=_double, shown=_double),
    ("decimal", "numeric"): Form(sa.Numeric(), shown=_exact),
    ("datetime", "timestamp without time zone"): Form(
        postgresql.TIMESTAMP(), _local, _utc, own=_in_utc, shown=_in_utc
    ),
    ("duration", "interval"): Form(postgresql.INTERVAL(), own=_micros, shown=_micros),
    ("text", "text"): Form(sa.Text(), ordered=by_code_point, own=by_code_point),
    ("text", "character varying"): Form(sa.Text(), ordered=by_code_point, own=by_code_point),
    ("text", "character"): Form(
        Named("bpchar"), ordered=_text_by_code_point, own=_text_by_code_point, shown=_as_text
    ),
    ("text", "bpchar"): Form(
        Named("bpchar"),
        ordered=_text_by_code_point,
        own=_text_by_code_point,
        shown=_as_text,
    ),
    ("text", "citext"): Form(sa.Text(), value=_as_text, ordered=by_code_point, own=by_code_point),
}
_AS_TEXT = Form(
    sa.Text(), value=_as_text, ordered=by_code_point, own=by_code_point, assigned=_from_text
)


def form(kind: Kind) -> Form | None:
    """The form of a kind that says how it is stored; None where there is none."""
    name = "text" if kind.textual else kind.name
    found = _FORMS.get((name, kind.stored))
    if found is not None:
        return found
    if kind.name == "choice":
        return Form(
            Named(kind.stored), ordered=_text_by_code_point, own=_text_by_code_point, shown=_as_text
        )
    if kind.name == "json" and kind.stored.endswith("[]"):
        return Form(Named(kind.stored), shown=_as_it_is)
    if kind.name == "json" and kind.stored == "json":
        return Form(postgresql.JSON())
    # What the database reads and writes as text, whatever it is.
    return _AS_TEXT if kind.textual else None
