"""What the storms write to: entries that nobody may count twice, and counters to fight over.

Settings come from the environment (`ABAFT_DATABASE` …).
"""

import asyncio
import os
from pathlib import Path

from abaft import App, Db, Many, Me, Model, allow, field


class Label(Model, stamps=False):
    name: str = field(key=True)

    @allow("read", "create", "update", "delete")
    def everyone(label, me: Me) -> bool:
        return True


class Entry(Model, unique=[("writer", "n")]):
    writer: int
    n: int
    text: str
    labels: Many[Label]

    @allow("read", "create", "update", "delete")
    def everyone(entry, me: Me) -> bool:
        return True


class Counter(Model, stamps=False):
    name: str = field(key=True)
    value: int = 0

    @allow("read", "create", "update", "delete")
    def everyone(counter, me: Me) -> bool:
        return True


MODELS = (Label, Entry, Counter)
app = App(*MODELS)


IN_PROGRESS = os.environ.get("ABAFT_TEST_IN_PROGRESS")
"""A folder where what takes its time leaves its mark when it has begun."""


def begun(name: str) -> None:
    if IN_PROGRESS:
        (Path(IN_PROGRESS) / name).touch()


@app.get("/slow")
async def slow(seconds: float, db: Db) -> int:
    """Takes its time, then asks the database: what a draining server has to wait for."""
    begun("slow")
    await asyncio.sleep(seconds)
    return await db.count(Counter)


@app.post("/held")
async def held(seconds: float, name: str, db: Db) -> int:
    """A transaction that stays open for a while."""
    async with db.as_system().transaction() as inside:
        counter = await inside.get(Counter, name)
        counter = await inside.update(counter, value=counter.value + 1)
        begun("held")
        await asyncio.sleep(seconds)
    return counter.value
