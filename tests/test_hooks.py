"""Hooks: @before may change or refuse a write, @after follows it once it is durable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel

from abaft import Forbidden, Invalid, Many, Me, Model, Ref, User, after, allow, before, field
from abaft.observe.events import HookFailed
from scenarios import Api, Scenario, play, serving

CALLS: list[str] = []


class Size(BaseModel):
    width: int
    height: int = 1


class Label(Model):
    name: str

    @allow("read", "create", "update", "delete")
    def anybody(label, me: Me) -> bool:
        return True


class Order(Model):
    title: str = field(max_length=40)
    total: int = field(default=0, ge=0)
    note: str | None = None
    slug: str = field(default="", read_only=True)
    facts: dict[str, Any] = {}  # noqa: RUF012
    size: Size | None = None
    box: Size = Size(width=1)
    owner: Ref[User] | None = field(default=None)
    labels: Many[Label]

    @allow("read", "create", "update", "delete")
    def anybody(order, me: Me) -> bool:
        return (order.note == None) | (order.note != "hidden") | me.has_role("boss")  # noqa: E711

    @before("create", "update")
    async def first(order, me: Me) -> None:
        CALLS.append(f"first {order.title}")
        await asyncio.sleep(0)
        if order.title == "refused":
            raise Invalid("no such title", code="title")
        order.slug = order.title.lower()

    @before("create", "update")
    async def second(order, me: Me, db: Any) -> None:
        CALLS.append(f"second {order.slug}")
        if order.title == "wrong":
            order.total = -1
        if order.title == "facts":
            order.facts["seen"] = True
            order.labels = [await db.as_system().create(Label, name="made")]

    @before("delete")
    async def keep(order) -> None:
        CALLS.append(f"keep {order.title}")
        if order.title == "kept":
            raise Forbidden("this one stays")

    @after("create", "update", "delete")
    async def told(order, me: Me, db: Any) -> None:
        CALLS.append(f"told {order.title} {order.total} {order.slug} {str(order.id)[:2]}")
        if order.title == "broken":
            raise RuntimeError("in a hook")


class Counter(Model):
    id: int = field(key=True)
    name: str = ""

    @allow("read", "create", "update", "delete")
    def anybody(counter, me: Me) -> bool:
        return True

    @after("create")
    async def told(counter, me: Me, db: Any) -> None:
        CALLS.append(f"counter {counter.id}")


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Order, Label, Counter) as api:
        CALLS.clear()
        yield api


def calls() -> list[str]:
    made = CALLS[:]
    CALLS.clear()
    return made


async def test_hooks_change_what_is_written_in_their_order(api: Api) -> None:
    made = (await api.ask("POST /api/orders", json={"title": "Alpha"})).json()
    assert made["slug"] == "alpha"
    assert calls() == ["first Alpha", "second alpha", "told Alpha 0 alpha 01"]
    url = f"/api/orders/{made['id']}"
    changed = (await api.ask(f"PATCH {url}", json={"total": 3})).json()
    assert changed["total"] == 3
    assert calls() == ["first Alpha", "second alpha", "told Alpha 3 alpha 01"]
    assert (await api.ask(f"DELETE {url}")).status_code == 204
    assert calls() == ["keep Alpha", "told Alpha 3 alpha 01"]
    assert await api.changes() == ["create Order", "update Order", "delete Order"]


async def test_hooks_change_lists_and_objects_in_place(api: Api) -> None:
    made = (await api.ask("POST /api/orders", json={"title": "facts", "facts": {"a": 1}})).json()
    assert made["facts"] == {"a": 1, "seen": True}
    assert len(made["labels"]) == 1
    assert await api.items("/api/labels", of="name") == ["made"]
    for _ in range(2):
        fresh = (await api.ask("POST /api/orders", json={"title": "facts"})).json()
        assert fresh["facts"] == {"seen": True}
        assert fresh["box"] == {"width": 1, "height": 1}
        assert "seen" not in (await api.ask("POST /api/orders", json={"title": "x"})).text
    patch = {"facts": {"a": None, "b": {"c": 2}}, "size": {"width": 3}}
    changed = (await api.ask(f"PATCH /api/orders/{made['id']}", json=patch)).json()
    assert changed["facts"] == {"b": {"c": 2}, "seen": True}
    assert changed["size"] == {"width": 3, "height": 1}
    assert len(changed["labels"]) == 1


async def test_what_a_hook_refuses_leaves_nothing(api: Api) -> None:
    kept = (await api.ask("POST /api/orders", json={"title": "kept"})).json()["id"]
    await play(
        api,
        [
            Scenario("POST /api/orders", 422, json={"title": "refused"}, has=['"code":"title"']),
            Scenario(
                "POST /api/orders",
                422,
                json={"title": "wrong"},
                has=['"pointer":"/total"', "greater_than_equal"],
            ),
            Scenario(f"PATCH /api/orders/{kept}", 422, json={"title": "refused"}),
            Scenario(f"DELETE /api/orders/{kept}", 403, has=["this one stays"]),
            Scenario(f"GET /api/orders/{kept}", 200, has=['"title":"kept"']),
        ],
    )


async def test_an_after_hook_that_fails_leaves_the_write(api: Api) -> None:
    events: list[Any] = []
    api.app.observer.sinks.append(events.append)
    made = await api.ask("POST /api/orders", json={"title": "broken"})
    assert made.status_code == 201
    assert (await api.ask(f"GET {made.headers['location']}")).status_code == 200
    assert [event.hook for event in events if isinstance(event, HookFailed)] == ["told"]


async def test_a_key_that_a_program_names_is_not_given_again(api: Api) -> None:
    await api.db.create(Counter, id=3)
    made = [(await api.ask("POST /api/counters", json={})).json()["id"] for _ in range(4)]
    assert len({3, *made}) == 5
    assert (await api.ask("PUT /api/counters/3", json={"name": "x"})).status_code == 200


async def test_an_after_hook_knows_the_key_that_the_database_made(api: Api) -> None:
    made = (await api.ask("POST /api/counters", json={"name": "x"})).json()
    assert calls() == [f"counter {made['id']}"]


async def test_a_hook_tells_nothing_of_a_record_that_may_not_be_read(api: Api) -> None:
    hidden = await api.db.create(Order, title="kept", note="hidden")
    calls()
    missing = "01890a5d-ac96-774b-bcce-b302099a8057"
    for key in (str(hidden.id), missing):
        for method, json in (
            ("DELETE", None), ("PATCH", {"title": "refused"}), ("PATCH", {"facts": 1}),
            ("PATCH", {"size": {"width": "x"}}),
        ):  # fmt: skip
            answer = await api.ask(f"{method} /api/orders/{key}", json=json)
            assert answer.status_code == 404, (method, answer.text)
    assert calls() == []


async def give_up(api: Api) -> None:
    async with api.db.transaction() as db:
        await db.create(Order, title="facts")
        raise LookupError


async def test_a_hook_of_a_transaction_sees_it_and_after_hooks_wait_for_its_end(api: Api) -> None:
    with pytest.raises(LookupError):
        await give_up(api)
    assert [call for call in calls() if "told" in call] == []
    assert await api.db.count(Label) == 0
    async with api.db.transaction() as db:
        await db.create(Order, title="facts")
        assert [call for call in calls() if "told" in call] == []
        assert await db.count(Label) == 1
    assert [call[:10] for call in calls()] == ["told facts"]


async def test_a_write_made_by_a_hook_has_its_own_hooks(database_url: str) -> None:
    class Inner(Model):
        name: str

        @after("create")
        async def told(inner, me: Me, db: Any) -> None:
            CALLS.append(f"inner {inner.name}")

    class Outer(Model):
        name: str

        @before("create")
        async def make(outer, me: Me, db: Any) -> None:
            async with db.as_system().transaction() as within:
                await within.create(Inner, name=outer.name)

    async with serving(database_url, Inner, Outer) as api:
        calls()
        await api.db.create(Outer, name="one")
        assert calls() == ["inner one"]
        async with api.db.transaction() as db:
            await db.create(Outer, name="two")
            assert calls() == []
        assert calls() == ["inner two"]


@pytest.mark.slow
@pytest.mark.everywhere
async def test_a_hook_meets_the_newest_record(api: Api) -> None:
    made = await api.db.create(Order, title="race", facts={"n": 0})
    urls = [f"PATCH /api/orders/{made.id}"] * 8
    patches = [{"facts": {f"k{place}": place}} for place in range(len(urls))]
    answers = await asyncio.gather(
        *(api.ask(url, json=patch) for url, patch in zip(urls, patches, strict=True))
    )
    done = [patch for patch, answer in zip(patches, answers, strict=True) if answer.is_success]
    assert {answer.status_code for answer in answers} <= {200, 409}
    stored = await api.db.get(Order, made.id)
    expected: dict[str, int] = {"n": 0}
    for patch in done:
        expected |= patch["facts"]
    assert stored.facts == expected
