"""Tables, columns, their types and what may be null: compared by Alembic's autogenerate."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import ops

from abaft.migrate.changes import Change
from abaft.migrate.state import State


def structure(
    connection: sa.Connection,
    metadata: sa.MetaData,
    old: State,
    new: State,
    gone: Callable[[str], bool],
) -> list[Change]:
    """What differs. `gone` tells of a table that the models don't name if it was one of theirs."""
    schemas = {table.schema for table in metadata.tables.values() if table.schema}
    # What it says of each table that it finds would come between the lines of ours.
    logging.getLogger("alembic").setLevel(logging.ERROR)

    def by_name(name: str | None, type_: str, parents: Any) -> bool:
        if type_ == "schema":
            return name is None or name in schemas
        if type_ != "table":
            return type_ == "column"
        place = _place(parents.get("schema_name"), str(name))
        return place in new.tables or (place in old.tables and gone(place))

    def types(_: Any, found: Any, wanted: Any, *__: Any) -> bool:
        place = _place(wanted.table.schema, wanted.table.name)
        there, here = old.tables[place].columns, new.tables[place].columns
        return there[found.name].type != here[wanted.name].type

    def compared(item: Any, name: str | None, type_: str, reflected: bool, _: Any) -> bool:
        if type_ != "table":
            return type_ == "column"
        # Tables that others made are there for keys to lead to.
        return reflected or _place(item.schema, item.name) in new.tables

    context = MigrationContext.configure(
        connection,
        opts={
            "target_metadata": metadata,
            "compare_type": types,
            "compare_server_default": False,
            "include_schemas": bool(schemas),
            "include_name": by_name,
            "include_object": compared,
        },
    )
    with warnings.catch_warnings():
        # Types and indexes that it doesn't know are compared as the database shows them.
        warnings.simplefilter("ignore")
        found = produce_migrations(context, metadata)
    assert found.upgrade_ops is not None
    return [*_changes(found.upgrade_ops.ops, old, new)]


def _place(schema: str | None, table: str) -> str:
    return f"{schema}.{table}" if schema else table


def _changes(found: Iterable[Any], old: State, new: State) -> Iterator[Change]:
    for op in found:
        place = _place(getattr(op, "schema", None), getattr(op, "table_name", ""))
        match op:
            case ops.ModifyTableOps():
                yield from _changes(op.ops, old, new)
            case ops.CreateTableOp():
                yield Change("add table", place)
            case ops.DropTableOp():
                yield Change("drop table", place)
            case ops.AddColumnOp():
                yield Change("add column", place, op.column.name)
            case ops.DropColumnOp():
                yield Change("drop column", place, op.column_name)
            case ops.AlterColumnOp():
                yield from _altered(op, place, old, new)


def _altered(op: ops.AlterColumnOp, place: str, old: State, new: State) -> Iterator[Change]:
    name = op.column_name
    if op.modify_type is not None:
        was, to = (state.tables[place].columns[name].type for state in (old, new))
        yield Change("change type", place, name, to, was)
    if op.modify_nullable is not None:
        yield Change("release" if op.modify_nullable else "require", place, name)
