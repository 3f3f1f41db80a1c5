"""The difference on PostgreSQL: the models' tables are made as temporary ones, and shown alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from abaft.migrate.autogenerate import structure
from abaft.migrate.changes import Change, told
from abaft.migrate.engine import Asked
from abaft.migrate.models import Target
from abaft.migrate.plan import Compared, Plan, plan
from abaft.migrate.postgres_state import Catalog, quoted
from abaft.migrate.postgres_steps import PostgresSteps
from abaft.migrate.state import Named, State
from abaft.model.spec import Model, Schema
from abaft.store.postgres import PostgresStore
from abaft.store.postgres_migrate import dial, scratch
from abaft.store.postgres_schema import family, schemas_of
from abaft.store.sql.schema import compare
from abaft.store.sql.tables import create_index, foreign_keys, make_indexes, make_tables

BIG = 100_000
"""Records from which it is told that a step takes its time."""
_MANNERS = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10s'"


class PostgresEngine:
    """A database on a server, and what migrations know of it."""

    name = "postgres"

    def __init__(self, store: PostgresStore) -> None:
        self._url = store.settings.database
        own = (store.changes_table, store.answers.table)
        self.target = Target(store.schema, store.dialect, store.tables, own, family)

    async def diff(self, asked: Asked) -> Plan:
        """Compares the database, or a scratch one that the steps have made."""
        if asked.source.steps is None:
            return await self._diff(self._url, asked)
        statements = [sql for step in asked.source.steps for sql in step.statements]
        async with scratch(self._url, statements) as url:
            return await self._diff(url, asked)

    async def _diff(self, url: str, asked: Asked) -> Plan:
        async with _connected(url) as connection:
            new = await connection.run_sync(self._wanted)
            await connection.rollback()
            return await connection.run_sync(self._compared, new, asked)  # type: ignore[no-any-return]

    def _catalog(self, connection: sa.Connection) -> Catalog:
        own = self.target.own_places()
        return Catalog(connection, schemas_of(self.target.schema), own)

    def _compared(self, connection: sa.Connection, new: State, asked: Asked) -> Plan:
        """What is renamed here is undone again: nothing is committed."""
        _run(connection, _MANNERS)
        steps = PostgresSteps(self.target, asked.online)
        before = self._catalog(connection).state()
        for change in told(asked.renames):
            _run(connection, *steps.rename(change).statements)
        old = self._catalog(connection).state()
        found = structure(connection, self.target.metadata(), old, new, asked.gone)
        made = plan(
            Compared(before, old, new, tuple(found), asked.renames), steps.write, steps.rename
        )
        return replace(made, warnings=tuple(_warnings(made.changes, old)))

    def _wanted(self, connection: sa.Connection) -> State:
        """What the models want, as the server shows it once it has made it."""
        _run(connection, _MANNERS, "SET LOCAL search_path TO pg_temp", *self._temporary())
        found = self._catalog(connection).state(temporary=True)
        managed = {model.table: model for model in self.target.managed}
        state = State(searches=self.target.searches())
        fills = self.target.fills()
        for name, table in found.tables.items():
            model = managed.get(name)
            if model is None and name not in self.target.places():
                continue  # what only stands for a table that others made
            if model is not None:
                self._own_words(table, model)
                table.place = model.place
                table.sql = ".".join(map(quoted, model.place.split(".")))
            for column, row in table.columns.items():
                table.columns[column] = replace(row, fill=fills.get((table.place, column), ""))
            state.tables[table.place] = table
        return state

    def _own_words(self, table: Any, model: Model) -> None:
        """Indexes and keys as the models make them, where tables may be in other schemas."""
        made, dialect = self.target.tables[model.name], self.target.dialect
        for name, index in make_indexes(model, made, dialect).items():
            table.indexes[name] = replace(table.indexes[name], sql=create_index(index, dialect))
        for name, sql in foreign_keys(made, dialect).items():
            words = sql.partition(f"ADD CONSTRAINT {quoted(name)} ")[2]
            table.keys[name] = Named(words, table.keys[name].same)

    def _temporary(self) -> list[str]:
        """The statements that make the tables, none of them in a schema that models name."""
        models = {
            name: replace(model, schema="", searched=())
            for name, model in self.target.schema.models.items()
        }
        served = {
            path: models[model.name] for path, model in self.target.schema.collections.items()
        }
        schema = Schema(models, served)
        dialect = self.target.dialect
        tables = make_tables(schema, dialect)
        made, _ = compare(schema, tables, self.target.own, dialect, {}, family)
        return [*(_stub(tables[m.name]) for m in models.values() if not m.managed), *made]


def _stub(table: sa.Table) -> str:
    """A table that others made, as far as keys lead to it."""
    keys = [f"{quoted(column.name)} {column.type}" for column in table.primary_key.columns]
    names = ", ".join(quoted(column.name) for column in table.primary_key.columns)
    return f"CREATE TABLE {quoted(table.name)} ({', '.join(keys)}, PRIMARY KEY ({names}))"


def _run(connection: sa.Connection, *statements: str) -> None:
    for sql in statements:
        for part in sql.split("; ") if sql == _MANNERS else [sql]:
            connection.exec_driver_sql(part)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: dial(url), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            yield connection
            await connection.rollback()
    finally:
        await engine.dispose()


_HEAVY: dict[str, Callable[[Change], str]] = {
    "change type": lambda change: (
        f"{change.table} is written anew for {change.name}: nobody can read it meanwhile"
    ),
    "add search": lambda change: f"{change.table} is searched through for its index",
}


def _warnings(changes: tuple[Change, ...], old: State) -> list[str]:
    told = []
    for change in changes:
        there = old.tables.get(change.table)
        if there is not None and change.kind in _HEAVY:
            size = f" (about {there.rows:,} records)" if there.rows >= BIG else ""
            told.append(_HEAVY[change.kind](change) + size)
    return told
