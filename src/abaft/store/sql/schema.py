"""Holds the models against a database's tables: what to run, and what only a person may decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from abaft.model.spec import Field, Model, Schema
from abaft.store.sql import search
from abaft.store.sql.changes import CHANGES
from abaft.store.sql.dialect import Dialect
from abaft.store.sql.tables import (
    create_index,
    create_table,
    foreign_keys,
    make_indexes,
    numbered,
    superseded,
)
from abaft.store.sql.versions import upgrade_feed


@dataclass(slots=True)
class Found:
    """A table as the database has it: its columns' (family of type, not null), and index names."""

    columns: dict[str, tuple[str, bool]] = field(default_factory=dict)
    defaults: set[str] = field(default_factory=set)
    indexes: set[str] = field(default_factory=set)
    foreign_keys: set[str] = field(default_factory=set)
    words: dict[str, frozenset[str]] = field(default_factory=dict)
    """Those of enums."""
    triggers: bool = False
    """Whether triggers run before an insert, which may fill in what it leaves out."""


SYSTEM_COLUMNS = ("rowid", "ctid")
"""By which a table without a key is read."""
Family = Callable[[str], str]


def compare(
    schema: Schema,
    tables: Mapping[str, sa.Table],
    own: Sequence[sa.Table],
    dialect: Dialect,
    found: Mapping[str, Found],
    family: Family,
) -> tuple[list[str], list[str]]:
    """(statements that add what is missing, differences that need a person).

    `own` are tables that no model names.
    `family` makes of a type's name what types are compared by; "" is compatible with all.
    """
    statements: list[str] = []
    last: list[str] = []
    differences: list[str] = []
    for table in own:
        if table.name not in found:
            statements.append(str(CreateTable(table).compile(dialect=dialect.sa)).strip())
            statements += [create_index(index, dialect) for index in table.indexes]
    statements += upgrade_feed(schema, found.get(CHANGES, Found()).indexes, dialect)
    for model in schema.models.values():
        table = tables[model.name]
        if not model.managed:
            differences += existing(model, dialect, found.get(model.place), family)
            continue
        there = found.get(model.place)
        if there is None:
            statements.append(create_table(table, dialect))
        else:
            _columns(model, table, dialect, there, family, statements, differences)
        if there is not None:
            statements += numbered(model, table, dialect, there.columns)
        known = there or Found()
        quote = dialect.sa.identifier_preparer.quote
        statements += [f"DROP INDEX {quote(name)}" for name in superseded(model, known.indexes)]
        for name, index in make_indexes(model, table, dialect).items():
            if name not in known.indexes:
                statements.append(create_index(index, dialect))
        # Foreign keys come last, when all the tables they lead to are there.
        last += [
            sql
            for name, sql in foreign_keys(table, dialect).items()
            if name not in known.foreign_keys
        ]
    return [*statements, *last, *_searches(schema, tables, dialect, found)], differences


def _searches(
    schema: Schema, tables: Mapping[str, sa.Table], dialect: Dialect, found: Mapping[str, Found]
) -> list[str]:
    """What makes the indexes for search that are declared, and drops what is so no more."""
    preparer, statements = dialect.sa.identifier_preparer, []
    for name in search.superseded(schema.models.values(), found):
        statements += dialect.search.drop(name)
    for model in schema.models.values():
        if model.searched and search.index_name(model) not in found:
            statements += dialect.search.create(model, tables[model.name], preparer)
    return statements


