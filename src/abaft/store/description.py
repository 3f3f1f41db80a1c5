"""What a database has, as plain values: tables, views, columns and how their values are held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OnDelete = Literal["cascade", "restrict", "set null"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `kind` is the field's, "" where no field can hold it, which `note` explains.

    `words` are those of an enum and `item` the kind of an array's items. `filled` tells that the
    database gives a value where none is, `computed` that it always does.
    """

    name: str
    type: str
    kind: str
    stored: str = ""
    nullable: bool = True
    filled: bool = False
    computed: bool = False
    nocase: bool = False
    max_length: int | None = None
    digits: int | None = None
    places: int | None = None
    words: tuple[str, ...] = ()
    enum: str = ""
    item: str = ""
    comment: str = ""
    note: str = ""
    told: str = ""
    """How sure it is, where it was found by looking at some of the records."""
    spelling: str = ""
    """The form in which the column holds its kind, by name, where it is our own."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference; `target` is the place of the table that it leads to."""

    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    on_delete: OnDelete = "restrict"


@dataclass(frozen=True, slots=True)
class Table:
    """A table or a view. Without a key by which records can be told apart it isn't served."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    schema: str = ""
    read_only: bool = False
    uniques: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    comment: str = ""
    notes: tuple[str, ...] = ()
    triggers: bool = False
    """Whether something fills in what a new record leaves out."""

    @property
    def place(self) -> str:
        """The table with its schema, where that isn't the database's current one."""
        return f"{self.schema}.{self.name}" if self.schema else self.name

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True, slots=True)
class Description:
    """All that was found, in the database's order; `notes` are of what is left out whole."""

    engine: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()


def usable(column: Column) -> bool:
    """Whether a key may be made of the column."""
    return column.kind not in ("", "json", "binary")


def candidates(table: str, columns: tuple[Column, ...]) -> list[tuple[str, ...]]:
    """What may tell a view's records apart, the likeliest first."""
    able = [column.name for column in columns if usable(column) and column.kind != "boolean"]
    plain = table.lower().rstrip("s")

    def rank(name: str) -> int:
        low = name.lower()
        if low in ("id", f"{plain}_id", f"{plain}id"):
            return 0
        return 1 if low.endswith("id") else 2

    single = sorted(able, key=rank)
    firsts = single[:4]
    pairs: list[tuple[str, ...]] = [(a, b) for i, a in enumerate(firsts) for b in firsts[i + 1 :]]
    return [*((name,) for name in single), *pairs]
