"""Links between pages (RFC 8288): they lead on, keep what was asked for, and let nothing out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from apps.notes import MODELS, Note, seed
from each import each
from scenarios import LINES, PACKED, Api, serving


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS) as api:
        await seed(api.db)
        yield api


def links(answer: httpx.Response) -> dict[str, str]:
    found = re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers.get("link", ""))
    return {relation: url for url, relation in found}


@pytest.mark.parametrize("accept", ["application/json", LINES, "text/csv", PACKED])
async def test_links_lead_through_all_pages(api: Api, accept: str) -> None:
    url, found = "/api/notes?sort=-slug&limit=1&fields=slug", []
    while url:
        answer = await api.get(url, accept)
        found.append(answer.content)
        beside = links(answer)
        assert set(beside) <= {"next", "first"}
        if len(found) > 1:
            assert beside["first"] == "/api/notes?sort=-slug&limit=1&fields=slug"
        url = beside.get("next", "")
    assert len(found) == 4
    assert len(set(found)) == 4


async def test_links_of_pages_by_offset(api: Api) -> None:
    base = "/api/notes?sort=slug&limit=1&fields=slug&count=exact"
    got = links(await api.get(f"{base}&offset=1", "*/*"))
    assert got == {
        "first": base,
        "prev": f"{base}&offset=0",
        "next": f"{base}&offset=2",
        "last": f"{base}&offset=3",
    }
    got = links(await api.get(f"{base}&offset=3", "*/*"))
    assert got == {"first": base, "prev": f"{base}&offset=2", "last": f"{base}&offset=3"}
    assert links(await api.get(base, "*/*")).keys() == {"next"}
    assert links(await api.get("/api/notes", "*/*")) == {}
    far = links(await api.get("/api/notes?offset=9&limit=2&count=exact", "*/*"))
    assert far["last"] == "/api/notes?limit=2&count=exact&offset=3"


async def test_beyond_what_may_be_skipped_the_cursor_leads_on(database_url: str) -> None:
    async with serving(database_url, *MODELS, settings={"max_offset": 1}) as api:
        for slug in "abc":
            await api.db.create(Note, slug=slug)
        url, found = "/api/notes?sort=slug&limit=1&offset=0&count=exact", []
        while url:
            answer = await api.get(url, "*/*")
            found += [item["slug"] for item in answer.json()["items"]]
            assert "last" not in links(answer)
            url = links(answer).get("next", "")
        assert found == ["a", "b", "c"]


@each(
    "query",
    [
        'text[ne]=a>; rel="evil", <b',
        "text[ne]=%0d%0aset-cookie:x=1",
        "text[ne]=100%25",
        "text[ne]=a+b%26c",
        "text[ne]=\u00e9",
    ],
)
async def test_inj_4_nothing_breaks_out_of_a_link(api: Api, query: str) -> None:
    for place in ("", "&offset=0"):
        answer = await api.get(f"/api/notes?{query}&sort=slug&limit=1{place}", "*/*")
        following = links(answer)["next"]
        assert set(answer.headers) >= {"link", "etag"}
        assert "set-cookie" not in answer.headers
        assert set(following) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?%"
        )
        before = httpx.QueryParams(httpx.URL(f"http://test/?{query}").query)
        after = httpx.URL(following).params
        assert after["text[ne]"] == before["text[ne]"]
        assert (await api.ask(f"GET {following}")).status_code == 200


async def test_links_keep_the_root_path(api: Api) -> None:
    transport = httpx.ASGITransport(api.app, root_path="/be hind")
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/api/notes?limit=1")
    assert links(answer)["next"].startswith("/be%20hind/api/notes?limit=1&cursor=")
