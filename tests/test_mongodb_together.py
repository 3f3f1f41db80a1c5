"""MongoDB: new records of one shape are stored together, and answered as if one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from abaft import Me, Model, Ref, allow, check, field
from commanded import SENT, commanded
from scenarios import Api

OPERATORS = {"content-type": "application/vnd.abaft.operators+json"}


class Open(Model, abstract=True, stamps=False):
    @allow("read", "create", "update", "delete")
    def anybody(record, me: Me) -> bool:
        return True


class Shelf(Open):
    name: str = field(unique=True)


class Mark(Open):
    id: UUID = field(key=True)
    name: str


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
    async with commanded(request, Shelf, Book, Mark) as found:
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


async def test_changes_that_come_at_once_are_made_together(api: Api) -> None:
    made = await batch(api, *(book(number) for number in range(30)))
    ids = [row["body"]["id"] for row in made.json()["results"]]
    SENT.clear()
    asked = [api.ask(f"PATCH /api/books/{key}", json={"pages": 7 + n}) for n, key in enumerate(ids)]
    answers = await asyncio.gather(*asked)
    assert SENT["update"] <= 8
    assert [row.json()["pages"] for row in answers] == [*range(7, 37)]
    found = await asyncio.gather(*(api.ask(f"GET /api/books/{key}") for key in ids))
    assert [row.text for row in found] == [row.text for row in answers]
    told = [row for row in await api.db.changes("", 500) if row.action == "update"]
    assert sorted(row.data["pages"] for row in told) == [*range(7, 37)]
    positions = [int(row.position) for row in await api.db.changes("", 500)]
    assert positions == [*range(1, 61)]


async def test_changes_of_one_record_at_once_come_one_after_the_other(api: Api) -> None:
    made = (await api.ask("POST /api/books", json=book(0))).json()
    path = f"PATCH /api/books/{made['id']}"
    grown = await asyncio.gather(
        *(api.ask(path, json={"pages": {"increment": 1}}, headers=OPERATORS) for _ in range(24))
    )
    assert {answer.status_code for answer in grown} == {200}, grown[0].text
    assert sorted(answer.json()["pages"] for answer in grown) == [*range(2, 26)]
    etag = (await api.ask(f"GET /api/books/{made['id']}")).headers["etag"]
    asked = [api.ask(path, json={"pages": 100 + n}, headers={"if-match": etag}) for n in range(8)]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    [winner] = [answer.json()["pages"] for answer in answers if answer.status_code == 200]
    assert (await api.ask(f"GET /api/books/{made['id']}")).json()["pages"] == winner


async def test_a_change_that_is_refused_takes_no_other_along(api: Api) -> None:
    made = await batch(api, *(book(number) for number in range(6)))
    ids = [row["body"]["id"] for row in made.json()["results"]]
    nobody = "01a209ba-c1c8-70fd-8d12-c41b4589ea6d"
    pages = {ids[0]: 5, ids[1]: 0, nobody: 5, ids[2]: 6}
    asked = (api.ask(f"PATCH /api/books/{key}", json={"pages": n}) for key, n in pages.items())
    statuses = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert statuses == [200, 422, 404, 200]
    listed = await api.items("/api/books?sort=title", of="pages")
    assert listed == [5, 2, 6, 4, 5, 6]
    taken = (api.ask(f"PATCH /api/books/{key}", json={"title": "same"}) for key in ids)
    statuses = [answer.status_code for answer in await asyncio.gather(*taken)]
    assert sorted(statuses) == [200] + [409] * 5


async def test_a_key_that_is_there_already_is_a_conflict_of_its_own(api: Api) -> None:
    there = str(uuid4())
    made = await api.ask("POST /api/marks", json={"id": there, "name": "old"})
    assert made.status_code == 201, made.text
    keys = [str(uuid4()), there, str(uuid4()), str(uuid4())]
    keys[3] = keys[2]
    bodies = [{"id": key, "name": f"new {n}"} for n, key in enumerate(keys)]
    answers = await asyncio.gather(*(api.ask("POST /api/marks", json=body) for body in bodies))
    assert [answer.status_code for answer in answers] == [201, 409, 201, 409]
    alone = await api.ask("POST /api/marks", json=bodies[1])
    assert (alone.status_code, alone.text) == (409, answers[1].text)
    assert await api.items("/api/marks?sort=name", of="name") == ["new 0", "new 2", "old"]
    operations = [{"method": "POST", "path": "/marks", "body": body} for body in bodies]
    refused = await api.ask("POST /api/batch", json={"operations": operations})
    assert refused.status_code == 409, refused.text
    positions = [int(row.position) for row in await api.db.changes("", 500)]
    assert positions == [1, 2, 3]
