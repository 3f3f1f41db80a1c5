"""Writes for databases whose DML gives nothing back: the record is read by a second statement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from abaft.plan.types import WritePlan
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
    held = builder.dml(guarded=first is None)
    statement = replace(
        builder.context.binder.finish(held), first=first, then=_read_back(make(plan), generated)
    )
    return WriteStatement(
        statement,
        told_apart(make, plan, changes) or change,
        Probe(lambda: make(plan)),
        generated is not None,
        make_program(make, plan, changes),
        waits=generated is not None or plan.results is not None,
    )


def _read_back(builder: WriteBuilder, generated: str | None) -> Statement | None:
    """The rows that RETURNING would give; None for a record that is gone."""
    plan, stored = builder.plan, builder.stored()
    if plan.action == "delete":
        return None
    key = sa.null() if generated is None else stored.column(generated)
    columns = [builder.shown(stored).label("j"), key.label("k")]
    reckoned = builder.reckoned(stored)
    columns += [] if reckoned is None else [reckoned.label("d")]
    query = sa.select(*columns).select_from(builder.table).where(*builder.by_written_key(generated))
    return builder.context.binder.finish(query.correlate(None))
