"""Stores the records of a copy as they are: no change is told of, no hook is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from abaft.base import clock
from abaft.base.actor import SYSTEM
from abaft.base.errors import AbaftError
from abaft.cli.load_write import reason_of
from abaft.model.spec import Model
from abaft.pipeline import Pipeline
from abaft.plan.loads import Load
from abaft.store.base import Session

Columns = Mapping[str, Sequence[Any]]
Links = Mapping[str, Sequence[Sequence[Any]]]


class Refused(AbaftError):
    """What the destination doesn't take."""


async def store(
    pipeline: Pipeline,
    session: Session,
    model: Model,
    columns: Columns,
    action: Literal["create", "update", "delete"] = "create",
    deferred: bool = False,
    links: Links | None = None,
) -> None:
    """Stores these values of some records. Raises Refused where one can't be."""
    names = tuple(columns)
    rows = list(zip(*columns.values(), strict=True))
    if not rows:
        return
    load = Load(
        model=model,
        names=names,
        rows=rows,
        changes=(),
        at=clock.now(),
        actor=SYSTEM.name,
        deferred=deferred,
        action=action,
        links=links or {},
    )
    try:
        faults = await pipeline.load(load, session)
    except (TypeError, ValueError, OverflowError) as error:
        raise Refused(f"{model.name}: a value can't be stored there: {error}") from error
    if faults:
        place, fault = min(faults.items())
        key = model.written(dict(zip(model.key, _key(load, place), strict=True)))
        more = f" (and {len(faults) - 1:,} more)" if len(faults) > 1 else ""
        raise Refused(f"{model.name} {key}{more}: {reason_of(fault)}")


def _key(load: Load, place: int) -> tuple[Any, ...]:
    return tuple(load.rows[place][load.names.index(name)] for name in load.model.key)
