"""What a database has, as the comparison needs it: each thing with the SQL that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `fill` is SQL of what stored records get where it is new, "" where none is known.

    `extra` is what else its definition says: an identity, a generated value.
    """

    type: str
    required: bool = False
    default: str = ""
    extra: str = ""
    fill: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """An index, key or check: the SQL that makes it, and what it is compared by."""

    sql: str
    same: str
    unique: bool = False


@dataclass(slots=True)
class Table:
    """A table by what it has. `sql` makes it, where the database keeps that."""

    place: str
    sql: str = ""
    key: tuple[str, ...] = ()
    columns: dict[str, Column] = field(default_factory=dict)
    checks: dict[str, Named] = field(default_factory=dict)
    keys: dict[str, Named] = field(default_factory=dict)
    indexes: dict[str, Named] = field(default_factory=dict)
    triggers: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    """About how many records there are, where the database says."""


@dataclass(frozen=True, slots=True)
class Search:
    """What makes a search index, and does away with it; `table` is the place of its records."""

    table: str
    create: tuple[str, ...]
    drop: tuple[str, ...]
    triggers: tuple[str, ...] = ()


@dataclass(slots=True)
class State:
    """The tables by their places, and the search indexes by their names."""

    tables: dict[str, Table] = field(default_factory=dict)
    searches: dict[str, Search] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Renames:
    """What was told about names: old places of tables and columns, and what they are now.

    Columns are named under the new place of their table. `dropped` are gone for good.
    """

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[tuple[str, str], str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.tables or self.columns)
