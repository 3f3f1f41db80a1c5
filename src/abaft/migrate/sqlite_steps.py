"""Changes as SQLite makes them: what its ALTER TABLE can't do is done by copying the table.

Alembic's batch mode would copy a table as it was reflected, which has lost that it is STRICT or
WITHOUT ROWID: here a table is copied into one as the models make it.
"""

from __future__ import annotations

from dataclasses import dataclass

from abaft.migrate.changes import Change
from abaft.migrate.models import SEARCH, Target
from abaft.migrate.sqlite_state import named_anew, quoted
from abaft.migrate.state import Column, State, Table
from abaft.migrate.steps import Step

_COPIED = {
    "drop column", "change type", "require", "release", "add check", "drop check", "rename check",
    "add key", "drop key", "rename key",
}  # fmt: skip
_NEW = "abaft_new_"


@dataclass(frozen=True, slots=True)
class SqliteSteps:
    """Writes the steps from one state to another."""

    target: Target

    def rename(self, change: Change) -> Step:
        """A rename, which SQLite carries into all that names the table or column."""
        table = quoted(change.table)
        if change.kind == "rename table":
            sql = f"ALTER TABLE {table} RENAME TO {quoted(change.to)}"
        else:
            sql = f"ALTER TABLE {table} RENAME COLUMN {quoted(change.name)} TO {quoted(change.to)}"
        return Step("sql", (sql,), note=change.title)

    def write(self, changes: list[Change], old: State, new: State) -> list[Step]:
        """The steps, table by table; tables that go are the last."""
        steps: list[Step] = []
        by_table: dict[str, list[Change]] = {}
        for change in changes:
            by_table.setdefault(change.table, []).append(change)
        added = self.target.added(old)
        last = []
        for place, found in by_table.items():
            kinds = {change.kind for change in found}
            if "add table" in kinds:
                steps += _created(new.tables[place])
            elif "drop table" in kinds:
                lost = f"the table {place} and all that is in it"
                sql = f"DROP TABLE {quoted(place)}"
                last.append(Step("sql", (sql,), lost, note=f"drop table {place}"))
            else:
                steps += self._altered(place, found, old.tables[place], new.tables[place], added)
        return [*steps, *reversed(last)]

    def _altered(
        self,
        place: str,
        changes: list[Change],
        old: Table,
        new: Table,
        added: dict[tuple[str, str], str],
    ) -> list[Step]:
        columns = [change.name for change in changes if change.kind == "add column"]
        plain = {f"fk_{place}_{name}" for name in columns if (place, name) in added}
        copied = any(
            change.kind in _COPIED and not (change.kind == "add key" and change.name in plain)
            for change in changes
        )
        copied = copied or any((place, name) not in added for name in columns)
        numbers = self.target.numbers(place, old.columns) if place in self.target.places() else []
        numbers = numbers if set(columns) else []
        if copied:
            return self._copied(place, changes, old, new, numbers)
        steps = _indexes(changes, old, "drop index")
        steps += [
            Step("sql", (added[place, name],), note=f"add column {place}.{name}")
            for name in columns
        ]
        steps += [Step("sql", (sql,), note=f"places of the records of {place}") for sql in numbers]
        return steps + _indexes(changes, new, "add index")

    def _copied(
        self, place: str, changes: list[Change], old: Table, new: Table, numbers: list[str]
    ) -> list[Step]:
        table, other = quoted(place), quoted(_NEW + place)
        steps: list[Step] = []
        bare = [
            name
            for name, row in new.columns.items()
            if name not in old.columns and row.required and not row.fill
        ]
        for name in bare:
            sql = f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {new.columns[name].type}"
            note = f"add column {place}.{name}: a data step after this one can fill it"
            steps.append(Step("sql", (sql,), note=note))
        copy = {
            name: value
            for name, row in new.columns.items()
            if (value := _value(name, row, old, bare)) and row.extra != "generated"
        }
        names = ", ".join(map(quoted, copy))
        kept = {
            name: row.sql for name, row in (old.indexes | new.indexes).items() if not _ours(name)
        }
        searched = {name: sql for name, sql in old.triggers.items() if name.startswith(SEARCH)}
        others = {
            name: sql
            for name, sql in (old.triggers | new.triggers).items()
            if not name.startswith(SEARCH)
        }
        statements = [
            named_anew(new.sql, _NEW + place),
            f"INSERT INTO {other} ({names}) SELECT {', '.join(copy.values())} FROM {table}",
            f"DROP TABLE {table}",
            f"ALTER TABLE {other} RENAME TO {quoted(place)}",
            *numbers,
            *(row.sql for name, row in new.indexes.items() if _ours(name)),
            *kept.values(),
            *searched.values(),
            *others.values(),
        ]
        note = ", ".join(change.title for change in changes)
        lost = "; ".join(_lost(change, old, new) for change in changes if _lost(change, old, new))
        steps.append(Step("rebuild", tuple(statements), lost, note=f"{place}|{note}"))
        return steps


def _created(table: Table) -> list[Step]:
    made = [table.sql, *(row.sql for row in table.indexes.values())]
    made += [sql for name, sql in table.triggers.items() if not name.startswith(SEARCH)]
    return [Step("sql", (sql,), note=f"add table {table.place}") for sql in made]


def _indexes(changes: list[Change], state: Table, kind: str) -> list[Step]:
    """Of those that get another name as well: here an index is made anew."""
    steps = []
    for change in changes:
        if change.kind not in (kind, "rename index"):
            continue
        if kind == "drop index":
            sql = f"DROP INDEX {quoted(change.name)}"
        else:
            sql = state.indexes[change.to or change.name].sql
        steps.append(Step("sql", (sql,), note=change.title))
    return steps


def _ours(index: str) -> bool:
    return index.startswith(("ix_", "uq_"))


def _value(name: str, row: Column, old: Table, bare: list[str]) -> str:
    """What the copy has in a column; "": nothing, so that it is null or the database's own."""
    if name in bare:
        return quoted(name)
    if name not in old.columns:
        return row.fill if row.required else ""
    if row.required and not old.columns[name].required and row.fill:
        return f"coalesce({quoted(name)}, {row.fill})"
    return quoted(name)


def _lost(change: Change, old: Table, new: Table) -> str:
    """What a change may take away or fail on; "": nothing."""
    place = f"{change.table}.{change.name}"
    match change.kind:
        case "drop column":
            return f"the column {place} and what is in it"
        case "change type" if change.to.upper() != "TEXT":
            return f"{place}: a value that isn't {change.to} stops the migration"
        case "require" if not new.columns[change.name].fill:
            return f"{place} is required: a record without it stops the migration"
        case "add column" if new.columns[change.name].required:
            if not new.columns[change.name].fill:
                return f"{place} is required and has no default: stored records stop the migration"
    return ""
