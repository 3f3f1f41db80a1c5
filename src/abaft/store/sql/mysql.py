"""MySQL's and MariaDB's ways. Text is compared by code point, and JSON is kept as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Column, Select, Table
from sqlalchemy import Index as SqlIndex
from sqlalchemy.dialects import mysql
from sqlalchemy.sql.selectable import FromClause

from abaft.base.errors import ModelError
from abaft.model.kinds import Choice, Kind, Number
from abaft.model.spec import Field, Model
from abaft.store.sql.dialect import (
    Dialect,
    Element,
    Encoder,
    as_text,
    concat,
    listing,
    number,
    text_literal,
)
from abaft.store.sql.indexes import Index
from abaft.store.sql.mysql_columns import Columns, lowered
from abaft.store.sql.mysql_compiler import (
    Clock,
    CompilingDialect,
    Gathered,
    JsonText,
    LongBytes,
    LongText,
    Moment,
    Named,
)
from abaft.store.sql.mysql_floats import Spelled
from abaft.store.sql.mysql_functions import FUNCTIONS, REDUCTIONS
from abaft.store.sql.mysql_literals import Listed, literal
from abaft.store.sql.mysql_operators import OPERATORS
from abaft.store.sql.mysql_quoted import mended
from abaft.store.sql.mysql_storage import Whole, form, holds
from abaft.store.sql.mysql_values import BARE, DECODERS, ENCODERS
from abaft.store.sql.search_mysql import MysqlSearch

_TYPES: dict[str, Any] = {
    "text": LongText(),
    "email": LongText(),
    "url": LongText(),
    "integer": sa.BigInteger(),
    "float": mysql.DOUBLE(),
    "boolean": mysql.TINYINT(1),
    "datetime": Moment(),
    "date": sa.Date(),
    "time": Clock(),
    "duration": sa.BigInteger(),
    "uuid": LongText(),
    "binary": LongBytes(),
    "json": JsonText(),
}
_NAMED_TYPES = {
    "integer": "BIGINT",
    "float": "DOUBLE",
    "boolean": "TINYINT",
    "datetime": "DATETIME(6)",
    "date": "DATE",
    "time": "TIME(6)",
    "duration": "BIGINT",
}


@dataclass(frozen=True, slots=True)
class Server:
    """What statements must know of the server."""

    maria: bool = True
    collation: str = "utf8mb4_nopad_bin"


class MysqlDialect(Dialect):
    """For MariaDB 10.11 or newer, and MySQL 8.0.23 or newer; `server` is set when it is known."""

    functions = FUNCTIONS
    operators = OPERATORS
    reductions = REDUCTIONS
    partial = False
    joins_expanded = True
    bare = BARE
    unchecked = ("SET SESSION foreign_key_checks = 0", "SET SESSION foreign_key_checks = 1")
    explain = "EXPLAIN FORMAT=JSON "

    def __init__(self) -> None:
        self.compiling = CompilingDialect()
        self.sa = self.compiling
        self.server = Server()
        self.search = MysqlSearch()

    def looking(self) -> MysqlDialect:
        """The same, whose searches look into each record: an index knows what is committed."""
        other = copy(self)
        other.search = MysqlSearch(indexed=False)
        return other

    def meet(self, server: Server) -> None:
        """Takes the server's ways; statements that were made before may be another's."""
        self.server = server
        self.compiling.maria = server.maria
        self.compiling.collation = server.collation

    @property
    def gives_inserted(self) -> bool:  # type: ignore[override]
        return self.server.maria

    def type(self, kind: Kind) -> Any:
        if kind.stored and (found := form(kind)) is not None:
            return found.type
        if isinstance(kind, Choice):
            return LongText() if kind.of_text else sa.BigInteger()
        if isinstance(kind, Number):
            return sa.Numeric(kind.digits, kind.places)
        return _TYPES[kind.name]

    def column_type(self, model: Model, field: Field) -> Any:
        if field.generated and field.kind.name != "integer":
            raise ModelError(
                f"{model.name}.{field.name}: on MySQL and MariaDB only keys that are integers are "
                "made by the database: let it be made here, or make it one"
            )
        if field.kind.stored and (found := form(field.kind)) is not None:
            return found.ddl
        return Columns(self, model).type(field)

    def tied_type(self, model: Model, field: Field, key: Field) -> Any:
        found = form(key.kind) if key.kind.stored else None
        if found is None:
            return None
        if not isinstance(found.ddl, Whole):
            raise ModelError(
                f"{model.name}.{field.name}: MySQL and MariaDB have no foreign key to text in the "
                f"order {key.kind.stored!r}: ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4 "
                f"COLLATE {self.server.collation}, or let {model.name} be of an existing table too"
            )
        return found.ddl

    def key_type(self, kind: Kind, longest: int) -> Any:
        return Columns.short(longest)

    def companions(self, model: Model, guards: Mapping[str, Element | None]) -> list[Column[Any]]:
        return Columns(self, model).companions(guards)

    def indexed(self, model: Model, index: Index, table: Table, where: Element | None) -> SqlIndex:
        return Columns(self, model).index(index, table)

    def drop_index(self, name: str, table: str) -> str:
        return f"{super().drop_index(name, table)} ON {table}"

    def joined_update(self, table: str, others: str, tie: str, column: str, value: str) -> str:
        return f"UPDATE {table} JOIN {others} ON {tie} SET {column} = CAST({value} AS CHAR)"

    def deleted(self, table: Table, where: Element, most: int) -> Any:
        return sa.delete(table).where(where).with_dialect_options(mysql_limit=most)

    def of_records(self, model: str) -> str:
        return "(model(64), record(191), seq)"

    def bytes_literal(self, value: bytes) -> str:
        return f"x'{value.hex()}'"

    def default(self, kind: Kind, value: Any) -> str:
        encode = self.encoder(kind)
        value = encode(value) if encode else value
        if isinstance(value, str):
            # MariaDB keeps the expression as text of its own, in which it escapes nothing.
            return f"(convert(x'{value.encode().hex()}' using utf8mb4))"
        return f"({literal(value)})"

    def knows(self, kind: Kind) -> bool:
        return form(kind) is not None

    def holds(self, kind: Kind, type_: str, family: Callable[[str], str]) -> bool:
        return holds(kind, type_) if kind.stored else super().holds(kind, type_, family)

    def value(self, kind: Kind, column: Element) -> Element:
        found = form(kind) if kind.stored else None
        return column if found is None else found.value(kind, column)

    def encoder(self, kind: Kind) -> Encoder | None:
        return kind.show if isinstance(kind, Choice) else ENCODERS.get(kind.name)

    def decoder(self, kind: Kind) -> Encoder | None:
        return kind.parse if kind.name == "uuid" else DECODERS.get(kind.name)

    def json(self, kind: Kind, element: Element) -> Element:
        match kind.name:
            case "integer":
                return sa.cast(element, sa.String)
            case "float":
                return Spelled(element)
            case "json":
                return as_text(element)
            case "boolean":
                return sa.case(
                    (element == number(0), text_literal("false")),
                    (element == number(1), text_literal("true")),
                )
            case "datetime":
                shown = sa.func.date_format(element, text_literal("%Y-%m-%dT%H:%i:%s.%fZ"))
                return _quoted(_without(shown, ".000000Z", "Z"))
            case "time":
                shown = sa.func.time_format(element, text_literal("%H:%i:%s.%f"))
                return _quoted(_without(shown, ".000000", ""))
            case "date" | "decimal" | "uuid":
                return _quoted(element)
            case "duration":
                return _duration(element)
            case "binary":
                encoded = sa.func.to_base64(element)
                return _quoted(sa.func.replace(encoded, _constant("\n"), _EMPTY))
        if isinstance(kind, Choice) and not kind.of_text:
            return sa.cast(element, sa.String)
        # What it gives has another collation, which doesn't mix with ours.
        # MariaDB's escapes are in capitals: `mysql_quoted` mends them once they have arrived.
        quoted = sa.func.json_quote(element, type_=sa.String)
        return sa.collate(quoted, self.server.collation)

    def made(self, json: str | None) -> Any:
        return None if json is None else orjson.Fragment(mended(json))

    def list_encoder(self, kind: Kind) -> Encoder:
        encode = self.encoder(kind)
        return lambda values: Listed(tuple(map(encode, values) if encode else values))

    def list_type(self, kind: Kind) -> Any:
        return sa.Text()

    def among(self, element: Element, param: Element) -> Element:
        return element.op("IN", is_comparison=True, return_type=sa.Boolean())(param)

    def contains(self, element: Element, part: Element) -> Element:
        return sa.func.locate(part, element) > number(0)

    def endswith(self, element: Element, part: Element) -> Element:
        return sa.func.right(element, sa.func.length(part)) == part

    def fold(self, element: Element) -> Element:
        table, name = getattr(element, "table", None), getattr(element, "name", "")
        made = None if table is None else table.c.get(Columns.low(name))
        return lowered(element) if made is None else made

    def upheld(self, condition: Element) -> Element:
        # To MySQL what coalesce gives is a number, and a check must be a comparison.
        return condition if self.server.maria else condition.op("=")(number(1))

    def gather(self, element: Element) -> Element:
        return Gathered(element, [])

    def listed(
        self,
        query: Select[Any],
        shown: Element,
        orders: list[Element],
        limit: int | None,
        name: str,
    ) -> Element:
        if limit is None or self.server.maria:
            gathered = Gathered(shown, orders, limit)
            return query.with_only_columns(listing(gathered)).scalar_subquery()
        # MySQL's GROUP_CONCAT takes no limit, but its derived tables may look outside.
        place: Any = sa.func.row_number().over(order_by=orders).label("n")
        rows = query.with_only_columns(shown.label("j"), place).order_by(*orders)
        found = rows.limit(number(limit)).subquery(name)
        gathered = Gathered(found.c.j, [found.c.n])
        return sa.select(listing(gathered)).select_from(found).scalar_subquery()

    def named(
        self, args: list[Element], kinds: list[Kind], outer: list[Any], label: str
    ) -> FromClause[Any]:
        types = [self._named_type(kind) for kind in kinds]
        columns = [sa.column(f"v{place}", self.type(kind)) for place, kind in enumerate(kinds)]
        return Named(args, types).table_valued(*columns, name=label)

    def _named_type(self, kind: Kind) -> str:
        if isinstance(kind, Number):
            return f"DECIMAL({max(kind.digits, 18)}, {kind.places})"
        if kind.name in _NAMED_TYPES:
            return _NAMED_TYPES[kind.name]
        return f"LONGTEXT CHARACTER SET utf8mb4 COLLATE {self.server.collation}"

    def hold(self, name: str, part: Element | None) -> Any:
        whole = text_literal(f"abaft.{name}.")
        if part is not None:
            whole = whole.concat(sa.func.coalesce(sa.cast(part, sa.String), _EMPTY))
        return holding(sa.func.crc32(whole).op("%")(number(SLOTS)))

    def has_member(self, element: Element, name: str) -> Element:
        path = text_literal(f'$."{name}"')
        return sa.func.json_contains_path(element, text_literal("one"), path)

    def fingerprint(self, text: Element) -> Element:
        told = _small(text) if self.server.maria else text
        return sa.func.left(sa.func.sha2(told, number(256)), number(32), type_=sa.String)


LOCKS, SLOTS, TURN = "abaft_locks", 1_024, -1
"""The table whose rows are what transactions hold for others to wait for; one of them is the turn
of those that must be alone."""
locks = sa.Table(LOCKS, sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))


def holding(slot: Element) -> Any:
    """Takes a row of the table of locks, made where it isn't there."""
    return (
        mysql.insert(locks)
        .from_select(["id"], sa.select(slot))
        .on_duplicate_key_update(id=locks.c.id)
    )


