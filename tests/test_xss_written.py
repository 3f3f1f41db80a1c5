"""XSS-1: what is written by each way in, drawn by a browser that no policy holds back."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import Request
from fastapi.responses import HTMLResponse

from abaft import Actor
from account_site import site
from apps.rich import Doc, Shelf, add_viewer
from canary import LOADED, Canary, canary
from loads import Loader
from payloads import PAYLOADS
from scenarios import ADMIN_TOKEN

pytestmark = [pytest.mark.slow, pytest.mark.named]
BEARER = {"authorization": f"Bearer {ADMIN_TOKEN}"}
NONCE = "default-src 'none'; connect-src 'self'; script-src 'nonce-{nonce}'"
SETTINGS = {
    "content_security_policy": NONCE,
    "requests_per_minute": 10**9,
    "max_body_bytes": 10**7,
    "max_operations": 1_000,
}
TEXTS = [text for text in PAYLOADS if "\0" not in text]


def doc(way: str, number: int, text: str) -> dict[str, Any]:
    return {"way": way, "number": number, "title": text, "html": text, "text": text}


class Written:
    """Writes all texts by one way after another."""

    def __init__(self, client: httpx.AsyncClient, db: Any) -> None:
        self.client, self.db = client, db

    async def ask(self, method: str, path: str, body: Any, **headers: str) -> Any:
        text = json.dumps(body).encode()
        sent = {"content-type": "application/json", **BEARER, **headers}
        answer = await self.client.request(method, f"/api/{path}", content=text, headers=sent)
        assert answer.status_code < 300, (method, path, answer.text)
        return answer.json() if answer.content else None

    async def one_by_one(self, way: str) -> None:
        for number, text in enumerate(TEXTS):
            await self.ask("POST", "docs", doc(way, number, text))

    async def together(self, way: str) -> None:
        await self.ask("POST", "docs", [doc(way, *row) for row in enumerate(TEXTS)])

    async def changed(self, way: str, method: str, kind: str = "application/json") -> None:
        bare = [{"way": way, "number": number} for number in range(len(TEXTS))]
        made = await self.ask("POST", "docs", bare)
        for row, text in zip(made["items"], TEXTS, strict=True):
            body = doc(way, row["number"], text)
            await self.ask(method, f"docs/{row['id']}", body, **{"content-type": kind})

    async def patched(self, way: str) -> None:
        await self.changed(way, "PATCH")

    async def merged(self, way: str) -> None:
        await self.changed(way, "PATCH", "application/merge-patch+json")

    async def put(self, way: str) -> None:
        await self.changed(way, "PUT")

    async def patched_many(self, way: str) -> None:
        bare = [{"way": way, "number": number} for number in range(len(TEXTS))]
        await self.ask("POST", "docs", bare)
        for number, text in enumerate(TEXTS):
            asked = quote(f"way = '{way}' and number = {number}")
            body = {"title": text, "html": text, "text": text}
            await self.ask("PATCH", f"docs?filter={asked}&limit=1", body)

    async def upserted(self, way: str) -> None:
        rows = [doc(way, *row) | {"code": f"c{row[0]}"} for row in enumerate(TEXTS)]
        bare = [{name: row[name] for name in ("way", "number", "code")} for row in rows]
        await self.ask("POST", "docs", bare)
        await self.ask("POST", "docs?upsert=code", rows)

    async def batched(self, way: str) -> None:
        operations = [
            {"method": "POST", "path": "/docs", "body": doc(way, *row)} for row in enumerate(TEXTS)
        ]
        await self.ask("POST", "batch", {"operations": operations})

    async def nested(self, way: str) -> None:
        for number, text in enumerate(TEXTS):
            shelf = {"name": f"shelf {number}"}
            await self.ask("POST", "docs", doc(way, number, text) | {"shelf": shelf})

    async def by_code(self, way: str) -> None:
        for number, text in enumerate(TEXTS):
            await self.db.create(Doc, **doc(way, number, text))

    async def restored(self, way: str) -> None:
        made = await self.ask("POST", "docs", [doc(way, *row) for row in enumerate(TEXTS)])
        for row in made["items"]:
            await self.ask("PATCH", f"docs/{row['id']}", {"html": "", "text": "", "title": ""})
            [*_, first] = (await self.ask("GET", f"docs/{row['id']}/history", None))["items"]
            await self.ask("POST", f"docs/{row['id']}/history/{first['version']}/restore", None)


WAYS: dict[str, Callable[[Written, str], Awaitable[None]]] = {
    name: way
    for name, way in vars(Written).items()
    if not name.startswith("_") and name not in ("ask", "changed")
}


class Rich(Loader):
    models = "from abaft import App\nfrom apps.rich import Doc, Shelf\napp = App(Shelf, Doc)\n"


@pytest.fixture
def loaded(database_url: str, tmp_path: Path) -> list[str]:
    """All texts by the command, from CSV and from lines of JSON; the ways that this was."""
    loader, rows = Rich(database_url, tmp_path), [*enumerate(TEXTS)]
    table = io.StringIO()
    # An empty cell would be null, and a text that begins with a space is one.
    writer = csv.DictWriter(table, [*doc("", 0, "")], quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(doc("csv", *row) for row in rows)
    path = tmp_path / "docs.jsonl"
    path.write_text("".join(json.dumps(doc("jsonl", *row)) + "\n" for row in rows), "utf-8")
    for result in (loader.load(docs=table.getvalue()), loader.load(str(path))):
        assert result.exit_code == 0, result.output
    return ["csv", "jsonl"]


async def looked_at(bird: Canary, url: str, way: str) -> None:
    await bird.page.goto(f"{url}/viewer#{quote(f'way = {way!r}')}")
    await bird.page.wait_for_function(f"document.title === '{len(TEXTS)}'")
    await bird.page.wait_for_function(LOADED)
    text = await bird.look(way)
    assert "alert(1)" in text
    await bird.page.goto("about:blank")


async def test_xss_1_nothing_that_was_written_runs(database_url: str, loaded: list[str]) -> None:
    async with site(database_url, Shelf, Doc, settings=SETTINGS) as (app, url), canary() as bird:
        add_viewer(app)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            written = Written(client, app.db(Actor(system=True)))
            for name, way in WAYS.items():
                await way(written, name)
        for name in (*WAYS, *loaded):
            await looked_at(bird, url, name)
        assert bird.wrong == []


async def test_xss_1_the_bird_sings_where_there_is_a_hole(tmp_path: Path) -> None:
    """As it came, most of it runs; under a policy nothing does, and the look still finds it."""
    given = {"content_security_policy": "default-src 'none'; script-src 'nonce-{nonce}'"}
    async with site(f"sqlite:///{tmp_path}/x.db", Shelf, Doc, settings=given) as (app, url):

        @app.get("/hole")
        async def hole(request: Request, number: int) -> HTMLResponse:
            return HTMLResponse(f"<!doctype html><p>{TEXTS[number]}")

        sang, found = set(), set()
        async with canary() as bird, canary(policies=True) as caged:
            for number, text in [*enumerate(TEXTS)][::8]:
                if re.search("http-equiv|plaintext", text):
                    continue
                await bird.go(f"{url}/hole?number={number}")
                sang |= {text} if any("sung" in row for row in bird.wrong) else set()
                bird.wrong.clear()
                await caged.go(f"{url}/hole?number={number}")
                assert not any("sung" in row for row in caged.wrong), text
                found |= {text} if caged.wrong else set()
                caged.wrong.clear()
        assert len(sang) > 5
        assert len(found) > 12
