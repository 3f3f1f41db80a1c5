"""Writes over HTTP: create, merge, replace, delete, preconditions, and writers that race."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from abaft import Many, Ref, check, field
from apps.open import Open
from scenarios import Api, Scenario, play, serving


class Tag(Open, key="name", stamps=False):
    name: str = field(min_length=1)
    note: str | None = None


class Folder(Open):
    name: str
    up: Ref[Folder] | None = field(default=None, on_delete="cascade")
    files: Many[File] = field(back="folder")


class File(Open, unique=[("folder", "name")], index=[("size", "name")]):
    name: str = field(max_length=20, pattern="^[^/]*$")
    folder: Ref[Folder] | None = field(default=None, on_delete="cascade")
    size: int = field(default=1, ge=0, lt=1000)
    code: str | None = field(default=None, unique=True, collate="nocase")
    serial: str = field(default="none", write_once=True)
    made: str | None = field(default="server", read_only=True)
    meta: dict[str, Any] | None = None
    tags: Many[Tag]
    link: Ref[File] | None = field(default=None, on_delete="set null")
    owner: Ref[Tag] | None = None

    @check
    def not_huge(file) -> bool:
        return (file.size < 500) | (file.name == "huge")


class Row(Open, key=("sheet", "line"), stamps=False):
    sheet: str
    line: int
    text: str = "empty"


JSON = {"content-type": "application/json"}
MISSING = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Tag, Folder, File, Row) as api:
        yield api


async def make(api: Api, **values: Any) -> tuple[str, str]:
    """The URL and the ETag of a new file."""
    made = await api.ask("POST /api/files", json={"name": "f", **values})
    assert made.status_code == 201, made.text
    return made.headers["location"], made.headers["etag"]


async def test_posting(api: Api) -> None:
    made = await api.ask("POST /api/files?expand=tags&fields=name,size,tags", json={"name": "a"})
    assert made.json() == {"name": "a", "size": 1, "tags": []}
    url = made.headers["location"]
    assert (
        made.headers["etag"]
        == (await api.ask(f"GET {url}?expand=tags&fields=name,size,tags")).headers["etag"]
    )
    full = (await api.ask(f"GET {url}")).json()
    assert list(full) == [
        "id",
        "name",
        "folder",
        "size",
        "code",
        "serial",
        "made",
        "meta",
        "link",
        "owner",
        "created",
        "updated",
        "tags",
    ]
    assert full["created"] == full["updated"]
    assert full["made"] == "server"


POSTED = [
    Scenario("POST /api/files", 201, json={"name": "b", "code": "X"}, changes=("create File",)),
    Scenario(
        "POST /api/files",
        409,
        json={"name": "c", "code": "x"},
        has=['"code":"taken"', '"pointer":"/code"'],
    ),
    Scenario("POST /api/files", 422, json={"name": "d", "size": 700}, has=["not_huge"]),
    Scenario("POST /api/files", 201, json={"name": "huge", "size": 700}, changes=("create File",)),
    Scenario(
        "POST /api/files",
        422,
        json={
            "size": "1",
            "code": 5,
            "tags": ["x", 1],
            "nam": "x",
            "made": "x",
            "serial": 1,
        },
        has=[
            '/name","code":"required',
            '/size","code":"type',
            '/code","code":"type',
            '/tags/1"',
            "did you mean 'name'",
            '/made","code":"read_only',
            "/serial",
        ],
    ),
    Scenario("POST /api/files", 422, json={"name": "x" * 21}, has=["string_too_long"]),
    Scenario("POST /api/files", 422, json={"name": "a/b"}, has=['"/name"']),
    Scenario("POST /api/files", 422, json={"name": "e", "size": -1}, has=["greater_than_equal"]),
    Scenario(
        "POST /api/files",
        422,
        json={"name": "e", "folder": MISSING},
        has=['"pointer":"/folder","code":"no_such_record"'],
        lacks=["/link", "/owner"],
    ),
    Scenario(
        "POST /api/files",
        422,
        json={"name": "e", "tags": ["nope"]},
        has=['"pointer":"/tags","code":"no_such_record"'],
    ),
    Scenario("POST /api/files", 422, body=b"7", headers=JSON, has=["not_an_object"]),
    Scenario("POST /api/files", 400, body=b"{", headers=JSON, has=["invalid_json"]),
    Scenario("POST /api/files", 400, body=b"", headers=JSON, has=["invalid_json"]),
    Scenario("POST /api/files", 400, body=b"\xff", headers=JSON, has=["invalid_json"]),
    Scenario("POST /api/files", 415, body=b"{}", headers={"content-type": "text/plain"}),
    Scenario("POST /api/files", 415, body=b"{}"),
    Scenario("POST /api/files?limit=1", 400, json={"name": "e"}, has=["unknown_parameter"]),
]


async def test_what_a_post_makes_or_is_refused_by(api: Api) -> None:
    await play(api, POSTED)


async def test_merging_a_patch(api: Api) -> None:
    """RFC 7396, appendix A, within a JSON field; null empties, what isn't named stays."""
    url, _ = await make(api, meta={"a": {"b": 1, "c": [1, {"d": 2}]}, "e": None}, size=5, code="k")
    for patch, meta in (
        ({"a": {"b": 2}}, {"a": {"b": 2, "c": [1, {"d": 2}]}, "e": None}),
        ({"a": {"c": None}, "f": "g"}, {"a": {"b": 2}, "e": None, "f": "g"}),
        ({"a": [1], "e": {"x": {"y": None}}}, {"a": [1], "e": {"x": {}}, "f": "g"}),
        ({}, {"a": [1], "e": {"x": {}}, "f": "g"}),
        (None, None),
        ({"n": {"m": None}}, {"n": {}}),
    ):
        content = {"content-type": "application/merge-patch+json"}
        answer = await api.client.patch(url, json={"meta": patch}, headers=content)
        assert answer.json()["meta"] == meta, patch
    before = (await api.ask(f"GET {url}")).json()
    after = (await api.ask(f"PATCH {url}", json={"code": None})).json()
    assert after == {**before, "code": None, "updated": after["updated"]}
    assert after["updated"] > before["updated"]
    await play(
        api,
        [
            Scenario(f"PATCH {url}", 422, json={"size": None}, has=['"/size"']),
            Scenario(f"PATCH {url}", 422, json={"meta": [1]}, has=['"/meta"']),
            Scenario(f"PATCH {url}", 422, json={"serial": "other"}, has=["write_once"]),
            Scenario(f"PATCH {url}", 422, json={"size": 600}, has=["not_huge"]),
            Scenario(f"PATCH {url}", 422, json={"link": MISSING}, has=['"/link"']),
            Scenario(f"PATCH {url}", 200, json={}, changes=("update File",)),
            Scenario(f"PATCH {url}", 415, body=b"{}", headers={"content-type": "text/json"}),
            Scenario(f"PATCH /api/files/{MISSING}", 404, json={}),
        ],
    )


