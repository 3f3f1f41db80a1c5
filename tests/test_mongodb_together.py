"""MongoDB: new records of one shape are stored together, and answered as if one by one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import monitoring

from abaft import Me, Model, Ref, allow, check, field
from conftest import chosen_engines
from scenarios import Api, serving
from servers.mongodb import MongoServer

SENT: Counter[str] = Counter()


class _Listener(monitoring.CommandListener):
    def started(self, event: monitoring.CommandStartedEvent) -> None:
        SENT[event.command_name] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to count."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to count."""


class Open(Model, abstract=True, stamps=False):
    @allow("read", "create", "update", "delete")
    def anybody(record, me: Me) -> bool:
        return True


class Shelf(Open):
    name: str = field(unique=True)


class Book(Open):
    title: str = field(unique=True)
    pages: int = 1
    shelf: Ref[Shelf] | None
    before: Ref[Book] | None

    @check
    def has_pages(book) -> bool:
        return book.pages > 0


@pytest.fixture
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    if "mongodb" not in chosen_engines(request.config):
        pytest.skip("--engine leaves MongoDB out")
    server: MongoServer = request.getfixturevalue("mongodb")
    monitoring.register(_Listener())
    with server.database() as url:
        async with serving(url, Shelf, Book) as found:
            yield found


async def batch(api: Api, *bodies: dict[str, Any], **more: Any) -> Any:
    operations = [{"method": "POST", "path": "/books", "body": body} for body in bodies]
    return await api.ask("POST /api/batch", json={"operations": operations, **more})


def book(number: int, **rest: Any) -> dict[str, Any]:
    return {"title": f"book {number}", "pages": number + 1, **rest}


async def titles(api: Api) -> list[str]:
    found = (await api.ask("GET /api/books?sort=title&limit=100")).json()
    return [row["title"] for row in found["items"]]


async def test_a_batch_takes_no_more_commands_than_one_record(api: Api) -> None:
    SENT.clear()
    await api.ask("POST /api/books", json=book(0))
    alone = SENT.total()
    SENT.clear()
    made = await batch(api, *(book(number) for number in range(1, 60)))
    assert made.status_code == 200, made.text
    assert SENT.total() <= alone + 3
    rows = made.json()["results"]
    assert [row["body"]["title"] for row in rows] == [f"book {n}" for n in range(1, 60)]
    assert len(await titles(api)) == 60


async def test_what_comes_at_once_is_stored_together(api: Api) -> None:
    SENT.clear()
    asked = (api.ask("POST /api/books", json=book(number)) for number in range(30))
    made = await asyncio.gather(*asked)
    assert [answer.status_code for answer in made] == [201] * 30
    assert [answer.json()["title"] for answer in made] == [f"book {n}" for n in range(30)]
    assert SENT["insert"] <= 10
    found = await asyncio.gather(*(api.ask(f"GET {row.headers['location']}") for row in made))
    assert [row.json() for row in found] == [row.json() for row in made]


WRONG: dict[str, tuple[dict[str, Any], int]] = {
    "taken by another": ({"title": "there"}, 409),
    "taken by one of them": (book(1), 409),
    "against a check": (book(7, pages=0), 422),
    "of no shelf": (book(7, shelf="01a209ba-c1c8-70fd-8d12-c41b4589ea6d"), 422),
}


@pytest.mark.parametrize("case", WRONG)
async def test_who_is_refused_is_named_and_the_others_stand(api: Api, case: str) -> None:
    body, status = WRONG[case]
    await api.ask("POST /api/books", json={"title": "there"})
    bodies = [book(1), book(2), body, book(3)]
    refused = await batch(api, *bodies)
    assert refused.status_code in (409, 422), refused.text
    assert await titles(api) == ["there"]
    assert "/operations/2" in refused.text
    made = await asyncio.gather(*(api.ask("POST /api/books", json=row) for row in bodies))
    assert sorted(answer.status_code for answer in made) == [201, 201, 201, status]
    assert await titles(api) == ["book 1", "book 2", "book 3", "there"]


async def test_one_may_lead_to_one_before_it(api: Api) -> None:
    operations = [
        {"method": "POST", "path": "/books", "name": "one", "body": book(1)},
        {"method": "POST", "path": "/books", "body": book(2, before={"$ref": "one.id"})},
        {"method": "POST", "path": "/books", "body": book(3, before={"$ref": "one.id"})},
    ]
    made = await api.ask("POST /api/batch", json={"operations": operations})
    assert made.status_code == 200, made.text
    one, two, three = (row["body"] for row in made.json()["results"])
    assert two["before"] == three["before"] == one["id"]
    refused = await batch(api, book(4), book(5, before="01a209ba-c1c8-70fd-8d12-c41b4589ea6d"))
    assert refused.status_code == 422
