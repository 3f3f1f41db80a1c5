"""How often the way to PostgreSQL is gone for a write: counted on the wire, never timed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from abaft import Many, Me, Model, Ref, allow, field
from conftest import fresh_database
from scenarios import Api, serving
from servers.proxy import Proxy


class Author(Model, stamps=False):
    name: str = field(max_length=20)
    posts: Many[Post] = field(back="author")

    @allow("read", "create")
    def anybody(author, me: Me) -> bool:
        return True

    @allow("update", "delete")
    def unless_kept(author, me: Me) -> bool:
        return author.name != "kept"


class Post(Model, stamps=False):
    title: str = field(unique=True)
    note: str | None = None
    author: Ref[Author]

    @allow("read", "create", "update", "delete")
    def of_who_is_not_secret(post, me: Me) -> bool:
        return post.author.name != "secret"


class Ticket(Model, stamps=False):
    id: int = field(key=True)
    title: str
    steps: Many[Step] = field(back="ticket")

    @allow("read", "create", "update")
    def anybody(ticket, me: Me) -> bool:
        return True


class Step(Model, stamps=False):
    id: int = field(key=True)
    text: str
    ticket: Ref[Ticket]

    @allow("read", "create", "update")
    def anybody(step, me: Me) -> bool:
        return True


@pytest.fixture
async def far(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Api, Proxy]]:
    """An app, and the way to its database."""
    if "postgres" not in (request.config.getoption("engines") or ["postgres"]):
        pytest.skip("--engine leaves PostgreSQL out")
    with fresh_database("postgres", request) as url:
        async with Proxy(url) as proxy, serving(proxy.url, Author, Post, Ticket, Step) as api:
            yield api, proxy


async def turns(far: tuple[Api, Proxy], request: str, make: Any, status: int) -> int:
    """The round trips of a request whose shape is known: each plan is prepared once.

    The fewest of three, as what the app does beside it has its own.
    """
    api, proxy = far
    found = []
    for number in range(3):
        before = proxy.turns
        answer = await api.ask(request, json=make(number))
        assert answer.status_code == status, answer.text
        found.append(proxy.turns - before)
    return min(found)


def nested(number: int) -> dict[str, Any]:
    posts = [{"title": f"{number}.{place}"} for place in range(20)]
    return {"name": "a", "posts": posts}


async def test_a_record_with_twenty_nested_ones_is_one_round_trip(far: tuple[Api, Proxy]) -> None:
    assert await turns(far, "POST /api/authors?expand=posts", nested, 201) == 1
    api, _ = far
    assert len(await api.changes()) == 63


async def test_a_list_of_records_is_one_round_trip(far: tuple[Api, Proxy]) -> None:
    authors = await far[0].ask("POST /api/authors", json={"name": "a"})
    key = authors.json()["id"]

    def listed(number: int) -> list[dict[str, Any]]:
        return [{"title": f"{number}.{place}", "author": key} for place in range(100)]

    assert await turns(far, "POST /api/posts", listed, 201) == 1


async def test_a_batch_of_mixed_operations_is_one_round_trip(far: tuple[Api, Proxy]) -> None:
    api, _ = far
    one, other, *rest = [
        (await api.ask("POST /api/authors", json={"name": name})).json()["id"] for name in "abcde"
    ]

    def mixed(number: int) -> dict[str, Any]:
        posts = [{"title": f"{number}.{n}", "author": one, "note": "x"} for n in range(30)]
        new = [{"method": "POST", "path": "/posts", "body": post} for post in posts]
        change = {"method": "PATCH", "path": f"/authors/{other}", "body": {"name": f"n{number}"}}
        gone = {"method": "DELETE", "path": f"/authors/{rest[number]}"}
        seen = {"method": "GET", "path": f"/authors/{one}"}
        return {"operations": [*new, change, seen, gone]}

    assert await turns(far, "POST /api/batch", mixed, 200) == 1


async def test_keys_that_the_database_makes_are_one_more(far: tuple[Api, Proxy]) -> None:
    api, _ = far

    def tickets(number: int) -> dict[str, Any]:
        return {"title": "t", "steps": [{"text": f"{place}"} for place in range(20)]}

    assert await turns(far, "POST /api/tickets", tickets, 201) == 2
    assert await api.items("/api/tickets", of="id") == [1, 2, 3]
    assert await api.items("/api/steps?ticket=3&limit=99", of="id") == [*range(41, 61)]
    feed = await api.db.changes(limit=100)
    assert [change.id for change in feed if change.model == "Ticket"] == ["1", "2", "3"]
    assert feed[-1].data == {"text": "19", "ticket": 3}


async def test_what_is_refused_is_undone_within_the_flight(far: tuple[Api, Proxy]) -> None:
    api, _ = far
    made = (await api.ask("POST /api/authors", json=nested(0))).json()
    kept = (await api.ask("POST /api/authors", json={"name": "kept"})).json()
    before = await api.changes()
    change = {"method": "PATCH", "path": f"/authors/{made['id']}", "body": {"name": "b"}}
    held = {"method": "PATCH", "path": f"/authors/{kept['id']}", "body": {"name": "c"}}
    answer = await api.ask("POST /api/batch", json={"operations": [change, held]})
    assert answer.status_code == 403, answer.text
    answer = await api.ask("POST /api/authors", json=nested(0))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (409, "/posts/0/title")
    assert await api.changes() == before
    assert (await api.ask(f"GET /api/authors/{made['id']}")).json()["name"] == "a"