async def test_what_was_read_can_be_put_back(api: Api) -> None:
    url, _ = await make(api, serial="s1")
    read = (await api.ask(f"GET {url}")).json()
    written = await api.ask(f"PUT {url}", json={**read, "name": "g"})
    assert written.status_code == 200, written.text
    changed = {name for name, value in written.json().items() if value != read[name]}
    assert changed - {"updated"} == {"name"}


async def test_replacing_and_making_by_put(api: Api) -> None:
    url, _ = await make(api, size=5, code="k", serial="s1", meta={"a": 1})
    shown = (await api.ask(f"PUT {url}", json={"name": "g", "serial": "s1"})).json()
    assert (shown["name"], shown["size"], shown["code"], shown["meta"]) == ("g", 1, None, None)
    assert shown["serial"] == "s1"
    new = f"/api/files/{MISSING}"
    only_new = {"if-none-match": "*"}
    await play(
        api,
        [
            Scenario(f"PUT {url}", 422, json={"name": "g", "serial": "s2"}, has=["write_once"]),
            Scenario(f"PUT {url}", 422, json={"size": 1}, has=['/name","code":"required']),
            Scenario(
                f"PUT {url}",
                200,
                json={"name": "g"},
                has=['"serial":"s1"'],
                changes=("update File",),
            ),
            Scenario(f"PUT {url}", 412, json={"name": "g"}, headers=only_new),
            Scenario(f"PUT {new}", 412, json={"name": "g"}, headers={"if-match": "*"}),
            Scenario(f"PUT {new}", 412, json={"name": "g"}, headers={"if-match": '"x"'}),
            Scenario(
                f"PUT {new}",
                201,
                json={"name": "g"},
                headers=only_new,
                shows={"location": new},
                changes=("create File",),
            ),
            Scenario(
                f"PUT {new}",
                200,
                json={"name": "h"},
                headers={"if-match": "*"},
                changes=("update File",),
            ),
        ],
    )


