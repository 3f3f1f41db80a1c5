"""Organisations: who makes one owns it, members come and go, and an owner is always left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from abaft import Membership, Model, Organisation, Ref, User, allow, field
from abaft.testing import matrix
from scenarios import Api, serving


class Paper(Model):
    """Of an organisation, in an app that has no tenants."""

    text: str
    organisation: Ref[Organisation] = field(on_delete="cascade")

    @allow("read")
    def members(paper, me) -> bool:
        return me.member_of(paper.organisation)

    @allow("create", "update", "delete")
    def editors(paper, me) -> bool:
        return me.member_of(paper.organisation, "owner", "editor")


@asynccontextmanager
async def founded(url: str) -> AsyncIterator[tuple[Api, str]]:
    """Ann's organisation, of which bob is a member."""
    people = ("ann", "bob", "eve")
    async with serving(url, User, Organisation, Membership, Paper, people=people) as api:
        made = await api.ask("POST /api/organisations", "ann", json={"name": "Crew"})
        assert made.status_code == 201, made.text
        [bob] = await api.items("/api/users?filter=name='bob'", "admin", "id")
        tie = {"user": bob, "organisation": made.json()["id"]}
        await api.ask("POST /api/memberships", "admin", json=tie)
        yield api, made.json()["id"]


async def membership(api: Api, name: str) -> Any:
    [found] = await api.items(f"/api/memberships?filter=user.name='{name}'", "admin")
    return found


async def test_who_makes_an_organisation_owns_it(database_url: str) -> None:
    async with founded(database_url) as (api, crew):
        assert (await membership(api, "ann"))["role"] == "owner"
        assert (await api.ask("POST /api/organisations", json={"name": "x"})).status_code == 401
        assert [row["name"] for row in await api.items("/api/organisations", "bob")] == ["Crew"]
        assert await api.items("/api/organisations", "eve") == []
        url, bob = f"/api/organisations/{crew}", {"name": "Mine"}
        assert (await api.ask(f"PATCH {url}", "bob", json=bob)).status_code == 403
        assert (await api.ask(f"PATCH {url}", "eve", json=bob)).status_code == 404
        feed = [row for row in await api.changes() if "Organisation" in row or "Member" in row]
        assert feed[:2] == ["create Organisation", "create Membership"]


async def test_roles_of_an_organisation_are_asked_by_rules(database_url: str) -> None:
    async with founded(database_url) as (api, crew):
        paper = {"text": "x", "organisation": crew}
        statuses = {}
        for who in ("ann", "bob", "eve", None):
            statuses[who] = (await api.ask("POST /api/papers", who, json=paper)).status_code
        assert statuses == {"ann": 201, "bob": 403, "eve": 403, None: 403}
        assert len(await api.items("/api/papers", "bob")) == 1
        assert await api.items("/api/papers", "eve") == []
        tie = await membership(api, "bob")
        url = f"PATCH /api/memberships/{tie['id']}"
        assert (await api.ask(url, "bob", json={"role": "editor"})).status_code == 403
        assert (await api.ask(url, "ann", json={"role": "editor"})).status_code == 200
        assert (await api.ask("POST /api/papers", "bob", json=paper)).status_code == 201


async def test_members_leave_and_the_last_owner_stays(database_url: str) -> None:
    async with founded(database_url) as (api, _):
        ann, bob = await membership(api, "ann"), await membership(api, "bob")
        for request in (
            ("DELETE", None),
            ("PATCH", {"role": "member"}),
        ):
            method, body = request
            answer = await api.ask(f"{method} /api/memberships/{ann['id']}", "ann", json=body)
            assert (answer.status_code, answer.json()["code"]) == (409, "last_owner"), answer.text
        many = await api.ask("DELETE /api/memberships?filter=role='owner'&limit=9", "ann")
        assert many.status_code == 409
        gone = await api.ask(f"DELETE /api/users/{ann['user']}", "admin")
        assert (gone.status_code, gone.json()["code"]) == (409, "last_owner")
        assert (await membership(api, "ann"))["role"] == "owner"
        url = f"/api/memberships/{bob['id']}"
        assert (await api.ask(f"PATCH {url}", "ann", json={"role": "owner"})).status_code == 200
        left = await api.ask(f"DELETE /api/memberships/{ann['id']}", "ann")
        assert left.status_code == 204
        assert await api.items("/api/organisations", "ann") == []


async def test_of_two_owners_who_leave_at_once_one_stays(database_url: str) -> None:
    async with founded(database_url) as (api, _):
        ann, bob = await membership(api, "ann"), await membership(api, "bob")
        await api.ask(f"PATCH /api/memberships/{bob['id']}", "ann", json={"role": "owner"})
        answers = await asyncio.gather(
            api.ask(f"DELETE /api/memberships/{ann['id']}", "ann"),
            api.ask(f"DELETE /api/memberships/{bob['id']}", "bob"),
        )
        assert sorted(answer.status_code for answer in answers) == [204, 409]
        assert len(await api.items("/api/memberships?filter=role='owner'", "admin")) == 1


async def test_authz_1_the_matrix_of_organisations_is_as_told(database_url: str) -> None:
    async with serving(database_url, User, Organisation, Membership, Paper) as api:
        found = await matrix(api.app)
    assert [
        found.may("Paper", action, who)
        for action, who in (
            ("get", "other"), ("get", "owner"), ("get", "member"), ("update", "member"),
            ("update", "member: editor"), ("delete", "member: owner"),
        )
    ] == [False, False, True, False, True, True]  # fmt: skip
