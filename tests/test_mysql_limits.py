"""What MySQL and MariaDB hold less of, number otherwise, and wait for."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from pydantic import JsonValue

from abaft import App, Many, Me, Model, Ref, Settings, allow, field
from abaft.base.errors import SetupError
from abaft.observe.events import Event, Limited
from abaft.plan.loads import Load
from existing import dialled
from scenarios import Api, serving


@pytest.fixture
def url(mariadb_url: str) -> str:
    return mariadb_url


class Shelf(Model, key="name", stamps=False):
    name: str

    @allow("read", "create", "delete")
    def everyone(shelf, me: Me) -> bool:
        return True


class Tag(Model, stamps=False):
    id: int = field(key=True)
    n: int = 0


class Item(Model, stamps=False):
    id: int = field(key=True)
    n: int
    tags: Many[Tag]

    @allow("read")
    def everyone(item, me: Me) -> bool:
        return True


async def test_records_of_a_load_are_numbered_many_at_a_time(url: str) -> None:
    """Whatever steps the server takes: each number is told with its own record."""
    count = 1_200
    async with serving(url, Tag, Item) as api:
        store = api.app.pipeline.store
        tag = (await api.db.create(Tag)).id
        load = Load(
            model=api.app.schema.models["Item"],
            names=("n",),
            rows=[(n,) for n in range(count)],
            changes=[("", f'{{"n":{n}}}') for n in range(count)],
            at=dt.datetime.now(dt.UTC),
            actor="loader",
            links={"tags": [[tag] if n % 2 else [] for n in range(count)]},
        )
        begun = await inserts(api)
        await api.db.sql("set session auto_increment_increment = 3")
        assert await store.load(load) == {}
        assert await inserts(api) - begun < 20
        rows = await api.db.sql("select id, n from items order by id")
        assert [row["n"] for row in rows] == [*range(count)]
        for row in rows[:: count // 10]:
            item = (await api.ask(f"GET /api/items/{row['id']}?expand=tags")).json()
            assert len(item["tags"]) == row["n"] % 2
        told = [change for change in await store.changes("", 2 * count) if change.model == "Item"]
        assert [(c.id, c.data) for c in told] == [
            (str(row["id"]), {"id": row["id"], "n": row["n"]}) for row in rows
        ]


async def inserts(api: Api) -> int:
    [row] = await api.db.sql("show global status like 'com_insert'")
    return int(row["Value"])


async def test_what_is_shorter_here_is_told_at_the_start(url: str) -> None:
    told: list[Event] = []
    app = App(Shelf, Item, Tag, Pair, settings=Settings(database=url), sinks=[told.append])
    await app.start()
    await app.stop()
    [limited] = [event for event in told if isinstance(event, Limited)]
    assert limited.limit.endswith("of which max_length tells: Shelf.name (768), Pair.left (384)")


async def test_val_what_a_column_does_not_hold_is_told_by_its_field(url: str) -> None:
    class Page(Model):
        shelf: Ref[Shelf] | None
        notes: JsonValue = None

        @allow("read", "create", "update")
        def everyone(page, me: Me) -> bool:
            return True

    deep: Any = 1
    for _ in range(120):
        deep = [deep]
    async with serving(url, Shelf, Page) as api:
        # MySQL names no column where JSON is too deep.
        notes = "/notes" if api.app.store.dialect.server.maria else ""
        for path, body, pointer in (
            ("shelfs", {"name": "x" * 769}, "/name"),
            ("pages", {"notes": deep}, notes),
            ("pages", [{"notes": 1}, {"notes": deep}], f"/1{notes}"),
        ):
            refused = await api.ask(f"POST /api/{path}", json=body)
            assert refused.status_code == 422
            assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
        assert (await api.items("/api/pages")) == []


async def test_a_table_that_has_no_room_is_refused_at_the_start_by_its_name(url: str) -> None:
    fields = {f"f{n}": str for n in range(22)}
    wide = {name: field(index=True, max_length=768, default="") for name in fields}
    model = type("Wide", (Model,), {"__annotations__": fields, "__module__": __name__, **wide})
    app = App(model, settings=Settings(database=url), sinks=())
    with pytest.raises(SetupError, match=r"refuses CREATE TABLE wides: Row size too large"):
        await app.start()
    await app.stop()


class Pair(Model, key=("left", "right"), stamps=False):
    left: str
    right: str = field(max_length=20)


class Counter(Model, key="name", stamps=False):
    name: str = field(max_length=20)
    n: int = 0

    @allow("read", "create", "update")
    def everyone(counter, me: Me) -> bool:
        return True


@pytest.mark.parametrize(("held", "status"), [(0.3, 200), (2.5, 503)])
@pytest.mark.slow
@pytest.mark.everywhere
async def test_fail_3_who_holds_a_record_is_waited_for_in_time(
    url: str, held: float, status: int
) -> None:
    async with serving(url, Counter, settings={"query_timeout": 1.5}) as api:
        await api.db.create(Counter, name="a")
        holder = await dialled(url)
        await holder.query("start transaction; select * from counters for update")
        begun = asyncio.get_running_loop().time()
        asking = asyncio.ensure_future(api.ask("PATCH /api/counters/a", json={"n": 1}))
        await asyncio.sleep(held)
        took = asyncio.get_running_loop().time() - begun
        assert asking.done() == (status == 503)
        await holder.ensure_closed()
        answer = await asking
        assert answer.status_code == status
        assert status == 200 or (answer.json()["code"] == "database_busy" and took < 3)
        assert (await api.ask("PATCH /api/counters/a", json={"n": 2})).status_code == 200
