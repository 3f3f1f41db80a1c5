"""SQLite's ways. Datetimes are text of fixed width, so that their order is the text's order."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, time
from decimal import Decimal
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import FromClause

from abaft.base.columns import AT_ONCE
from abaft.base.ids import uuid_text
from abaft.model.documents import dump_json
from abaft.model.kinds import Choice, Kind, Number
from abaft.model.times import MICROSECOND, show_datetime
from abaft.store.sql.cross_join import CrossJoin
from abaft.store.sql.dialect import Dialect, Element, Encoder, as_text, concat, number, text_literal
from abaft.store.sql.search_sqlite import SqliteSearch
from abaft.store.sql.sqlite_floats import spelled
from abaft.store.sql.sqlite_functions import FUNCTIONS, REDUCTIONS
from abaft.store.sql.sqlite_operators import OPERATORS
from abaft.store.sql.sqlite_storage import FORMS, Form

_TYPES: dict[str, Any] = {
    "text": sa.Text,
    "email": sa.Text,
    "url": sa.Text,
    "integer": sa.Integer,
    "float": sa.REAL,
    "decimal": sa.Integer,
    "boolean": sa.Integer,
    "datetime": sa.Text,
    "date": sa.Text,
    "time": sa.Text,
    "duration": sa.Integer,
    "uuid": sa.Text,
    "binary": sa.LargeBinary,
    "json": sa.Text,
}


def datetime_text(value: datetime) -> str:
    """27 characters: 2013-01-31T10:00:00.000000Z."""
    text = show_datetime(value)
    return text if len(text) == 27 else f"{text[:-1]}.000000Z"


def _datetime_texts(values: Sequence[Any]) -> list[str] | None:
    made = AT_ONCE[show_datetime](values)
    return made and [text if len(text) == 27 else f"{text[:-1]}.000000Z" for text in made]


AT_ONCE[datetime_text] = _datetime_texts


def _read_datetime(text: str) -> datetime:
    return datetime.fromisoformat(text)


_ENCODERS: dict[str, Encoder] = {
    "boolean": int,
    "datetime": datetime_text,
    "date": lambda value: value.isoformat(),
    "time": lambda value: value.isoformat(timespec="microseconds"),
    "duration": lambda value: value // MICROSECOND,
    "uuid": uuid_text,
    "json": dump_json,
}


EXACT_DIGITS = 15
"""What a float keeps of any decimal number."""


class _Compiler(SQLiteCompiler):
    """SQLAlchemy's, which names columns in RETURNING by their tables too.

    Without them a rule that looks at several tables there would be ambiguous, or of another one.
    """

    def returning_clause(self, *arguments: Any, **options: Any) -> str:
        return SQLCompiler.returning_clause(self, *arguments, **options)


def _dialect() -> sa.Dialect:
    dialect = sqlite.dialect(paramstyle="qmark")
    dialect.statement_compiler = _Compiler
    return dialect


class SqliteDialect(Dialect):
    """For the SQLite that apsw carries (3.45 or newer)."""

    sa = _dialect()
    functions = FUNCTIONS
    operators = OPERATORS
    reductions = REDUCTIONS
    inline_keys = True
    search = SqliteSearch()

    def form(self, kind: Kind) -> Form | None:
        """How an existing column holds the kind, where that isn't our own way."""
        return FORMS.get((kind.name, kind.stored)) if kind.stored else None

    def type(self, kind: Kind) -> Any:
        if (form := self.form(kind)) is not None:
            return form.type()
        if isinstance(kind, Choice):
            return sa.Text() if kind.of_text else sa.Integer()
        return _TYPES[kind.name]()

    def encoder(self, kind: Kind) -> Encoder | None:
        if (form := self.form(kind)) is not None:
            return form.encode(kind)
        if isinstance(kind, Number):
            factor = 10**kind.places
            return lambda value: int(value * factor)
        return kind.show if isinstance(kind, Choice) else _ENCODERS.get(kind.name)

    def decoder(self, kind: Kind) -> Encoder | None:
        if (form := self.form(kind)) is not None:
            return form.decode(kind)
        if isinstance(kind, Number):
            return lambda value: Decimal(value).scaleb(-kind.places)
        decoders: dict[str, Encoder] = {
            "boolean": bool,
            "datetime": _read_datetime,
            "date": lambda value: kind.parse(value),
            "time": time.fromisoformat,
            "duration": lambda value: value * MICROSECOND,
            "uuid": kind.parse,
            "json": orjson.loads,
        }
        return decoders.get(kind.name)

    def knows(self, kind: Kind) -> bool:
        exact = not isinstance(kind, Number) or kind.digits <= EXACT_DIGITS
        return self.form(kind) is not None and exact

    def holds(self, kind: Kind, type_: str, family: Callable[[str], str]) -> bool:
        # What a loosely typed column holds its type doesn't tell.
        return bool(kind.stored) or super().holds(kind, type_, family)

    def value(self, kind: Kind, column: Element) -> Element:
        form = self.form(kind)
        return column if form is None else form.value(kind, column)

    def assigned(self, kind: Kind, value: Element) -> Element:
        form = self.form(kind)
        return value if form is None else form.assigned(kind, value)

    def own(self, kind: Kind, value: Element) -> Element:
        form = self.form(kind)
        return value if form is None else form.own(kind, value)

    def json(self, kind: Kind, element: Element) -> Element:
        if (form := self.form(kind)) is not None:
            return form.json(kind, element)
        text = as_text(element)
        match kind.name:
            case "integer" | "json":
                return text
            case "boolean":
                return sa.case(
                    (element == number(0), text_literal("false")),
                    (element == number(1), text_literal("true")),
                )
            case "datetime":
                return _quoted(
                    sa.func.replace(element, text_literal(".000000Z"), text_literal("Z"))
                )
            case "time":
                return _quoted(sa.func.replace(element, text_literal(".000000"), text_literal("")))
            case "date" | "uuid":
                return _quoted(text)
            case "float":
                return spelled(element)
            case "decimal":
                assert isinstance(kind, Number)
                return _decimal(kind, element)
            case "duration":
                return _duration(element)
            case "binary":
                return _quoted(sa.func.abaft_base64(element, type_=sa.String))
        return sa.func.json_quote(element, type_=sa.String)

    def bytes_literal(self, value: bytes) -> str:
        return f"X'{value.hex()}'"

    def list_encoder(self, kind: Kind) -> Encoder:
        # JSON has no bytes: they go as their digits, and `among` brings them back.
        encode = bytes.hex if kind.name == "binary" else self.encoder(kind)
        return lambda values: json.dumps([encode(item) if encode else item for item in values])

    def list_type(self, kind: Kind) -> Any:
        return sa.Text()

    def among(self, element: Element, param: Element) -> Element:
        value = sa.func.json_each(param).table_valued("value").c.value
        binary = isinstance(element.type, sa.LargeBinary)
        return element.in_(sa.select(sa.func.unhex(value) if binary else value))

    def contains(self, element: Element, part: Element) -> Element:
        return sa.func.instr(element, part) > number(0)

    def endswith(self, element: Element, part: Element) -> Element:
        size = sa.func.length
        return sa.func.substr(element, size(element) - size(part) + number(1)) == part

    def nested(self, outer: FromClause[Any], inner: FromClause[Any]) -> FromClause[Any]:
        return CrossJoin(outer, inner)

    def has_member(self, element: Element, name: str) -> Element:
        return sa.func.json_type(element, text_literal(f'$."{name}"')).is_not(None)

    def gather(self, element: Element) -> Element:
        return sa.func.group_concat(element, text_literal(","), type_=sa.String)

    def fingerprint(self, text: Element) -> Element:
        return sa.func.abaft_fingerprint(text, type_=sa.String)


