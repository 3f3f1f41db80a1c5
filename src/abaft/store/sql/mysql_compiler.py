"""SQLAlchemy's compilers for MySQL and MariaDB, as our statements need them."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql.base import (
    MySQLCompiler,
    MySQLDDLCompiler,
    MySQLDialect,
    MySQLTypeCompiler,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.functions import FunctionElement

COMPANION = "abaft_"
"""How the names of columns begin that the database makes of others."""


class LongText(sa.Text):
    """Text of any length."""

    __visit_name__ = "abaft_text"


class ShortText(sa.String):
    """Text of so many characters at most, which an index can hold."""

    __visit_name__ = "abaft_short_text"


class JsonText(LongText):
    """JSON as it was written: the database's own type would order its members anew."""


class LongBytes(sa.LargeBinary):
    """Bytes of any number."""

    __visit_name__ = "abaft_bytes"


class ShortBytes(sa.LargeBinary):
    """So many bytes at most, which an index can hold."""

    __visit_name__ = "abaft_short_bytes"


class Moment(sa.DateTime):
    """A date and time with microseconds, in UTC."""

    __visit_name__ = "abaft_datetime"


class Clock(sa.Time):
    """A time of day with microseconds."""

    __visit_name__ = "abaft_time"


class _Types(MySQLTypeCompiler):
    dialect: CompilingDialect

    def visit_abaft_text(self, type_: LongText, **_: Any) -> str:
        return f"LONGTEXT {self._ordered()}"

    def visit_abaft_short_text(self, type_: ShortText, **_: Any) -> str:
        return f"VARCHAR({type_.length}) {self._ordered()}"

    def visit_abaft_bytes(self, type_: LongBytes, **_: Any) -> str:
        return "LONGBLOB"

    def visit_abaft_short_bytes(self, type_: ShortBytes, **_: Any) -> str:
        return f"VARBINARY({type_.length})"

    def visit_abaft_datetime(self, type_: Moment, **_: Any) -> str:
        return "DATETIME(6)"

    def visit_abaft_time(self, type_: Clock, **_: Any) -> str:
        return "TIME(6)"

    def _ordered(self) -> str:
        return f"CHARACTER SET utf8mb4 COLLATE {self.dialect.collation}"


class _Definitions(MySQLDDLCompiler):
    def get_column_specification(self, column: sa.Column[Any], **options: Any) -> str:
        made = super().get_column_specification(column, **options)
        if isinstance(column.type, JsonText):
            return f"{made} CHECK (json_valid({self.preparer.format_column(column)}))"
        # Who asks for all columns is not shown what only indexes need.
        return f"{made} INVISIBLE" if column.name.startswith(COMPANION) else made

    def post_create_table(self, table: sa.Table) -> str:
        collation = self.dialect.collation  # type: ignore[attr-defined]
        return f" ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE {collation}"


_ODD = re.compile(r"['\\]")
_CASTS: list[tuple[type[Any], str]] = [
    (sa.String, "CHAR"),
    (sa.Integer, "SIGNED"),
    (sa.Float, "DOUBLE"),
    (sa.DateTime, "DATETIME(6)"),
    (sa.Date, "DATE"),
    (sa.Time, "TIME(6)"),
    (sa.LargeBinary, "BINARY"),
]


class _Compiler(MySQLCompiler):
    dialect: CompilingDialect

    def visit_cast(self, cast: sa.Cast[Any], **options: Any) -> str:
        return f"CAST({self.process(cast.clause, **options)} AS {_cast(cast.type)})"

    def render_literal_value(self, value: Any, type_: Any) -> str:
        if isinstance(value, str) and not self.dialect.maria and _ODD.search(value):
            # MySQL keeps such expressions as text of its own, with escapes that it can't read back.
            text = f"convert(x'{value.encode().hex()}' using utf8mb4)"
            return f"({text} COLLATE {self.dialect.collation})"
        return super().render_literal_value(value, type_)

    def visit_length_func(self, function: Any, **options: Any) -> str:
        return f"char_length{self.function_argspec(function, **options)}"

    def visit_eq_binary(self, binary: Any, operator: Any, **options: Any) -> str:
        made = self._generate_generic_binary(binary, " = ", **options)
        sides = (binary.left, binary.right)
        if not any(hasattr(side, "raw") for side in sides):
            return made
        # What is equal is so in the column's own collation too, and that an index may have.
        left, right = (self.process(getattr(side, "raw", side), **options) for side in sides)
        return f"({left} = {right} AND {made})"

    def visit_concat_op_binary(self, binary: Any, operator: Any, **options: Any) -> str:
        return _concatenated(self, binary, options)

    def visit_concat_op_expression_clauselist(
        self, clauselist: Any, operator: Any, **options: Any
    ) -> str:
        return _concatenated(self, clauselist, options)

    def visit_nulls_first_op_unary_modifier(self, unary: Any, operator: Any, **options: Any) -> str:
        return f"{self._empty(unary, options)} DESC, {self.process(unary.element, **options)}"

    def visit_nulls_last_op_unary_modifier(self, unary: Any, operator: Any, **options: Any) -> str:
        return f"{self._empty(unary, options)}, {self.process(unary.element, **options)}"

    def _empty(self, unary: Any, options: dict[str, Any]) -> str:
        value = unary.element.element
        return f"{self.process(value.self_group(operators.is_), **options)} IS NULL"


