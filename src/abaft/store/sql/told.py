"""Which change records a transaction has just written: found by the records that they are of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from abaft.store.sql.changes import CHANGES

Of = tuple[str, str]
"""A model's name and a record's written key."""
RECENT = 10_000
"""Change records among which a transaction's own are, where the database can't tell whose."""


class Asking(Protocol):
    """What gives the rows of a statement."""

    async def sql(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]: ...


def question(number: int) -> str:
    """A placeholder as SQLite and MariaDB have it."""
    return "?"


def dollar(number: int) -> str:
    """A placeholder as PostgreSQL has it."""
    return f"${number}"


OWN_TRANSACTION = "tx = pg_current_xact_id()"
AMONG_RECENT = f"seq > (SELECT max(seq) FROM {CHANGES}) - {RECENT}"


async def last_told(
    session: Asking, records: Sequence[Of], among: str, mark: Callable[[int], str]
) -> list[int | None]:
    """The number of the last change record of each of these; None where it has none.

    Who has written a record holds it: no other's change of it can be a later one.
    """
    if not records:
        return []
    parts, values = [], []
    for place, (model, record) in enumerate(records):
        named = f"model = {mark(2 * place + 1)} AND record = {mark(2 * place + 2)}"
        last = f"SELECT seq FROM {CHANGES} WHERE {among} AND {named} ORDER BY seq DESC LIMIT 1"
        parts.append(f"SELECT {place} AS place, ({last}) AS seq")
        values += [model, record]
    rows = await session.sql(" UNION ALL ".join(parts), values)
    found = {row["place"]: row["seq"] for row in rows}
    return [found[place] for place in range(len(records))]


def placed(rows: Sequence[Any]) -> dict[int, tuple[str, str, str]]:
    """The position, model and record of each number, of rows that tell them."""
    return {int(seq): (str(place), model, record) for seq, place, model, record in rows}
