"""Nested writes: records in the place of keys, created, changed and tied in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from abaft import Many, Ref, field
from abaft import before as before_
from apps.open import Open
from each import each
from scenarios import Api, serving

MISSING = "01890a5d-ac96-774b-bcce-b302099a8057"


class Customer(Open, stamps=False):
    name: str = field(max_length=10)
    phone: str | None = None


class Label(Open, key="name", stamps=False):
    name: str
    note: str | None = None


class Order(Open, stamps=False):
    id: int = field(key=True)
    number: str = field(unique=True)
    customer: Ref[Customer] | None = None
    labels: Many[Label]
    lines: Many[Line] = field(back="order")
    parts: Many[Part] = field(through="OrderPart")


class Line(Open, stamps=False):
    order: Ref[Order] | None = field(default=None, on_delete="cascade")
    text: str
    quantity: int = field(default=1, ge=1)
    notes: Many[Note] = field(back="line")


class Note(Open, stamps=False):
    line: Ref[Line] = field(on_delete="cascade")
    text: str
    said: str = ""

    @before_("create")
    async def loud(note) -> None:
        note.said = note.text.upper()


class Part(Open, stamps=False):
    name: str


class OrderPart(Open, key=("order", "part"), stamps=False):
    order: Ref[Order] = field(on_delete="cascade")
    part: Ref[Part] = field(on_delete="cascade")
    amount: int = 1


MODELS = (Customer, Label, Order, Line, Note, Part, OrderPart)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS) as api:
        yield api


def told(answer: httpx.Response) -> list[tuple[str, str]]:
    return sorted((error["pointer"], error["code"]) for error in answer.json()["errors"])


async def post(api: Api, url: str, body: Any, actor: str | None = None) -> Any:
    answer = await api.ask(f"POST /api/{url}", actor, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def patch(api: Api, url: str, body: Any, actor: str | None = None) -> Any:
    answer = await api.ask(f"PATCH /api/{url}", actor, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


ALL = "expand=customer,labels,lines.notes,parts"


async def test_a_record_is_made_with_all_that_is_nested_in_it(api: Api) -> None:
    await post(api, "labels", {"name": "old"})
    part = (await post(api, "parts", {"name": "bolt"}))["id"]
    before = await api.changes()
    made = await post(
        api,
        f"orders?{ALL}",
        {
            "number": "A1",
            "customer": {"name": "Ann"},
            "labels": ["old", {"name": "new", "note": "n"}],
            "lines": [
                {"text": "one", "quantity": 2},
                {"text": "two", "notes": [{"text": "deep"}, {"text": "deeper"}]},
            ],
            "parts": [part, {"name": "nut"}],
        },
    )
    assert made["id"] == 1
    assert made["customer"]["name"] == "Ann"
    assert sorted(label["name"] for label in made["labels"]) == ["new", "old"]
    assert [(line["text"], line["quantity"]) for line in made["lines"]] == [("one", 2), ("two", 1)]
    assert [note["said"] for note in made["lines"][1]["notes"]] == ["DEEP", "DEEPER"]
    assert sorted(row["name"] for row in made["parts"]) == ["bolt", "nut"]
    assert (await api.changes())[len(before) :] == [
        "create Customer",
        "create Label",
        "create Order",
        "create Line",
        "create Line",
        "create Note",
        "create Note",
        "create OrderPart",
        "create Part",
        "create OrderPart",
    ]


async def test_the_answer_is_the_record_as_a_get_shows_it(api: Api) -> None:
    answer = await api.ask(
        f"POST /api/orders?{ALL}", json={"number": "A", "lines": [{"text": "one"}]}
    )
    read = await api.ask(f"GET /api/orders/1?{ALL}")
    assert answer.headers["location"] == "/api/orders/1"
    assert (answer.json(), answer.headers["etag"]) == (read.json(), read.headers["etag"])


async def test_a_list_of_records_with_nested_ones(api: Api) -> None:
    made = await post(
        api,
        "orders?fields=id,lines.text",
        [
            {"number": "A", "lines": [{"text": "a"}]},
            {"number": "B"},
            {"number": "C", "customer": {"name": "Cid"}, "lines": [{"text": "c"}, {"text": "d"}]},
        ],
    )
    assert [[line["text"] for line in row["lines"]] for row in made["items"]] == [
        ["a"],
        [],
        ["c", "d"],
    ]


async def test_keys_tie_what_is_there(api: Api) -> None:
    line = (await post(api, "lines", {"text": "free"}))["id"]
    other = (await post(api, "lines", {"text": "other"}))["id"]
    customer = (await post(api, "customers", {"name": "Ann"}))["id"]
    made = await post(
        api,
        f"orders?{ALL}",
        {
            "number": "A",
            "customer": {"id": customer, "phone": "1"},
            "lines": [line, {"id": other, "text": "mine now"}],
        },
    )
    assert made["customer"] == {"id": customer, "name": "Ann", "phone": "1"}
    assert [row["text"] for row in made["lines"]] == ["free", "mine now"]


async def test_patch_does_what_each_form_says(api: Api) -> None:
    made = await post(
        api,
        f"orders?{ALL}",
        {"number": "A", "lines": [{"text": f"{n}"} for n in range(4)], "labels": [{"name": "x"}]},
    )
    ids = [line["id"] for line in made["lines"]]
    free = (await post(api, "lines", {"text": "free"}))["id"]
    shown = await patch(
        api,
        f"orders/1?{ALL}",
        {
            "number": "B",
            "customer": {"name": "Ben"},
            "lines": {
                "create": [{"text": "new"}],
                "update": [{"id": ids[0], "text": "changed", "notes": {"create": [{"text": "n"}]}}],
                "delete": [ids[1]],
                "link": [free],
                "unlink": [ids[2]],
            },
            "labels": {"create": [{"name": "y"}], "unlink": ["x"]},
            "parts": {"create": [{"name": "bolt"}]},
        },
    )
    assert shown["number"] == "B"
    assert shown["customer"]["name"] == "Ben"
    assert sorted(line["text"] for line in shown["lines"]) == ["3", "changed", "free", "new"]
    assert [label["name"] for label in shown["labels"]] == ["y"]
    assert [part["name"] for part in shown["parts"]] == ["bolt"]
    assert (await api.ask(f"GET /api/lines/{ids[1]}")).status_code == 404
    assert (await api.ask(f"GET /api/lines/{ids[2]}")).json()["order"] is None
    part = shown["parts"][0]["id"]
    shown = await patch(
        api,
        f"orders/1?{ALL}",
        {
            "customer": {"id": shown["customer"]["id"], "phone": "2"},
            "labels": [{"name": "z"}, "x"],
            "parts": {"unlink": [part]},
        },
    )
    assert shown["customer"] == {"id": shown["customer"]["id"], "name": "Ben", "phone": "2"}
    assert sorted(label["name"] for label in shown["labels"]) == ["x", "z"]
    assert shown["parts"] == []


@pytest.fixture
async def stocked(api: Api) -> Api:
    await post(api, "labels", {"name": "old"})
    await post(api, "orders", {"number": "taken"})
    return api


@each(
    ("body", "status", "errors"),
    [
        (
            {
                "number": 1,
                "customer": {"name": "much too long", "colour": 1},
                "lines": [{"text": "fine"}, {"quantity": 0}, 7, {"text": "x", "order": 1}],
                "labels": [{"note": "n"}, 5],
            },
            422,
            [
                ("/customer/colour", "unknown_field"),
                ("/customer/name", "string_too_long"),
                ("/labels/0/name", "required"),
                ("/labels/1", "type"),
                ("/lines/1/quantity", "greater_than_equal"),
                ("/lines/1/text", "required"),
                ("/lines/2", "type"),
                ("/lines/3/order", "read_only"),
                ("/number", "type"),
            ],
        ),
        ({"number": "x", "lines": [{"text": "a"}, MISSING]}, 422, [("/lines/1", "no_such_record")]),
        (
            {"number": "x", "lines": [{"text": "a", "notes": ["x"]}]},
            422,
            [("/lines/0/notes/0", "format")],
        ),
        ({"number": "x", "labels": ["none", {"name": "y"}]}, 422, [("/labels", "no_such_record")]),
        ({"number": "x", "labels": [{"name": "old"}]}, 409, [("/labels/0/name", "taken")]),
        ({"number": "taken", "lines": [{"text": "a"}]}, 409, [("/number", "taken")]),
        ({"number": "x", "parts": [{"name": 1}]}, 422, [("/parts/0/name", "type")]),
        ({"number": "x", "parts": [MISSING]}, 422, [("/parts/0/part", "no_such_record")]),
        (
            {"number": "x", "lines": {"make": [], "create": 1}},
            422,
            [("/lines/create", "type"), ("/lines/make", "unknown_field")],
        ),
        (
            {"number": "x", "labels": {"delete": ["old"]}},
            422,
            [("/labels/delete/0", "not_for_links")],
        ),
        (
            {"number": "x", "lines": {"unlink": [MISSING]}},
            422,
            [("/lines/unlink/0", "no_such_record")],
        ),
        (
            {"number": "x", "lines": {"update": [{"text": "x"}]}},
            422,
            [("/lines/update/0", "required")],
        ),
    ],
)
async def test_dur_3_faults_name_the_nested_place_and_nothing_is_stored(
    stocked: Api, body: Any, status: int, errors: list[tuple[str, str]]
) -> None:
    before = await stocked.changes()
    answer = await stocked.ask("POST /api/orders", json=body)
    assert answer.status_code == status, answer.text
    assert told(answer) == errors
    assert await stocked.changes() == before


async def test_a_list_in_a_patch_of_back_references_is_refused(api: Api) -> None:
    await post(api, "orders", {"number": "A"})
    answer = await api.ask("PATCH /api/orders/1", json={"lines": [{"text": "a"}]})
    assert (answer.status_code, told(answer)) == (422, [("/lines", "not_a_list")])


async def test_what_is_anothers_cannot_be_changed_through_this_one(api: Api) -> None:
    await post(api, "orders", {"number": "A"})
    made = await post(api, f"orders?{ALL}", {"number": "B", "lines": [{"text": "b"}]})
    line = made["lines"][0]["id"]
    for form in (
        {"update": [{"id": line, "text": "x"}]},
        {"delete": [line]},
        {"unlink": [line]},
    ):
        answer = await api.ask("PATCH /api/orders/1", json={"lines": form})
        assert answer.status_code == 422, answer.text
    notes = {"notes": {"create": [{"text": "n"}]}}
    made = await patch(api, f"lines/{line}?expand=notes", notes)
    note = made["notes"][0]["id"]
    answer = await api.ask(f"PATCH /api/lines/{line}", json={"notes": {"unlink": [note]}})
    assert (answer.status_code, told(answer)) == (422, [("/notes/unlink/0", "required")])


async def test_dos_2_depth_and_rows_are_limited(database_url: str) -> None:
    limits = {"max_nested_depth": 1, "max_batch": 4}
    async with serving(database_url, *MODELS, settings=limits) as api:
        lines = [{"text": "a", "notes": [{"text": "b"}]}]
        answer = await api.ask("POST /api/orders", json={"number": "A", "lines": lines})
        assert (answer.status_code, told(answer)) == (422, [("/lines/0/notes", "nested_too_deep")])
        many = [{"text": f"{n}"} for n in range(4)]
        answer = await api.ask("POST /api/orders", json={"number": "A", "lines": many})
        assert (answer.status_code, answer.json()["code"]) == (422, "too_many_records")


async def test_nested_writes_in_a_batch(api: Api) -> None:
    order = {"number": "A", "lines": [{"text": "a"}, {"text": "b"}]}
    operations = [
        {"method": "POST", "path": "/customers", "body": {"name": "Ann"}, "name": "c"},
        {"method": "POST", "path": "/orders", "body": {**order, "customer": {"$ref": "c.id"}}},
        {"method": "POST", "path": "/orders", "body": {**order, "number": "B"}, "name": "b"},
        {
            "method": "PATCH",
            "path": "/orders/{b.id}",
            "body": {"lines": {"create": [{"text": "c"}]}},
        },
    ]
    answer = await api.ask("POST /api/batch", json={"operations": operations})
    assert [row["status"] for row in answer.json()["results"]] == [201, 201, 201, 200], answer.text
    assert len(await api.items("/api/lines")) == 5
    operations[3]["body"] = {"lines": {"create": [{"text": 1}]}}
    operations[2]["body"] = {**order, "number": "C"}
    operations[1]["body"] = {**order, "number": "D"}
    answer = await api.ask("POST /api/batch", json={"operations": operations})
    assert (answer.status_code, told(answer)) == (
        422,
        [("/operations/3/body/lines/create/0/text", "type")],
    )
    assert len(await api.items("/api/lines")) == 5


async def test_lenient_bodies_nest_as_well(api: Api) -> None:
    body = {"number": "A", "colour": 1, "lines": [{"text": "a", "size": 1}]}
    lenient = {"prefer": "handling=lenient"}
    answer = await api.ask("POST /api/orders?expand=lines", json=body, headers=lenient)
    assert answer.status_code == 201, answer.text
    assert len(answer.json()["lines"]) == 1


async def test_if_match_guards_the_record_that_nests(api: Api) -> None:
    made = await api.ask("POST /api/orders", json={"number": "A"})
    body = {"number": "B", "lines": {"create": [{"text": "a"}]}}
    wrong = await api.ask("PATCH /api/orders/1", json=body, headers={"if-match": '"x"'})
    assert wrong.status_code == 412
    etag = {"if-match": made.headers["etag"]}
    assert (await api.ask("PATCH /api/orders/1", json=body, headers=etag)).status_code == 200
    assert len(await api.items("/api/lines")) == 1


async def test_put_takes_keys_alone_and_says_so(api: Api) -> None:
    made = await post(api, "orders", {"number": "A1"})
    body = {
        "number": "A2",
        "customer": {"name": "Ann"},
        "labels": ["old", {"name": "new"}],
        "lines": {"create": [{"text": "one"}]},
        "nope": 1,
    }
    before = await api.changes()
    for headers in ({}, {"prefer": "handling=lenient"}):
        answer = await api.ask(f"PUT /api/orders/{made['id']}", json=body, headers=headers)
        assert answer.status_code == 422
        nested = [(f"/{name}", "not_with_put") for name in ("customer", "labels", "lines")]
        rest = [] if headers else [("/nope", "unknown_field")]
        assert told(answer) == [*nested, *rest]
    assert "PATCH takes records" in answer.text
    assert await api.changes() == before