def _quoted(text: Element) -> Element:
    return concat([text_literal('"'), as_text(text), text_literal('"')])


def _sign(element: Element, text: str) -> Element:
    return sa.case((element < number(0), text_literal("-" + text)), else_=text_literal(text))


def _digits(whole: Element, size: int) -> Element:
    """The last `size` digits, with zeros in front."""
    padded = text_literal("0" * size).concat(as_text(whole))
    return as_text(sa.func.substr(padded, number(-size)))


def _whole(element: Element, divisor: int) -> Element:
    # SQLite divides integers to an integer; SQLAlchemy's // would add a floor().
    return as_text(sa.func.abs(element).op("/")(number(divisor)))


def _rest(element: Element, divisor: int) -> Element:
    return sa.func.abs(element).op("%")(number(divisor))


def _decimal(kind: Number, element: Element) -> Element:
    scale = 10**kind.places
    parts = [_sign(element, ""), sa.type_coerce(_whole(element, scale).self_group(), sa.String)]
    if kind.places:
        parts += [text_literal("."), _digits(_rest(element, scale).self_group(), kind.places)]
    return _quoted(concat(parts))


def _duration(element: Element) -> Element:
    million = 1_000_000
    fraction = text_literal(".").concat(_digits(_rest(element, million).self_group(), 6))
    whole = sa.type_coerce(_whole(element, million).self_group(), sa.String)
    no_fraction = (_rest(element, million).self_group() == number(0), text_literal(""))
    parts = [_sign(element, "PT"), whole, sa.case(no_fraction, else_=fraction), text_literal("S")]
    return _quoted(concat(parts))
