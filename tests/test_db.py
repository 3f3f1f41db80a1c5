"""Db: typed records for a program's own code, under the rules of who asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from abaft import (
    Actor,
    BadRequest,
    Conflict,
    Db,
    Forbidden,
    Invalid,
    Many,
    Me,
    Model,
    NotFound,
    Ref,
    Unauthorized,
    User,
    allow,
    field,
    me,
)
from scenarios import Api, serving


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Spot(BaseModel):
    x: int
    y: int = 0


class Topic(Model):
    name: str = field(unique=True)

    @allow("read")
    def anybody(topic, me: Me) -> bool:
        return True


class Page(Model):
    title: str = field(max_length=20)
    price: Decimal = field(default=Decimal("1.50"), decimal_places=2)
    mood: Mood = Mood.GOOD
    spot: Spot | None = None
    extra: dict[str, Any] | None = None
    open: bool = False
    secret: str = field(default="s3cret", hidden=True)
    author: Ref[User] | None = field(default=me, on_delete="cascade")
    topics: Many[Topic]

    @allow("read")
    def open_or_mine(page, me: Me) -> bool:
        return page.open | (page.author == me)

    @allow("create", "update", "delete")
    def mine(page, me: Me) -> bool:
        return page.author == me


class Entry(Model, key=("year", "code"), stamps=False):
    year: int
    code: str
    text: str = ""

    @allow("read", "create", "update", "delete")
    def anybody(entry, me: Me) -> bool:
        return True


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Topic, Page, Entry) as api:
        await api.person("ann")
        await api.person("bob")
        yield api


def of(api: Api, name: str) -> Any:
    return api.app.db(Actor(id=api.people[name].split()[1]))


async def test_records_are_typed(api: Api) -> None:
    topic = await api.db.create(Topic(name="t"))
    page = await of(api, "ann").create(
        Page, title="One", spot=Spot(x=1), mood=Mood.BAD, extra={"a": [1]}, topics=[topic]
    )
    assert (page.price, page.mood, page.spot) == (Decimal("1.50"), Mood.BAD, Spot(x=1))
    assert isinstance(page.id, UUID)
    assert page.created.tzinfo is UTC
    assert page.extra == {"a": [1]}
    assert page.topics == [topic]
    read = await of(api, "ann").get(Page, page.id, expand=["author", "topics"])
    assert (read.author.name, read.topics[0].name) == ("ann", "t")
    assert read == page
    assert {read, page} == {page}
    changed = await of(api, "ann").update(read, price=2, mood="good", spot={"x": 2}, topics=[])
    assert (changed.price, changed.mood, changed.spot) == (Decimal("2.00"), Mood.GOOD, Spot(x=2))
    assert changed.topics == []
    with pytest.raises(AttributeError, match="was not read"):
        _ = page.author.name
    assert "s3cret" not in repr(await api.db.get(Page, page.id))


async def test_rules_hold_for_db_and_not_for_the_system(api: Api) -> None:
    ann, bob, nobody = of(api, "ann"), of(api, "bob"), api.app.db(Actor())
    page = await ann.create(Page, title="Mine")
    for db in (bob, nobody):
        assert await db.list(Page) == []
        assert await db.count(Page) == 0
        assert [found async for found in db.stream(Page)] == []
        with pytest.raises(NotFound):
            await db.get(Page, page.id)
    with pytest.raises(NotFound):
        await bob.update(page, title="Stolen")
    with pytest.raises(NotFound):
        await bob.delete(page)
    with pytest.raises(Unauthorized):
        await nobody.create(Page, title="x")
    with pytest.raises(Forbidden):
        await bob.create(Page, title="x", author=page.author)
    with pytest.raises(Forbidden):
        await bob.create(Topic, name="x")
    await ann.update(page, open=True)
    with pytest.raises(Forbidden):
        await bob.update(page, title="Stolen")
    assert (await bob.as_system().update(page, title="Ours")).title == "Ours"
    await bob.as_system().delete(page)
    assert await ann.count(Page) == 0


async def test_hidden_fields_are_for_the_system_alone(api: Api) -> None:
    page = await of(api, "ann").create(Page, title="x", secret="mine")
    with pytest.raises(AttributeError):
        _ = (await of(api, "ann").get(Page, page.id)).secret
    assert (await api.db.get(Page, page)).secret == "mine"
    assert [found.secret for found in await api.db.list(Page)] == ["mine"]
    assert [found.secret async for found in api.db.stream(Page)] == ["mine"]
    assert "mine" not in (await api.ask("GET /api/pages", "admin")).text


async def test_list_count_and_stream(api: Api) -> None:
    for number in range(25):
        await api.db.create(Page, title=f"p{number:02}", open=number % 2 == 0, price=number)
    db = of(api, "ann")
    assert await db.count(Page) == 13
    assert await db.count(Page, lambda page: page.price > 20) == 2
    some = await db.list(Page, lambda page: page.price < 9, sort="-price", limit=2, offset=1)
    assert [page.title for page in some] == ["p06", "p04"]
    least = 10
    assert len(await api.db.list(Page, lambda page: page.price >= least, sort=["title"])) == 15
    titles = [page.title async for page in api.db.stream(Page, sort="-title")]
    assert titles == sorted(titles, reverse=True)
    assert len([page async for page in api.db.stream(Page, lambda page: page.open)]) == 13
    with pytest.raises(BadRequest, match="did you mean 'title'"):
        await db.list(Page, sort="titel")
    with pytest.raises(BadRequest, match="no model of this App"):
        await db.list(type("Page", (Model,), {}))


async def test_keys_of_several_fields(api: Api) -> None:
    entry = await api.db.create(Entry, year=2013, code="a,b/c %", text="one")
    for key in ((2013, "a,b/c %"), entry):
        assert (await api.db.get(Entry, key)).text == "one"
    assert (await api.db.update(entry, text="two")).text == "two"
    for key in ((2013, "x"), (2013,), ("no", "a"), 2013, None):
        with pytest.raises(NotFound):
            await api.db.get(Entry, key)
    await api.db.delete(entry)
    assert await api.db.count(Entry) == 0


async def test_what_a_program_gives_is_checked(api: Api) -> None:
    for values, pointers in (
        ({}, ["/title"]),
        ({"title": "x" * 21, "price": "a", "mood": "sad"}, ["/title", "/price", "/mood"]),
        ({"title": "x", "topics": ["junk"]}, ["/topics/0"]),
        ({"title": "x", "topics": 5}, ["/topics"]),
        ({"title": "x", "extra": {"at": object()}}, ["/extra"]),
        ({"title": "x", "extra": {"at": float("nan")}}, ["/extra"]),
        ({"title": "x", "titel": "y"}, ["/titel"]),
        ({"title": "a\0b"}, ["/title"]),
    ):
        with pytest.raises(Invalid) as raised:
            await api.db.create(Page, **values)
        assert [problem.pointer for problem in raised.value.errors] == pointers, values
    with pytest.raises(TypeError, match="did you mean 'title'"):
        Page(titel="x")
    await api.db.create(Topic, name="a")
    with pytest.raises(Conflict):
        await api.db.create(Topic, name="a")
    assert await api.changes() == ["create User", "create User", "create Topic"]


async def failing(db: Any) -> None:
    async with db.transaction() as within:
        await within.create(Topic, name="third")
        await within.as_actor(Actor()).list(Topic)
        await within.create(Topic, name="third")


async def surviving(db: Any) -> None:
    async with db.transaction() as outer:
        await outer.create(Topic, name="b")
        with pytest.raises(Conflict):
            await failing(outer)


async def test_a_transaction_lands_whole_or_not_at_all(api: Api) -> None:
    async with api.db.transaction() as db:
        first = await db.create(Topic, name="first")
        assert (await db.get(Topic, first.id)).name == "first"
        assert [topic.name async for topic in db.stream(Topic)] == ["first"]
        with pytest.raises(Conflict):
            await db.create(Topic, name="first")
        await db.create(Topic, name="second")
        assert await api.db.count(Topic) == 0
    assert await api.db.count(Topic) == 2
    before = await api.changes()
    with pytest.raises(Conflict):
        await failing(api.db)
    assert await api.db.count(Topic) == 2
    assert await api.changes() == before


async def test_a_transaction_within_another_is_part_of_it(api: Api) -> None:
    async with api.db.transaction() as outer, outer.transaction() as inner:
        await inner.create(Topic, name="a")
    assert await api.db.count(Topic) == 1
    with pytest.raises(Conflict, match="undone as well"):
        await surviving(api.db)
    assert await api.db.count(Topic) == 1
    assert (await api.changes())[2:] == ["create Topic"]


async def held(db: Db) -> None:
    async with db.transaction() as inside:
        await inside.list(Topic)
        await asyncio.Event().wait()


async def test_dur_a_transaction_given_up_before_its_turn_holds_nobody(api: Api) -> None:
    async with api.db.transaction():
        waiting = [asyncio.create_task(held(api.db)) for _ in range(30)]
        await asyncio.sleep(0.05)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
    async with asyncio.timeout(2.5):  # an idle transaction is ended after 5 s
        await api.db.create(Topic, name="next")
    assert [topic.name for topic in await api.db.list(Topic)] == ["next"]


async def test_raw_sql_is_bound_and_for_the_system(api: Api, engine: str) -> None:
    if engine == "mongodb":
        with pytest.raises(BadRequest, match="no SQL"):
            await api.db.sql("select 1")
        return
    await api.db.create(Topic, name="it's; drop table topics --")
    mark = "$1" if engine == "postgres" else "?"
    text = f"select name, 1 as one from topics where name = {mark}"
    assert await api.db.sql(text, "it's; drop table topics --") == [
        {"name": "it's; drop table topics --", "one": 1}
    ]
    assert await api.db.sql(text, "' or 1=1 --") == []
    with pytest.raises(BadRequest, match="as_system"):
        await of(api, "ann").sql(text, "x")
    async with api.db.transaction() as db:
        await db.sql(f"delete from topics where name <> {mark}", "x")
        assert await db.count(Topic) == 0
    assert await api.db.count(Topic) == 0
    insert = "insert into topics (id, name, created, updated) select id, name, created, updated"
    await api.db.create(Topic, name="a")
    with pytest.raises(Conflict):
        await api.db.sql(f"{insert} from topics where name = {mark}", "a")


async def test_endpoints_have_db_and_me(api: Api) -> None:
    @api.app.get("/mine")
    async def mine(db: Db, me: Me) -> dict[str, Any]:
        pages = await db.list(Page, where=lambda page: page.author == me)
        return {"who": me.id, "titles": [page.title for page in pages]}

    @api.app.get("/pages")
    async def pages(db: Db) -> list[Page]:
        return await db.as_system().list(Page, sort="title", expand=["author"])

    @api.app.post("/make")
    async def make(db: Db, title: str) -> Page:
        return await db.create(Page, title=title)

    ann = api.people["ann"].split()[1]
    assert (await api.ask("POST /make?title=one", "ann")).status_code == 200
    assert (await api.ask("GET /mine", "ann")).json() == {"who": ann, "titles": ["one"]}
    assert (await api.ask("GET /mine")).json() == {"who": None, "titles": []}
    shown = (await api.ask("GET /pages")).json()[0]
    assert shown["price"] == "1.50"
    assert shown["author"]["name"] == "ann"
    assert "secret" not in shown
    refused = await api.ask("POST /make?title=" + "x" * 30, "ann")
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["errors"][0]["pointer"] == "/title"
    assert (await api.ask("POST /make?title=x")).status_code == 401


async def test_a_record_that_its_maker_may_not_read_has_its_key(database_url: str) -> None:
    class Wish(Model):
        text: str

        @allow("create")
        def anybody(wish) -> bool:
            return True

    async with serving(database_url, Wish) as api:
        made = await api.app.db(Actor(id="1")).create(Wish, text="x")
        system = api.app.db(Actor(system=True))
        assert [row.id for row in await system.list(Wish)] == [made.id]
        with pytest.raises(AttributeError, match=r"Wish\.text was not read"):
            _ = made.text
