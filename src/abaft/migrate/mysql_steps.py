"""Changes as MySQL and MariaDB make them: one statement each, for none can be undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from abaft.migrate.changes import Change
from abaft.migrate.models import Target
from abaft.migrate.mysql_state import quoted, without_keys
from abaft.migrate.state import Column, Named, State
from abaft.migrate.steps import Step

_COMPANION = "abaft_"


@dataclass(frozen=True, slots=True)
class MysqlSteps:
    """Writes the steps from one state to another."""

    target: Target
    online: bool = True

    def rename(self, change: Change) -> Step:
        """A rename."""
        table = quoted(change.table)
        if change.kind == "rename table":
            sql = f"RENAME TABLE {table} TO {quoted(change.to)}"
        else:
            sql = f"ALTER TABLE {table} RENAME COLUMN {quoted(change.name)} TO {quoted(change.to)}"
        return Step("sql", (sql,), note=change.title)

    def write(self, changes: list[Change], old: State, new: State) -> list[Step]:
        """The steps. What the database computes goes before what it is made of, and comes after."""
        writer = _Writer(self, old, new, self.target.added(old))
        gone = [change.table for change in changes if change.kind == "drop table"]
        come = [change.table for change in changes if change.kind == "add table"]
        steps = [
            Step("sql", (_drop_key(table, name),), note=f"foreign key {name} of {table}")
            for table in gone
            for name in old.tables[table].keys
        ]
        computed = [row for row in changes if row.kind == "drop column" and _computed(row.name)]
        ordered = [row for row in changes if row.kind != "drop column" or row not in computed]
        place = next((i for i, row in enumerate(ordered) if row.kind == "drop column"), None)
        place = len(ordered) if place is None else place
        first = next((i for i, row in enumerate(ordered) if row.kind == "add column"), place)
        place = min(place, first)
        for change in [*ordered[:place], *computed, *ordered[place:]]:
            steps += writer.steps(change)
        for table in come:
            steps += [
                Step("sql", (_added(table, row.sql),), note=f"add table {table}")
                for row in new.tables[table].keys.values()
            ]
        return steps


def _computed(name: str) -> bool:
    return name.startswith(_COMPANION)


@dataclass(frozen=True, slots=True)
class _Writer:
    of: MysqlSteps
    old: State
    new: State
    added: dict[tuple[str, str], str]

    def steps(self, change: Change) -> list[Step]:
        ways: dict[str, Callable[[Change], list[Step]]] = {
            "add table": self._add_table,
            "drop table": self._drop_table,
            "add column": self._add_column,
            "drop column": self._drop_column,
            "change type": self._modify,
            "require": self._require,
            "release": self._modify,
            "add check": lambda row: self._add(row, self.new.tables[row.table].checks),
            "add key": lambda row: self._add(row, self.new.tables[row.table].keys),
            "drop check": lambda row: self._alter(row, f"DROP CONSTRAINT {quoted(row.name)}"),
            "drop key": lambda row: self._sql(row, _drop_key(row.table, row.name)),
            "rename check": self._anew,
            "rename key": self._anew,
            "add index": self._add_index,
            "drop index": lambda row: self._alter(row, f"DROP INDEX {quoted(row.name)}"),
            "rename index": lambda row: self._alter(
                row, f"RENAME INDEX {quoted(row.name)} TO {quoted(row.to)}"
            ),
        }
        return ways[change.kind](change)

    def _sql(self, change: Change, sql: str, lost: str = "") -> list[Step]:
        return [Step("sql", (sql,), lost, note=change.title)]

    def _alter(self, change: Change, what: str, lost: str = "") -> list[Step]:
        return self._sql(change, f"ALTER TABLE {quoted(change.table)} {what}", lost)

    def _add_table(self, change: Change) -> list[Step]:
        return self._sql(change, without_keys(self.new.tables[change.table].sql))

    def _drop_table(self, change: Change) -> list[Step]:
        lost = f"the table {change.table} and all that is in it"
        return self._sql(change, f"DROP TABLE {quoted(change.table)}", lost)

    def _add_column(self, change: Change) -> list[Step]:
        row = self.new.tables[change.table].columns[change.name]
        name = quoted(change.name)
        if (change.table, change.name) in self.added:
            return self._sql(change, self.added[change.table, change.name]) + self._numbers(change)
        if row.extra or not row.required:
            return self._alter(change, f"ADD COLUMN {name} {row.type}")
        if row.fill:
            return [
                *self._alter(change, f"ADD COLUMN {name} {row.type}"),
                *self._require(change),
            ]
        note = f"{change.title}: a data step after this one can fill it"
        lost = (
            f"{change.table}.{change.name} is required and has no default: stored records stop it"
        )
        sql = f"ALTER TABLE {quoted(change.table)} ADD COLUMN {name} {row.type}"
        return [Step("sql", (sql,), note=note), *self._modify(change, lost)]

    def _numbers(self, change: Change) -> list[Step]:
        there = self.old.tables[change.table].columns
        target = self.of.target
        numbers = target.numbers(change.table, there) if change.table in target.places() else []
        mine = [sql for sql in numbers if f"{change.name}" in sql]
        return [step for sql in mine for step in self._sql(change, sql)]

    def _drop_column(self, change: Change) -> list[Step]:
        lost = f"the column {change.table}.{change.name} and what is in it"
        lost = "" if _computed(change.name) else lost
        return self._alter(change, f"DROP COLUMN {quoted(change.name)}", lost)

    def _modify(self, change: Change, lost: str = "") -> list[Step]:
        """The column as it shall be."""
        row = self.new.tables[change.table].columns[change.name]
        if change.kind == "change type" and not lost and not _widens(change.was, change.to):
            lost = (
                f"{change.table}.{change.name} is {change.was} and becomes {change.to}: "
                "what doesn't fit stops the migration"
            )
        return self._alter(change, f"MODIFY COLUMN {quoted(change.name)} {_defined(row)}", lost)

    def _require(self, change: Change) -> list[Step]:
        name = quoted(change.name)
        fill = self.new.tables[change.table].columns[change.name].fill
        if not fill:
            lost = f"{change.table}.{change.name} is required: a record without it stops it"
            return self._modify(change, lost)
        filled = f"UPDATE {quoted(change.table)} SET {name} = {fill} WHERE {name} IS NULL"
        return self._sql(change, filled) + self._modify(change)

    def _add(self, change: Change, rows: dict[str, Named]) -> list[Step]:
        return self._sql(change, _added(change.table, rows[change.name].sql))

    def _anew(self, change: Change) -> list[Step]:
        """These have no other names but by being made anew."""
        table = self.new.tables[change.table]
        if change.kind == "rename key":
            drop, row = _drop_key(change.table, change.name), table.keys[change.to]
        else:
            drop = f"ALTER TABLE {quoted(change.table)} DROP CONSTRAINT {quoted(change.name)}"
            row = table.checks[change.to]
        return self._sql(change, drop) + self._sql(change, _added(change.table, row.sql))

    def _add_index(self, change: Change) -> list[Step]:
        sql = self.new.tables[change.table].indexes[change.name].sql
        # An index of what the database computes is made by a copy, whatever is asked.
        inplace = self.of.online and f'"{_COMPANION}' not in sql
        return self._alter(change, f"ADD {sql}{', ALGORITHM=INPLACE' if inplace else ''}")


def _defined(row: Column) -> str:
    default = f" DEFAULT {row.default}" if row.default else ""
    return f"{row.type}{' NOT NULL' if row.required else ''}{default}"


def _added(table: str, sql: str) -> str:
    return f"ALTER TABLE {quoted(table)} ADD {sql}"


def _drop_key(table: str, name: str) -> str:
    return f"ALTER TABLE {quoted(table)} DROP FOREIGN KEY {quoted(name)}"


def _widens(was: str, to: str) -> bool:
    """Whether the new type holds all that the old one holds; only texts are known to."""
    return to.split(" ")[0] in ("longtext",) and not was.startswith("longblob")