_EMPTY = text_literal("")


def _quoted(text: Any) -> Element:
    return concat([text_literal('"'), as_text(text), text_literal('"')])


_HIGH = ("0B", "0E", "0F", "1A", "1B", "1C", "1D", "1E", "1F")


def _small(quoted: Element) -> Element:
    """MariaDB's escapes with small letters in them, where the text doesn't leave the database.

    What was a backslash itself is put aside meanwhile: JSON has no bare control characters.
    """
    pairs = [("\\\\", "\1"), *((f"\\u00{code}", f"\\u00{code.lower()}") for code in _HIGH)]
    for old, new in [*pairs, ("\1", "\\\\")]:
        quoted = sa.func.replace(quoted, *map(_constant, (old, new)), type_=sa.String)
    return quoted


def _constant(value: str) -> Element:
    return sa.literal_column(literal(value), sa.String)


def _without(shown: Any, ending: str, instead: str) -> Element:
    return sa.func.replace(shown, text_literal(ending), text_literal(instead), type_=sa.String)


def _duration(element: Element) -> Element:
    million = number(1_000_000)
    size = sa.func.abs(element)
    rest = sa.func.lpad(size.op("%")(million), number(6), text_literal("0"), type_=sa.String)
    fraction = text_literal(".").concat(rest)
    no_fraction = (element.op("%")(million).self_group() == number(0), _EMPTY)
    sign = sa.case((element < number(0), text_literal("-PT")), else_=text_literal("PT"))
    whole = sa.cast(size.op("DIV")(million), sa.String)
    return _quoted(concat([sign, whole, sa.case(no_fraction, else_=fraction), text_literal("S")]))
