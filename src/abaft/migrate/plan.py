"""What a difference leads to: the changes in words, steps forth and back, and warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from abaft.migrate.changes import Change, backwards, definitions, ordered, told
from abaft.migrate.files import MigrationError
from abaft.migrate.state import Renames, State
from abaft.migrate.steps import Step

Write = Callable[[list[Change], State, State], list[Step]]
"""Makes steps of changes from one state to another."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference; without changes there is none."""

    changes: tuple[Change, ...] = ()
    up: tuple[Step, ...] = ()
    down: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    """Tables that no model names, and that no migration has made: they are let be."""
    old: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    new: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The columns of each table, before and after."""


@dataclass(frozen=True, slots=True)
class Compared:
    """States that were compared: `before` as the database is, `old` with its new names."""

    before: State
    old: State
    new: State
    structure: tuple[Change, ...]
    renames: Renames

    def changes(self) -> list[Change]:
        """All differences but of names, in order."""
        self._same_keys()
        found = [*self.structure, *definitions(self.old, self.new)]
        gone = {change.table for change in found if change.kind == "drop table"}
        known = {*self.new.tables, *gone, *self.renames.tables}
        return ordered(
            change for change in found if change.kind != "drop search" or change.table in known
        )

    def _same_keys(self) -> None:
        """MigrationError where records would have to be told apart by something else."""
        faults = [
            f"{place} has the key ({', '.join(there.key)}), and the model ({', '.join(table.key)})"
            for place, table in self.new.tables.items()
            if (there := self.old.tables.get(place)) is not None and there.key != table.key
        ]
        if faults:
            told = "; ".join(faults)
            raise MigrationError(f"{told}: write that by hand, in a file made by --empty")


def plan(compared: Compared, write: Write, rename: Callable[[Change], Step]) -> Plan:
    """The steps of both directions.

    Searches go first and come last: what they are made of are names.
    """
    changes = compared.changes()
    names = told(compared.renames)
    searches = [change for change in changes if change.kind in ("add search", "drop search")]
    body = [change for change in changes if change not in searches]
    old, new, before = compared.old, compared.new, compared.before
    renamed = [rename(change) for change in names]
    unnamed = [rename(change.back()) for change in reversed(names)]
    up = [
        *_dropped(searches, before),
        *renamed,
        *write(body, _without(old, searches), new),
        *_made(searches, new),
    ]
    undone = backwards(searches)
    down = [
        *_dropped(undone, new),
        *write(backwards(body), _without(new, undone), old),
        *unnamed,
        *_made(undone, before),
    ]
    unknown = [*old.tables.keys() - new.tables.keys() - {row.table for row in changes}]
    return Plan(
        tuple(ordered([*changes, *names])),
        tuple(up),
        tuple(down),
        unknown=tuple(sorted(unknown)),
        old=_columns(before),
        new=_columns(new),
    )


def _columns(state: State) -> dict[str, tuple[str, ...]]:
    return {place: tuple(table.columns) for place, table in state.tables.items()}


def _dropped(searches: list[Change], state: State) -> list[Step]:
    return _steps(searches, "drop search", lambda name: state.searches[name].drop)


def _made(searches: list[Change], state: State) -> list[Step]:
    return _steps(searches, "add search", lambda name: state.searches[name].create)


def _steps(
    searches: list[Change], kind: str, statements: Callable[[str], Iterable[str]]
) -> list[Step]:
    return [
        Step("sql", (sql,), note=change.title)
        for change in searches
        if change.kind == kind
        for sql in statements(change.name)
    ]


def _without(state: State, searches: list[Change]) -> State:
    """The state once these searches are dropped: what is their own are triggers, too."""
    gone = [change.name for change in searches if change.kind == "drop search"]
    for table in state.tables.values():
        for name in [*table.triggers]:
            if name.startswith(tuple(gone)):
                del table.triggers[name]
    return state