def existing(model: Model, dialect: Dialect, found: Found | None, family: Family) -> list[str]:
    """What a table that isn't ours lacks for the model to be served; it is never changed."""
    if found is None:
        return [f"{model.place} isn't there: {model.name} has managed=False, so it isn't made"]
    differences: list[str] = []
    for row in model.fields.values():
        where = f"{model.place}.{row.column}"
        if row.column in SYSTEM_COLUMNS and row.column not in found.columns:
            continue
        if row.column not in found.columns:
            differences.append(f"{where} isn't there, {model.name}.{row.name} needs it")
            continue
        type_, required = found.columns[row.column]
        wanted = row.kind.stored or dialect.type(row.kind).compile(dialect=dialect.sa)
        if not dialect.holds(row.kind, type_, family):
            differences.append(f"{where} is {type_}, {model.name}.{row.name} needs {wanted}")
        unknown = {*getattr(row.kind, "options", ())} - found.words.get(row.column, {*()})
        if row.column in found.words and unknown:
            listed = ", ".join(sorted(map(str, unknown)))
            differences.append(f"{where} knows no {listed}, which {model.name}.{row.name} may be")
        if not model.read_only:
            differences += _nullability(model, row, where, required)
    return differences if model.read_only else differences + _left_out(model, found)


def _nullability(model: Model, row: Field, where: str, required: bool) -> list[str]:
    if required and row.nullable and not row.key:
        return [f"{where} is NOT NULL, {model.name}.{row.name} is optional"]
    if not required and not row.nullable and not row.key:
        return [f"{where} may be NULL, {model.name}.{row.name} is not optional"]
    return []


def _left_out(model: Model, found: Found) -> list[str]:
    """Columns without a field that no new record could do without."""
    known = {row.column for row in model.fields.values()}
    return [
        f"{model.place}.{name} ({type_}) is NOT NULL without a default, and {model.name} "
        "has no such field: no record could be created"
        for name, (type_, required) in found.columns.items()
        if name not in known and required and name not in found.defaults and not found.triggers
    ]


def _columns(
    model: Model,
    table: sa.Table,
    dialect: Dialect,
    found: Found,
    family: Family,
    statements: list[str],
    differences: list[str],
) -> None:
    for row in model.fields.values():
        where = f"{model.table}.{row.column}"
        if row.column not in found.columns:
            _add_column(model, table, row, dialect, statements, differences)
            continue
        type_, required = found.columns[row.column]
        if not dialect.holds(row.kind, type_, family):
            wanted = table.c[row.column].type.compile(dialect=dialect.sa)
            differences.append(f"{where} is {type_}, {model.name}.{row.name} needs {wanted}")
        differences += _nullability(model, row, where, required)
    differences += _left_out(model, found)


def _add_column(
    model: Model,
    table: sa.Table,
    row: Field,
    dialect: Dialect,
    statements: list[str],
    differences: list[str],
) -> None:
    preparer = dialect.sa.identifier_preparer
    type_ = table.c[row.column].type.compile(dialect=dialect.sa)
    name, column = preparer.format_table(table), preparer.quote(row.column)
    add = f"ALTER TABLE {name} ADD COLUMN {column} {type_}"
    if row.nullable:
        statements.append(add + _inline_key(table, row.column, dialect))
        return
    default = row.default() if row.default is not None else None
    if default is None or row.key:
        differences.append(
            f"{model.table}.{row.column} isn't there: make {model.name}.{row.name} optional or "
            "give it a default, so that the records already stored have a value"
        )
        return
    statements.append(f"{add} NOT NULL DEFAULT {literal(default, row, dialect)}")


def _inline_key(table: sa.Table, column: str, dialect: Dialect) -> str:
    """The foreign key of an added column, where the database can't add it later."""
    preparer = dialect.sa.identifier_preparer
    for key in table.foreign_key_constraints:
        if key.column_keys == [column] and not foreign_keys(table, dialect):
            [element] = key.elements
            return (
                f" CONSTRAINT {preparer.quote(str(key.name))} REFERENCES "
                f"{preparer.format_table(element.column.table)} "
                f"({preparer.quote(element.column.name)}) ON DELETE {key.ondelete}"
            )
    return ""


def literal(value: Any, row: Field, dialect: Dialect) -> str:
    """A constant in SQL text, as the column holds it."""
    encode = dialect.encoder(row.kind)
    value = encode(value) if encode else value
    if isinstance(value, bytes):
        return f"X'{value.hex()}'" if dialect.placeholder == "?" else f"'\\x{value.hex()}'::bytea"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    bound = sa.literal(value, dialect.type(row.kind))
    return str(bound.compile(dialect=dialect.sa, compile_kwargs={"literal_binds": True}))
