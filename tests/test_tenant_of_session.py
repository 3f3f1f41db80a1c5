"""The tenant that a session has chosen: held to membership, and to what the header says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from abaft import Membership, Organisation, User
from accounts import Person, World
from each import each
from scenarios import Api
from tenants import ids, two
from test_tenants import READS, WRITES, filled, stored


async def with_account(found: World, name: str, **login: Any) -> Person:
    """One of the two tenants' people, who from now on has an account and is logged in to it."""
    api = found.api
    await api.db.update(User(id=ids(api)[name]), email=f"{name}@example.org")
    return await found.joined(name, **login)


@asynccontextmanager
async def chosen(
    url: str, tenant: str = "red", **login: Any
) -> AsyncIterator[tuple[World, Person]]:
    """Eve is a member of both, and her session has chosen one."""
    async with two(url) as api:
        found = World(api)
        eve = await with_account(found, "eve", **login)
        answer = await eve.auth("PUT tenant", {"tenant": ids(api)[tenant]})
        assert answer.status_code == 200, answer.text
        yield found, eve


@pytest.fixture
async def red(database_url: str) -> AsyncIterator[tuple[Api, Person]]:
    async with chosen(database_url) as (found, eve):
        yield found.api, eve


def of_(api: Api, tenant: str) -> list[str]:
    """The keys of all that is a tenant's."""
    return [row for name, row in ids(api).items() if name.startswith(tenant)]


@each("url", READS)
async def test_authz_1_a_session_reads_of_its_tenant_alone(
    red: tuple[Api, Person], url: str
) -> None:
    api, eve = red
    named = {"x-tenant": ids(api)["red"]}
    answer = await eve.ask(f"GET {url}")
    assert answer.status_code == 200, answer.text
    assert answer.text == (await eve.ask(f"GET {url}", headers=named)).text
    assert [word for word in ["blue", "bob", *of_(api, "blue")] if word in answer.text] == []
    # The header wins, for this request.
    other = await eve.ask(f"GET {url}", headers={"x-tenant": ids(api)["blue"]})
    assert [word for word in ["ann", *of_(api, "red")] if word in other.text] == []
    assert (await eve.ask(f"GET {url}")).text == answer.text


@each(("request_", "body", "status"), WRITES)
async def test_authz_4_a_session_writes_within_its_tenant_alone(
    red: tuple[Api, Person], request_: str, body: Any, status: int
) -> None:
    api, eve = red
    before = await stored(api)
    answer = await eve.ask(request_.format_map(ids(api)), filled(body, ids(api)))
    # She owns neither: what an owner is told of a membership she may not make at all.
    assert answer.status_code in (status, 403), answer.text
    assert await stored(api) == before


@pytest.mark.parametrize("session", ["cookie", "bearer"])
async def test_a_session_chooses_and_chooses_again(database_url: str, session: str) -> None:
    async with two(database_url) as api:
        found = World(api)
        eve = await with_account(found, "eve", session=session)
        red, blue = ids(api)["red"], ids(api)["blue"]
        assert (await eve.ask("GET /api/projects")).json()["code"] == "tenant_required"
        assert (await eve.auth("GET me")).json()["tenant"] is None
        rows = (await eve.auth("GET tenants")).json()["items"]
        assert {row["id"] for row in rows} == {red, blue}
        assert [row["role"] for row in rows] == ["member", "member"]
        for tenant, name in ((red, "red"), (blue, "blue"), (red, "red")):
            answer = await eve.auth("PUT tenant", {"tenant": tenant})
            assert {row["name"]: row["current"] for row in answer.json()["items"]} == {
                "red": name == "red",
                "blue": name == "blue",
            }
            assert (await eve.auth("GET me")).json()["tenant"] == tenant
            assert f"{name} project" in (await eve.ask("GET /api/projects")).text
            made = await eve.ask("POST /api/labels", {"name": "new"})
            assert made.status_code in (201, 409)
            if made.status_code == 201:
                assert made.json()["organisation"] == tenant
        # Another session of hers has chosen nothing.
        other = eve.elsewhere()
        await other.login()
        assert (await other.ask("GET /api/projects")).json()["code"] == "tenant_required"
        assert (await eve.auth("PUT tenant", {"tenant": None})).status_code == 200
        assert (await eve.ask("GET /api/projects")).json()["code"] == "tenant_required"