async def test_a_key_with_odd_characters_is_written_and_read_back(api: Api) -> None:
    key = "a%2Cb%2F%C3%A9"
    await play(
        api,
        [
            Scenario(
                f"PUT /api/tags/{key}",
                201,
                json={},
                has=['"name":"a,b/é"'],
                shows={"location": f"/api/tags/{key}"},
                changes=("create Tag",),
            ),
            Scenario(f"GET /api/tags/{key}", 200, has=['"name":"a,b/é"']),
            Scenario(f"PUT /api/tags/{key}", 400, json={"name": "other"}, has=["other_key"]),
            Scenario(
                "PUT /api/rows/s%2C1,5",
                201,
                json={"text": "x"},
                shows={"location": "/api/rows/s%2C1,5"},
                changes=("create Row",),
            ),
            Scenario(
                "PUT /api/rows/s%2C1,5",
                200,
                json={},
                has=['"text":"empty"'],
                changes=("update Row",),
            ),
            Scenario("PUT /api/rows/s,x", 404, json={}),
        ],
    )
    assert [change.id for change in await api.db.changes("", 100)][-2:] == ["s%2C1,5"] * 2
    made = await api.ask("POST /api/rows", json={"sheet": 'q,"/%', "line": -1})
    assert (await api.ask(f"GET {made.headers['location']}")).json() == made.json()


async def test_if_match(api: Api) -> None:
    url, etag = await make(api)
    stale = '"00000000000000000000000000000000"'
    await play(
        api,
        [
            Scenario(f"PATCH {url}", 412, json={"size": 2}, headers={"if-match": stale}),
            Scenario(f"PATCH {url}", 412, json={"size": 2}, headers={"if-match": f"W/{etag}"}),
            Scenario(f"PUT {url}", 412, json={"name": "x"}, headers={"if-match": stale}),
            Scenario(f"DELETE {url}", 412, headers={"if-match": stale}),
            Scenario(
                f"PATCH {url}",
                200,
                json={"size": 2},
                headers={"if-match": f"{stale}, {etag}"},
                changes=("update File",),
            ),
            Scenario(f"PATCH {url}", 412, json={"size": 2}, headers={"if-match": etag}),
            Scenario(f"DELETE {url}", 412, headers={"if-match": etag}),
            Scenario(f"DELETE {url}", 204, headers={"if-match": "*"}, changes=("delete File",)),
            Scenario(f"DELETE {url}", 404),
        ],
    )


@pytest.mark.slow
@pytest.mark.everywhere
async def test_of_fifty_writers_with_one_etag_exactly_one_wins(api: Api) -> None:
    for method in ("PATCH", "PUT"):
        url, etag = await make(api, tags=[])
        answers = await asyncio.gather(
            *(
                api.ask(f"{method} {url}", json={"name": f"n{i}"}, headers={"if-match": etag})
                for i in range(50)
            )
        )
        won = [answer for answer in answers if answer.status_code == 200]
        assert len(won) == 1
        assert {answer.status_code for answer in answers} == {200, 412}
        assert (await api.ask(f"GET {url}")).json() == won[0].json()
    assert await api.changes() == ["create File", "update File"] * 2


