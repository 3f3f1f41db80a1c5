"""Invitations: mailed once, accepted once, by who has the address and nobody else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from abaft import App, Invitation, Membership, Organisation, Settings, User, allow
from abaft.base import clock
from abaft.base.errors import SetupError
from accounts import PASSWORD, Person, World, world

MODELS = (User, Organisation, Membership, Invitation)
ACCEPT = "POST memberships/accept"
BOB = "bob@example.org"


@asynccontextmanager
async def crew(url: str, *models: Any, **options: Any) -> AsyncIterator[tuple[World, Person, str]]:
    """Ann's organisation, into which nobody is invited yet."""
    async with world(url, *(models or MODELS), **options) as found:
        ann = await found.joined("ann")
        made = await ann.ask("POST /api/organisations", {"name": "Crew evil.example/x"})
        assert made.status_code == 201, made.text
        yield found, ann, made.json()["id"]


async def invited(by: Person, group: str, email: str = BOB, **more: Any) -> str:
    """The key of a new invitation."""
    answer = await by.ask("POST /api/invitations", {"email": email, "organisation": group, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def items(who: Person, path: str) -> list[Any]:
    answer = await who.ask(f"GET /api/{path}")
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["items"]
    return found


async def accepted(who: Person, token: str) -> tuple[int, str]:
    answer = await who.auth(ACCEPT, {"token": token})
    return answer.status_code, answer.json().get("code", "")


def tokens(world: World, email: str = BOB) -> dict[str, str]:
    """The tokens of the links in the last mail, by the page they lead to."""
    return dict(re.findall(r"/account/([a-z]+)#(\S+)", world.mail(email)))


async def trail(world: World) -> list[tuple[str, str]]:
    rows = await world.api.app.accounts.context.trail.latest()
    about = ("member", "invitation", "organisation")
    return [(row.what, row.detail) for row in reversed(rows) if row.what.startswith(about)]


async def test_who_is_invited_accepts_once(database_url: str) -> None:
    async with crew(database_url) as (found, ann, group):
        bob = await found.joined("bob")
        key = await invited(ann, group, role="editor")
        mail = found.mail(BOB)
        assert "Crew evilexamplex at abaft" in mail
        assert "register" not in tokens(found)
        token = tokens(found)["membership"]
        answer = await bob.auth(ACCEPT, {"token": token})
        assert answer.status_code == 200, answer.text
        assert answer.json() | {"membership": ""} == {
            "organisation": group, "membership": "", "role": "editor",
        }  # fmt: skip
        assert await items(ann, "invitations") == []
        roles = {row["role"] for row in await items(bob, "memberships")}
        assert roles == {"owner", "editor"}
        assert await accepted(bob, token) == (401, "bad_code")
        assert [row["id"] for row in await items(bob, "organisations")] == [group]
        assert await trail(found) == [
            ("member_joined", f"organisation: {group}; role: owner"),
            ("member_invited", f"organisation: {group}; role: editor; invitation: {key}"),
            ("member_joined", f"organisation: {group}; invitation: {key}"),
        ]
        assert found.told().count("member_joined") == 2
        assert (await found.api.app.accounts.context.trail.check()).broken is None


async def test_who_has_no_account_makes_one_by_the_same_mail(database_url: str) -> None:
    async with crew(database_url) as (found, ann, group):
        await invited(ann, group)
        links = tokens(found)
        bob = found.stranger(BOB)
        assert await accepted(bob, links["membership"]) == (401, "unauthorized")
        body = {"token": links["register"], "password": PASSWORD, "user": {"name": "Bob"}}
        answer = await bob.auth("POST register/finish", body)
        assert answer.status_code == 201, answer.text
        assert answer.json()["roles"] == []
        bob.took(answer)
        assert await accepted(bob, links["membership"]) == (200, "")


async def test_links_to_new_accounts_are_only_where_registration_allows(
    database_url: str,
) -> None:
    settings = {"registration": "invited"}
    async with crew(database_url, settings=settings) as (found, ann, group):
        await invited(ann, group)
        assert set(tokens(found)) == {"membership"}
        body = {"email": "eve@example.org", "organisation": group}
        answer = await found.api.ask("POST /api/invitations", "admin", json=body)
        assert answer.status_code == 201, answer.text
        assert set(tokens(found, "eve@example.org")) == {"membership", "register"}


async def test_authz_1_an_invitation_is_of_one_address(database_url: str) -> None:
    async with crew(database_url) as (found, ann, group):
        bob, eve = await found.joined("bob"), await found.joined("eve")
        await invited(ann, group, "BOB@example.org")
        token = tokens(found, "BOB@example.org")["membership"]
        assert await accepted(eve, token) == (403, "other_address")
        assert await accepted(ann, token) == (403, "other_address")
        assert await accepted(bob, token[:-1] + ("A" if token[-1] != "A" else "B")) == (
            401, "bad_code",
        )  # fmt: skip
        assert len(await items(ann, "memberships")) == 1
        # The others have used nothing up.
        assert await accepted(bob, token) == (200, "")


async def test_an_address_that_is_not_proved_opens_nothing(database_url: str) -> None:
    settings = {"email_verification": False}
    async with crew(database_url, settings=settings) as (found, ann, group):
        mallory = found.stranger(BOB)
        answer = await mallory.auth("POST register", {"email": BOB, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        mallory.took(answer)
        await invited(ann, group)
        assert await accepted(mallory, tokens(found)["membership"]) == (403, "other_address")


async def test_withdrawn_and_expired_invitations_open_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with crew(database_url) as (found, ann, group):
        bob = await found.joined("bob")
        key = await invited(ann, group)
        token = tokens(found)["membership"]
        assert (await bob.ask(f"DELETE /api/invitations/{key}")).status_code == 404
        assert (await ann.ask(f"DELETE /api/invitations/{key}")).status_code == 204
        assert await accepted(bob, token) == (401, "bad_code")
        context = found.api.app.accounts.context
        kept = await context.db.list(context.models.code, lambda row: row.email == BOB)
        assert kept == []
        told = await trail(found)
        assert told[-1][0] == "invitation_withdrawn"
        assert key in told[-1][1]
        soon = clock.now() + timedelta(minutes=5)
        await invited(ann, group, expires=soon.isoformat())
        token = tokens(found)["membership"]
        later = clock.now() + timedelta(minutes=6)
        monkeypatch.setattr(clock, "now", lambda: later)
        assert await accepted(bob, token) == (401, "bad_code")


@pytest.mark.parametrize("days", [-1, 91])
async def test_an_invitation_ends_in_time(database_url: str, days: int) -> None:
    async with crew(database_url) as (found, ann, group):
        ends = (clock.now() + timedelta(days=days)).isoformat()
        body = {"email": BOB, "organisation": group, "expires": ends}
        answer = await ann.ask("POST /api/invitations", body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == "/expires"
        assert await items(ann, "invitations") == []
        assert [mail for mail in found.mails if str(mail["to"]) == BOB] == []


async def test_of_many_who_accept_at_once_one_joins(database_url: str) -> None:
    async with crew(database_url) as (found, ann, group):
        bob = await found.joined("bob")
        await invited(ann, group)
        token = tokens(found)["membership"]
        answers = await asyncio.gather(*(accepted(bob, token) for _ in range(4)))
        assert sorted(answers) == [(200, ""), *[(401, "bad_code")] * 3]
        assert len(await items(ann, "memberships")) == 2


async def test_of_accepting_and_withdrawing_at_once_one_holds(database_url: str) -> None:
    async with crew(database_url) as (found, ann, group):
        bob = await found.joined("bob")
        key = await invited(ann, group)
        token = tokens(found)["membership"]
        (status, _), gone = await asyncio.gather(
            accepted(bob, token), ann.ask(f"DELETE /api/invitations/{key}")
        )
        assert (status, gone.status_code) in {(200, 404), (401, 204)}
        assert len(await items(ann, "memberships")) == (2 if status == 200 else 1)


class Invite(Invitation):
    """Editors invite too, but only members."""

    @allow("create")
    def editors(invite, me) -> bool:
        return me.member_of(invite.organisation, "editor") & (invite.role == "member")


async def test_authz_3_who_may_invite_and_as_what_is_a_rule(database_url: str) -> None:
    models = (User, Organisation, Membership, Invite)
    async with crew(database_url, *models) as (found, ann, group):
        bob, eve = await found.joined("bob"), await found.joined("eve")
        answer = await ann.ask("POST /api/invites", {
            "email": BOB, "organisation": group, "role": "editor",
        })  # fmt: skip
        assert answer.status_code == 201, answer.text
        assert await accepted(bob, tokens(found)["membership"]) == (200, "")
        joe = {"email": "joe@example.org", "organisation": group}
        before = len(found.mails)
        statuses = [
            (await who.ask("POST /api/invites", {**joe, "role": role})).status_code
            for who, role in ((eve, "member"), (bob, "owner"), (bob, "editor"), (bob, "member"))
        ]
        assert statuses == [403, 403, 403, 201]
        assert len(found.mails) == before + 1


async def test_mails_of_invitations_are_counted(database_url: str) -> None:
    async with crew(database_url) as (_, ann, group):
        statuses = []
        for _ in range(4):
            body = {"email": BOB, "organisation": group}
            answer = await ann.ask("POST /api/invitations", body)
            statuses.append(answer.status_code)
            for row in await items(ann, "invitations"):
                await ann.ask(f"DELETE /api/invitations/{row['id']}")
        assert statuses == [201, 201, 201, 429]
        assert await items(ann, "invitations") == []


async def test_authz_1_invitations_are_of_one_tenant(database_url: str) -> None:
    async with crew(database_url, tenant=Organisation) as (found, ann, red):
        eve = await found.joined("eve")
        made = await eve.ask("POST /api/organisations", {"name": "Blue"})
        blue = made.json()["id"]
        key = await invited(ann, red, "joe@example.org")
        assert await items(eve, "invitations") == []
        assert (await eve.ask(f"DELETE /api/invitations/{key}")).status_code == 404
        body = {"email": BOB, "organisation": red}
        assert (await eve.ask("POST /api/invitations", body)).status_code in {403, 422}
        assert [mail for mail in found.mails if str(mail["to"]) == BOB] == []
        joe = await found.joined("joe")
        assert await accepted(joe, "x") == (401, "bad_code")
        await invited(eve, blue, "joe@example.org")
        assert await accepted(joe, tokens(found, "joe@example.org")["membership"]) == (200, "")
        assert [row["id"] for row in await items(joe, "organisations")] == [blue]
        assert [row["id"] for row in await items(ann, "invitations")] == [key]


async def test_changes_of_memberships_are_in_the_trail(database_url: str) -> None:
    async with crew(database_url) as (found, ann, group):
        bob = await found.joined("bob")
        await invited(ann, group)
        await accepted(bob, tokens(found)["membership"])
        [tie] = [row for row in await items(bob, "memberships") if row["role"] == "member"]
        url = f"/api/memberships/{tie['id']}"
        assert (await bob.ask(f"PATCH {url}", {"role": "owner"})).status_code == 403
        assert (await ann.ask(f"PATCH {url}", {"role": "editor"})).status_code == 200
        assert (await bob.ask(f"DELETE {url}")).status_code == 204
        [own] = await items(ann, "memberships")
        last = await ann.ask(f"DELETE /api/memberships/{own['id']}")
        assert last.status_code == 409
        assert (await ann.ask(f"DELETE /api/organisations/{group}")).status_code == 204
        # What was refused is in none of it.
        assert (await trail(found))[3:] == [
            ("member_changed", f"organisation: {group}; role: editor"),
            ("member_left", f"organisation: {group}; role: editor"),
            ("organisation_deleted", f"organisation: {group}"),
        ]
        rows = await found.api.app.accounts.context.trail.latest()
        assert [row.user for row in rows if row.what == "member_left"] == [tie["user"]]
        assert [row.actor for row in rows if row.what == "member_left"] == [f"user:{tie['user']}"]
        assert (await found.api.app.accounts.context.trail.check()).broken is None


async def test_log_1_events_name_the_feeds_changes_that_they_tell_of(database_url: str) -> None:
    async with crew(database_url) as (found, ann, group):
        bob = await found.joined("bob")
        key = await invited(ann, group)
        await accepted(bob, tokens(found)["membership"])
        [tie] = [row for row in await items(ann, "memberships") if row["role"] == "member"]
        url = f"/api/memberships/{tie['id']}"
        await ann.ask(f"PATCH {url}", {"role": "editor"})
        await ann.ask(f"PATCH {url}", {"role": "member"})
        shown = (await found.api.ask("GET /api/auth/events", "admin")).json()["items"]
        feed = {row.position: row for row in await found.api.app.store.changes("", 1_000)}
        told = [
            (event["what"], change["action"], change["model"], change["record"])
            for event in reversed(shown)
            for change in event["changes"]
        ]
        for event in shown:
            for change in event["changes"]:
                row = feed[change["position"]]
                assert (row.action, row.model, row.id) == (
                    change["action"], change["model"], change["record"],
                )  # fmt: skip
        places = [c["position"] for event in shown for c in event["changes"]]
        assert len(places) == len(set(places)), "each change is told of once"
        assert ("member_invited", "create", "Invitation", key) in told
        assert ("member_joined", "create", "Membership", tie["id"]) in told
        assert ("member_joined", "delete", "Invitation", key) in told
        assert told[-2:] == [("member_changed", "update", "Membership", tie["id"])] * 2
        assert [feed[p].data["role"] for p in places[1::-1]] == ["editor", "member"]


@pytest.mark.parametrize("how", ["changed", "deleted", "swapped", "misled"])
async def test_log_1_the_chain_shows_what_was_done_to_an_event(database_url: str, how: str) -> None:
    async with crew(database_url) as (found, ann, group):
        for number in range(3):
            await invited(ann, group, f"p{number}@example.org")
        context = found.api.app.accounts.context
        model, db, trail_ = context.models.event, context.db, context.trail
        rows = await db.list(model, sort="number")
        assert (await trail_.check()).broken is None
        one, two = rows[-2], rows[-1]
        match how:
            case "changed":
                await db.update(one, detail="another")
            case "misled":
                await db.update(one, changes=two.changes)
            case "deleted":
                await db.delete(one)
            case "swapped":
                first, second = one.number, two.number
                await db.update(one, number=0)
                await db.update(two, number=first)
                await db.update(one, number=second)
        assert (await trail_.check()).broken == one.number if how != "swapped" else first


async def test_many_changes_at_once_keep_the_trail_whole(database_url: str) -> None:
    async with crew(database_url) as (found, ann, group):
        people = [f"p{number}@example.org" for number in range(6)]
        await asyncio.gather(*(invited(ann, group, email) for email in people))
        assert len([row for row in await trail(found) if row[0] == "member_invited"]) == 6
        assert (await found.api.app.accounts.context.trail.check()).broken is None


def test_invitations_need_members() -> None:
    with pytest.raises(SetupError, match="declare a model built on Membership"):
        App(User, Organisation, Invitation, settings=Settings(), sinks=())
