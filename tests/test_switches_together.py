"""The switches of a model, with each other and with every way to write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from abaft import Many, Ref, Unique, User, field, scope
from apps.open import Open
from scenarios import Api, Scenario, play, serving


class Board(Open, key="name", stamps=False, soft_delete=True):
    name: str
    cards: Many[Card] = field(back="board")


class Mark(Open, key="name", stamps=False):
    name: str


class Card(
    Open,
    ordered="board",
    history=True,
    soft_delete=True,
    unique=[Unique("name", where=lambda card: card.open)],
):
    name: str
    open: bool = True
    votes: int = 0
    board: Ref[Board] | None = field(default=None, on_delete="cascade")
    marks: Many[Mark]

    @scope
    def opened(card) -> bool:
        return card.open


@pytest_asyncio.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Board, Mark, Card, User) as api:
        for name in ("x", "y"):
            await api.db.create(Board, name=name)
            await api.db.create(Mark, name=name)
        yield api


async def cards(api: Api, query: str = "") -> list[str]:
    found: list[str] = await api.items(f"/api/cards?limit=100{query}", of="name")
    return found


async def versions(api: Api, card: Any) -> list[str]:
    return [row["action"] for row in await api.items(f"/api/cards/{card['id']}/history", "admin")]


@pytest.mark.asyncio
async def test_many_by_one_request(api: Api) -> None:
    rows = [{"name": name, "board": "x", "marks": ["x"]} for name in "abcde"]
    made = (await api.ask("POST /api/cards", json=rows)).json()
    assert await cards(api) == list("abcde"), made
    answer = await api.ask("PATCH /api/cards?name[in]=b,d&limit=10", json={"votes": 3})
    assert answer.status_code == 200, answer.text
    assert (await api.ask("DELETE /api/cards?name[in]=b,c&limit=10")).status_code == 200
    assert await cards(api) == list("ade")
    assert await cards(api, "&deleted=with") == list("abcde")
    b = (await api.items("/api/cards?name=b&deleted=with"))[0]
    assert await versions(api, b) == ["delete", "update", "create"]
    assert (await api.ask("POST /api/cards", json={"name": "b"})).status_code == 201
    assert (await api.ask(f"POST /api/cards/{b['id']}/restore")).status_code == 409
    await api.ask(f"PATCH /api/cards/{(await api.items('/api/cards?name=b'))[0]['id']}",
                  json={"open": False})  # fmt: skip
    assert (await api.ask(f"POST /api/cards/{b['id']}/restore")).status_code == 200
    assert await cards(api) == list("abde")


@pytest.mark.asyncio
async def test_a_batch_of_moves_restores_and_versions(api: Api) -> None:
    made = [(await api.ask("POST /api/cards", json={"name": name})).json() for name in "abc"]
    paths = [f"/cards/{card['id']}" for card in made]
    first = (await api.items(f"/api{paths[2]}/history"))[0]["version"]
    operations = [
        {"method": "POST", "path": f"{paths[0]}/move", "body": {"to": "last"}},
        {"method": "DELETE", "path": paths[1]},
        {"method": "POST", "path": f"{paths[1]}/restore"},
        {"method": "PATCH", "path": paths[2], "body": {"votes": 9}},
        {"method": "POST", "path": f"{paths[2]}/history/{first}/restore"},
        {"method": "GET", "path": f"{paths[2]}/history"},
    ]
    answer = await api.ask("POST /api/batch", json={"operations": operations})
    assert answer.status_code == 200, answer.text
    statuses = [result["status"] for result in answer.json()["results"]]
    assert statuses == [200, 204, 200, 200, 200, 200]
    assert len(answer.json()["results"][-1]["body"]["items"]) == 3
    assert await cards(api) == list("bca")
    assert (await api.ask(f"GET /api{paths[2]}")).json()["votes"] == 0


@pytest.mark.asyncio
async def test_operators_and_upserts_have_versions(api: Api) -> None:
    made = (await api.ask("POST /api/cards", json={"name": "a", "marks": ["x"]})).json()
    url = f"/api/cards/{made['id']}"
    media = {"content-type": "application/vnd.abaft.operators+json"}
    changed = await api.ask(
        f"PATCH {url}", json={"votes": {"increment": 4}, "marks": {"append": ["y"]}}, headers=media
    )
    assert changed.status_code == 200, changed.text
    newest = (await api.items(f"{url}/history"))[0]
    was = (await api.ask(f"GET {url}/history/{newest['version']}")).json()
    assert (was["votes"], was["marks"]) == (4, ["x", "y"])
    assert newest["changed"] == ["votes", "updated", "marks"]


@pytest.mark.asyncio
@pytest.mark.slow
async def test_of_many_updates_at_once_each_is_a_version(api: Api) -> None:
    made = (await api.ask("POST /api/cards", json={"name": "a"})).json()
    url = f"/api/cards/{made['id']}"
    writes = [api.ask(f"PATCH {url}", json={"votes": place}) for place in range(1, 21)]
    moves = [api.ask(f"POST {url}/move", json={"to": "first"}) for _ in range(5)]
    answers = await asyncio.gather(*writes, *moves)
    assert {answer.status_code for answer in answers} == {200}
    items = await api.items(f"{url}/history?limit=100")
    assert len(items) == 26
    now = (await api.ask(f"GET {url}")).json()
    assert (await api.ask(f"GET {url}/history/{items[0]['version']}")).json() == now
    shown = [(await api.ask(f"GET {url}/history/{row['version']}")).json() for row in items]
    assert {row["votes"] for row in shown} == set(range(21))


@pytest.mark.asyncio
async def test_what_goes_along_with_a_delete_has_versions(api: Api) -> None:
    made = [
        (await api.ask("POST /api/cards", json={"name": name, "board": "x"})).json()
        for name in "ab"
    ]
    await play(
        api,
        [
            Scenario(
                "DELETE /api/boards/x",
                204,
                changes=("delete Board", "delete Card", "delete Card"),
            ),
            Scenario("GET /api/cards?scope=all", 200, has=['"items":[]']),
            Scenario(
                "POST /api/boards/x/restore",
                200,
                changes=("update Board", "update Card", "update Card"),
            ),
        ],
    )
    for card in made:
        assert await versions(api, card) == ["update", "delete", "create"]
        items = await api.items(f"/api/cards/{card['id']}/history")
        assert [row["changed"] for row in items[:2]] == [["deleted"], ["deleted"]]


@pytest.mark.asyncio
async def test_counts_groups_and_searches_leave_the_deleted_out(api: Api) -> None:
    for name in "abc":
        await api.ask("POST /api/cards", json={"name": name, "votes": 2})
    a = (await api.items("/api/cards?name=a"))[0]
    await api.ask(f"DELETE /api/cards/{a['id']}")
    page = (await api.ask("GET /api/cards?count=exact")).json()
    assert page["count"] == 2
    answer = await api.ask("GET /api/cards?aggregate=count,sum(votes)&group=open")
    assert answer.status_code == 200, answer.text
    assert answer.json()["items"] == [{"open": True, "count": 2, "sum_votes": 4}]
    text = await api.ask('GET /api/cards?filter=name = "a"')
    assert text.json()["items"] == []


@pytest.mark.asyncio
async def test_nested_records_and_upserts_keep_order_and_versions(api: Api) -> None:
    body = {"name": "z", "cards": [{"name": "q"}, {"name": "r"}]}
    answer = await api.ask("POST /api/boards?expand=cards", json=body)
    assert answer.status_code == 201, answer.text
    assert await cards(api, "&board=z") == ["q", "r"]
    q = (await api.items("/api/cards?name=q"))[0]
    assert await versions(api, q) == ["create"]
    assert (
        await api.ask(f"POST /api/cards/{q['id']}/move", json={"to": "last"})
    ).status_code == 200
    assert await cards(api, "&board=z") == ["r", "q"]
    again = await api.ask(f"PUT /api/cards/{q['id']}", json={"name": "q", "board": "z"})
    assert (again.status_code, again.json()["position"] > q["position"]) == (200, True)
    assert await versions(api, q) == ["update", "update", "create"]
