"""Versions of a record: what is kept of each, and who may see one."""

from __future__ import annotations

from abaft.base.settings import Settings
from abaft.model import expr as e
from abaft.model.spec import Model, Schema
from abaft.plan.access import Access
from abaft.plan.read import orders_of, refuse, select
from abaft.plan.types import FieldItem, Item, ManyItem, ReadPlan, ReadShape, Selection

BASELINE = "baseline"
"""The action of the change that keeps what was stored before there was a history."""


def snapshot(schema: Schema, model: Model) -> Selection:
    """What the feed keeps of a record of a model with history: all but what is hidden."""
    items: list[Item] = [
        FieldItem(name, e.TRUE)
        for name, field in model.fields.items()
        if not field.hidden or field.key
    ]
    for name, many in model.many.items():
        if many.writable and not many.hidden:
            orders = orders_of(schema, schema.models[many.target], ())
            items.append(ManyItem(name, e.TRUE, e.TRUE, e.TRUE, None, None, orders=orders))
    return Selection(model.name, tuple(items))


def plan_version(schema: Schema, settings: Settings, access: Access, shape: ReadShape) -> ReadPlan:
    """The plan of showing a version whose values are given.

    The rules must hold for the record as it is, and for the version: what was private and has been
    published since shows no draft. What the version doesn't have is taken from the record.
    """
    model = schema.models[shape.model]
    allowed = access.records(model, "read", "with")
    if allowed == e.FALSE:
        refuse(access, f"{model.collection} may not be read")
    return ReadPlan(
        model=model,
        kind="version",
        where=e.all_of((shape.where, allowed)),
        beyond=allowed,
        orders=(),
        selection=select(schema, settings, access, model, shape.pick),
        offset=False,
        count="",
        was=shape.was,
    )


def plan_versions(schema: Schema, shape: ReadShape) -> ReadPlan:
    """The plan of reading what the feed keeps of one record, newest first; for our own eyes."""
    model = schema.models[shape.model]
    nothing = Selection(model.name, ())
    return ReadPlan(model, "versions", e.TRUE, e.TRUE, (), nothing, False, "")
