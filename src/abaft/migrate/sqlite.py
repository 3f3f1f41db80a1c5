"""The difference on SQLite: both sides are made in memory, and the file itself is only read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from abaft.migrate.autogenerate import structure
from abaft.migrate.changes import told
from abaft.migrate.engine import Asked
from abaft.migrate.models import Target
from abaft.migrate.plan import Compared, Plan, plan
from abaft.migrate.sqlite_state import describe
from abaft.migrate.sqlite_steps import SqliteSteps
from abaft.migrate.state import Renames, State
from abaft.store.sqlite import SqliteStore
from abaft.store.sqlite_alchemy import engine
from abaft.store.sqlite_migrate import defined, memory, rows_of
from abaft.store.sqlite_schema import affinity


class SqliteEngine:
    """A file of SQLite, and what migrations know of it."""

    name = "sqlite"

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        own = (store.changes_table, store.answers.table)
        self.target = Target(store.schema, store.dialect, store.tables, own, affinity)

    async def diff(self, asked: Asked) -> Plan:
        """Compares definitions: those of the file, or those that the steps make."""
        steps = asked.source.steps
        if steps is None:
            return self.plan(defined(self._store.path), asked.renames, asked.gone)
        statements = [sql for step in steps for sql in step.statements]
        return self.plan(statements, asked.renames, asked.gone)

    def plan(
        self, statements: Sequence[str], renames: Renames, gone: Callable[[str], bool]
    ) -> Plan:
        """The plan from what is made by these to the models."""
        steps = SqliteSteps(self.target)
        with closing(memory(statements)) as there, closing(memory(self.target.statements())) as new:
            before = self._described(there)
            for change in told(renames):
                there.execute(*steps.rename(change).statements)
            old, wanted = self._described(there), self._wanted(self._described(new))
            with engine(there).connect() as connection:
                found = structure(connection, self.target.metadata(), old, wanted, gone)
            compared = Compared(before, old, wanted, tuple(found), renames)
            made = plan(compared, steps.write, steps.rename)
        return replace(made, warnings=tuple(_warnings(made)))

    def _described(self, connection: Any) -> State:
        return describe(rows_of(connection), self.target.own_places())

    def _wanted(self, state: State) -> State:
        """With what the models know of values, and in their order."""
        fills = self.target.fills()
        for place, table in state.tables.items():
            for name, column in table.columns.items():
                table.columns[name] = replace(column, fill=fills.get((place, name), ""))
        state.searches = self.target.searches()
        return state


def _warnings(made: Plan) -> list[str]:
    copied = [step.note.partition("|")[0] for step in made.up if step.kind == "rebuild"]
    return [f"{table} is copied: nobody can write meanwhile" for table in dict.fromkeys(copied)]
