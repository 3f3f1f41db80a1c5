"""What the models want of a SQL database: tables for Alembic, statements, values of columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from abaft.migrate.state import Search, State, Table
from abaft.model.spec import Field, Model, Schema
from abaft.store.sql.dialect import Dialect
from abaft.store.sql.schema import Found, compare
from abaft.store.sql.search import SEARCH, index_name
from abaft.store.sql.tables import numbered

Family = Callable[[str], str]
OWN = "abaft_"


@dataclass(frozen=True, slots=True)
class Target:
    """The models with their tables on one engine; `own` are the tables that no model names."""

    schema: Schema
    dialect: Dialect
    tables: Mapping[str, sa.Table]
    own: tuple[sa.Table, ...]
    family: Family

    @property
    def managed(self) -> list[Model]:
        """The models whose tables are ours to make and change."""
        return [model for model in self.schema.models.values() if model.managed]

    def places(self) -> list[str]:
        """All tables that are to be there."""
        return [model.place for model in self.managed] + [table.name for table in self.own]

    def own_places(self) -> list[str]:
        """The tables of abaft's own that are compared all the same."""
        models = [model.place for model in self.managed if model.own]
        return [*models, *(table.name for table in self.own)]

    def metadata(self) -> sa.MetaData:
        """The tables as Alembic takes them, in one collection."""
        found = sa.MetaData()
        for table in (*self.tables.values(), *self.own):
            table.to_metadata(found)
        return found

    def statements(self, old: State | None = None) -> list[str]:
        """What makes all that is missing, in the words in which development makes it."""
        there = {} if old is None else {place: _found(row) for place, row in old.tables.items()}
        for name in {} if old is None else old.searches:
            there[name] = Found()
        return compare(self.schema, self.tables, self.own, self.dialect, there, self.family)[0]

    def added(self, old: State) -> dict[tuple[str, str], str]:
        """The statement that adds each column, by table and column, where one statement does."""
        found = {}
        prepare = self.dialect.sa.identifier_preparer
        statements = self.statements(old)
        for model in self.managed:
            table = prepare.format_table(self.tables[model.name])
            for column in self.tables[model.name].columns:
                head = f"ALTER TABLE {table} ADD COLUMN {prepare.quote(column.name)} "
                for sql in statements:
                    if sql.startswith(head):
                        found[model.place, column.name] = sql
        return found

    def fills(self) -> dict[tuple[str, str], str]:
        """SQL of the value that stored records get in a column, where the model has a default."""
        return {
            (model.place, row.column): fill
            for model in self.managed
            for row in model.fields.values()
            if (fill := self._fill(row))
        }

    def _fill(self, row: Field) -> str:
        if row.default is None or row.key:
            return ""
        value = row.default()
        return "" if value is None else self.dialect.default(row.kind, value)

    def numbers(self, place: str, there: Iterable[str]) -> list[str]:
        """What gives stored records their places, where the model has become ordered."""
        for model in self.managed:
            if model.place == place:
                return numbered(model, self.tables[model.name], self.dialect, there)
        return []

    def searches(self) -> dict[str, Search]:
        """The search indexes that are declared, by name."""
        prepare: Any = self.dialect.sa.identifier_preparer
        ways = self.dialect.search
        return {
            index_name(model): Search(
                model.place,
                tuple(ways.create(model, self.tables[model.name], prepare)),
                tuple(ways.drop(index_name(model))),
            )
            for model in self.managed
            if model.searched
        }


def _found(table: Table) -> Found:
    found = Found(
        {name: (row.type, row.required) for name, row in table.columns.items()},
        {name for name, row in table.columns.items() if row.default or row.extra},
        set(table.indexes),
        set(table.keys),
    )
    found.triggers = bool(table.triggers)
    return found


def is_own(name: str, own: Iterable[str]) -> bool:
    """Whether a table is one of abaft's that isn't compared: of searches, loads and migrations."""
    return name.startswith(OWN) and name not in own


__all__ = ["SEARCH", "Target", "is_own"]
