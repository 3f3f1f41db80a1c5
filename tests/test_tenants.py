"""Tenants: every way to records is confined to the tenant of who asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from abaft import Actor, Membership, Model, Organisation, Ref, User
from abaft.base.errors import ModelError
from each import each
from scenarios import SYSTEM, Api, pointers, serving
from tenants import Country, Label, Project, ids, two

READS = [
    "/api/projects",
    "/api/projects?sort=-budget&count=exact",
    "/api/projects?search=project",
    "/api/projects?expand=labels,tasks,organisation,lead,country",
    "/api/projects?scope=all",
    "/api/projects?deleted=with",
    "/api/projects?filter=budget>1",
    "/api/tasks?expand=project.organisation,by",
    '/api/tasks?filter=project.name startswith "b" or project.name startswith "r"',
    "/api/tasks?sort=project.name",
    "/api/labels",
    "/api/organisations",
    "/api/memberships?expand=user,organisation",
    "/api/users",
    "/api/countries?expand=projects",
    "/api/projects?group=name&aggregate=count,sum(budget)",
]


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with two(database_url) as api:
        yield api


@each("url", READS)
async def test_authz_1_no_read_tells_of_another_tenant(api: Api, url: str) -> None:
    blue = [row for name, row in ids(api).items() if name.startswith("blue")]
    for who, words in (("ann", ["blue", "bob", *blue]), ("joe", ["blue", "red", "ann", "bob"])):
        answer = await api.ask(f"GET {url}", who)
        if who == "joe" and answer.status_code == 400:
            assert answer.json()["code"] == "tenant_required"
            continue
        assert answer.status_code == 200, answer.text
        assert [word for word in words if word in answer.text] == [], answer.text


@each("url", READS)
async def test_authz_1_a_tenants_own_is_read_by_its_members(api: Api, url: str) -> None:
    for tenant in ("red", "blue"):
        headers = {"x-tenant": ids(api)[tenant]}
        answer = await api.ask(f"GET {url}", "eve", headers=headers)
        assert answer.status_code == 200, answer.text
        seen = {"red": "ann", "blue": "bob"}[tenant] if "users" in url else tenant
        assert seen in answer.text
        assert "x-tenant" in answer.headers["vary"]


async def test_who_is_a_member_of_several_names_one(database_url: str) -> None:
    async with two(database_url) as api:
        answer = await api.ask("GET /api/projects", "eve")
        assert (answer.status_code, answer.json()["code"]) == (400, "tenant_required")
        # To know what to name.
        assert len(await api.items("/api/organisations", "eve")) == 2
        assert len(await api.items("/api/memberships", "eve")) == 2
        assert [row["name"] for row in await api.items("/api/users", "eve")] == ["eve"]
        for wrong in ("nobody", ids(api)["ann"], "0" * 36):
            answer = await api.ask("GET /api/projects", "eve", headers={"x-tenant": wrong})
            assert (answer.status_code, answer.json()["code"]) == (403, "not_a_member")
        answer = await api.ask("GET /api/projects", "ann", headers={"x-tenant": ids(api)["blue"]})
        assert (answer.status_code, answer.json()["code"]) == (403, "not_a_member")
        assert (await api.ask("GET /api/projects")).status_code == 401
        assert len(await api.items("/api/projects", "admin")) == 2
        assert len(await api.items("/api/countries", "joe")) == 1


async def test_a_role_in_the_tenant_is_none_elsewhere(database_url: str) -> None:
    async with two(database_url) as api:
        assert await api.items("/api/tasks", "ann", "secret") == ["red"]
        red = {"x-tenant": ids(api)["red"]}
        answer = await api.ask("GET /api/tasks", "eve", headers=red)
        assert "secret" not in answer.json()["items"][0]
        eve = _user(api, "eve")
        await api.db.update_where(
            Membership,
            lambda row: (row.user == eve) & (row.organisation.name == "red"),
            limit=1,
            role="owner",
        )
        answer = await api.ask("GET /api/tasks", "eve", headers=red)
        assert answer.json()["items"][0]["secret"] == "red"
        blue = {"x-tenant": ids(api)["blue"]}
        answer = await api.ask("GET /api/tasks", "eve", headers=blue)
        assert "secret" not in answer.json()["items"][0]


def _user(api: Api, name: str) -> Any:
    return User(id=ids(api)[name])


WRITES: list[tuple[str, Any, int]] = [
    ("PATCH /api/projects/{blue project}", {"name": "x"}, 404),
    ("PUT /api/projects/{blue project}", {"name": "x", "code": None}, 409),
    ("DELETE /api/projects/{blue project}", None, 404),
    ("POST /api/projects/{blue project}/restore", None, 404),
    ("GET /api/projects/{blue project}", None, 404),
    ("GET /api/projects/{blue project}/history", None, 404),
    ("GET /api/projects/{blue project}/history/1", None, 404),
    ("GET /api/projects/{blue project}?as_of=2100-01-01T00:00:00Z", None, 404),
    ("POST /api/projects/{blue project}/history/1/restore", None, 404),
    ("DELETE /api/tasks/{blue task}", None, 404),
    ("PATCH /api/organisations/{blue}", {"name": "x"}, 404),
    ("DELETE /api/organisations/{blue}", None, 404),
    # References that lead to another tenant's records are as if these weren't there.
    ("POST /api/projects", {"name": "x", "organisation": "{blue}"}, 403),
    ("PATCH /api/projects/{red project}", {"organisation": "{blue}"}, 403),
    ("POST /api/tasks", {"title": "x", "project": "{blue project}"}, 403),
    ("PATCH /api/tasks/{red task}", {"project": "{blue project}"}, 403),
    ("PATCH /api/tasks/{red task}", {"after": "{blue task}"}, 422),
    ("PATCH /api/projects/{red project}", {"labels": ["{blue label}"]}, 422),
    ("POST /api/projects", {"name": "x", "labels": ["{blue label}"]}, 422),
    ("POST /api/projects", {"name": "x", "lead": "{bob}"}, 422),
    ("POST /api/projects", {"name": "x", "tasks": [{"title": "y", "after": "{blue task}"}]}, 422),
    ("PATCH /api/projects/{red project}", {"tasks": [{"id": "{blue task}", "title": "y"}]}, 422),
    ("PATCH /api/countries/{country}", {"projects": [{"id": "{blue project}", "name": "x"}]}, 422),
    ("POST /api/memberships", {"user": "{ann}", "organisation": "{blue}"}, 403),
    (
        "POST /api/batch",
        {
            "operations": [
                {"method": "PATCH", "path": "/projects/{red project}", "body": {"name": "x"}},
                {"method": "PATCH", "path": "/projects/{blue project}", "body": {"name": "x"}},
            ]
        },
        404,
    ),
]  # fmt: skip


def filled(given: Any, names: dict[str, str]) -> Any:
    if isinstance(given, str):
        return given.format_map(names) if "{" in given else given
    if isinstance(given, dict):
        return {key: filled(value, names) for key, value in given.items()}
    return [filled(item, names) for item in given] if isinstance(given, list) else given


@each(("request_", "body", "status"), WRITES)
async def test_authz_4_no_write_reaches_another_tenant(
    api: Api, request_: str, body: Any, status: int
) -> None:
    before = await stored(api)
    options = {} if body is None else {"json": filled(body, ids(api))}
    answer = await api.ask(request_.format_map(ids(api)), "ann", **options)
    assert answer.status_code == status, answer.text
    assert await stored(api) == before
    # Told in the words of what isn't there at all.
    there = {name: row for name, row in ids(api).items() if name.startswith(("blue", "bob"))}
    gone = ids(api) | {name: row[:-4] + "0000" for name, row in there.items()}
    options = {} if body is None else {"json": filled(body, gone)}
    if status == 409:
        return  # a key is taken in whatever tenant
    other = await api.ask(request_.format_map(gone), "ann", **options)
    assert (other.status_code, other.json()["code"]) == (status, answer.json()["code"])


async def stored(api: Api) -> list[Any]:
    found = [await api.items(f"/api/{name}?limit=200", "admin") for name in _COLLECTIONS]
    links = await api.ask("GET /api/projects?expand=labels", "admin")
    return [*found, links.json()]


_COLLECTIONS = ("organisations", "memberships", "labels", "projects", "tasks", "countries")


async def test_many_writes_at_once_stay_within_the_tenant(database_url: str) -> None:
    async with two(database_url) as api:
        for request, options in (
            ("PATCH /api/projects?filter=budget=7&limit=9", {"json": {"budget": 8}}),
            ("DELETE /api/tasks?filter=title!=''&limit=9", {}),
        ):
            answer = await api.ask(request, "ann", **options)
            assert answer.status_code == 200, answer.text
        assert sorted(await api.items("/api/projects", "admin", "budget")) == [7, 8]
        assert await api.items("/api/tasks", "admin", "title") == ["blue task"]


async def test_new_records_are_of_the_tenant_of_who_writes(database_url: str) -> None:
    async with two(database_url) as api:
        red = ids(api)["red"]
        one = await api.ask("POST /api/projects", "ann", json={"name": "one"})
        assert (one.status_code, one.json()["organisation"]) == (201, red), one.text
        body = {"name": "x", "organisation": red, "tasks": [{"title": "nested"}]}
        nested = await api.ask("POST /api/projects?expand=tasks", "ann", json=body)
        assert nested.status_code == 201, nested.text
        several = await api.ask("POST /api/labels", "ann", json=[{"name": "a"}, {"name": "b"}])
        assert {row["organisation"] for row in several.json()["items"]} == {red}, several.text
        missing = await api.ask("POST /api/labels", "admin", json={"name": "a"})
        assert pointers(missing) == [("/organisation", "required")]
        # Each tenant has names of its own, where the model declares it so.
        headers = {"x-tenant": ids(api)["blue"]}
        same = await api.ask("POST /api/labels", "eve", json={"name": "a"}, headers=headers)
        assert same.json()["organisation"] == ids(api)["blue"]
        whole = await api.ask(f"PUT /api/projects/{one.json()['id']}", "ann", json={"name": "two"})
        assert (whole.status_code, whole.json()["organisation"]) == (200, red), whole.text


async def test_an_upsert_meets_only_ones_own(database_url: str) -> None:
    async with two(database_url) as api:
        body = {"name": "blue label"}
        answer = await api.ask("POST /api/labels?upsert=organisation,name", "ann", json=body)
        assert answer.status_code == 201, answer.text
        assert answer.json()["organisation"] == ids(api)["red"]


async def test_an_idempotency_key_is_of_one_tenant(database_url: str) -> None:
    async with two(database_url) as api:
        found = []
        for tenant in ("red", "blue", "red"):
            headers = {"x-tenant": ids(api)[tenant], "idempotency-key": "one"}
            answer = await api.ask("POST /api/labels", "eve", json={"name": "k"}, headers=headers)
            assert answer.status_code == 201
            found.append(
                (answer.json()["organisation"], answer.headers.get("idempotency-replayed"))
            )
        red, blue = ids(api)["red"], ids(api)["blue"]
        assert found == [(red, None), (blue, None), (red, "true")]


async def test_cache_1_an_etag_of_one_tenant_is_not_found_in_another(database_url: str) -> None:
    async with two(database_url) as api:
        red, blue = ({"x-tenant": ids(api)[name]} for name in ("red", "blue"))
        first = await api.ask("GET /api/projects", "eve", headers=red)
        again = {"if-none-match": first.headers["etag"]}
        assert (await api.ask("GET /api/projects", "eve", headers=red | again)).status_code == 304
        other = await api.ask("GET /api/projects", "eve", headers=blue | again)
        assert other.status_code == 200
        assert "x-tenant" in other.headers["vary"]


async def test_a_cursor_of_one_tenant_leads_nowhere_else(database_url: str) -> None:
    async with two(database_url) as api:
        red, blue = ({"x-tenant": ids(api)[name]} for name in ("red", "blue"))
        await api.ask("POST /api/labels", "eve", json={"name": "more"}, headers=red)
        page = await api.ask("GET /api/labels?limit=1&sort=name", "eve", headers=red)
        url = f"GET /api/labels?limit=9&sort=name&cursor={page.json()['next']}"
        assert "red" not in (await api.ask(url, "eve", headers=blue)).text.replace("cursor", "")


async def test_a_stream_is_of_one_tenant(database_url: str) -> None:
    async with two(database_url) as api:
        headers = {"accept": "application/x-ndjson"}
        answer = await api.ask("GET /api/tasks", "ann", headers=headers)
        assert ("red task" in answer.text, "blue" in answer.text) == (True, False)


async def test_who_left_is_no_member_at_once(database_url: str) -> None:
    async with two(database_url) as api:
        assert len(await api.items("/api/projects", "ann")) == 1
        await api.db.delete_where(Membership, lambda row: row.user == _user(api, "ann"), limit=9)
        assert (await api.ask("GET /api/projects", "ann")).status_code == 400


async def test_a_program_is_confined_by_the_actors_tenant(database_url: str) -> None:
    async with two(database_url) as api:
        actor = Actor(id=ids(api)["ann"], tenant=ids(api)["red"])
        db = api.app.db(actor)
        assert [row.name for row in await db.list(Project)] == ["red project"]
        assert [row.size for row in await db.list(Country)] == [1]
        assert [row.size for row in await api.app.db(SYSTEM).list(Country)] == [2]
        made = await db.create(Label, name="made")
        assert str(made.organisation.id) == ids(api)["red"]


class Stray(Model):
    text: str


class Halved(Model):
    organisation: Ref[Organisation] | None = None


class Torn(Model):
    giver: Ref[Organisation]
    taker: Ref[Organisation]


class Led(Model, tenant="giver"):
    giver: Ref[Organisation]
    taker: Ref[Organisation]


class Misled(Model, tenant="text"):
    text: str


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Stray, 'Stray belongs to no Organisation: give it a required Ref[Organisation]'),
        (Halved, "Halved belongs to no Organisation"),
        (Torn, 'giver and taker lead to a Organisation: say which it belongs to'),
        (Misled, "tenant='text' names relations that each record has: Misled.text is none"),
        (Led, ""),
    ],
)  # fmt: skip
async def test_what_belongs_to_no_tenant_is_refused_at_the_start(
    tmp_path: Path, model: Any, said: str
) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    if not said:
        async with serving(url, User, Organisation, Membership, model, tenant=Organisation):
            return
    with pytest.raises(ModelError) as refused:
        async with serving(url, User, Organisation, Membership, model, tenant=Organisation):
            pass
    assert said in str(refused.value)
