"""SQLAlchemy's tables of a schema, and the DDL that makes them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable

from abaft.model.spec import Field, Model, One, Schema, unique_name
from abaft.store.sql.conditions import Context, Frame, condition
from abaft.store.sql.dialect import Dialect, Element
from abaft.store.sql.statement import Binder

_ACTIONS = {"cascade": "CASCADE", "restrict": "NO ACTION", "set null": "SET NULL"}


def make_tables(schema: Schema, dialect: Dialect) -> dict[str, sa.Table]:
    """The table of each model, by the model's name."""
    metadata = sa.MetaData()
    return {name: _table(schema, dialect, metadata, model) for name, model in schema.models.items()}


def _table(schema: Schema, dialect: Dialect, metadata: sa.MetaData, model: Model) -> sa.Table:
    columns = [_column(dialect, model, field) for field in model.fields.values()]
    keys = [
        _foreign_key(schema, dialect, model, one) for one in model.one.values() if one.constraint
    ]
    rowid = len(model.key) == 1 and model.fields[model.key[0]].kind.name == "integer"
    return sa.Table(
        model.table,
        metadata,
        *columns,
        *keys,
        *_checks(schema, dialect, model),
        sqlite_strict=True,
        # A table that is its own primary key's tree needs one search a record, not two.
        sqlite_with_rowid=rowid,
    )


def _column(dialect: Dialect, model: Model, field: Field) -> sa.Column[object]:
    generated = [sa.Identity()] if field.generated and dialect.placeholder == "$" else []
    return sa.Column(
        field.column,
        dialect.type(field.kind),
        *generated,
        primary_key=field.key,
        nullable=field.nullable,
        autoincrement=field.generated,
    )


def _foreign_key(
    schema: Schema, dialect: Dialect, model: Model, one: One
) -> sa.ForeignKeyConstraint:
    target = schema.models[one.target]
    return sa.ForeignKeyConstraint(
        [model.fields[name].column for name in one.columns],
        [f"{target.table}.{target.fields[name].column}" for name in target.key],
        name=f"fk_{model.table}_{one.name}"[:63],
        ondelete=_ACTIONS[one.on_delete],
        # A file of records may name a boss before there is one; SQLite can put off any key.
        deferrable=True if one.target == model.name and dialect.placeholder == "$" else None,
    )


def _checks(schema: Schema, dialect: Dialect, model: Model) -> list[sa.CheckConstraint]:
    context = Context(schema, {}, Binder(dialect))
    overlay: dict[str, Element] = {
        field.name: sa.column(field.column, dialect.type(field.kind))
        for field in model.fields.values()
    }
    frame = Frame(context, model, None, overlay=overlay)
    return [
        # A check must hold: where SQL would answer null it doesn't.
        sa.CheckConstraint(
            sa.func.coalesce(condition(check.where, [frame]), sa.false()),
            name=f"ck_{model.table}_{check.name}"[:63],
        )
        for check in model.checks
    ]


def _index_name(model: Model, fields: tuple[str, ...]) -> str:
    return f"ix_{model.table}_{'_'.join(fields)}"[:63]


def index_groups(model: Model) -> list[tuple[str, tuple[str, ...], bool]]:
    """Each index by its name: the fields, and whether they are unique together.

    An index of one field ends with the key, so that pages in its order are read from it alone.
    """
    groups: dict[str, tuple[str, tuple[str, ...], bool]] = {}

    def add(fields: tuple[str, ...], unique: bool) -> None:
        name = unique_name(model, fields) if unique else _index_name(model, fields)
        keyed = fields if unique else (*fields, *(part for part in model.key if part not in fields))
        if keyed[: len(model.key)] != model.key:
            groups[name] = (name, keyed, unique)

    for field in model.fields.values():
        if field.unique and model.key != (field.name,):
            add((field.name,), True)
        elif field.index and not field.unique:
            add((field.name,), False)
    for fields in model.uniques:
        add(fields, True)
    for fields in model.indexes:
        add(fields, False)
    for one in model.one.values():
        # Without it, a delete of the target would read this whole table.
        if not any(group[1][: len(one.columns)] == one.columns for group in groups.values()):
            add(one.columns, False)
    return list(groups.values())


def make_indexes(model: Model, table: sa.Table, dialect: Dialect) -> dict[str, sa.Index]:
    """The indexes of a model by name; text without case is indexed as it is compared."""
    made = {}
    for name, fields, unique in index_groups(model):
        columns = []
        for part in fields:
            column = table.c[model.fields[part].column]
            columns.append(dialect.fold(column) if model.fields[part].nocase else column)
        made[name] = sa.Index(name, *columns, unique=unique, _table=table)
    return made


def create_table(table: sa.Table, dialect: Dialect) -> str:
    """CREATE TABLE; foreign keys are in it only where tables may be made in any order."""
    keys: Any = None if dialect.placeholder == "?" else []
    create = CreateTable(table, include_foreign_key_constraints=keys)
    return str(create.compile(dialect=dialect.sa)).strip()


def foreign_keys(table: sa.Table, dialect: Dialect) -> dict[str, str]:
    """ALTER TABLE for each foreign key by name, where they are added once all tables are there."""
    if dialect.placeholder == "?":
        return {}
    return {
        str(key.name): str(AddConstraint(key).compile(dialect=dialect.sa)).strip()
        for key in sorted(table.foreign_key_constraints, key=lambda key: str(key.name))
    }


def create_index(index: sa.Index, dialect: Dialect) -> str:
    return str(CreateIndex(index).compile(dialect=dialect.sa)).strip()