def _cast(type_: Any) -> str:
    if isinstance(type_, sa.Numeric) and not isinstance(type_, sa.Float):
        return f"DECIMAL({type_.precision or 65}, {type_.scale or 0})"
    return next(name for known, name in _CASTS if isinstance(type_, known))


def _parts(element: Any) -> list[Any]:
    """What is joined to one text, however deep."""
    if getattr(element, "operator", None) is not operators.concat_op:
        return [element]
    clauses = getattr(element, "clauses", None)
    both = [element.left, element.right] if clauses is None else list(clauses)
    return [part for one in both for part in _parts(one)]


def _concatenated(compiler: Any, element: Any, options: dict[str, Any]) -> str:
    """One call for all, in which neighbouring pieces of constant text are one."""
    made: list[str] = []
    for part in _parts(element):
        text = compiler.process(part, **options)
        constant = isinstance(part, sa.ColumnClause) and part.is_literal and text[0] == "'"
        if constant and made and made[-1][0] == "'":
            made[-1] = made[-1][:-1] + text[1:]
        else:
            made.append(text if constant else f" {text}")
    return f"concat({', '.join(text.strip() for text in made)})"


class Gathered(FunctionElement[Any]):
    """GROUP_CONCAT of a text, in an order, of so many at most where the server can."""

    name = "abaft_gathered"
    type = sa.Text()
    inherit_cache = False

    def __init__(self, shown: Any, orders: list[Any], limit: int | None = None) -> None:
        super().__init__(shown, *orders)
        self.limit = limit


@compiles(Gathered)
def _gathered(element: Gathered, compiler: Any, **options: Any) -> str:
    shown, *orders = (compiler.process(clause, **options) for clause in element.clauses)
    order = f" ORDER BY {', '.join(orders)}" if orders else ""
    limit = "" if element.limit is None else f" LIMIT {element.limit}"
    return f"group_concat({shown}{order} SEPARATOR ','{limit})"


def one_row(values: dict[str, str], maria: bool) -> str:
    """A table of one row: the value of each name, which may look at tables around it.

    MariaDB has no derived tables that do, and MySQL's JSON_TABLE takes no queries that do. Each
    name has its type besides, which JSON_TABLE wants.
    """
    if not maria:
        rows = (f"{value} AS {name.partition(' ')[0]}" for name, value in values.items())
        return f"LATERAL (SELECT {', '.join(rows)})"
    columns = ", ".join(f"{name} PATH '$[{place}]'" for place, name in enumerate(values))
    return f"json_table(json_array({', '.join(values.values())}), '$' COLUMNS ({columns}))"


class Named(FunctionElement[Any]):
    """A table of one row of values, which may be those of tables around it."""

    name = "abaft_named"
    inherit_cache = False

    def __init__(self, args: list[Any], types: list[str]) -> None:
        super().__init__(*args)
        self.types = types


@compiles(Named)
def _named(element: Named, compiler: Any, **options: Any) -> str:
    options.pop("asfrom", None)
    values = [compiler.process(clause, **options) for clause in element.clauses]
    names = [f"v{place} {type_}" for place, type_ in enumerate(element.types)]
    return one_row(dict(zip(names, values, strict=True)), compiler.dialect.maria)


class CompilingDialect(MySQLDialect):
    """SQLAlchemy's dialect with these compilers."""

    statement_compiler = _Compiler
    ddl_compiler = _Definitions
    type_compiler_cls = _Types
    supports_statement_cache = False
    maria = True
    collation = "utf8mb4_nopad_bin"
    """By code point, where spaces at the end count."""

    def __init__(self) -> None:
        super().__init__(paramstyle="qmark")
