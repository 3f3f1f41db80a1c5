"""The lines that fields become."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from abaft.cli import inspect_names as names
from abaft.store.description import Column, ForeignKey, Table

ANNOTATIONS = {
    "text": "str",
    "integer": "int",
    "float": "float",
    "decimal": "Decimal",
    "boolean": "bool",
    "datetime": "dt.datetime",
    "date": "dt.date",
    "time": "dt.time",
    "duration": "dt.timedelta",
    "uuid": "UUID",
    "binary": "bytes",
    "json": "JsonValue",
}
_ONE_TO_ONE = ("", "smallint", "integer", "bigint", "text", "character varying", "character")
"""Forms in which what is unique in the column is unique as it is compared."""

Options = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """A field: its annotation and what `field()` is told, as Python."""

    name: str
    annotation: str
    options: Options
    told: str = ""


def used_words(table: Table) -> set[str]:
    """The words that the annotations of the table's fields begin with."""
    used = {
        ANNOTATIONS[column.kind].partition(".")[0]
        for column in table.columns
        if column.kind in ANNOTATIONS
    }
    items = {column.item for column in table.columns if column.item}
    return used | items | ({"list"} if items else set())


def column_line(
    taken: Collection[str],
    column: Column,
    table: Table,
    enums: Mapping[str, tuple[str, tuple[str, ...]]],
) -> Line:
    """A field that holds a value."""
    annotation = _annotation(column, enums)
    name = names.field_name(column.name, taken, used_words(table))
    if name in ("created", "updated") and (annotation != "dt.datetime" or _empty(column, table)):
        # Every model says that it may have these, as times.
        name = names.field_name(f"{name}_at", taken)
    options = _options(name, column, table)
    if column.max_length is not None:
        options.append(("max_length", str(column.max_length)))
    if column.digits is not None:
        options.append(("max_digits", str(column.digits)))
        options.append(("decimal_places", str(column.places)))
    if column.nocase:
        options.append(("collate", names.text("nocase")))
    if column.stored:
        options.append(("stored", names.text(column.stored)))
    options += _described(column)
    return Line(name, annotation + _or_none(column, table), options, column.told)


def ref_line(
    name: str, column: Column, key: ForeignKey, target: str, table: Table, theirs: Column
) -> Line:
    """A relation by a column of its own."""
    options = _options(name, column, table)
    if column.name in table.key:
        # What it refers to is for the client to say.
        options = [option for option in options if option[0] != "default"]
    if column.stored != theirs.stored:
        options.append(("stored", names.text(column.stored or column.spelling)))
    if key.on_delete == "cascade" or (key.on_delete == "set null" and _empty(column, table)):
        options.append(("on_delete", names.text(key.on_delete)))
    options += _described(column)
    return Line(name, f"Ref[{target}]{_or_none(column, table)}", options, column.told)


def _options(name: str, column: Column, table: Table) -> Options:
    """What every field with a column may be told."""
    options: Options = []
    if name != column.name:
        options.append(("column", names.text(column.name)))
    if column.name in table.key:
        options.append(("key", "True"))
    elif (column.name,) in table.uniques and column.stored in _ONE_TO_ONE:
        options.append(("unique", "True"))
    if column.computed and not table.read_only:
        options.append(("read_only", "True"))
    if (column.filled or column.computed) and not table.read_only and _may_be_filled(column, table):
        options.append(("default", "by_database"))
    return options


def _may_be_filled(column: Column, table: Table) -> bool:
    """Of keys only numbers and UUIDs: a write must tell which record it has made."""
    if column.name not in table.key:
        return True
    return len(table.key) == 1 and column.kind in ("integer", "uuid")


def _annotation(column: Column, enums: Mapping[str, tuple[str, tuple[str, ...]]]) -> str:
    if column.kind == "choice":
        return enums[column.enum][0]
    if column.item:
        return f"list[{enums[column.item][0] if column.words else column.item}]"
    return ANNOTATIONS[column.kind]


def _empty(column: Column, table: Table) -> bool:
    return column.nullable and column.name not in table.key


def _or_none(column: Column, table: Table) -> str:
    return " | None" if _empty(column, table) else ""


def _described(column: Column) -> Options:
    return [("description", names.text(column.comment))] if column.comment else []
