"""Changes as PostgreSQL makes them; on tables that are there, in forms that hold up nobody long.

A transaction comes first, and after it what can't or shouldn't be in one: an index is made
CONCURRENTLY, and what is asked of stored records is looked at once new ones are held to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from abaft.migrate.changes import Change
from abaft.migrate.models import Target
from abaft.migrate.postgres_state import create, quoted
from abaft.migrate.state import Column, State, Table
from abaft.migrate.steps import Step

_INTEGERS = ("smallint", "integer", "bigint")
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")


@dataclass(frozen=True, slots=True)
class PostgresSteps:
    """Writes the steps from one state to another."""

    target: Target
    online: bool = True

    def rename(self, change: Change) -> Step:
        """A rename, which carries into all that names the table or column."""
        table = _shown(change.table)
        if change.kind == "rename table":
            sql = f"ALTER TABLE {table} RENAME TO {quoted(change.to.rpartition('.')[2])}"
        else:
            sql = f"ALTER TABLE {table} RENAME COLUMN {quoted(change.name)} TO {quoted(change.to)}"
        return Step("sql", (sql,), note=change.title)

    def write(self, changes: list[Change], old: State, new: State) -> list[Step]:
        """The steps; those outside of the transaction are the last."""
        added = self.target.added(old)
        come = {change.table for change in changes if change.kind == "add table"}
        gone = {change.table for change in changes if change.kind == "drop table"}
        writer = _Writer(self, old, new, added, come)
        together: list[Step] = []
        alone: list[Step] = []
        for table in sorted(gone):
            # Tables that lead to each other can't go one by one.
            together += [
                Step("sql", (_dropped(table, name),), note=f"foreign key {name} of {table}")
                for name in old.tables[table].keys
            ]
        for change in changes:
            if change.table in gone and change.kind != "drop table":
                continue
            for step in writer.steps(change):
                (alone if step.alone else together).append(step)
        # A table's keys come last, when all the tables they lead to are there.
        for table in sorted(come):
            together += writer.keys(table)
        return together + alone


@dataclass(frozen=True, slots=True)
class _Writer:
    of: PostgresSteps
    old: State
    new: State
    added: dict[tuple[str, str], str]
    come: set[str]

    def steps(self, change: Change) -> list[Step]:
        ways: dict[str, Callable[[Change], list[Step]]] = {
            "add table": self._add_table,
            "drop table": self._drop_table,
            "add column": self._add_column,
            "drop column": self._drop_column,
            "change type": self._change_type,
            "require": self._require,
            "release": self._release,
            "add check": self._add_check,
            "drop check": self._drop_constraint,
            "add key": self._add_key,
            "drop key": self._drop_constraint,
            "rename check": self._rename_constraint,
            "rename key": self._rename_constraint,
            "add index": self._add_index,
            "drop index": self._drop_index,
            "rename index": self._rename_index,
        }
        return ways[change.kind](change)

    def _sql(self, change: Change, sql: str, lost: str = "") -> list[Step]:
        return [Step("sql", (sql,), lost, note=change.title)]

    def _alone(self, change: Change, sql: str, first: str = "") -> Step:
        return Step("sql", (sql,), alone=True, first=first, note=change.title)

    def _add_table(self, change: Change) -> list[Step]:
        table = self.new.tables[change.table]
        made = [create(table), *(row.sql for row in table.indexes.values())]
        return [Step("sql", (sql,), note=change.title) for sql in made]

    def keys(self, place: str) -> list[Step]:
        return [
            Step("sql", (_constraint(place, name, row.sql),), note=f"add table {place}")
            for name, row in self.new.tables[place].keys.items()
        ]

    def _drop_table(self, change: Change) -> list[Step]:
        lost = f"the table {change.table} and all that is in it"
        return self._sql(change, f"DROP TABLE {_shown(change.table)}", lost)

    def _add_column(self, change: Change) -> list[Step]:
        row = self.new.tables[change.table].columns[change.name]
        table, name = _shown(change.table), quoted(change.name)
        if (change.table, change.name) in self.added:
            steps = self._sql(change, self.added[change.table, change.name])
            there = self.old.tables[change.table].columns
            places = self.of.target.places()
            numbers = self.of.target.numbers(change.table, there) if change.table in places else []
            numbers = [sql for sql in numbers if f"SET {name} " in sql]
            return steps + [Step("sql", (sql,), note=change.title) for sql in numbers]
        head = f"ALTER TABLE {table} ADD COLUMN {name} {row.type}"
        if row.extra:
            return self._sql(change, f"{head} {row.extra}")
        if not row.required:
            return self._sql(change, head)
        if row.fill:
            filled = f"{head} NOT NULL DEFAULT {row.fill}"
            bare = f"ALTER TABLE {table} ALTER COLUMN {name} DROP DEFAULT"
            return self._sql(change, filled) + self._sql(change, bare)
        note = f"{change.title}: a data step after this one can fill it"
        lost = (
            f"{change.table}.{change.name} is required and has no default: stored records stop it"
        )
        return [Step("sql", (head,), note=note), *self._required(change, lost)]

    def _drop_column(self, change: Change) -> list[Step]:
        sql = f"ALTER TABLE {_shown(change.table)} DROP COLUMN {quoted(change.name)}"
        return self._sql(change, sql, f"the column {change.table}.{change.name} and what is in it")

    def _change_type(self, change: Change) -> list[Step]:
        table, name = _shown(change.table), quoted(change.name)
        old = self.old.tables[change.table].columns[change.name]
        lost = ""
        if not widens(change.was, change.to):
            lost = (
                f"{change.table}.{change.name} is {change.was} and becomes {change.to}: "
                "what doesn't fit is rounded, or stops the migration"
            )
        steps = []
        if old.default:
            steps += self._sql(change, f"ALTER TABLE {table} ALTER COLUMN {name} DROP DEFAULT")
        using = _converted(name, change.was, change.to)
        sql = f"ALTER TABLE {table} ALTER COLUMN {name} TYPE {change.to} USING {using}"
        return steps + self._sql(change, sql, lost)

    def _require(self, change: Change) -> list[Step]:
        table, name = _shown(change.table), quoted(change.name)
        fill = self.new.tables[change.table].columns[change.name].fill
        if not fill:
            lost = (
                f"{change.table}.{change.name} is required: a record without it stops the migration"
            )
            return self._required(change, lost)
        filled = f"UPDATE {table} SET {name} = {fill} WHERE {name} IS NULL"
        return self._sql(change, filled) + self._required(change, "")

    def _required(self, change: Change, lost: str) -> list[Step]:
        """NOT NULL in two steps: while records are read through, others write."""
        table, name = _shown(change.table), quoted(change.name)
        require = f"ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL"
        if not self.of.online:
            return self._sql(change, require, lost)
        check = _check(change)
        drop = f"DROP CONSTRAINT IF EXISTS {check}"
        return [
            *self._sql(
                change,
                f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID",
                lost,
            ),
            self._alone(change, f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}"),
            self._alone(change, f"ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL, {drop}"),
        ]

    def _release(self, change: Change) -> list[Step]:
        drop = f"DROP CONSTRAINT IF EXISTS {_check(change)}"
        head = f"ALTER TABLE {_shown(change.table)} ALTER COLUMN {quoted(change.name)}"
        return self._sql(change, f"{head} DROP NOT NULL, {drop}")

    def _add_check(self, change: Change) -> list[Step]:
        return self._added_constraint(change, self.new.tables[change.table].checks[change.name].sql)

    def _add_key(self, change: Change) -> list[Step]:
        return self._added_constraint(change, self.new.tables[change.table].keys[change.name].sql)

    def _added_constraint(self, change: Change, sql: str) -> list[Step]:
        made = _constraint(change.table, change.name, sql)
        if not self.of.online:
            return self._sql(change, made)
        table, name = _shown(change.table), quoted(change.name)
        valid = self._alone(change, f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
        return [*self._sql(change, f"{made} NOT VALID"), valid]

    def _drop_constraint(self, change: Change) -> list[Step]:
        return self._sql(change, _dropped(change.table, change.name))

    def _rename_constraint(self, change: Change) -> list[Step]:
        names = f"{quoted(change.name)} TO {quoted(change.to)}"
        sql = f"ALTER TABLE {_shown(change.table)} RENAME CONSTRAINT {names}"
        return self._sql(change, sql)

    def _add_index(self, change: Change) -> list[Step]:
        sql = self.new.tables[change.table].indexes[change.name].sql
        if not self.of.online:
            return self._sql(change, sql)
        online = re.sub(r"^CREATE (UNIQUE )?INDEX ", r"CREATE \1INDEX CONCURRENTLY ", sql)
        # One that was cut short leaves an index that isn't valid.
        place = _beside(change.table, change.name)
        return [self._alone(change, online, f"DROP INDEX CONCURRENTLY IF EXISTS {place}")]

    def _drop_index(self, change: Change) -> list[Step]:
        return self._sql(change, f"DROP INDEX IF EXISTS {_beside(change.table, change.name)}")

    def _rename_index(self, change: Change) -> list[Step]:
        place = _beside(change.table, change.name)
        return self._sql(change, f"ALTER INDEX {place} RENAME TO {quoted(change.to)}")


def _check(change: Change) -> str:
    """The name of a check that stands for NOT NULL until all records are looked at."""
    return quoted(f"nn_{change.table.replace('.', '_')}_{change.name}"[:63])


def _shown(place: str) -> str:
    return ".".join(map(quoted, place.split(".")))


def _beside(table: str, name: str) -> str:
    """The name of an index, in the schema of its table."""
    schema, dot, _ = table.rpartition(".")
    return f"{quoted(schema)}{dot}{quoted(name)}" if schema else quoted(name)


def _constraint(table: str, name: str, sql: str) -> str:
    return f"ALTER TABLE {_shown(table)} ADD CONSTRAINT {quoted(name)} {sql}"


def _dropped(table: str, name: str) -> str:
    return f"ALTER TABLE {_shown(table)} DROP CONSTRAINT IF EXISTS {quoted(name)}"


def widens(was: str, to: str) -> bool:
    """Whether the new type holds all that the old one holds."""
    was, to = was.partition(" COLLATE ")[0], to.partition(" COLLATE ")[0]
    if to == "text" or was == to:
        return True
    if was in _INTEGERS and to in _INTEGERS:
        return _INTEGERS.index(was) <= _INTEGERS.index(to)
    old, new = _NUMERIC.fullmatch(was), _NUMERIC.fullmatch(to)
    if old is None or new is None:
        return False
    (digits, places), (more, further) = map(int, old.groups()), map(int, new.groups())
    return further >= places and more - further >= digits - places


def _converted(name: str, was: str, to: str) -> str:
    plain = to.partition(" COLLATE ")[0]
    if (was, plain) == ("boolean", "bigint"):
        return f"{name}::int::bigint"
    if (was, plain) == ("bigint", "boolean"):
        return f"{name} <> 0"
    return f"{name}::{plain}"


__all__ = ["Column", "PostgresSteps", "Table", "widens"]
