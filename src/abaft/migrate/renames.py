"""Names that went and names that came: which are the same thing is for a person to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from abaft.base.errors import nearest
from abaft.migrate.changes import Change
from abaft.migrate.files import MigrationError
from abaft.migrate.state import Renames

Ask = Callable[[str, Sequence[str]], str | None]
"""Asks whether what is gone has become one of these; None: it has gone for good."""


@dataclass(frozen=True, slots=True)
class Question:
    """A table or column that is gone, and what it may be called now."""

    gone: str
    come: tuple[str, ...]

    @property
    def text(self) -> str:
        names = " or ".join(self.come)
        return (
            f"{self.gone} is gone, and {names} is new: write --rename {self.gone}={self.come[0]} "
            f"where it is the same, or --dropped {self.gone} where it isn't"
        )


def questions(changes: Iterable[Change], dropped: Iterable[str] = ()) -> list[Question]:
    """What might be a rename: of tables, and of the columns of one table."""
    changes, known = list(changes), set(dropped)

    def of(kind: str) -> list[Change]:
        return [change for change in changes if change.kind == kind]

    come = tuple(change.table for change in of("add table") if not _own(change.table))
    asked = [
        Question(change.table, come)
        for change in of("drop table")
        if come and change.table not in known and not _own(change.table)
    ]
    for change in of("drop column"):
        new = tuple(
            f"{change.table}.{other.name}"
            for other in of("add column")
            if other.table == change.table and not _own(other.name)
        )
        gone = f"{change.table}.{change.name}"
        if new and gone not in known and not _own(change.name):
            asked.append(Question(gone, new))
    return asked


def _own(name: str) -> bool:
    """Whether it is a table of abaft's own, or a column that it has the database compute."""
    return name.startswith("abaft_")


def read(
    written: Iterable[str],
    dropped: Iterable[str],
    old: Mapping[str, Iterable[str]],
    new: Mapping[str, Iterable[str]],
) -> Renames:
    """The renames of `--rename old=new`; `old` and `new` are the columns of each table.

    MigrationError names all that don't fit.
    """
    faults: list[str] = []
    pairs = [_pair(text, faults) for text in written]
    tables = {a: b for a, b in pairs if a in old and b in new}
    columns: dict[tuple[str, str], str] = {}
    for gone, come in pairs:
        if gone in tables:
            continue
        table, _, name = gone.rpartition(".")
        now = tables.get(table, table)
        target = come.rpartition(".")[2]
        if name not in old.get(table, ()):
            known = [*old, *(f"{place}.{row}" for place, rows in old.items() for row in rows)]
            faults.append(f"--rename {gone}={come}: there is no {gone}: {nearest(gone, known)}")
        elif target not in new.get(now, ()):
            fit = nearest(target, new.get(now, ()))
            faults.append(f"--rename {gone}={come}: the models have no {now}.{target}: {fit}")
        elif target in old.get(table, ()):
            faults.append(f"--rename {gone}={come}: {table}.{target} is there already")
        else:
            columns[now, name] = target
    for name in dropped:
        table, _, column = name.rpartition(".")
        if name not in old and column not in old.get(table, ()):
            faults.append(f"--dropped {name}: there is no such table or column")
    if faults:
        raise MigrationError("; ".join(faults))
    return Renames(tables, columns, frozenset(dropped))


def _pair(text: str, faults: list[str]) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals or not old or not new:
        faults.append(f"--rename {text}: write old=new, or table.old=new")
    return old.strip(), new.strip()
