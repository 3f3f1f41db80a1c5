"""SQLAlchemy's tables of a schema, and the DDL that makes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable

from abaft.base.errors import ModelError
from abaft.model import expr as e
from abaft.model.places import MIDDLE
from abaft.model.spec import POSITION, Field, Model, One, Schema
from abaft.store.sql.conditions import Context, condition
from abaft.store.sql.dialect import Dialect, Element
from abaft.store.sql.frame import Frame
from abaft.store.sql.indexes import Index, index_groups
from abaft.store.sql.statement import Binder

_ACTIONS = {"cascade": "CASCADE", "restrict": "NO ACTION", "set null": "SET NULL"}


def make_tables(schema: Schema, dialect: Dialect) -> dict[str, sa.Table]:
    """The table of each model, by the model's name."""
    metadata = sa.MetaData()
    return {name: _table(schema, dialect, metadata, model) for name, model in schema.models.items()}


def _table(schema: Schema, dialect: Dialect, metadata: sa.MetaData, model: Model) -> sa.Table:
    columns = [_column(dialect, model, field) for field in model.fields.values()]
    for one in model.one.values() if model.managed else ():
        target = schema.models[one.target]
        for ours, theirs in zip(one.columns, target.key, strict=True):
            type_ = dialect.tied_type(model, model.fields[ours], target.fields[theirs])
            if type_ is not None:
                columns[list(model.fields).index(ours)].type = type_
    if model.managed and not dialect.partial:
        guards = {index.name: _guard(index, model, dialect) for index in index_groups(model)}
        columns += dialect.companions(model, guards)
    keys = [
        _foreign_key(schema, dialect, model, one)
        for one in model.one.values()
        if one.constraint and model.managed
    ]
    rowid = len(model.key) == 1 and model.fields[model.key[0]].kind.name == "integer"
    return sa.Table(
        model.table,
        metadata,
        *columns,
        *keys,
        *_checks(dialect, model),
        sqlite_strict=True,
        # A table that is its own primary key's tree needs one search a record, not two.
        sqlite_with_rowid=rowid,
        schema=model.schema or None,
    )


def _column(dialect: Dialect, model: Model, field: Field) -> sa.Column[object]:
    if field.kind.stored and not dialect.knows(field.kind):
        raise ModelError(
            f"{model.name}.{field.name}: stored={field.kind.stored!r} is no way in which "
            f"{dialect.sa.name} holds {field.kind.name}: is ABAFT_DATABASE the one that is meant?"
        )
    counted = field.generated and field.kind.name == "integer"
    return sa.Column(
        field.column,
        dialect.column_type(model, field),
        *(dialect.identity() if counted else ()),
        primary_key=field.key,
        nullable=field.nullable,
        autoincrement=counted,
        server_default=sa.FetchedValue() if field.by_database and not counted else None,
    )


def _foreign_key(
    schema: Schema, dialect: Dialect, model: Model, one: One
) -> sa.ForeignKeyConstraint:
    target = schema.models[one.target]
    return sa.ForeignKeyConstraint(
        [model.fields[name].column for name in one.columns],
        [f"{target.place}.{target.fields[name].column}" for name in target.key],
        name=f"fk_{model.table}_{one.name}"[:63],
        ondelete=_ACTIONS[one.on_delete],
        # A file of records may name a boss before there is one; SQLite can put off any key.
        deferrable=True if one.target == model.name and dialect.deferrable else None,
    )


def _checks(dialect: Dialect, model: Model) -> list[sa.CheckConstraint]:
    frame = bare_frame(model, dialect)
    return [
        # A check must hold: where SQL would answer null it doesn't.
        sa.CheckConstraint(
            dialect.upheld(sa.func.coalesce(condition(check.where, [frame]), sa.false())),
            name=f"ck_{model.table}_{check.name}"[:63],
        )
        for check in model.checks
    ]


def bare_frame(model: Model, dialect: Dialect) -> Frame:
    """A record by the bare names of its columns, for conditions on its own values alone."""
    context = Context(Schema({}, {}), {}, Binder(dialect))
    overlay: dict[str, Element] = {
        field.name: sa.column(field.column, dialect.type(field.kind))
        for field in model.fields.values()
    }
    return Frame(context, model, None, overlay=overlay)


def make_indexes(model: Model, table: sa.Table, dialect: Dialect) -> dict[str, sa.Index]:
    """The indexes of a model by name."""
    return {
        index.name: dialect.indexed(model, index, table, _guard(index, model, dialect))
        for index in index_groups(model)
    }


def _guard(index: Index, model: Model, dialect: Dialect) -> Element | None:
    """The condition of the records that are in the index."""
    if index.where == e.TRUE:
        return None
    return condition(index.where, [bare_frame(model, dialect)])


def numbered(model: Model, table: sa.Table, dialect: Dialect, there: Iterable[str]) -> list[str]:
    """What gives stored records a place, in the order of their keys, once they can have one."""
    if not model.order or model.fields[POSITION].column in there:
        return []
    prepare = dialect.sa.identifier_preparer
    name, quoted = prepare.format_table(table), {}
    for field in (*model.order, *model.key):
        quoted[field] = prepare.quote(model.fields[field].column)
    key = ", ".join(quoted[part] for part in model.key)
    part = f"PARTITION BY {quoted[model.ordered]} " if model.ordered else ""
    place = f"{MIDDLE} + row_number() OVER ({part}ORDER BY {key})"
    tie = " AND ".join(f"n.{quoted[part]} = {name}.{quoted[part]}" for part in model.key)
    others = f"(SELECT {key}, {place} AS place FROM {name}) AS n"
    return [dialect.joined_update(name, others, tie, quoted[POSITION], "n.place")]


def create_table(table: sa.Table, dialect: Dialect) -> str:
    """CREATE TABLE; foreign keys are in it only where tables may be made in any order."""
    keys: Any = None if dialect.inline_keys else []
    create = CreateTable(table, include_foreign_key_constraints=keys)
    return str(create.compile(dialect=dialect.sa)).strip()


def foreign_keys(table: sa.Table, dialect: Dialect) -> dict[str, str]:
    """ALTER TABLE for each foreign key by name, where they are added once all tables are there."""
    if dialect.inline_keys:
        return {}
    return {
        str(key.name): str(AddConstraint(key).compile(dialect=dialect.sa)).strip()
        for key in sorted(table.foreign_key_constraints, key=lambda key: str(key.name))
    }


def create_index(index: sa.Index, dialect: Dialect) -> str:
    return str(CreateIndex(index).compile(dialect=dialect.sa)).strip()
