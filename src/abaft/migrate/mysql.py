"""The difference on MySQL and MariaDB: the models' tables are made beside, and shown alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from abaft.migrate.changes import Change, structure_of, told
from abaft.migrate.engine import Asked
from abaft.migrate.models import Target
from abaft.migrate.mysql_state import AGAIN, describe, quoted, without_keys
from abaft.migrate.mysql_steps import MysqlSteps
from abaft.migrate.plan import Compared, Plan, plan
from abaft.migrate.state import State
from abaft.store.mysql import MysqlStore
from abaft.store.mysql_migrate import dial, run, scratch
from abaft.store.mysql_pool import Connection
from abaft.store.mysql_schema import family


class MysqlEngine:
    """A database on a server, and what migrations know of it.

    Alembic would leave out what the database computes, and lengths: here what the server shows of
    one side is compared with what it shows of the other.
    """

    name = "mysql"

    def __init__(self, store: MysqlStore) -> None:
        self._store = store
        self._url = store.settings.database

    async def diff(self, asked: Asked) -> Plan:
        """Compares the database, or what the steps make of an empty one."""
        connection = await dial(self._url)
        try:
            self._store.meet(connection.server)
            if asked.source.steps is None:
                before = await self._described(connection)
        finally:
            connection.terminate()
        if asked.source.steps is not None:
            made = [sql for step in asked.source.steps for sql in step.statements]
            async with scratch(self._url, made) as there:
                before = await self._described(there)
        steps = MysqlSteps(self.target, asked.online)
        old = await self._renamed(
            before, [steps.rename(row).statements[0] for row in told(asked.renames)]
        )
        new = await self._wanted()
        found = structure_of(old, new, asked.gone)
        found += _indexes_of(found, old, new)
        compared = Compared(before, old, new, tuple(found), asked.renames)
        made_plan = plan(compared, steps.write, steps.rename)
        return replace(made_plan, warnings=tuple(_warnings(made_plan.changes)))

    @property
    def target(self) -> Target:
        """What the models want of this server."""
        store = self._store
        return Target(store.schema, store.dialect, store.tables, store.own, family)

    async def _described(self, connection: Connection) -> State:
        return await describe(lambda sql: run(connection, sql), self.target.own_places())

    async def _renamed(self, before: State, renames: Sequence[str]) -> State:
        """With its new names: tried where nothing is lost."""
        if not renames:
            return before
        made = [without_keys(table.sql) for table in before.tables.values()]
        made += [
            f"ALTER TABLE {quoted(place)} ADD {row.sql}"
            for place, table in before.tables.items()
            for row in table.keys.values()
        ]
        async with scratch(self._url, [*made, *renames]) as there:
            renamed = await self._described(there)
        return replace(renamed, searches=before.searches)

    async def _wanted(self) -> State:
        async with scratch(self._url, self.target.statements()) as there:
            state = replace(await self._described(there), searches={})
        fills = self.target.fills()
        for place, table in state.tables.items():
            for name, row in table.columns.items():
                table.columns[name] = replace(row, fill=fills.get((place, name), ""))
        for name, search in self.target.searches().items():
            *made, filled = search.create
            # Records that came since the triggers were made are noted already.
            create = (*made, f"{filled} {AGAIN}")
            state.searches[name] = replace(search, create=create)
        return state


def _indexes_of(changes: Sequence[Change], old: State, new: State) -> list[Change]:
    """Indexes that are as they were, of what is computed in another way: they are made anew."""
    again: list[Change] = []
    for change in changes:
        if change.kind != "drop column" or change.name not in new.tables[change.table].columns:
            continue
        now = new.tables[change.table].indexes
        for name, row in old.tables[change.table].indexes.items():
            if quoted(change.name) in row.sql and name in now and now[name].same == row.same:
                again += [
                    Change("drop index", change.table, name),
                    Change("add index", change.table, name),
                ]
    return again


def _warnings(changes: Sequence[Change]) -> list[str]:
    heavy = ("change type", "require", "release", "add check", "add key")
    tables = [change.table for change in changes if change.kind in heavy]
    return [
        f"{table} is written anew where the server can't do without: nobody can write meanwhile"
        for table in dict.fromkeys(tables)
    ]
