"""What sqlmap is set on: collections with all ways to ask, and beside them a hole that was planted.

Settings come from the environment (`ABAFT_DATABASE` …).
"""

from __future__ import annotations

from typing import Any

from abaft import App, Db, Many, Ref, field
from apps.open import Open


class Shop(Open, key="name"):
    name: str
    items: Many[Item] = field(back="shop")


class Item(Open, key="name"):
    name: str = field(search=True)
    price: int = 0
    data: dict[str, Any] | None = None
    shop: Ref[Shop] | None = None


app = App(Shop, Item)


@app.get("/hole")
async def hole(name: str, db: Db) -> list[Any]:
    """Never do this: the value becomes a part of the statement."""
    return await db.as_system().sql(f"select name from items where name = '{name}'")
