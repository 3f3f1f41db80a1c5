"""In a batch: upserts, operators and preferences; and a batch that is sent again."""

import asyncio
from typing import Any

import httpx

from abaft import field
from apps.open import Open
from apps.reckoned import MEDIA
from scenarios import Api, serving


class Item(Open, stamps=False):
    name: str = field(unique=True)
    size: int = field(default=0, le=100)


class Line(Open, stamps=False):
    item: str
    size: int = 0


MODELS = (Item, Line)
UPSERT = "/items?upsert=name"


async def batch(api: Api, *operations: dict[str, Any], **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    body = {"operations": operations, **more}
    return await api.ask("POST /api/batch", json=body, headers=headers)


def upsert(unique: str, size: int, **more: Any) -> dict[str, Any]:
    return {"method": "POST", "path": UPSERT, "body": {"name": unique, "size": size}, **more}


def increment(key: Any, size: int, **more: Any) -> dict[str, Any]:
    body = {"size": {"increment": size}}
    return {"method": "PATCH", "path": f"/items/{key}", "body": body, "headers": MEDIA, **more}


async def test_operations_upsert_and_later_ones_name_what_it_came_to(database_url: str) -> None:
    async with serving(database_url, *MODELS) as api:
        item = await api.db.create(Item, name="a", size=1)
        answer = await batch(
            api,
            upsert("a", 5, name="first"),
            upsert("b", 6, name="second"),
            {"method": "POST", "path": "/lines", "body": {"item": {"$ref": "first.id"}}},
            increment("{first.id}", 2),
            increment("{second.id}", 3),
        )
        assert answer.status_code == 200, answer.text
        results = answer.json()["results"]
        assert [row["status"] for row in results] == [200, 201, 201, 200, 200]
        assert results[0]["body"]["id"] == str(item.id)
        assert [row["body"]["size"] for row in (results[3], results[4])] == [7, 9]


async def test_operators_of_one_record_add_up_and_one_past_its_limit_undoes_all(
    database_url: str,
) -> None:
    async with serving(database_url, *MODELS) as api:
        item = await api.db.create(Item, name="a", size=1)
        answer = await batch(api, *(increment(item.id, n) for n in (1, 2, 3)))
        assert [row["body"]["size"] for row in answer.json()["results"]] == [2, 4, 7]
        answer = await batch(api, increment(item.id, 50), increment(item.id, 50))
        assert answer.status_code == 422
        [problem] = answer.json()["errors"]
        assert problem["pointer"] == "/operations/1/body/size/increment"
        assert (await api.items("/api/items", of="size")) == [7]


async def test_dur_5_a_batch_that_is_sent_again_is_done_once(database_url: str) -> None:
    async with serving(database_url, *MODELS) as api:
        item = await api.db.create(Item, name="a", size=1)
        headers = {"idempotency-key": "k"}
        asked = (increment(item.id, 1), upsert("b", 1))
        answers = await asyncio.gather(*(batch(api, *asked, headers=headers) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19
        assert sorted(await api.items("/api/items", of="size")) == [1, 2]
        other = await batch(api, increment(item.id, 2), headers=headers)
        assert other.json()["code"] == "idempotency_key_reused"


async def test_dur_5_batches_with_keys_of_their_own_lose_nothing(database_url: str) -> None:
    async with serving(database_url, *MODELS) as api:
        item = await api.db.create(Item, name="a")
        asked = [increment(item.id, 1), increment(item.id, 1)]
        sent = [batch(api, *asked, headers={"idempotency-key": f"k{n}"}) for n in range(20)]
        answers = await asyncio.gather(*sent)
        assert {answer.status_code for answer in answers} == {200}
        assert (await api.items("/api/items", of="size")) == [40]


async def test_minimal_operations_show_nothing(database_url: str) -> None:
    async with serving(database_url, *MODELS) as api:
        quiet = {"prefer": "return=minimal"}
        answer = await batch(api, upsert("a", 1, headers=quiet), upsert("a", 2, headers=quiet))
        results = answer.json()["results"]
        assert [row["status"] for row in results] == [201, 204]
        assert [row["body"] for row in results] == [None, None]
