"""Writes for databases whose DML gives little back: the record is read by a second statement.

MariaDB's INSERT may give it back by itself, where that takes no look at other records.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from abaft.plan.types import WritePlan
from abaft.store.sql.dialect import Element
from abaft.store.sql.program import make_program
from abaft.store.sql.statement import Statement
from abaft.store.sql.write import Probe, WriteBuilder, WriteStatement, told_apart


def compile_apart(
    make: Any, plan: WritePlan, changes: sa.Table, change: Statement
) -> WriteStatement:
    """The write, what reads it back, and its change record."""
    builder: WriteBuilder = make(plan)
    generated = builder.generated()
    first = builder.reads_itself()
    statement = _giving(make(plan), generated)
    if statement is None:
        held = builder.dml(guarded=first is None)
        then = _read_back(make(plan), generated)
        statement = replace(builder.context.binder.finish(held), first=first, then=then)
    return WriteStatement(
        statement,
        told_apart(make, plan, changes) or change,
        Probe(lambda: make(plan)),
        generated is not None,
        make_program(make, plan, changes),
        waits=generated is not None or plan.results is not None,
    )


def _giving(builder: WriteBuilder, generated: str | None) -> Statement | None:
    """A new record's insert that gives its row, where nothing holds it off."""
    if not builder.context.dialect.gives_inserted or builder.plan.action != "create":
        return None
    if builder.guards():
        return None
    given = builder.dml().returning(*_columns(builder, generated))
    made = builder.context.binder.finish(given)
    alone = "SELECT" not in made.sql.upper()
    return replace(made, certain=True) if alone else None


def _read_back(builder: WriteBuilder, generated: str | None) -> Statement | None:
    """The rows that RETURNING would give; None for a record that is gone."""
    plan = builder.plan
    if plan.action == "delete":
        return None
    columns = _columns(builder, generated)
    query = sa.select(*columns).select_from(builder.table).where(*builder.by_written_key(generated))
    return builder.context.binder.finish(query.correlate(None))


def _columns(builder: WriteBuilder, generated: str | None) -> list[Element]:
    """What a row has of the record as it is stored."""
    stored = builder.stored()
    key = sa.null() if generated is None else stored.column(generated)
    reckoned = builder.reckoned(stored)
    columns: list[Element] = [builder.shown(stored).label("j"), key.label("k")]
    return columns if reckoned is None else [*columns, reckoned.label("d")]
