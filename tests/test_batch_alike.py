"""New records of one collection in a batch are read together; that comes to the same as alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from abaft import Me, Model, Ref, allow, field
from scenarios import Api, serving


class Open(Model, abstract=True):
    @allow("read", "create", "update", "delete")
    def anybody(record, me: Me) -> bool:
        return True


class Dock(Open, key="name", stamps=False):
    name: str


class Ship(Open, key="name", stamps=False):
    name: str = field(max_length=8)
    tons: Decimal = field(decimal_places=2, default=Decimal("1.5"))
    size: int = field(default=1, lt=50)
    seen: datetime | None = None
    code: str = field(hidden=True, default="c")
    data: dict[str, Any] | None = None
    dock: Ref[Dock] | None = None


BODIES: list[dict[str, Any]] = [
    {"name": "a", "tons": "2.50", "size": 1},
    {"name": "b", "seen": "2026-01-02T03:04:05Z"},
    {"name": "c,d/é", "data": {"x": [1, None]}},
    {"name": "e", "dock": "one", "tons": "2.5"},
    {"name": "f"},
    {"name": "g"},
]


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Dock, Ship) as api:
        await api.ask("POST /api/docks", json={"name": "one"})
        yield api


def ops(bodies: list[Any], **more: Any) -> dict[str, Any]:
    rows = [{"method": "POST", "path": "/ships", "body": body, **more} for body in bodies]
    return {"operations": rows}


async def feed(api: Api) -> list[Any]:
    rows = await api.app.store.changes("", 1000)
    return [(row.model, row.id, row.action, row.actor, row.data) for row in rows]


async def test_answers_and_feed_are_those_of_each_by_itself(api: Api) -> None:
    together = (await api.ask("POST /api/batch", json=ops(BODIES))).json()["results"]
    told = (await feed(api))[1:]
    for row in BODIES:
        await api.ask(f"DELETE /api/ships/{quote(row['name'], safe='')}")
    before = len(await feed(api))
    for row, found in zip(BODIES, together, strict=True):
        alone = await api.ask("POST /api/ships", json=row)
        assert found["status"] == alone.status_code == 201
        assert found["body"] == alone.json()
        for name in ("etag", "location"):
            assert found["headers"][name] == alone.headers[name]
    assert (await feed(api))[before:] == told
    assert "code" not in orjson.dumps(told).decode()


async def test_val_each_tells_what_is_wrong_with_it(api: Api) -> None:
    wrong = [*BODIES[:2], {"name": "far too long"}, {"size": 99}, [{"name": "y"}], *BODIES[3:]]
    answer = await api.ask("POST /api/batch", json=ops(wrong))
    assert answer.status_code == 422
    found = {(row["pointer"], row["code"]) for row in answer.json()["errors"]}
    places = {pointer for pointer, _ in found}
    assert {"/operations/2/body/name", "/operations/3/body/name"} <= places
    assert "/operations/3/body/size" in places
    assert (await api.ask("GET /api/ships")).json()["items"] == []


async def test_a_taken_key_among_them_has_none_done_and_names_its_place(api: Api) -> None:
    answer = await api.ask("POST /api/batch", json=ops([*BODIES[:3], BODIES[0]]))
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "/operations/3/body/name"
    assert (await api.ask("GET /api/ships")).json()["items"] == []


async def test_names_that_others_refer_to_are_known_all_the_same(api: Api) -> None:
    body = ops(BODIES[:2], name="it")
    body["operations"][1]["name"] = "other"
    body["operations"] += [
        {"method": "PATCH", "path": "/ships/{other.name}", "body": {"size": 7}},
        {"method": "POST", "path": "/ships", "body": {"name": "z"}},
    ]
    answer = await api.ask("POST /api/batch", json=body)
    assert [row["status"] for row in answer.json()["results"]] == [201, 201, 200, 201]
    assert (await api.ask("GET /api/ships/b")).json()["size"] == 7


async def test_preferences_and_other_paths_part_them(api: Api) -> None:
    body = ops(BODIES[:4])
    body["operations"][1]["headers"] = {"prefer": "return=minimal"}
    body["operations"][2]["path"] = "/ships?fields=size"
    results = (await api.ask("POST /api/batch", json=body)).json()["results"]
    assert [row["body"] and len(row["body"]) for row in results] == [6, None, 1, 6]
