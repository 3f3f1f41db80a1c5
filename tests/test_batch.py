"""POST /api/batch: mixed operations as one request, later ones by the answers of earlier ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from abaft import App, Many, Model, Ref, field
from abaft import before as before_
from abaft.base.errors import ModelError
from apps.memos import MODELS as NOTES
from apps.open import Open
from each import each
from scenarios import Api, pointers, serving


class Word(Open, key="name", stamps=False):
    name: str


class Page(Open, stamps=False):
    title: str = field(unique=True)
    parent: Ref[Page] | None = None
    words: Many[Word]
    data: dict[str, Any] | None = None


class Count(Open, stamps=False):
    id: int = field(key=True)
    n: int = field(default=0, lt=50)
    after: Ref[Count] | None = None


class Hooked(Open, stamps=False):
    name: str = field(key=True)
    said: str = ""

    @before_("create", "update")
    async def says(hooked) -> None:
        hooked.said += "!"


KEY = {"idempotency-key": "k"}
MODELS = (Word, Page, Count, Hooked, *NOTES)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS, people=("ann", "ben")) as api:
        yield api


def op(request: str, body: Any = ..., **more: Any) -> dict[str, Any]:
    method, _, path = request.partition(" ")
    return {"method": method, "path": path, **({} if body is ... else {"body": body}), **more}


async def batch(
    api: Api, *operations: dict[str, Any], actor: str | None = None, **more: Any
) -> httpx.Response:
    return await api.ask("POST /api/batch", actor, json={"operations": list(operations), **more})


def results(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


async def test_operations_are_answered_in_order_as_on_their_own(api: Api) -> None:
    answer = await batch(
        api,
        op("POST /words", {"name": "a,b"}),
        op("POST /pages?fields=title,words", {"title": "one", "words": ["a,b"]}, name="one"),
        op("PATCH /pages/{one.id}?fields=title,parent", {"parent": {"$ref": "one.id"}}),
        op("GET /pages/{one.id}?fields=title"),
        op("POST /counts", {"n": 1}, name="count"),
        op("PATCH /counts/{count.id}", {"n": 2}),
        op("POST /counts", {"after": {"$ref": "count.id"}}),
        op("DELETE /words/a%2Cb"),
    )
    found = results(answer)
    assert [row["status"] for row in found] == [201, 201, 200, 200, 201, 200, 201, 204]
    key = found[1]["headers"]["location"].removeprefix("/api/pages/")
    assert found[0]["headers"]["location"] == "/api/words/a%2Cb"
    assert found[1]["body"] == {"title": "one", "words": ["a,b"]}
    assert found[2]["body"] == {"title": "one", "parent": key}
    assert found[3]["body"] == {"title": "one"}
    assert found[4]["body"] == {"id": 1, "n": 1, "after": None}
    assert found[5]["body"] == {"id": 1, "n": 2, "after": None}
    assert found[6]["body"] == {"id": 2, "n": 0, "after": 1}
    assert found[7]["body"] is None
    read = await api.ask(f"GET /api/pages/{key}?fields=title,parent")
    assert read.headers["etag"] == found[2]["headers"]["etag"]
    feed = "create Word, create Page, update Page, create Count, update Count, create Count"
    assert (await api.changes())[2:] == [
        *feed.split(", "),
        "delete Word",
        "delete Page.words",
    ]


async def test_what_must_look_first_goes_in_turn_and_comes_to_the_same(api: Api) -> None:
    answer = await batch(
        api,
        op("POST /hookeds", {"name": "h"}, name="h"),
        op("PATCH /hookeds/{h.name}", {"said": {"$ref": "h.said"}}),
        op("POST /pages", {"title": "p", "data": {"a": 1}}, name="p"),
        op("PATCH /pages/{p.id}", {"data": {"b": {"$ref": "h.said"}}}),
        op("PUT /words/new", {}),
        op("GET /pages?fields=title,data&sort=title", name="list"),
        op("POST /pages", [{"title": {"$ref": "list.items.0.data.b"}}]),
        op("PATCH /pages?title=p&limit=5&fields=title", {"title": "q"}),
        op("DELETE /pages?title[ne]=q&limit=5"),
    )
    found = results(answer)
    assert [row["status"] for row in found] == [201, 200, 201, 200, 201, 200, 201, 200, 200]
    assert found[1]["body"] == {"name": "h", "said": "!!"}
    assert found[3]["body"]["data"] == {"a": 1, "b": "!"}
    assert found[5]["body"]["items"] == [{"title": "p", "data": {"a": 1, "b": "!"}}]
    assert found[6]["body"]["items"][0]["title"] == "!"
    assert found[7]["body"] == {"count": 1, "items": [{"title": "q"}]}
    assert found[8]["body"]["count"] == 1


@pytest.mark.parametrize(
    ("operation", "status", "errors"),
    [
        (op("POST /pages", {"title": "old"}), 409, [("/body/title", "taken")]),
        (
            op("POST /pages", {"titel": "x"}),
            422,
            [("/body/titel", "unknown_field"), ("/body/title", "required")],
        ),
        (op("POST /pages"), 400, [("", "invalid_json")]),
        (op("POST /pages", None), 422, [("", "not_an_object")]),
        (op("POST /pages", [{"title": 1}]), 422, [("/body/0/title", "type")]),
        (op("GET /pages/nowhere"), 404, [("", "not_found")]),
        (op("GET /pages?colour=1"), 400, [("/path", "unknown_parameter")]),
        (op("GET /sheets"), 404, [("", "not_found")]),
        (op("POST /batch", {"operations": []}), 405, [("", "method_not_allowed")]),
        (op("PUT /pages", {}), 405, [("", "method_not_allowed")]),
        (
            op("POST /pages", {"title": {"$ref": "nobody.id"}}),
            422,
            [("/body/title", "unknown_reference")],
        ),
        (
            op("POST /pages", {"title": {"$ref": "first.colour"}}),
            422,
            [("/body/title", "unknown_reference")],
        ),
        (op("GET /pages/{first.a.b}"), 422, [("/path", "unknown_reference")]),
        (
            op("PATCH /pages/{first.id}", {"title": "x"}, headers={"If-Match": '"no"'}),
            412,
            [("", "precondition_failed")],
        ),
        (op("POST /counts", {"n": 50}), 422, [("/body/n", "less_than")]),
        (op("POST /notes", {"title": "x"}), 401, [("", "unauthorized")]),
        (op("PATCH /pages?all=true&limit=9&dry_run=true", {}), 400, [("/path", "dry_run_alone")]),
    ],
)
async def test_authz_5_dur_3_one_refused_operation_has_none_done(
    api: Api, operation: dict[str, Any], status: int, errors: list[tuple[str, str]]
) -> None:
    await batch(api, op("POST /pages", {"title": "old"}))
    before = await api.changes()
    answer = await batch(api, op("POST /pages", {"title": "new"}, name="first"), operation)
    assert answer.status_code == status, answer.text
    found = [(pointer.removeprefix("/operations/1"), code) for pointer, code in pointers(answer)]
    assert sorted(found) == sorted(errors)
    assert await api.changes() == before
    assert await api.items("/api/pages", of="title") == ["old"]


async def test_faults_of_several_operations_are_told_at_once(api: Api) -> None:
    answer = await batch(
        api,
        op("POST /pages", {"title": 1}),
        op("POST /words", {"name": "fine"}),
        op("DELETE /words/x?star=1"),
    )
    assert pointers(answer) == [
        ("/operations/0/body/title", "type"),
        ("/operations/2/path", "unknown_parameter"),
    ]
    assert await api.items("/api/words") == []


@each(
    ("body", "status", "errors"),
    [
        (
            {"operations": [op("HEAD /pages"), op("GET pages")]},
            422,
            [
                ("/operations/0/method", "literal_error"),
                ("/operations/1/path", "string_pattern_mismatch"),
            ],
        ),
        ({"operations": {}}, 422, [("/operations", "type")]),
        (
            {"operations": [op("GET /pages", name="1")], "colour": 1},
            422,
            [("/operations/0/name", "string_pattern_mismatch"), ("/colour", "unknown_field")],
        ),
        (
            {"operations": [op("GET /pages", name="a")] * 2},
            422,
            [("/operations/1/name", "repeated_name")],
        ),
        (
            {"operations": [op("GET /pages", headers={"cookie": "x"})]},
            422,
            [("/operations/0/headers/cookie", "unknown_header")],
        ),
        ({"operations": [op("GET /pages")] * 101}, 422, [("/operations", "too_long")]),
        ({}, 422, [("/operations", "required")]),
        ([], 422, None),
    ],
)
async def test_batches_that_are_none(
    api: Api, body: Any, status: int, errors: list[tuple[str, str]] | None
) -> None:
    answer = await api.ask("POST /api/batch", json=body)
    assert answer.status_code == status, answer.text
    if errors is not None:
        assert sorted(pointers(answer)) == sorted(errors)


async def test_an_empty_batch_has_no_results(api: Api) -> None:
    assert results(await batch(api)) == []
    assert (await api.ask("GET /api/batch")).status_code == 405
    assert (await api.ask("POST /api/batch/x", json={})).status_code == 404
    assert (await api.ask("OPTIONS /api/batch")).headers["allow"] == "OPTIONS, POST"


async def test_authz_5_apart_each_has_its_own_exact_result(api: Api) -> None:
    answer = await batch(
        api,
        op("POST /pages", {"title": "a"}, name="a"),
        op("POST /pages", {"title": "a"}, name="b"),
        op("PATCH /pages/{b.id}", {"title": "c"}),
        op("PATCH /pages/{a.id}", {"title": "d"}),
        atomic=False,
    )
    found = results(answer)
    assert [row["status"] for row in found] == [201, 409, 422, 200]
    assert found[1]["body"]["errors"][0]["pointer"] == "/operations/1/body/title"
    assert found[2]["body"]["code"] == "unknown_reference"
    assert await api.items("/api/pages", of="title") == ["d"]
    again = await api.ask(
        "POST /api/batch",
        json={"operations": [], "atomic": False},
        headers={"idempotency-key": "k"},
    )
    assert (again.status_code, pointers(again)) == (422, [("/atomic", "not_atomic")])


async def test_authz_1_operations_keep_the_rules_of_who_asks(api: Api) -> None:
    answer = await batch(
        api,
        op("POST /notes?fields=id,owner", {"title": "hers"}, name="n"),
        op("PATCH /notes/{n.id}?fields=stars", {"stars": 2}),
        actor="ann",
    )
    note = results(answer)[0]["body"]
    assert note["owner"] in api.people["ann"]
    ben = api.people["ben"].split()[1]
    for operation, status in [
        (op(f"PATCH /notes/{note['id']}", {"stars": 1}), 404),
        (op(f"DELETE /notes/{note['id']}"), 404),
        (op(f"GET /notes/{note['id']}"), 404),
        (op("POST /notes", {"title": "x", "owner": api.people["ann"].split()[1]}), 403),
        (op("POST /notes", {"title": "x", "created": "2026-01-01T00:00:00Z"}), 422),
        (op("POST /notes", {"title": "x", "about": note["id"]}), 422),
        (op("PATCH /notes/{mine.id}", {"secret": "x"}), 403),
    ]:
        answer = await batch(
            api, op("POST /notes", {"title": "his"}, name="mine"), operation, actor="ben"
        )
        assert answer.status_code == status, answer.text
    answer = await batch(
        api,
        op("POST /notes", {"title": "gift"}, name="n"),
        op("PATCH /notes/{n.id}", {"owner": ben}),
        actor="ann",
    )
    assert answer.status_code == 403
    assert await api.items("/api/notes", "ben") == []


async def test_a_batch_sent_again_with_its_key_is_done_once(api: Api) -> None:
    operations = [op("POST /counts", {}), op("POST /pages", {"title": "a"})]
    answers = [
        await api.ask("POST /api/batch", json={"operations": operations}, headers=KEY)
        for _ in range(2)
    ]
    assert results(answers[0]) == results(answers[1])
    assert len(await api.items("/api/counts")) == 1


async def test_preferences_are_each_operation_s_own(api: Api) -> None:
    minimal = {"prefer": "return=minimal"}
    found = results(await batch(api, op("POST /pages", {"title": "a"}, headers=minimal)))
    assert found[0]["body"] is None
    assert found[0]["headers"]["preference-applied"] == "return=minimal"


async def test_a_batch_writes_so_many_records_at_most(database_url: str) -> None:
    async with serving(database_url, *MODELS, settings={"max_batch": 3}) as api:
        pages = [{"title": f"{n}"} for n in range(3)]
        answer = await batch(api, op("POST /pages", pages), op("POST /words", {"name": "a"}))
        assert (answer.status_code, pointers(answer)) == (
            422,
            [("/operations/1", "too_many_records")],
        )
        assert await api.items("/api/pages") == []


def test_batch_is_a_name_of_our_own() -> None:
    class Batch(Model, collection="batch"):
        name: str

    with pytest.raises(ModelError, match="own"):
        App(Batch, sinks=())
