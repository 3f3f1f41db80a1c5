"""How columns of existing MySQL and MariaDB tables hold values: `stored=` is the type's name.

Of text it is the name of the collation. Such text is compared by code point all the same; an index
in another order still finds the few that may be equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import UserDefinedType

from abaft.model.kinds import Kind
from abaft.store.sql.dialect import Element, Encoder
from abaft.store.sql.mysql_compiler import JsonText, LongText, Moment

Shape = Callable[[Kind, Element], Element]
_COLLATION = re.compile(r"[a-z0-9]+_[a-z0-9_]+|binary")
_INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")


class Spelled(UserDefinedType[Any]):
    """A type as the database spells it."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name


class Whole(sa.Integer):
    """An integer's type as the database spells it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


@compiles(Whole)
def _whole(type_: Whole, compiler: Any, **options: Any) -> str:
    return type_.name


class ByCodePoint(FunctionElement[Any]):
    """Text of another charset or collation, as ours; `raw` is the column."""

    name = "abaft_by_code_point"
    type = LongText()
    inherit_cache = False

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        self.raw = raw


@compiles(ByCodePoint)
def _by_code_point(element: ByCodePoint, compiler: Any, **options: Any) -> str:
    text = compiler.process(element.raw, **options)
    return f"(convert({text} using utf8mb4) COLLATE {compiler.dialect.collation})"


def _as_it_is(kind: Kind, element: Element) -> Element:
    return element


def _ours(kind: Kind, element: Element) -> Element:
    return ByCodePoint(element)


def _shown(kind: Kind, element: Element) -> Element:
    """As the database shows it."""
    return ByCodePoint(sa.cast(element, sa.String))


def _double(kind: Kind, element: Element) -> Element:
    # By way of its text: the nearest double of 0.1, not of the nearest float of 32 bits.
    return sa.cast(sa.cast(element, sa.String), mysql.DOUBLE())


def _bit(kind: Kind, element: Element) -> Element:
    return sa.type_coerce(element.op("+")(sa.literal_column("0")).self_group(), sa.Integer())


def _document(kind: Kind, element: Element) -> Element:
    return sa.type_coerce(_shown(kind, element), JsonText())


@dataclass(frozen=True, slots=True)
class Form:
    """A form of storage: `ddl` is the column's type, `type` that of its value, which `value` is."""

    ddl: Any
    type: Any
    value: Shape = _as_it_is
    encode: Encoder | None = None


def form(kind: Kind) -> Form | None:
    """The form of a kind that says how it is stored; None where there is none."""
    stored = kind.stored
    plain = stored.removesuffix(" unsigned")
    match kind.name:
        case "integer" if plain in _INTEGERS:
            return Form(Whole(stored), sa.BigInteger())
        case "float" if stored == "float":
            return Form(Spelled(stored), mysql.DOUBLE(), _double)
        case "decimal" if stored == "numeric":
            return Form(sa.Numeric(*_size(kind)), sa.Numeric(*_size(kind)))
        case "boolean" if stored == "bit(1)":
            return Form(Spelled(stored), sa.Integer(), _bit)
        case "datetime" if stored in ("datetime", "timestamp"):
            return Form(Spelled(stored), Moment())
        case "json" if stored == "json":
            return Form(Spelled(stored), JsonText(), _document)
        case "choice" if stored == "enum":
            return Form(Spelled(stored), LongText(), _shown)
        case "uuid" if stored == "uuid":
            return Form(Spelled(stored), LongText(), _shown)
    if not kind.textual:
        return None
    if _COLLATION.fullmatch(stored):
        longest = dict(kind.limits).get("max_length")
        size = f"VARCHAR({longest})" if longest else "LONGTEXT"
        return Form(Spelled(f"{size} COLLATE {stored}"), LongText(), _ours)
    # What the database reads and writes as text, whatever it is.
    return Form(Spelled(stored), LongText(), _shown)


def _size(kind: Any) -> tuple[int, int]:
    return kind.digits, kind.places


_ALSO = {"decimal": ("numeric",), "bigint unsigned": ("numeric",), "longtext": ("json",)}
"""Other names for a type: that of other databases, of what is larger, and MariaDB's for JSON."""


def holds(kind: Kind, type_: str) -> bool:
    """Whether a column of this type holds the kind as it says."""
    plain, _, collation = type_.lower().partition(" collate ")
    name = re.sub(r"\(.*\)", "", plain) if kind.stored != "bit(1)" else plain
    if name.startswith(("decimal", "float", "double")):
        name = name.removesuffix(" unsigned")
    return kind.stored in (plain, name, collation or name, *_ALSO.get(name, ()))
