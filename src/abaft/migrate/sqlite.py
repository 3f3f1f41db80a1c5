"""The difference on SQLite: both sides are made in memory, and the file itself is only read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from abaft.migrate.autogenerate import structure
from abaft.migrate.changes import told
from abaft.migrate.models import Target
from abaft.migrate.plan import Compared, Plan, plan
from abaft.migrate.sqlite_state import describe
from abaft.migrate.sqlite_steps import SqliteSteps
from abaft.migrate.state import Renames, State
from abaft.store.sqlite_alchemy import engine
from abaft.store.sqlite_migrate import memory, rows_of


@dataclass(frozen=True, slots=True)
class SqliteDiffer:
    """Compares definitions: those of the file, or those that the migrations' statements make."""

    target: Target

    def before(self, statements: Sequence[str]) -> State:
        """What is made by these."""
        with closing(memory(statements)) as there:
            return self._described(there)

    def diff(self, statements: Sequence[str], renames: Renames, gone: Callable[[str], bool]) -> Plan:
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
        unknown = [name for name in old.tables if name not in wanted.tables and not gone(name)]
        return replace(made, warnings=tuple(_warnings(made)), unknown=tuple(unknown))

    def _described(self, connection: Any) -> State:
        return describe(rows_of(connection), [table.name for table in self.target.own])

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