async def test_val_3_of_fifty_equal_creates_one_is_made(api: Api) -> None:
    for body in ({"name": "a", "code": "same"}, {"name": "b", "code": "other", "tags": []}):
        answers = await asyncio.gather(*(api.ask("POST /api/files", json=body) for _ in range(50)))
        assert sorted({answer.status_code for answer in answers}) == [201, 409]
        assert sum(answer.status_code == 201 for answer in answers) == 1
    put = [api.ask("PUT /api/tags/t", json={}, headers={"if-none-match": "*"}) for _ in range(20)]
    codes = [answer.status_code for answer in await asyncio.gather(*put)]
    assert sorted(codes) == [201] + [412] * 19
    folder = (await api.ask("POST /api/folders", json={"name": "x"})).json()["id"]
    body = {"name": "same", "folder": folder}
    assert (await api.ask("POST /api/files", json=body)).status_code == 201
    refused = (await api.ask("POST /api/files", json=body)).json()
    assert {error["pointer"] for error in refused["errors"]} == {"/folder", "/name"}
    assert refused["detail"] == "name and folder are together taken"


@pytest.mark.slow
@pytest.mark.everywhere
async def test_deleting_takes_restricts_or_empties(api: Api) -> None:
    top = (await api.ask("POST /api/folders", json={"name": "top"})).json()["id"]
    sub = (await api.ask("POST /api/folders", json={"name": "sub", "up": top})).json()["id"]
    await api.ask("PUT /api/tags/keep", json={})
    inside, _ = await make(api, folder=sub)
    outside, _ = await make(api, link=inside.rpartition("/")[2], owner="keep", tags=["keep"])
    await play(
        api,
        [
            Scenario("DELETE /api/tags/keep", 409, has=["still_referred_to", "files"]),
            Scenario(
                f"DELETE /api/folders/{top}",
                204,
                changes=("delete Folder", "delete Folder", "delete File", "update File"),
            ),
            Scenario(f"GET {inside}", 404),
            Scenario(f"GET {outside}", 200, has=['"link":null', '"tags":["keep"]']),
            Scenario(f"PATCH {outside}", 200, json={"owner": None}, changes=("update File",)),
        ],
    )
    assert (await api.ask("DELETE /api/tags/keep")).status_code == 204
    assert (await api.ask(f"GET {outside}")).json()["tags"] == []


async def test_to_many_relations_are_written_whole(api: Api) -> None:
    for name in "abc":
        await api.ask(f"PUT /api/tags/{name}", json={})
    url, _ = await make(api, tags=["b", "a", "a"])
    shown = await api.ask(f"GET {url}")
    assert shown.json()["tags"] == ["a", "b"]
    for tags in (["c"], [], ["a", "b", "c"]):
        answer = await api.ask(f"PATCH {url}", json={"tags": tags})
        assert answer.json()["tags"] == tags
        assert answer.headers["etag"] == (await api.ask(f"GET {url}")).headers["etag"]
    kept = (await api.ask(f"PATCH {url}", json={"size": 3})).json()["tags"]
    assert kept == ["a", "b", "c"]
    refused = await api.ask(f"PATCH {url}", json={"tags": ["a", "nope"], "size": 4})
    assert refused.status_code == 422
    stored = (await api.ask(f"GET {url}")).json()
    assert (stored["tags"], stored["size"]) == (["a", "b", "c"], 3)
    assert (await api.ask(f"PUT {url}", json={"name": "x"})).json()["tags"] == []
    many = await api.ask(f"PATCH {url}", json={"tags": ["x"] * 1001})
    assert many.json()["errors"][0]["pointer"] == "/tags"


async def test_the_feed_tells_the_values_of_a_write(api: Api) -> None:
    url, _ = await make(api, size=7, meta={"a": 1}, tags=[])
    await api.ask(f"PATCH {url}", json={"size": 8})
    await api.ask(f"DELETE {url}")
    created, updated, deleted = await api.db.changes()
    assert created.actor == "anonymous"
    assert (created.data["size"], created.data["meta"], created.data["tags"]) == (7, {"a": 1}, [])
    assert set(updated.data) == {"size", "updated"}
    assert deleted.data == {}
    assert {change.id for change in (created, updated, deleted)} == {url.rpartition("/")[2]}
    assert len({change.position for change in (created, updated, deleted)}) == 3
    assert await api.db.changes(created.position) == [updated, deleted]
