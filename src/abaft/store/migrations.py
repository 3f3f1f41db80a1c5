"""How far migrations have come: a row of `abaft_migrations` each, written with what they do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from abaft.store.base import Rows, Values
from abaft.store.sql.dialect import Dialect

MIGRATIONS = "abaft_migrations"


@dataclass(frozen=True, slots=True)
class Record:
    """A migration that was run, or is being run: `done` of `total` steps in a direction.

    `begun` is the step that was begun last. `tables` are those that migrations have made, and
    `structure` is a digest of what all tables were like then.
    """

    revision: str
    checksum: str
    direction: str
    done: int
    total: int
    at: str
    begun: int = 0
    tables: tuple[str, ...] = ()
    structure: str = ""

    @property
    def applied(self) -> bool:
        return self.direction == "up" and self.done >= self.total


_LENGTHS = {"revision": 200, "checksum": 64, "direction": 8, "at": 40, "structure": 64}
_NUMBERS = ("done", "total", "begun")


def _table() -> sa.Table:
    def type_of(name: str) -> Any:
        if name in _NUMBERS:
            return sa.Integer()
        return sa.String(_LENGTHS[name]) if name in _LENGTHS else sa.Text()

    columns = [
        sa.Column(row.name, type_of(row.name), primary_key=row.name == "revision", nullable=False)
        for row in fields(Record)
    ]
    return sa.Table(MIGRATIONS, sa.MetaData(), *columns)


class Records(ABC):
    """Reads and keeps the rows, as a connection of an engine runs statements."""

    dialect: Dialect

    def __init__(self) -> None:
        self._table = _table()

    @abstractmethod
    async def rows(self, sql: str) -> list[Any]:
        """The rows of a statement whose values are in its text."""

    @abstractmethod
    async def tables(self) -> set[str]:
        """The tables that there are."""

    async def records(self) -> list[Record]:
        """All rows, the oldest revision first; none where there is no table."""
        if MIGRATIONS not in await self.tables():
            return []
        names = [row.name for row in fields(Record)]
        query = sa.select(*(self._table.c[name] for name in names))
        found: Rows = await self.rows(self._text(query.order_by(self._table.c.revision)))
        return [self._record(dict(zip(names, row, strict=True))) for row in found]

    def _record(self, values: Values) -> Record:
        return Record(**{**values, "tables": tuple(values["tables"].split("\n"))})

    async def keep(self, record: Record) -> None:
        """Puts the row in the place of what was known."""
        await self.prepare()
        await self.forget(record.revision)
        values = {row.name: getattr(record, row.name) for row in fields(Record)}
        values["tables"] = "\n".join(record.tables)
        await self.rows(self._text(sa.insert(self._table).values(values)))

    async def prepare(self) -> None:
        """Makes the table, where there is none."""
        if MIGRATIONS not in await self.tables():
            await self.rows(self._text(CreateTable(self._table, if_not_exists=True)))

    async def forget(self, revision: str) -> None:
        """Deletes the row."""
        table = self._table
        await self.rows(self._text(sa.delete(table).where(table.c.revision == revision)))

    def _text(self, statement: Any) -> str:
        options = {} if isinstance(statement, CreateTable) else {"literal_binds": True}
        return str(statement.compile(dialect=self.dialect.sa, compile_kwargs=options)).strip()
