"""MongoDB: reads that wait together share commands, and are answered as if each were alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from abaft import Many, Me, Model, Ref, User, allow, field
from abaft.store.base import Lost, QueryTimeout
from abaft.store.mongo.ending import Endings
from abaft.store.mongo.together import Together
from commanded import SENT, commanded
from scenarios import Api


class Shelf(Model, stamps=False):
    name: str
    books: Many[Book] = field(back="shelf")

    @allow("read", "create", "update")
    def anybody(shelf, me: Me) -> bool:
        return True


class Book(Model, stamps=False):
    id: int = field(key=True)
    title: str
    free: bool = False
    owner: Ref[User] | None
    shelf: Ref[Shelf] | None

    @allow("read")
    def free_or_mine(book, me: Me) -> bool:
        return book.free | (book.owner == me)

    @allow("create", "update")
    def anybody(book, me: Me) -> bool:
        return True


@pytest.fixture
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    async with commanded(request, Shelf, Book, User, people=["ann", "bob"]) as found:
        await _fill(found)
        yield found


async def _fill(api: Api) -> None:
    shelf = (await api.ask("POST /api/shelfs", "admin", json={"name": "top"})).json()["id"]
    for number in range(1, 41):
        owner = {"owner": api.people[("ann", "bob")[number % 2]].split()[1]} if number % 4 else {}
        book = {"title": f"book {number:02}", "free": number % 4 == 0, "shelf": shelf, **owner}
        made = await api.ask("POST /api/books", "admin", json=book)
        assert made.status_code == 201, made.text


async def both_ways(api: Api, asked: list[tuple[str, str | None]], *statuses: int) -> int:
    """Asks one after the other, then all at once: alike; how many commands the latter took."""
    alone = [await api.ask(f"GET {path}", actor) for path, actor in asked]
    SENT.clear()
    at_once = await asyncio.gather(*(api.ask(f"GET {path}", actor) for path, actor in asked))
    for (path, actor), one, other in zip(asked, alone, at_once, strict=True):
        assert one.status_code in statuses, (path, one.text)
        assert (one.status_code, one.text) == (other.status_code, other.text), (path, actor)
        assert one.headers.get("etag") == other.headers.get("etag")
    return SENT.total()


ACTORS = ("ann", "bob", None, "admin")


async def test_authz_1_records_read_at_once_are_those_of_each_actor(api: Api) -> None:
    asked = [(f"/api/books/{n}", actor) for n in range(1, 43) for actor in ACTORS]
    assert await both_ways(api, asked, 200, 404) <= 40


async def test_authz_1_lists_read_at_once_are_those_of_each_actor(api: Api) -> None:
    asked = [
        (f"/api/books?sort=-title&limit={limit}&expand=shelf&count=exact&id[lt]={n}", actor)
        for n in (0, 7, 20, 41)
        for limit in (1, 3, 50)
        for actor in ACTORS
    ]
    assert await both_ways(api, asked, 200) < len(asked)


async def test_counts_groups_and_lists_of_many_are_as_if_alone(api: Api) -> None:
    paths = [
        "/api/books?group=free&aggregate=count",
        "/api/shelfs?expand=books",
        "/api/books?limit=1&count=exact",
        "/api/books?count=5&limit=2",
        "/api/books?title[contains]=book 1&sort=title",
    ]
    asked = [(path, actor) for path in paths * 3 for actor in ACTORS]
    await both_ways(api, asked, 200)


async def test_a_read_sees_what_was_written_before_it_was_asked(api: Api) -> None:
    async def turn(number: int) -> None:
        for title in ("a", "b", "c", "d"):
            path = f"/api/books/{number}"
            changed = await api.ask(f"PATCH {path}", "admin", json={"title": title})
            read = await api.ask(f"GET {path}", "admin")
            listed = await api.items(f"/api/books?id={number}&sort=title", "admin")
            assert changed.json()["title"] == read.json()["title"] == title
            assert [row["title"] for row in listed] == [title]

    await asyncio.gather(*map(turn, range(1, 25)))


class _Server:
    """Pipelines that fail where a key, or a stage, says so; it is asked for one at a time."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.broken = False

    async def run(self, collection: str, stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.asked.append(stages)
        await asyncio.sleep(0)
        if self.broken:
            raise Lost("gone")
        if "bad" in repr(stages):
            raise QueryTimeout
        if "_id" in (found := stages[0]["$match"]):
            keys = found["_id"].get("$in") or [found["_id"]["$eq"]]
            return [{"_id": key, "rest": stages[1:]} for key in keys if key != "none"]
        return [{"n": found["n"]}]


@pytest.fixture
async def shared() -> tuple[Together, _Server]:
    server = _Server()
    return Together(server.run, Endings()), server


async def test_dos_5_who_fails_in_company_fails_alone(shared: tuple[Together, _Server]) -> None:
    together, _ = shared
    keys = ["a", "bad", "none", "b", "a"]
    asked = (together.keyed("c", {key: key}, []) for key in keys)
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(found[1], QueryTimeout)
    assert [found[0], found[2], found[3], found[4]] == [
        [{"_id": key, "rest": []} for key in part] for part in ("a", "", "b", "a")
    ]


async def test_authz_1_what_differs_in_more_than_the_key_is_asked_apart(
    shared: tuple[Together, _Server],
) -> None:
    together, server = shared
    rests = [[{"$match": {"owner": who}}] for who in ("ann", "bob", 1, True, "1", None)]
    asked = [(key, rest) for key in "abc" for rest in rests]
    found = await asyncio.gather(*(together.keyed("c", {key: key}, rest) for key, rest in asked))
    assert [(rows[0]["_id"], rows[0]["rest"]) for rows in found] == asked
    assert len(server.asked) == len(rests)


async def test_a_lost_server_is_told_to_all_at_once(shared: tuple[Together, _Server]) -> None:
    together, server = shared
    server.broken = True
    asked = (together.keyed("c", {key: key}, []) for key in "abc")
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in found] == [Lost] * 3
    assert len(server.asked) == 1


