"""A list that is long: rows are made by the database itself."""

from __future__ import annotations

from typing import Any

from bson import Int64

from abaft import App, Me, Model, allow


class Wave(Model, key="number", stamps=False):
    number: int
    height: float
    text: str

    @allow("read", "create")
    def everyone(wave, me: Me) -> bool:
        return True


_ROWS = "insert into waves (number, height, text) select i, i / 4.0, 'wave ' || i || ' of the sea' "
FILL = {
    "sqlite": "with recursive n(i) as (select 1 union all select i + 1 from n where i < {count}) "
    + _ROWS
    + "from n",
    "mysql": _ROWS + "from (with recursive d(n) as (select 0 union all select n + 1 from d "
    "where n < 999) select a.n * 1000 + b.n + 1 as i from d a, d b) n where i <= {count}",
    "postgres": _ROWS + "from generate_series(1, {count}) n(i)",
}


async def fill(app: App, db: Any, count: int) -> None:
    """Makes waves 1 to `count`."""
    if app.store.capabilities.name == "mongodb":
        await _fill_collection(app, count)
        return
    await db.as_system().sql(FILL[app.store.capabilities.name].format(count=count))


async def _fill_collection(app: App, count: int) -> None:
    waves = app.store.server.collection("waves")
    await waves.insert_many(
        {"_id": Int64(i), "height": i / 4.0, "text": f"wave {i} of the sea"}
        for i in range(1, count + 1)
    )


app = App(Wave, sinks=[])
