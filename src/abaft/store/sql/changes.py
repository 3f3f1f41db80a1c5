"""The change feed's table: one row a write, in the write's own transaction."""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa

from abaft.model.documents import Json
from abaft.model.kinds import Kind, Text
from abaft.model.times import DateTime
from abaft.plan.change import Change
from abaft.store.sql.conditions import Context
from abaft.store.sql.dialect import Element
from abaft.store.sql.statement import Binder, Statement

CHANGES = "abaft_changes"
KINDS: dict[str, Kind] = {
    "at": DateTime(),
    "actor": Text(),
    "model": Text(),
    "record": Text(),
    "action": Text(),
    "data": Json(),
}


def changes_table(metadata: sa.MetaData, types: dict[str, Any], *extra: sa.Column[Any]) -> sa.Table:
    """The feed's table; `extra` are the columns that order it on this database."""
    columns = [sa.Column(name, types[name], nullable=False) for name in KINDS]
    return sa.Table(CHANGES, metadata, *extra, *columns, sqlite_strict=True)


def told(change: Change) -> tuple[Any, ...]:
    """A change record's values, in the order of KINDS."""
    at, data = DateTime().parse(change.at), orjson.dumps(change.data).decode()
    return at, change.actor, change.model, change.id, change.action, data


def change_types(type_of: Any) -> dict[str, Any]:
    return {name: type_of(kind) for name, kind in KINDS.items()}


def joined(data: str, results: str) -> str:
    """One JSON object of two, by which what was reckoned joins what was given."""
    if results == "{}":
        return data
    return results if data == "{}" else f"{data[:-1]},{results[1:]}"


def change_params(binder: Binder) -> dict[str, Element]:
    return {
        name: binder.plain(f"change.{name}", binder.dialect.type(Text()))
        if name == "data"
        else binder.param(f"change.{name}", kind)
        for name, kind in KINDS.items()
    }


def change_statement(
    context: Context, changes: sa.Table, where: Element | None = None
) -> Statement:
    """The feed's insert as a statement of its own; values are named change.…

    With `where` it is one that may insert nothing.
    """
    params = change_params(context.binder)
    # The text comes as it is; a database with a type for JSON makes it its own.
    params["data"] = sa.cast(params["data"], changes.c.data.type)
    if where is None:
        return context.binder.finish(sa.insert(changes).values(params))
    row = sa.select(*params.values()).where(where)
    return context.binder.finish(
        sa.insert(changes).from_select(list(params), row, include_defaults=False)
    )
