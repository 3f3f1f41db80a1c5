"""PostgreSQL's ways. Text is compared by code point: every text column has COLLATE "C"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from abaft.model.documents import dump_json
from abaft.model.kinds import Choice, Kind, Number
from abaft.model.times import MICROSECOND
from abaft.store.sql.dialect import Dialect, Element, Encoder, as_text, concat, number, text_literal
from abaft.store.sql.postgres_functions import FUNCTIONS, REDUCTIONS
from abaft.store.sql.postgres_operators import OPERATORS
from abaft.store.sql.postgres_storage import Form, form
from abaft.store.sql.search_postgres import PostgresSearch

_TEXT = sa.Text(collation="C")
_TYPES: dict[str, Any] = {
    "text": _TEXT,
    "email": _TEXT,
    "url": _TEXT,
    "integer": sa.BigInteger(),
    "float": postgresql.DOUBLE_PRECISION(),
    "boolean": sa.Boolean(),
    "datetime": postgresql.TIMESTAMP(timezone=True),
    "date": sa.Date(),
    "time": postgresql.TIME(),
    "duration": sa.BigInteger(),
    "uuid": postgresql.UUID(),
    "binary": postgresql.BYTEA(),
    "json": postgresql.JSONB(),
}


_NOT_FINITE = tuple(
    sa.literal_column(f"'{value}'::float8", postgresql.DOUBLE_PRECISION)
    for value in ("NaN", "Infinity", "-Infinity")
)
"""What JSON has no number for; abaft stores none, existing tables may."""


class PostgresDialect(Dialect):
    """For PostgreSQL 13 or newer through asyncpg."""

    functions = FUNCTIONS
    operators = OPERATORS
    reductions = REDUCTIONS
    deferrable = True
    truths = ("false", "true")
    explain = "EXPLAIN (FORMAT JSON) "
    search = PostgresSearch()

    def __init__(self) -> None:
        dialect: Any = PGDialect_asyncpg
        self.sa = dialect(json_serializer=dump_json)
        # Columns of existing tables may be as long as names can be, and are never shortened.
        self.sa.label_length = 128

    def form(self, kind: Kind) -> Form | None:
        """How an existing column holds the kind, where that isn't our own way."""
        return form(kind) if kind.stored else None

    def type(self, kind: Kind) -> Any:
        if (found := self.form(kind)) is not None:
            return found.type
        if isinstance(kind, Choice):
            return _TEXT if kind.of_text else sa.BigInteger()
        if isinstance(kind, Number):
            return sa.Numeric(kind.digits, kind.places)
        return _TYPES[kind.name]

    def encoder(self, kind: Kind) -> Encoder | None:
        found = self.form(kind)
        if found is not None and found.encode is not None:
            return found.encode
        if isinstance(kind, Choice):
            return kind.show
        if found is not None and not isinstance(found.type, postgresql.JSON):
            return None
        return {"duration": lambda value: value // MICROSECOND, "json": dump_json}.get(kind.name)

    def decoder(self, kind: Kind) -> Encoder | None:
        if (found := self.form(kind)) is not None:
            return found.decode
        if kind.name == "duration":
            return lambda value: value * MICROSECOND
        return None

    def knows(self, kind: Kind) -> bool:
        return self.form(kind) is not None

    def holds(self, kind: Kind, type_: str, family: Callable[[str], str]) -> bool:
        if not kind.stored:
            return super().holds(kind, type_, family)
        name, array, _ = type_.partition(" COLLATE ")[0].partition("[]")
        head, _, rest = name.partition("(")
        return f"{head}{rest.partition(')')[2]}{array}" == kind.stored

    def value(self, kind: Kind, column: Element) -> Element:
        found = self.form(kind)
        return column if found is None else found.value(kind, column)

    def ordered(self, kind: Kind, value: Element) -> Element:
        found = self.form(kind)
        return value if found is None else found.ordered(kind, value)

    def own(self, kind: Kind, value: Element) -> Element:
        found = self.form(kind)
        return value if found is None else found.own(kind, value)

    def assigned(self, kind: Kind, value: Element) -> Element:
        found = self.form(kind)
        return value if found is None else found.assigned(kind, value)

    def fold(self, element: Element) -> Element:
        own = getattr(element.type, "collation", None) == "C"
        return sa.func.lower(element if own else sa.collate(element, "C"))

    def json(self, kind: Kind, element: Element) -> Element:
        if (found := self.form(kind)) is not None:
            element = element if found.shown is None else found.shown(kind, element)
            if kind.name == "json":
                plain = isinstance(found.type, postgresql.JSON)
                made = sa.cast(element, postgresql.JSONB) if plain else sa.func.to_json(element)
                return sa.cast(made, sa.Text)
        match kind.name:
            case "integer" | "json":
                return sa.cast(element, sa.Text)
            case "boolean":
                return sa.case(
                    (element.is_(sa.true()), text_literal("true")),
                    (element.is_(sa.false()), text_literal("false")),
                )
            case "datetime":
                return _datetime(element)
            case "time":
                shown = sa.func.to_char(
                    sa.cast(element, postgresql.INTERVAL), text_literal("HH24:MI:SS.US")
                )
                return _quoted(sa.func.replace(shown, text_literal(".000000"), text_literal("")))
            case "decimal" | "uuid":
                return _quoted(element)
            case "date":
                return _quoted(sa.func.to_char(element, text_literal("YYYY-MM-DD")))
            case "duration":
                return _duration(element)
            case "binary":
                encoded = sa.func.encode(element, text_literal("base64"))
                return _quoted(sa.func.replace(encoded, sa.func.chr(number(10)), text_literal("")))
        if kind.name == "float":
            # Adding zero turns -0.0 into 0.0.
            element = element.op("+")(sa.literal_column("0.0::float8", postgresql.DOUBLE_PRECISION))
        told = sa.cast(sa.func.to_json(element), sa.Text)
        if kind.name == "float":
            return sa.case((element.in_(_NOT_FINITE), text_literal("null")), else_=told)
        return told

    def bytes_literal(self, value: bytes) -> str:
        return f"'\\x{value.hex()}'::bytea"

    def identity(self) -> list[Any]:
        return [sa.Identity()]

    def list_encoder(self, kind: Kind) -> Encoder:
        encode = self.encoder(kind)
        return lambda values: [encode(item) for item in values] if encode else list(values)

    def list_type(self, kind: Kind) -> Any:
        return postgresql.ARRAY(self.type(kind))

    def among(self, element: Element, param: Element) -> Element:
        return element == sa.any_(param)

    def contains(self, element: Element, part: Element) -> Element:
        return sa.func.strpos(element, part) > number(0)

    def endswith(self, element: Element, part: Element) -> Element:
        return sa.func.right(element, sa.func.length(part)) == part

    def in_turn(self, table: sa.Table) -> Element:
        """That no later transaction than this one has written the row.

        The feed goes by the numbers of transactions. One that got its number early and comes to
        the row late would be told of before what it overwrites, so it must not write: it is tried
        again in a transaction with a higher number. What this transaction wrote itself has the
        number of a subtransaction, and is the only such row that is still in progress.
        """
        row = f"{self.sa.identifier_preparer.format_table(table)}.xmin"
        return sa.literal_column(
            # A transaction's age is told from its own number only once it has one.
            f"CASE WHEN pg_current_xact_id() IS NULL THEN false WHEN age({row}) >= 0 THEN true"
            f" ELSE pg_xact_status((pg_current_xact_id()::text::bigint - age({row}))::text::xid8)"
            " = 'in progress' END",
            sa.Boolean,
        )

    def hold(self, name: str, part: Element | None) -> Any:
        whole = text_literal(f"abaft.{name}.")
        if part is not None:
            whole = whole.concat(sa.func.coalesce(sa.cast(part, sa.Text), text_literal("")))
        return sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(whole, number(0))))

    def counted(self, table: sa.Table, column: str) -> Element:
        name = text_literal(self.sa.identifier_preparer.format_table(table))
        return sa.func.nextval(sa.func.pg_get_serial_sequence(name, text_literal(column)))

    def has_member(self, element: Element, name: str) -> Element:
        return sa.func.jsonb_exists(element, text_literal(name))

    def kept_apart(self, query: Any) -> Any:
        return query.offset(number(0))

    def gather(self, element: Element) -> Element:
        return sa.func.string_agg(element, text_literal(","), type_=sa.String)

    def fingerprint(self, text: Element) -> Element:
        digest = sa.func.sha256(sa.func.convert_to(text, text_literal("UTF8")))
        return sa.func.left(sa.func.encode(digest, text_literal("hex")), number(32))


def _quoted(text: Any) -> Element:
    return concat([text_literal('"'), as_text(text), text_literal('"')])


def _datetime(element: Element) -> Element:
    local = sa.func.timezone(text_literal("UTC"), element)
    shown = sa.func.to_char(local, text_literal('YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    return _quoted(sa.func.replace(shown, text_literal(".000000Z"), text_literal("Z")))


def _duration(element: Element) -> Element:
    million = number(1000000)
    size = sa.func.abs(element)
    rest = sa.func.lpad(sa.cast(size.op("%")(million), sa.Text), number(6), text_literal("0"))
    fraction = text_literal(".").concat(as_text(rest))
    no_fraction = (element.op("%")(million).self_group() == number(0), text_literal(""))
    sign = sa.case((element < number(0), text_literal("-PT")), else_=text_literal("PT"))
    whole = sa.cast(size.op("/")(million), sa.Text)
    return _quoted(
        concat([sign, as_text(whole), sa.case(no_fraction, else_=fraction), text_literal("S")])
    )
