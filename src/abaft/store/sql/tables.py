"""SQLAlchemy's tables of a schema, and the DDL that makes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable

from abaft.base.errors import ModelError
from abaft.model import expr as e
from abaft.model.places import MIDDLE
from abaft.model.spec import DELETED, LIVING, POSITION, Field, Model, One, Schema, Unique
from abaft.store.sql.conditions import Context, condition
from abaft.store.sql.dialect import Dialect, Element
from abaft.store.sql.frame import Frame
from abaft.store.sql.statement import Binder

_ACTIONS = {"cascade": "CASCADE", "restrict": "NO ACTION", "set null": "SET NULL"}


def make_tables(schema: Schema, dialect: Dialect) -> dict[str, sa.Table]:
    """The table of each model, by the model's name."""
    metadata = sa.MetaData()
    return {name: _table(schema, dialect, metadata, model) for name, model in schema.models.items()}


def _table(schema: Schema, dialect: Dialect, metadata: sa.MetaData, model: Model) -> sa.Table:
    columns = [_column(dialect, model, field) for field in model.fields.values()]
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
    generated = [sa.Identity()] if counted and dialect.placeholder == "$" else []
    return sa.Column(
        field.column,
        dialect.type(field.kind),
        *generated,
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
        deferrable=True if one.target == model.name and dialect.placeholder == "$" else None,
    )


def _checks(dialect: Dialect, model: Model) -> list[sa.CheckConstraint]:
    frame = bare_frame(model, dialect)
    return [
        # A check must hold: where SQL would answer null it doesn't.
        sa.CheckConstraint(
            sa.func.coalesce(condition(check.where, [frame]), sa.false()),
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


def _index_name(model: Model, fields: tuple[str, ...]) -> str:
    return f"ix_{model.table}_{'_'.join(fields)}"[:63]


@dataclass(frozen=True, slots=True)
class Index:
    """An index by its name: the fields, and of which records; `unique` where no two may share."""

    name: str
    fields: tuple[str, ...]
    unique: bool = False
    where: e.Expr = e.TRUE


def index_groups(model: Model) -> list[Index]:
    """The indexes of a model.

    An index of one field ends with the key, so that pages in its order are read from it alone.
    """
    groups: dict[str, Index] = {}

    def add(fields: tuple[str, ...]) -> None:
        name = _index_name(model, fields)
        keyed = (*fields, *(part for part in model.key if part not in fields))
        if keyed[: len(model.key)] != model.key:
            groups[name] = Index(name, keyed)

    for unique in model.unique_sets():
        name = unique.name(model.table)
        if unique.fields[: len(model.key)] != model.key:
            groups[name] = Index(name, unique.fields, True, unique.where)
    for field in model.fields.values():
        if field.index and not field.unique:
            add((field.name,))
    for fields in model.indexes:
        add(fields)
    if model.soft_delete:
        # For who looks into the bin; what is there is not in it.
        name = _index_name(model, (DELETED,))
        groups[name] = Index(name, (DELETED, *model.key), where=e.negate(LIVING))
    for one in model.one.values():
        # Without it, a delete of the target would read this whole table.
        if not any(_begins(group, one.columns) for group in groups.values()):
            add(one.columns)
    return list(groups.values())


def _begins(index: Index, columns: tuple[str, ...]) -> bool:
    """Whether all records can be found in the index by these columns."""
    return index.where == e.TRUE and index.fields[: len(columns)] == columns


def make_indexes(model: Model, table: sa.Table, dialect: Dialect) -> dict[str, sa.Index]:
    """The indexes of a model by name; text without case is indexed as it is compared."""
    made = {}
    for index in index_groups(model):
        columns = []
        for part in index.fields:
            column = table.c[model.fields[part].column]
            columns.append(dialect.fold(column) if model.fields[part].nocase else column)
        where: Any = _partial(index, model, dialect)
        made[index.name] = sa.Index(
            index.name, *columns, unique=index.unique, _table=table, **where
        )
    return made


def _partial(index: Index, model: Model, dialect: Dialect) -> dict[str, Element]:
    """The condition of the records that are in the index."""
    if index.where == e.TRUE:
        return {}
    return {f"{dialect.sa.name}_where": condition(index.where, [bare_frame(model, dialect)])}


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
    return [
        f"UPDATE {name} SET {quoted[POSITION]} = CAST(n.place AS TEXT) "
        f"FROM (SELECT {key}, {place} AS place FROM {name}) AS n WHERE {tie}"
    ]


def superseded(model: Model, there: Iterable[str]) -> list[str]:
    """Indexes of ours that hold records to be unique under a condition that is no longer the one.

    A model that has become unique among some of its records only must not be so among all.
    """
    wanted = {index.name for index in index_groups(model)}
    plain = {Unique(unique.fields).name(model.table) for unique in model.unique_sets()}
    others = [re.compile(re.escape(name[:51]) + "_if_[0-9a-f]{8}") for name in plain]
    return sorted(
        name
        for name in set(there) - wanted
        if name in plain or any(other.fullmatch(name) for other in others)
    )


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
