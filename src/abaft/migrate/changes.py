"""The differences between two states, each by its kind; how they are read forth and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from abaft.migrate.state import Named, Renames, State, Table

Kind = Literal[
    "rename table", "rename column", "rename index", "rename key", "rename check",
    "add table", "drop table", "add column", "drop column", "change type", "require", "release",
    "add check", "drop check", "add key", "drop key", "add index", "drop index",
    "add search", "drop search",
]  # fmt: skip
_BACK: dict[Kind, Kind] = {
    "add table": "drop table",
    "add column": "drop column",
    "require": "release",
    "add check": "drop check",
    "add key": "drop key",
    "add index": "drop index",
    "add search": "drop search",
}
_BACK |= {back: forth for forth, back in _BACK.items()}
_OF_TABLES = {"key": "foreign key"}
_OF_DOCUMENTS = {"table": "collection", "column": "field"}
ORDER: tuple[Kind, ...] = (
    "drop search", "rename table", "rename column", "drop key", "drop check", "drop index",
    "rename key", "rename check", "rename index", "add table", "drop column", "add column",
    "change type", "require", "release", "add check", "add index", "add key", "drop table",
    "add search",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: of a table, or of what it has by `name`; `to` is the new name, or type.

    `documents` tells that tables are collections, and columns fields.
    """

    kind: Kind
    table: str
    name: str = ""
    to: str = ""
    was: str = ""
    documents: bool = False

    @property
    def title(self) -> str:
        """The change in words."""
        verb, _, what = self.kind.partition(" ")
        shown = (_OF_DOCUMENTS if self.documents else _OF_TABLES).get(what, what)
        place = f"{self.table}.{self.name}" if self.name else self.table
        match self.kind:
            case "rename table" | "rename column":
                return f"{verb} {shown} {place} to {self.to}"
            case "rename index" | "rename key" | "rename check":
                return f"{self.kind} {self.name} of {self.table} to {self.to}"
            case "change type":
                return f"change type of {place} from {self.was} to {self.to}"
            case "require":
                return f"require {place}"
            case "release":
                return f"make {place} optional"
        if self.documents and what == "check":
            return f"change validator of {self.table}"
        if what in ("table", "column"):
            return f"{verb} {shown} {place}"
        return f"{verb} {shown} {self.name} of {self.table}"

    def back(self) -> Change:
        """The same the other way round."""
        if self.kind == "rename column":
            return replace(self, name=self.to, to=self.name)
        if self.kind == "rename table":
            return replace(self, table=self.to, to=self.table)
        if self.kind.startswith("rename "):
            return replace(self, name=self.to, to=self.name)
        if self.kind == "change type":
            return replace(self, to=self.was, was=self.to)
        return replace(self, kind=_BACK[self.kind])


def ordered(changes: Iterable[Change]) -> list[Change]:
    """In the order in which they can be made; what goes, by name, for Alembic has it in sets."""

    def place(change: Change) -> tuple[int, str, str]:
        by_name = change.kind in ("drop table", "drop column")
        names = (change.table, change.name) if by_name else ("", "")
        return ORDER.index(change.kind), *names

    return sorted(changes, key=place)


def backwards(changes: list[Change]) -> list[Change]:
    """What undoes them, in the order in which that can be made."""
    return ordered(change.back() for change in reversed(changes))


def told(renames: Renames) -> list[Change]:
    """What was said about names."""
    return [
        *(Change("rename table", old, to=new) for old, new in renames.tables.items()),
        *(Change("rename column", t, old, new) for (t, old), new in renames.columns.items()),
    ]


def structure_of(old: State, new: State, gone: Callable[[str], bool]) -> list[Change]:
    """Tables, columns, types and what may be null, as a database shows both sides."""
    changes = [Change("add table", place) for place in new.tables if place not in old.tables]
    for place, there in old.tables.items():
        table = new.tables.get(place)
        if table is None:
            changes += [Change("drop table", place)] if gone(place) else []
            continue
        for name, row in there.columns.items():
            now = table.columns.get(name)
            if now is None or (now.extra != row.extra):
                changes.append(Change("drop column", place, name))
            elif now.type != row.type:
                changes.append(Change("change type", place, name, now.type, row.type))
            if now is not None and now.required != row.required:
                changes.append(Change("require" if now.required else "release", place, name))
        for name, row in table.columns.items():
            was = there.columns.get(name)
            if was is None or was.extra != row.extra:
                changes.append(Change("add column", place, name))
    return changes


def definitions(old: State, new: State) -> list[Change]:
    """What Alembic doesn't compare, or not exactly: checks, keys, indexes and searches."""
    changes: list[Change] = []
    for place, table in new.tables.items():
        there = old.tables.get(place)
        if there is None:
            continue
        changes += _named("check", there, table, there.checks, table.checks)
        changes += _named("key", there, table, there.keys, table.keys)
        changes += _named("index", there, table, there.indexes, table.indexes)
    for name, search in old.searches.items():
        if name not in new.searches:
            changes.append(Change("drop search", search.table, name))
    for name, search in new.searches.items():
        if name not in old.searches:
            changes.append(Change("add search", search.table, name))
    return changes


_OURS: dict[str, tuple[str, ...]] = {
    "check": ("ck_",),
    "key": ("fk_",),
    "index": ("ix_", "uq_", "abaft_search_"),
}


def _named(
    what: str, there: Table, table: Table, old: dict[str, Named], new: dict[str, Named]
) -> list[Change]:
    """By name and definition; what others have made has other names, and is let be."""

    def kind(verb: str) -> Kind:
        return f"{verb} {what}"  # type: ignore[return-value]

    ours: Callable[[str], bool] = lambda name: name.startswith(_OURS[what]) or name in new  # noqa: E731
    gone = {name: row for name, row in old.items() if ours(name) and _differs(row, new.get(name))}
    come = {name: row for name, row in new.items() if _differs(row, old.get(name))}
    changes = []
    for name, row in [*gone.items()]:
        same = [other for other, found in come.items() if found.same == row.same and other != name]
        if same and name not in new:
            changes.append(Change(kind("rename"), table.place, name, same[0]))
            del gone[name], come[same[0]]
    changes += [Change(kind("drop"), there.place, name) for name in gone]
    return changes + [Change(kind("add"), table.place, name) for name in come]


def _differs(one: Named, other: Named | None) -> bool:
    return other is None or one.same != other.same