async def test_no_session_chooses_where_its_user_is_no_member(database_url: str) -> None:
    async with two(database_url) as api:
        found = World(api)
        ann = await with_account(found, "ann")
        for wrong in (ids(api)["blue"], ids(api)["ann"], "nobody", "0" * 36, "\0"):
            answer = await ann.auth("PUT tenant", {"tenant": wrong})
            assert (answer.status_code, answer.json()["code"]) == (403, "not_a_member"), wrong
        for wrong in ({}, {"tenant": 1}, {"tenant": ""}, {"tenant": None, "a": 1}):
            assert (await ann.auth("PUT tenant", wrong)).status_code == 422, wrong
        # Of one organisation she is in that anyway.
        assert (await ann.auth("GET me")).json()["tenant"] == ids(api)["red"]
        assert (await ann.auth("PUT tenant", {"tenant": None})).json()["items"][0]["current"]
        stranger = found.stranger()
        answer = await stranger.auth("PUT tenant", {"tenant": ids(api)["red"]})
        assert answer.status_code == 401
        assert (await stranger.auth("GET tenants")).status_code == 401
        # By the cookie alone it is refused, as all that changes something.
        token, ann.csrf = ann.csrf, "another"
        answer = await ann.auth("PUT tenant", {"tenant": ids(api)["red"]})
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
        ann.csrf = token
        made = await ann.auth("POST keys", {"name": "x", "scopes": ["*"]})
        key = {"authorization": f"Bearer {made.json()['key']}"}
        answer = await stranger.auth("PUT tenant", {"tenant": ids(api)["red"]}, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (403, "session_needed")


async def test_the_choice_ends_with_the_membership(database_url: str) -> None:
    async with chosen(database_url) as (found, eve):
        api = found.api
        user, red = User(id=ids(api)["eve"]), Organisation(id=ids(api)["red"])
        assert (await eve.ask("GET /api/projects")).status_code == 200
        await api.db.delete_where(
            Membership, lambda row: (row.user == user) & (row.organisation == red), limit=1
        )
        # She is a member of the blue one alone now, and so in that.
        assert "blue project" in (await eve.ask("GET /api/projects")).text
        assert (await eve.auth("GET me")).json()["tenant"] == ids(api)["blue"]
        # Who comes back hasn't chosen: that was by another membership.
        await api.db.create(Membership, user=user, organisation=red)
        assert (await eve.ask("GET /api/projects")).json()["code"] == "tenant_required"
        await eve.auth("PUT tenant", {"tenant": ids(api)["red"]})
        assert "red project" in (await eve.ask("GET /api/projects")).text
        await api.db.delete(red)
        assert "blue project" in (await eve.ask("GET /api/projects")).text


async def test_a_role_is_the_one_of_the_chosen_tenant(database_url: str) -> None:
    async with chosen(database_url) as (found, eve):
        api = found.api
        user = User(id=ids(api)["eve"])
        assert "secret" not in (await eve.ask("GET /api/tasks")).json()["items"][0]
        await api.db.update_where(
            Membership,
            lambda row: (row.user == user) & (row.organisation.name == "red"),
            limit=1,
            role="owner",
        )
        assert (await eve.ask("GET /api/tasks")).json()["items"][0]["secret"] == "red"
        await eve.auth("PUT tenant", {"tenant": ids(api)["blue"]})
        assert "secret" not in (await eve.ask("GET /api/tasks")).json()["items"][0]


async def test_cache_1_what_was_kept_of_one_tenant_is_not_fresh_in_another(
    database_url: str,
) -> None:
    async with chosen(database_url) as (found, eve):
        first = await eve.ask("GET /api/projects")
        again = {"if-none-match": first.headers["etag"]}
        assert (await eve.ask("GET /api/projects", headers=again)).status_code == 304
        await eve.auth("PUT tenant", {"tenant": ids(found.api)["blue"]})
        assert (await eve.ask("GET /api/projects", headers=again)).status_code == 200
        key = {"idempotency-key": "one"}
        made = []
        for name in ("red", "blue"):
            await eve.auth("PUT tenant", {"tenant": ids(found.api)[name]})
            answer = await eve.ask("POST /api/labels", {"name": "k"}, headers=key)
            made.append(answer.json()["organisation"])
        assert made == [ids(found.api)["red"], ids(found.api)["blue"]]


async def test_a_choice_is_in_the_trail(database_url: str) -> None:
    async with chosen(database_url) as (found, _):
        rows = (await found.api.ask("GET /api/auth/events", "admin")).json()["items"]
        [row] = [row for row in rows if row["what"] == "tenant_chosen"]
        assert row["detail"] == f"organisation: {ids(found.api)['red']}"


async def test_a_read_by_a_choice_costs_no_statement_more(database_url: str) -> None:
    async with chosen(database_url) as (found, eve):
        tenants = found.api.app.accounts.tenants
        assert tenants is not None
        looked = 0
        before = tenants._look_up

        async def counted(*place: str) -> Any:
            nonlocal looked
            looked += 1
            return await before(*place)

        tenants._look_up = counted  # type: ignore[method-assign]
        for _ in range(5):
            assert (await eve.ask("GET /api/projects")).status_code == 200
        assert looked <= 1
