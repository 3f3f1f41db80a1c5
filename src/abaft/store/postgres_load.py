"""Many new records at once on PostgreSQL: COPY in its text format, which reads every type.

Its binary format would be smaller, but the driver has none for the types whose codecs are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from io import BytesIO
from typing import Any

import sqlalchemy as sa

from abaft.model.times import MICROSECOND
from abaft.plan.types import Load
from abaft.store.base import StoreError
from abaft.store.postgres_pool import Connection
from abaft.store.sql.changes import CHANGES, KINDS
from abaft.store.sql.dialect import Dialect

Refused = dict[int, StoreError]

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_FOLLOW = (
    "select setval(s, greatest((select max({column}) from {table}), nextval(s))) "
    "from pg_get_serial_sequence($1, $2) s"
)


class Copy:
    """A load with its values encoded, of which any part can be sent."""

    def __init__(self, load: Load, tables: Mapping[str, sa.Table], dialect: Dialect) -> None:
        fields = [load.model.fields[name] for name in load.names]
        self.deferred = load.deferred
        self.table, self.schema = load.model.table, load.model.schema or None
        self.columns = [field.column for field in fields]
        encoders = [dialect.encoder(field.kind) for field in fields]
        self.rows = [_line(row, encoders) for row in load.rows]
        same = (load.at, load.actor, load.model.name)
        plain = [None] * len(KINDS)
        self.changes = [_line((*same, key, "create", data), plain) for key, data in load.changes]
        self.follow = self._follow(load, dialect)

    def _follow(self, load: Load, dialect: Dialect) -> tuple[str, str, str] | None:
        """What lets the numbers that the database gives go on after those that were loaded."""
        field = load.model.fields[load.model.key[0]]
        if not field.generated or field.name not in load.names:
            return None
        quote = dialect.sa.identifier_preparer.quote
        table = ".".join(quote(part) for part in (self.schema, self.table) if part)
        return _FOLLOW.format(column=quote(field.column), table=table), table, field.column

    async def send(self, connection: Connection, places: range) -> None:
        """Stores the records at these places, and their change records."""
        if self.deferred:
            await connection.execute("set constraints all deferred")
        lines = (self.rows[i] for i in places)
        await _copy(connection, self.table, self.columns, lines, self.schema)
        await _copy(connection, CHANGES, list(KINDS), (self.changes[i] for i in places))
        if self.follow is not None:
            await connection.fetch(*self.follow)


async def _copy(
    connection: Connection,
    table: str,
    columns: list[str],
    lines: Iterable[str],
    schema: str | None = None,
) -> None:
    source = BytesIO("".join(lines).encode())
    await connection.copy_to_table(
        table, source=source, columns=columns, schema_name=schema, format="text"
    )


def _line(row: Sequence[Any], encoders: Sequence[Any]) -> str:
    cells = zip(row, encoders, strict=True)
    return "\t".join([_cell(value, encode) for value, encode in cells]) + "\n"


def _cell(value: Any, encode: Any) -> str:
    """A value as COPY's text format spells it."""
    if value is None:
        return "\\N"
    if encode is not None:
        value = encode(value)
    match value:
        case str():
            return value.translate(_ESCAPES)
        case date() | time():  # a datetime is a date
            return value.isoformat()
        case bytes():
            return "\\\\x" + value.hex()
        case timedelta():
            return f"{value // MICROSECOND} microseconds"
        case list():
            return _array(value).translate(_ESCAPES)
    return str(value)


def _array(values: list[Any]) -> str:
    """A list as PostgreSQL spells an array (8.15.2)."""
    return "{" + ",".join(_element(value) for value in values) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return _array(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
