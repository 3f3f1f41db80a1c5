"""Writes that meet: one wins, the others are told, and the feed tells of each change once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from abaft import Many, Me, Model, Ref, User, allow, before, field
from apps.open import Open
from scenarios import Api, Scenario, play, serving


class Shelf(Open, collection="shelves", key="name", stamps=False, soft_delete=True):
    name: str
    books: Many[Book] = field(back="shelf")


class Book(Open, key="title", stamps=False, soft_delete=True, history=True):
    title: str
    shelf: Ref[Shelf] | None = field(default=None, on_delete="cascade")
    copies: int = 0


class Leaf(Open, collection="leaves", key="name", stamps=False, soft_delete=True):
    name: str
    number: int = 0


class Step(Model, key="name", stamps=False, ordered=True, history=True):
    name: str
    owner: Ref[User] | None = None
    lent: bool = False

    @allow("read")
    def everyone(step, me: Me) -> bool:
        return True

    @allow("create", "update")
    def not_lent(step, me: Me) -> bool:
        return ~step.lent

    @before("update")
    async def lend(step, me: Me) -> None:
        if me.has_role("lender"):
            step.lent = True


MODELS = (Shelf, Book, Leaf, Step, User)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS) as api:
        await api.person("lender", "lender")
        yield api


STALE = {"if-match": '"0"'}


@pytest.mark.slow
@pytest.mark.everywhere
async def test_a_move_that_is_refused_leaves_all_places_as_they_were(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its ETag, and by what a hook makes of it: both are known after all were numbered anew."""
    monkeypatch.setattr("abaft.store.sql.placing.LONGEST", 11)  # each move numbers all anew
    for name in "abcd":
        await api.ask("POST /api/steps", json={"name": name})
    placed = await api.items("/api/steps", of="position")
    body = {"after": "a"}
    move = {"method": "POST", "path": "/steps/d/move", "body": body}
    stale = move | {"headers": STALE}
    made = {"method": "POST", "path": "/steps", "body": {"name": "e"}}
    await play(
        api,
        [
            Scenario("POST /api/steps/d/move", 412, json=body, headers=STALE),
            Scenario("POST /api/steps/d/move", 403, "lender", body, has=["forbidden_values"]),
            Scenario("POST /api/batch", 412, json={"operations": [made, stale]}),
            Scenario("POST /api/batch", 403, "lender", {"operations": [made, move]}),
        ],
    )
    assert await api.items("/api/steps", of="position") == placed
    apart = {"operations": [made, stale], "atomic": False}
    answer = await api.ask("POST /api/batch", json=apart)
    assert [row["status"] for row in answer.json()["results"]] == [201, 412]
    assert await api.items("/api/steps?name[ne]=e", of="position") == placed
    etag = (await api.ask("GET /api/steps/d")).headers["etag"]
    answer = await api.ask("POST /api/steps/d/move", json=body, headers={"if-match": etag})
    assert answer.status_code == 200, answer.text
    assert await api.items("/api/steps", of="name") == ["a", "d", "b", "c", "e"]


async def all_at_once(api: Api, *requests: tuple[str, Any]) -> list[Any]:
    sent = (
        api.ask(request, **({} if body is None else {"json": body})) for request, body in requests
    )
    return list(await asyncio.gather(*sent))


async def told(api: Api, model: str) -> Counter[str]:
    return Counter(row for row in await api.changes() if row.endswith(f" {model}"))


async def test_of_many_deletes_one_wins_and_is_told_once(api: Api) -> None:
    for kind, made in (("leaves", {"name": "x"}), ("books", {"title": "x"})):
        assert (await api.ask(f"POST /api/{kind}", json=made)).status_code == 201
        answers = await all_at_once(api, *[(f"DELETE /api/{kind}/x", None)] * 20)
        codes = Counter(answer.status_code for answer in answers)
        assert codes == {204: 1, 404: 19}, kind
        answers = await all_at_once(api, *[(f"POST /api/{kind}/x/restore", None)] * 20)
        assert Counter(answer.status_code for answer in answers) == {200: 1, 404: 19}, kind
    for model in ("Leaf", "Book"):
        assert await told(api, model) == {
            f"{what} {model}": 1 for what in ("create", "delete", "update")
        }


@pytest.mark.parametrize("kind", ["leaves", "books"])
@pytest.mark.slow
@pytest.mark.everywhere
async def test_a_delete_and_changes_at_once(api: Api, kind: str) -> None:
    """Whoever comes after the delete finds nothing: no update is told after it, none is lost."""
    key, number, model = {
        "leaves": ("name", "number", "Leaf"), "books": ("title", "copies", "Book"),
    }[kind]  # fmt: skip
    patch = "application/vnd.abaft.operators+json"
    for round_ in range(8):
        name = f"r{round_}"
        await api.ask(f"POST /api/{kind}", json={key: name})
        url = f"/api/{kind}/{name}"
        up = {"json": {number: {"increment": 1}}, "headers": {"content-type": patch}}
        waiting = [api.ask(f"PATCH {url}", **up) for _ in range(9)]
        waiting[4:4] = [api.ask(f"DELETE {url}"), api.ask(f"DELETE {url}")]
        answers = await asyncio.gather(*waiting)
        won = sum(answer.status_code == 200 for answer in answers)
        assert sorted(answer.status_code for answer in answers) == (
            [200] * won + [204] + [404] * (10 - won)
        )
        stored = (await api.ask(f"GET {url}?deleted=with")).json()
        assert stored[number] == won
        feed = [row async for row in changes_of(api, model, name)]
        assert feed == ["create", *["update"] * won, "delete"]


async def changes_of(api: Api, model: str, name: str) -> AsyncIterator[str]:
    after = ""
    while batch := await api.db.changes(after, 500):
        for change in batch:
            if (change.model, change.id) == (model, name):
                yield change.action
        after = batch[-1].position


@pytest.mark.slow
@pytest.mark.everywhere
async def test_none_comes_into_what_is_deleted_at_once(api: Api) -> None:
    """A record is made before its owner is deleted, and goes along, or it is refused."""
    for round_ in range(10):
        name = f"s{round_}"
        await api.ask("POST /api/shelves", json={"name": name})
        waiting = [
            api.ask("POST /api/books", json={"title": f"{name}.{n}", "shelf": name})
            for n in range(8)
        ]
        waiting.insert(round_ % 9, api.ask(f"DELETE /api/shelves/{name}"))
        answers = await asyncio.gather(*waiting)
        assert {answer.status_code for answer in answers} <= {201, 204, 422}
        left = await api.items("/api/books?limit=100", of="title")
        assert left == [], (round_, [answer.status_code for answer in answers])
