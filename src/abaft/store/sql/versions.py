"""Versions of records: written to the feed whole, and read from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from abaft.model.kinds import Text
from abaft.model.spec import Model, Schema
from abaft.model.times import DateTime
from abaft.plan.types import ReadPlan
from abaft.plan.versions import snapshot
from abaft.store.sql.changes import CHANGES, change_params
from abaft.store.sql.conditions import Context, condition
from abaft.store.sql.dialect import Dialect, Element, text_literal
from abaft.store.sql.frame import Frame
from abaft.store.sql.read import ReadStatement, compile_read
from abaft.store.sql.record import record_json
from abaft.store.sql.statement import Statement

INDEX = "ix_abaft_changes_of_"
"""How the names of the feed's indexes by record begin; each is of one model with history."""


def compile_reading(context: Context, plan: ReadPlan, late: bool = False) -> ReadStatement:
    """The statement of any read; `late` is for pages."""
    if plan.kind == "versions":
        return _versions(context, plan)
    if plan.kind == "version":
        return _version(context, plan)
    return compile_read(context, plan, late)


def _versions(context: Context, plan: ReadPlan) -> ReadStatement:
    """What the feed has of `record`, before the number `before` and no later than `until`."""
    binder, dialect = context.binder, context.dialect
    feed = _feed(dialect)
    columns = [sa.cast(feed.c.data, sa.Text), feed.c.seq, feed.c.at, feed.c.actor, feed.c.action]
    query = (
        sa.select(*columns)
        .where(
            feed.c.model == text_literal(plan.model.name),
            feed.c.record == binder.param("record", Text()),
            feed.c.seq < binder.plain("before", sa.BigInteger()),
            feed.c.at <= binder.param("until", DateTime()),
        )
        .order_by(feed.c.seq.desc())
        .limit(binder.plain("limit", sa.BigInteger()))
    )
    decoders = (None, dialect.decoder(DateTime()), None, None)
    return ReadStatement(binder.finish(query), decoders, False)


def _feed(dialect: Dialect) -> Any:
    at = sa.column("at", dialect.type(DateTime()))
    names = ("data", "seq", "actor", "action", "model", "record")
    return sa.table(CHANGES, at, *(sa.column(name) for name in names))


def _version(context: Context, plan: ReadPlan) -> ReadStatement:
    """The record as it was, by values named was.…, where the rules hold for it then and now."""
    model, binder = plan.model, context.binder
    now = Frame(context, model, context.alias(model.name))
    overlay: dict[str, Element] = {}
    linked: dict[str, Element] = {}
    for name in plan.was:
        if name in model.fields:
            kind = model.fields[name].kind
            # Of the bound value itself SQLAlchemy would change the type, where it is made JSON.
            overlay[name] = sa.cast(binder.param(f"was.{name}", kind), context.dialect.type(kind))
        else:
            target = context.schema.target(model, name)
            kind = target.fields[target.key[0]].kind
            linked[name] = binder.param(f"was.{name}", kind, many=True)
    was = Frame(context, model, now.table, overlay=overlay)
    was.linked = linked
    where = [condition(plan.where, [now]), condition(plan.beyond, [was])]
    shown = record_json(was, plan.selection, (now,)).label("j")
    query = sa.select(shown).select_from(now.table).where(*where)
    return ReadStatement(binder.finish(query), (), False)


def whole_change(context: Context, changes: sa.Table, model: Model) -> Statement:
    """The feed's insert of a record as it is stored now; its key is bound by key.…"""
    binder = context.binder
    frame = Frame(context, model, context.alias(model.name))
    params = change_params(binder)
    params["data"] = sa.cast(
        record_json(frame, snapshot(context.schema, model)), changes.c.data.type
    )
    row = sa.select(*params.values()).select_from(frame.table).where(*_by_key(context, frame))
    return binder.finish(sa.insert(changes).from_select(list(params), row, include_defaults=False))


def stored_whole(context: Context, model: Model) -> Statement:
    """Locks a record; gives what the feed would keep of it, and if the feed has that already.

    What the feed has is whole where it has the key: a change from before the switch has what it
    set, and that is never the key.
    """
    feed = _feed(context.dialect)
    frame = Frame(context, model, context.alias(model.name))
    told = (
        sa.select(context.dialect.has_member(feed.c.data, model.key[0]))
        .where(
            feed.c.model == text_literal(model.name),
            feed.c.record == context.binder.param("change.record", Text()),
        )
        .order_by(feed.c.seq.desc())
        .limit(sa.literal_column("1"))
        .scalar_subquery()
    )
    known = sa.case((sa.func.coalesce(told, sa.false()), 1), else_=0)
    shown = record_json(frame, snapshot(context.schema, model)).label("j")
    query = sa.select(shown, known.label("k")).select_from(frame.table)
    query = query.where(*_by_key(context, frame)).with_for_update(of=frame.table)
    return context.binder.finish(query)


def _by_key(context: Context, frame: Frame) -> list[Element]:
    fields = frame.model.fields
    return [
        frame.column(name) == context.binder.param(f"key.{name}", fields[name].kind)
        for name in frame.model.key
    ]


def upgrade_feed(schema: Schema, there: Iterable[str], dialect: Dialect) -> list[str]:
    """Statements for the feed's indexes by record: of models with history, so that others pay none.

    `there` are the indexes that the feed has.
    """
    quote = dialect.sa.identifier_preparer.quote
    models = [schema.models[name] for name in schema.with_history()]
    wanted = {f"{INDEX}{model.table}"[:63]: model.name for model in models}
    dropped = sorted(name for name in there if name.startswith(INDEX) and name not in wanted)
    return [dialect.drop_index(name, CHANGES) for name in dropped] + [
        f"CREATE INDEX {quote(name)} ON {CHANGES} {dialect.of_records(model)}"
        for name, model in wanted.items()
        if name not in there
    ]
