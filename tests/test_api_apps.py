"""App is a FastAPI application: mounted, mounting, with middleware and endpoints of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse

from abaft import App, Db, Me, Model, Settings, allow, field
from abaft.base.errors import SettingError, Unavailable
from abaft.observe.events import Observer, PruningFailed
from abaft.store.base import Lost
from scenarios import ADMIN_TOKEN, SECRET_KEY, SYSTEM, serving


class Item(Model):
    name: str = field(unique=True)

    @allow("read", "create", "update", "delete")
    def anybody(item, me: Me) -> bool:
        return True


def app_on(url: str, **options: Any) -> App:
    settings = Settings(database=url, secret_key=SECRET_KEY, admin_token=ADMIN_TOKEN)
    return App(Item, settings=settings, sinks=(), **options)


@asynccontextmanager
async def client_of(app: Any, *parts: App) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app whose lifespan is not run; `parts` are stopped at the end."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        try:
            yield client
        finally:
            for part in parts:
                await part.stop()


async def test_an_app_within_fastapi_starts_at_its_first_request(database_url: str) -> None:
    inner, outer = app_on(database_url), FastAPI()

    @inner.get("/count")
    async def count(db: Db) -> int:
        return await db.count(Item)

    outer.mount("/backend", inner)
    async with client_of(outer, inner) as client:
        assert (await client.get("/backend/count")).json() == 0
        made = await client.post("/backend/api/items", json={"name": "a/b"})
        assert made.status_code == 201, made.text
        assert made.headers["location"].startswith("/backend/api/items/")
        assert (await client.get(made.headers["location"])).json()["name"] == "a/b"
        assert (await client.get("/backend/count")).json() == 1
        assert (await client.get("/api/items")).status_code == 404
        assert (await client.get("/backend/api/nope")).json()["code"] == "not_found"


async def test_a_mount_at_the_prefix_itself(database_url: str) -> None:
    inner, outer = app_on(database_url), FastAPI()
    outer.mount("/api", inner)
    async with client_of(outer, inner) as client:
        made = await client.post("/api/api/items", json={"name": "a"})
        key = made.json()["id"]
        for path in (f"/api/api/items/{key}", f"/api/%61pi/items/%{ord(key[0]):x}{key[1:]}"):
            assert (await client.get(path)).json() == made.json(), path
        for path in ("/api/api", "/api/api%2Fitems", "/api%2Fapi/items"):
            answer = await client.get(path)
            assert answer.json()["code"] == "not_found", path


async def test_records_are_served_first_thing_without_a_lifespan(database_url: str) -> None:
    app = app_on(database_url)
    async with client_of(app, app) as client:
        assert (await client.get("/api/items")).json() == {"items": [], "next": None}


async def test_other_apps_within(database_url: str) -> None:
    async with serving(database_url, Item) as api:
        other = FastAPI()

        @other.get("/hello")
        async def hello() -> str:
            return "hello"

        api.app.mount("/other", other)
        api.app.mount("/", other)
        assert (await api.ask("GET /other/hello")).json() == "hello"
        assert (await api.ask("GET /hello")).json() == "hello"
        assert (await api.ask("GET /api/items")).json()["items"] == []


async def test_middleware_wraps_the_record_path(database_url: str) -> None:
    async with serving(database_url, Item) as api:

        @api.app.middleware("http")
        async def stamp(request: Request, call_next: Any) -> Any:
            if request.headers.get("x-stop"):
                return PlainTextResponse("stopped", 418)
            response = await call_next(request)
            response.headers["x-stamped"] = request.url.path
            return response

        made = await api.ask("POST /api/items", json={"name": "x"})
        assert (made.status_code, made.headers["x-stamped"]) == (201, "/api/items")
        assert (await api.ask("GET /api/nope")).headers["x-stamped"] == "/api/nope"
        assert (await api.ask("GET /api/items", headers={"x-stop": "1"})).status_code == 418


async def test_an_endpoint_on_the_same_path_wins(database_url: str) -> None:
    async with serving(database_url, Item) as api:
        item = await api.db.create(Item, name="x")
        assert (await api.ask("GET /api/items")).json()["items"][0]["name"] == "x"

        @api.app.get("/api/items/special")
        async def special() -> str:
            return "special"

        @api.app.post("/api/items")
        async def instead(db: Db) -> str:
            return (await db.list(Item))[0].name + " instead"

        @api.app.get("/api/{anything}/extra/{more}")
        async def extra(anything: str, more: str) -> str:
            return f"{anything} {more}"

        assert (await api.ask("GET /api/items/special")).json() == "special"
        assert (await api.ask("POST /api/items", json={})).json() == "x instead"
        assert (await api.ask("GET /api/items/extra/x")).json() == "items x"
        # What they don't answer is ours as before.
        assert (await api.ask("GET /api/items")).json()["items"][0]["name"] == "x"
        assert (await api.ask(f"GET /api/items/{item.id}")).json()["name"] == "x"
        assert (await api.ask(f"PATCH /api/items/{item.id}", json={"name": "y"})).is_success


async def test_a_lifespan_of_theirs_runs_within_ours(database_url: str) -> None:
    seen: list[Any] = []

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[dict[str, str]]:
        seen.append(await app.db(SYSTEM).count(Item))
        yield {"from": "lifespan"}
        seen.append(await app.db(SYSTEM).count(Item))

    app = app_on(database_url, lifespan=lifespan)
    async with app.router.lifespan_context(app) as state:
        assert state == {"from": "lifespan"}
        await app.db(SYSTEM).create(Item, name="x")
    assert seen == [0, 1]


async def test_the_prefix_is_a_setting_and_timing_can_be_told(database_url: str) -> None:
    settings = {"api_prefix": "/v1/data", "server_timing": True, "docs": False}
    async with serving(database_url, Item, settings=settings) as api:
        made = await api.ask("POST /v1/data/items", json={"name": "x"})
        assert made.headers["location"].startswith("/v1/data/items/")
        for answer in (made, await api.ask("GET /v1/data/items")):
            assert "store;dur=" in answer.headers["server-timing"]
        assert (await api.ask("GET /api/items")).status_code == 404
        assert (await api.ask("GET /openapi.json")).status_code == 404


@pytest.mark.parametrize("away_with", [Lost("away"), Unavailable("busy")])
async def test_what_cannot_be_pruned_is_told_and_tried_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch, away_with: Exception
) -> None:
    app, told, twice = app_on(database_url), list[Any](), asyncio.Event()

    def hear(event: Any) -> None:
        told.append(type(event))
        if told.count(PruningFailed) == 2:
            twice.set()

    async def away(before: str) -> int:
        raise away_with

    app.observer = Observer(hear)
    monkeypatch.setattr(app.store, "prune_changes", away)
    monkeypatch.setattr("abaft.app.PRUNE_EVERY", 0.01)
    await app.start()
    try:
        await asyncio.wait_for(twice.wait(), 10)
    finally:
        await app.stop()


def test_an_unknown_database_is_told() -> None:
    with pytest.raises(SettingError, match="sqlite:///FILE, postgresql://"):
        app_on("oracle://x")


async def test_an_app_that_cannot_start_answers_so(tmp_path: Any) -> None:
    (tmp_path / "file").write_text("")
    app = app_on(f"sqlite:///{tmp_path}/file/x.db")
    async with client_of(app) as client:
        answer = await client.get("/api/items")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
