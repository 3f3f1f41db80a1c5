"""Which records of the change feed an event of the audit trail tells of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from typing_extensions import TypedDict

from abaft.answers import Unit
from abaft.pipeline import Pipeline
from abaft.store.base import Transaction

MOST = 100
"""Changes that an event names at the very most."""


class ChangeShown(TypedDict):
    """A write; its position in the change feed, None where that has it no more."""

    position: str | None
    action: str
    model: str
    record: str


async def changes_of(unit: Unit, of: Any = None) -> list[str]:
    """What the feed was told of this transaction's writes, or of one record, as events keep it."""
    actions: dict[tuple[str, str], str] = {}
    for draft, _ in unit.written:
        actions[draft.model.name, draft.written()] = draft.intent.action
    if of is not None:
        one = (type(of).__spec__.name, of.__written__)
        actions = {one: actions[one]} if one in actions else {}
    records = list(actions)[:MOST]
    # An event is written in a transaction of its own, or in that of what it tells of.
    numbers = await cast(Transaction, unit.session).told(records)
    return [
        f"{number} {actions[record]} {record[0]} {record[1]}"
        for number, record in zip(numbers, records, strict=True)
        if number is not None
    ]


async def shown_changes(
    pipeline: Pipeline, events: Sequence[Sequence[str]]
) -> list[list[ChangeShown]]:
    """What these events keep, with the positions.

    A number that is of another record by now, as in a copy of the database, has none.
    """
    parted = [[text.split(" ", 3) for text in event] for event in events]
    numbers = sorted({int(row[0]) for event in parted for row in event})
    found = await pipeline.store.positions(numbers) if numbers else {}

    def shown(number: str, action: str, model: str, record: str) -> ChangeShown:
        position, *same = found.get(int(number), (None, model, record))
        there = position if same == [model, record] else None
        return {"position": there, "action": action, "model": model, "record": record}

    return [[shown(*row) for row in event] for event in parted]
