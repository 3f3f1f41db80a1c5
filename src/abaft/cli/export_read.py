"""What an export reads: the options of the command become one read of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from abaft.api.filters import parse_filter
from abaft.base.actor import SYSTEM
from abaft.base.errors import BadRequest, SetupError
from abaft.language.parse import parse_condition
from abaft.model import expr as e
from abaft.model.spec import Model
from abaft.pipeline import Pipeline
from abaft.plan.resolve import column_of, picks
from abaft.plan.types import Deleted, Pick, ReadShape, Sort

EVERY = 2**62


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, as it was written."""

    where: str | None = None
    filters: tuple[str, ...] = ()
    fields: tuple[str, ...] | None = None
    expand: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    limit: int | None = None
    hidden: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A read made ready, and its values."""

    model: Model
    pipeline: Pipeline
    ready: Any
    values: dict[str, Any]


def wanted(pipeline: Pipeline, model: Model, asked: Asked) -> Reading:
    """The read that brings all that was asked for, scopes or none.

    Raises SetupError, with every fault.
    """
    faults: list[str] = []
    where, values = _where(pipeline, model, asked, faults)
    sort = _sort(pipeline, model, asked.sort, faults)
    pick = _pick(pipeline, model, asked, faults)
    if faults:
        raise SetupError("\n  ".join(faults))
    deleted: Deleted = "with" if asked.deleted and model.soft_delete else "without"
    shape = ReadShape(
        model.name, "page", where, sort, pick, hidden=asked.hidden, scopes=(), deleted=deleted
    )
    values["limit"] = EVERY if asked.limit is None else asked.limit
    return Reading(model, pipeline, pipeline.ready(shape, SYSTEM), values)


def _where(
    pipeline: Pipeline, model: Model, asked: Asked, faults: list[str]
) -> tuple[e.Expr, dict[str, Any]]:
    schema, settings = pipeline.schema, pipeline.settings
    parts: list[e.Expr] = []
    values: dict[str, Any] = {}
    if asked.where is not None:
        try:
            condition = parse_condition(schema, settings, model, asked.where, pointer="--where")
            values |= condition.bind()
            parts.append(condition.where)
        except BadRequest as fault:
            faults += [f"--where: {problem.detail}" for problem in fault.errors]
    for place, text in enumerate(asked.filters):
        name, _, value = text.partition("=")
        try:
            found = parse_filter(schema, settings, model, name, value, place)
            values |= found.read(value)
            parts.append(found.where)
        except BadRequest as fault:
            faults.append(f"--filter {text}: {fault.detail}")
    return e.all_of(parts), values


def _sort(
    pipeline: Pipeline, model: Model, names: tuple[str, ...], faults: list[str]
) -> tuple[Sort, ...]:
    steps = []
    for name in names:
        path = tuple(name.removeprefix("-").split("."))
        try:
            column_of(pipeline.schema, model, path)
            steps.append(Sort(path, name.startswith("-")))
        except BadRequest as fault:
            faults.append(f"--sort {name}: {fault.detail}")
    return tuple(steps)


def _pick(pipeline: Pipeline, model: Model, asked: Asked, faults: list[str]) -> Pick:
    """The fields that were named; else all that is stored, without what is reckoned of it."""
    depth = pipeline.settings.max_expand_depth
    for option, names in (("--fields", asked.fields or ()), ("--expand", asked.expand)):
        for name in names:
            try:
                named, expanded = ((name,), ()) if option == "--fields" else (None, (name,))
                picks(pipeline.schema, model, named, expanded, depth)
            except BadRequest as fault:
                faults.append(f"{option} {name}: {fault.detail}")
    if faults:
        return Pick()
    if asked.fields is not None:
        return picks(pipeline.schema, model, asked.fields, asked.expand, depth)
    stored = [*model.fields, *(name for name, many in model.many.items() if many.writable)]
    found = picks(pipeline.schema, model, None, asked.expand, depth)
    return Pick((*stored, *(name for name, _ in found.expand)), found.expand)
