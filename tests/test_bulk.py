"""Many records by one request: PATCH and DELETE of what a filter finds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apps.memos import MODELS, notes
from scenarios import Api, pointers, serving


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS, people=("ann", "ben")) as api:
        yield api


async def test_patch_changes_all_that_the_filter_finds(api: Api) -> None:
    await notes(api, "ann", *({"title": f"n{n}", "stars": n} for n in range(4)))
    answer = await api.ask(
        "PATCH /api/notes?stars[ge]=2&limit=10&fields=title,public&sort=title",
        "ann",
        json={"public": True},
    )
    assert answer.status_code == 200
    assert answer.json() == {
        "count": 2,
        "items": [{"title": "n2", "public": True}, {"title": "n3", "public": True}],
    }
    assert (await api.changes())[-2:] == ["update Note"] * 2
    assert await api.items("/api/notes?sort=title", "ann", of="public") == [
        False,
        False,
        True,
        True,
    ]


async def test_delete_takes_all_that_the_filter_finds(api: Api) -> None:
    ids = await notes(api, "ann", *({"title": f"n{n}", "stars": n} for n in range(4)))
    answer = await api.ask("DELETE /api/notes?stars[lt]=2&limit=2&sort=-title", "ann")
    assert answer.json() == {"count": 2, "items": [{"id": ids[1]}, {"id": ids[0]}]}
    assert await api.items("/api/notes?sort=title", "ann", of="title") == ["n2", "n3"]
    answer = await api.ask("DELETE /api/notes?stars[lt]=2&limit=2", "ann")
    assert answer.json() == {"count": 0, "items": []}


async def test_authz_2_records_that_may_not_be_seen_do_not_match(api: Api) -> None:
    await notes(api, "ann", {"title": "hers"}, {"title": "hers, public", "public": True})
    await notes(api, "ben", {"title": "his"})
    answer = await api.ask("PATCH /api/notes?all=true&limit=10", "ben", json={"stars": 1})
    assert answer.status_code == 403
    public = (await api.items("/api/notes?public=true", "ben", of="id"))[0]
    assert [error["detail"] for error in answer.json()["errors"]] == [
        f"{public}: this Note may not be changed"
    ]
    answer = await api.ask("PATCH /api/notes?public=false&limit=10", "ben", json={"stars": 1})
    assert answer.json()["count"] == 1
    assert await api.items("/api/notes?sort=title", "ann", of="stars") == [0, 0]
    # What can't be read can't be asked for.
    answer = await api.ask("DELETE /api/notes?secret=plain&limit=1", "ann")
    assert (answer.status_code, answer.json()["code"]) == (403, "field_forbidden")


async def test_authz_5_one_refused_record_has_none_changed_and_each_is_named(api: Api) -> None:
    ids = await notes(
        api,
        "ann",
        {"title": "a"},
        {"title": "b", "locked": True},
        {"title": "c"},
        {"title": "d", "locked": True},
    )
    before = await api.changes()
    answer = await api.ask(
        "PATCH /api/notes?all=true&limit=10&sort=title", "ann", json={"stars": 1}
    )
    assert answer.status_code == 403
    assert [error["detail"].partition(":")[0] for error in answer.json()["errors"]] == [
        ids[1],
        ids[3],
    ]
    answer = await api.ask("PATCH /api/notes?all=true&limit=10", "ann", json={"stars": 7})
    assert answer.status_code in (403, 422)
    assert await api.changes() == before
    assert await api.items("/api/notes", "ann", of="stars") == [0] * 4


async def test_authz_3_read_only_fields_and_rules_hold_for_many(api: Api) -> None:
    await notes(api, "ann", {"title": "a"}, {"title": "b"})
    url = "PATCH /api/notes?all=true&limit=10"
    for body, pointer, status in [
        ({"created": "2026-01-01T00:00:00Z"}, "/created", 422),
        ({"id": "01890a5d-ac96-774b-bcce-b302099a8057"}, "/id", 422),
        ({"secret": "x"}, "/secret", 403),
    ]:
        answer = await api.ask(url, "ann", json=body)
        assert answer.status_code == status, answer.text
        assert pointers(answer)[0][0] == pointer
    assert (await api.ask(url, json={"stars": 1})).status_code == 401


async def test_authz_4_many_records_cannot_be_given_away(api: Api) -> None:
    await notes(api, "ann", {"title": "a"}, {"title": "b"})
    ben = api.people["ben"].split()[1]
    answer = await api.ask("PATCH /api/notes?all=true&limit=10", "ann", json={"owner": ben})
    assert answer.status_code == 403
    assert len(await api.items("/api/notes", "ann")) == 2


async def test_a_dry_run_tells_what_would_be_and_who_would_be_refused(api: Api) -> None:
    ids = await notes(api, "ann", {"title": "a"}, {"title": "b", "locked": True}, {"title": "c"})
    before = await api.changes()
    answer = await api.ask(
        "PATCH /api/notes?all=true&limit=10&dry_run=true&sort=title&fields=title,stars",
        "ann",
        json={"stars": 3},
    )
    body = answer.json()
    assert body["count"] == 3
    assert body["items"] == [{"title": "a", "stars": 3}, {"title": "c", "stars": 3}]
    assert [row["key"] for row in body["refused"]] == [ids[1]]
    assert body["refused"][0]["problem"]["code"] == "forbidden"
    answer = await api.ask("DELETE /api/notes?title=a&limit=10&dry_run=true", "ann")
    assert answer.json() == {"count": 1, "items": [{"id": ids[0]}], "refused": []}
    assert await api.changes() == before
    assert await api.items("/api/notes", "ann", of="stars") == [0, 0, 0]


@pytest.mark.parametrize(
    ("query", "status", "found"),
    [
        ("", 400, {("?limit", "limit_required"), ("?all", "filter_required")}),
        ("stars=1", 400, {("?limit", "limit_required")}),
        ("limit=10", 400, {("?all", "filter_required")}),
        ("limit=0&all=true", 400, {("?limit", "bad_value")}),
        ("limit=1001&all=true", 400, {("?limit", "bad_value")}),
        ("limit=1&all=yes", 400, {("?all", "bad_value"), ("?all", "filter_required")}),
        (
            "limit=1&all=true&all=true",
            400,
            {("?all", "repeated_parameter"), ("?all", "filter_required")},
        ),
        ("limit=1&all=true&cursor=x&offset=1&count=exact", 400, None),
        (
            "limit=1&colour=red&star=1",
            400,
            {("?colour", "unknown_parameter"), ("?star", "unknown_parameter")},
        ),
        ("limit=1&dry_run=1&stars=1", 400, {("?dry_run", "bad_value")}),
        ("limit=1&all=true", 409, set()),
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_what_is_meant_must_be_said(
    api: Api, method: str, query: str, status: int, found: set[Any] | None
) -> None:
    await notes(api, "ann", {"title": "a"}, {"title": "b"})
    before = await api.changes()
    options = {"json": {"stars": 1}} if method == "PATCH" else {}
    answer = await api.ask(f"{method} /api/notes?{query}", "ann", **options)
    assert answer.status_code == status, answer.text
    if found is not None:
        assert {(e["pointer"], e["code"]) for e in answer.json().get("errors", ())} >= found
    assert await api.changes() == before


async def test_an_etag_is_of_one_record(api: Api) -> None:
    answer = await api.ask("DELETE /api/notes?all=true&limit=1", "ann", headers={"if-match": '"x"'})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_precondition")


async def test_hooks_are_asked_of_each(api: Api) -> None:
    await api.ask("POST /api/drafts", json=[{"text": "a"}, {"text": "b", "state": "done"}])
    answer = await api.ask("PATCH /api/drafts?all=true&limit=9", json={"text": "c"})
    assert (answer.status_code, answer.json()["code"]) == (409, "done")
    assert answer.json()["errors"][0]["detail"] == "2: it is done"
    answer = await api.ask("DELETE /api/drafts?state=new&limit=9")
    assert answer.json() == {"count": 1, "items": [{"id": 1}]}


async def test_a_write_may_change_what_the_filter_says_of_the_next(api: Api) -> None:
    first = (await notes(api, "ann", {"title": "a"}))[0]
    second = (await notes(api, "ann", {"title": "b", "about": first}))[0]
    await notes(api, "ann", {"title": "c", "about": second})
    url = "PATCH /api/notes?about.stars=0&limit=9&sort=title&fields=title"
    answer = await api.ask(url, "ann", json={"stars": 1})
    assert answer.json() == {"count": 2, "items": [{"title": "b"}, {"title": "c"}]}


async def test_racing_patches_of_the_same_records_each_do_what_they_say(api: Api) -> None:
    """Each takes ten of what is free: none is taken twice."""
    bodies = [{"text": f"{n}"} for n in range(30)]
    await api.ask("POST /api/notes", "ann", json=[{"title": b["text"]} for b in bodies])

    async def take(stars: int) -> int:
        answer = await api.ask("PATCH /api/notes?stars=0&limit=30", "ann", json={"stars": stars})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["count"])

    counts = await asyncio.gather(*(take(n) for n in (1, 2, 3, 4)))
    assert sorted(counts) == [0, 0, 0, 30]


async def test_preferences_hold_for_many(api: Api) -> None:
    minimal = {"prefer": "return=minimal"}
    answer = await api.ask(
        "POST /api/notes", "ann", json=[{"title": "a"}, {"title": "b"}], headers=minimal
    )
    assert (answer.status_code, answer.content) == (201, b"")
    url = "PATCH /api/notes?all=true&limit=9"
    answer = await api.ask(url, "ann", json={"stars": 1}, headers=minimal)
    assert answer.json() == {"count": 2}
    lenient = {"prefer": "handling=lenient"}
    answer = await api.ask(url, "ann", json={"stars": 2, "colour": 1}, headers=lenient)
    assert answer.json()["count"] == 2
    answer = await api.ask(f"{url}&star=1", "ann", json={"stars": 2}, headers=lenient)
    assert answer.status_code == 400
    body = [{"title": "c", "colour": 1}]
    assert (await api.ask("POST /api/notes", "ann", json=body, headers=lenient)).status_code == 201


async def test_a_list_sent_again_with_its_key_is_made_once(api: Api) -> None:
    key = {"idempotency-key": "one-list"}
    bodies = [{"title": "a"}, {"title": "b"}]
    first = await api.ask("POST /api/notes", "ann", json=bodies, headers=key)
    again = await api.ask("POST /api/notes", "ann", json=bodies, headers=key)
    assert first.json() == again.json()
    url = "PATCH /api/notes?stars=0&limit=9"
    one = await api.ask(url, "ann", json={"stars": 1}, headers={"idempotency-key": "patch"})
    assert one.json()["count"] == 2
    two = await api.ask(url, "ann", json={"stars": 1}, headers={"idempotency-key": "patch"})
    assert two.json() == one.json()


async def test_the_limit_is_a_setting(database_url: str) -> None:
    async with serving(database_url, *MODELS, settings={"max_batch": 3}) as api:
        answer = await api.ask("POST /api/tags", json=[{"name": str(n)} for n in range(4)])
        assert (answer.status_code, answer.json()["code"]) == (422, "too_many_records")
        answer = await api.ask("DELETE /api/drafts?all=true&limit=4")
        assert pointers(answer) == [("?limit", "bad_value")]


async def test_what_was_softly_deleted_is_found_when_it_is_asked_for(api: Api) -> None:
    await api.ask("POST /api/cards", json=[{"text": "a"}, {"text": "b"}, {"text": "c"}])
    url = "DELETE /api/cards?text[in]=a,b&limit=9"
    assert (await api.ask(url)).json()["count"] == 2
    assert (await api.ask(url)).json()["count"] == 0
    answer = await api.ask(f"{url}&deleted=only&purge=true")
    assert answer.json()["count"] == 2, answer.text
    assert await api.items("/api/cards?deleted=with", of="text") == ["c"]
    assert (await api.changes())[-2:] == ["delete Card"] * 2
    assert (await api.ask("DELETE /api/notes?all=true&limit=9&purge=true")).status_code == 401
    answer = await api.ask("PATCH /api/cards?all=true&limit=9&purge=true", json={"text": "d"})
    assert answer.status_code == 400