async def test_who_leaves_takes_nobody_along(shared: tuple[Together, _Server]) -> None:
    together, _ = shared
    tasks = [asyncio.create_task(together.keyed("c", {key: key}, [])) for key in "abc"]
    await asyncio.sleep(0)
    tasks[0].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert [row[0]["_id"] for row in found[1:]] == ["b", "c"]  # type: ignore[index]


async def test_without_union_lists_are_asked_one_by_one(shared: tuple[Together, _Server]) -> None:
    together, server = shared
    pipelines: list[list[dict[str, Any]]] = [[{"$match": {"n": n}}] for n in range(3)]
    assert await together.several(object(), "c", pipelines) == [[{"n": n}] for n in range(3)]
    assert len(server.asked) == 3


async def test_dos_5_what_takes_long_goes_alone_for_a_while(
    shared: tuple[Together, _Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    together, server = shared
    monkeypatch.setattr("abaft.store.mongo.together._SLOW", 0.0)

    async def round_of(keys: str) -> int:
        server.asked.clear()
        await asyncio.gather(*(together.keyed("c", {key: key}, []) for key in keys))
        return len(server.asked)

    assert await round_of("abcdef") < 6
    assert await round_of("abcdef") == 6
    for _ in range(256 // 6):
        await round_of("abcdef")
    monkeypatch.setattr("abaft.store.mongo.together._SLOW", 10.0)
    assert await round_of("abcdef") < 6


async def test_who_waits_for_something_long_waits_no_longer_than_a_moment() -> None:
    begun: list[Any] = []
    ended = asyncio.Event()

    async def run(collection: str, stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        begun.append(stages)
        await ended.wait()
        return []

    together = Together(run, Endings())
    tasks = []
    for key in "abcd":
        tasks.append(asyncio.create_task(together.keyed("c", {key: key}, [])))
        await asyncio.sleep(0.01)
    assert len(begun) == 2
    async with asyncio.timeout(5):
        while len(begun) < 3:  # noqa: ASYNC110 - a timer begins it
            await asyncio.sleep(0.01)
    ended.set()
    assert await asyncio.gather(*tasks) == [[]] * 4
    assert len(begun) == 3
