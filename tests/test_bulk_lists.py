"""Many records by one request: POST of a list."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.memos import MODELS, notes
from scenarios import Api, pointers, serving


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS, people=("ann", "ben")) as api:
        yield api


@pytest.mark.slow
async def test_a_list_makes_all_as_single_posts_would(api: Api) -> None:
    await api.ask("POST /api/tags", json={"name": "red"})
    bodies = [{"title": f"n{n}", "stars": n, "tags": ["red"][: n % 2]} for n in range(4)]
    answer = await api.ask(
        "POST /api/notes?fields=title,stars,tags&expand=tags", "ann", json=bodies
    )
    assert answer.status_code == 201
    assert "location" not in answer.headers
    assert answer.json() == {
        "items": [
            {"title": f"n{n}", "stars": n, "tags": [{"name": "red"}][: n % 2]} for n in range(4)
        ]
    }
    assert await api.items("/api/notes?sort=title", "ann", of="stars") == [0, 1, 2, 3]
    assert (await api.changes())[-4:] == ["create Note"] * 4
    assert (await api.ask("POST /api/notes", "ann", json=[])).json() == {"items": []}


async def test_what_may_not_be_read_is_null_in_its_place(api: Api) -> None:
    class_ = {"title": "a", "owner": api.people["ben"].split()[1]}
    answer = await api.ask("POST /api/notes", "ann", json=[{"title": "mine"}, class_])
    assert answer.status_code == 403
    answer = await api.ask("POST /api/drafts?fields=id", json=[{"text": "a"}, {"text": "b"}])
    assert answer.json() == {"items": [{"id": 1}, {"id": 2}]}


async def test_faults_of_all_items_are_told_at_once_and_nothing_is_stored(api: Api) -> None:
    bodies = [
        {"title": "fine"},
        {"title": 7, "stars": 10},
        {},
        {"title": "x", "colour": "red", "secret/~": 1},
        "text",
        {"title": "y", "created": "now"},
    ]
    answer = await api.ask("POST /api/notes", "ann", json=bodies)
    assert answer.status_code == 422
    assert pointers(answer) == [
        ("/1/title", "type"),
        ("/1/stars", "less_than"),
        ("/2/title", "required"),
        ("/3/colour", "unknown_field"),
        ("/3/secret~1~0", "unknown_field"),
        ("/4", "type"),
        ("/5/created", "read_only"),
    ]
    assert await api.items("/api/notes", "ann") == []


async def test_dur_3_authz_5_one_refused_item_has_none_stored(api: Api) -> None:
    await notes(api, "ann", {"title": "old"})
    ben = api.people["ben"].split()[1]
    before = await api.changes()
    bodies = [
        {"title": "fine"},
        {"title": "old"},
        {"title": "five", "stars": 5},
        {"title": "lost", "about": "01890a5d-ac96-774b-bcce-b302099a8057"},
        {"title": "his", "owner": ben},
        {"title": "tagged", "tags": ["none"]},
        {"title": "fine"},
    ]
    answer = await api.ask("POST /api/notes", "ann", json=bodies)
    assert answer.status_code == 409
    assert sorted(pointers(answer)) == [
        ("/1/owner", "taken"),
        ("/1/title", "taken"),
        ("/2", "check"),
        ("/3/about", "no_such_record"),
        ("/4", "forbidden_values"),
        ("/5/tags", "no_such_record"),
        ("/6/owner", "taken"),
        ("/6/title", "taken"),
    ]
    assert await api.changes() == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[1,", 400, "invalid_json"),
        (b"[[]]", 422, "invalid"),
        (b" \n [", 400, "invalid_json"),
        (b"[" + b"{}," * 3000 + b"{}]", 422, "too_many_records"),
    ],
)
async def test_dos_2_lists_that_are_no_lists_of_records(
    api: Api, body: bytes, status: int, code: str
) -> None:
    answer = await api.ask(
        "POST /api/notes", "ann", content=body, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_who_may_not_create_learns_it_first(api: Api) -> None:
    assert (await api.ask("POST /api/notes", json=[{}])).status_code == 401


async def test_a_list_of_hooked_records_is_made_in_turn(api: Api) -> None:
    bodies = [{"text": "a"}, {"text": "b", "state": "done"}]
    answer = await api.ask("POST /api/drafts", json=bodies)
    assert [item["id"] for item in answer.json()["items"]] == [1, 2]
