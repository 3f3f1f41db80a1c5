"""From an identity to an account: whose it becomes, who is asked first, and who stays outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pyotp
import pytest

from abaft import Actor, Model, User, allow
from abaft.base import clock
from accounts import PASSWORD, Person, World, world
from oidc_provider import Provider, Tab, provider


@asynccontextmanager
async def met(url: str, *models: type[Model], **options: Any) -> AsyncIterator[tuple[World, Any]]:
    """An app that takes one provider, and the provider."""
    given = options.pop("provider", {})
    async with (
        provider() as idp,
        world(url, *models, login_with=[idp.settings(**given)], **options) as found,
    ):
        yield found, idp


async def came(found: World, idp: Provider) -> tuple[Person, Any]:
    """Somebody who has just come from the provider, and how they were answered."""
    person = found.stranger(idp.person["email"])
    return person, await Tab(person.client).login(idp)


def code_of(answer: Any) -> str:
    """The code of a page that tells of a fault."""
    assert answer.status_code >= 400, answer.headers
    return str(answer.text.partition("<code>")[2].partition("</code>")[0])


async def linked(person: Person, idp: Provider, **more: str) -> Any:
    """What links the provider to who has logged in, by a page of theirs."""
    begun = await person.auth("POST identities", {"provider": "idp", **more})
    assert begun.status_code == 200, begun.text
    return await Tab(person.client).back(idp.visit(begun.json()["url"]))


async def test_oauth_2_an_account_of_the_address_is_opened_by_its_mailbox_alone(
    database_url: str,
) -> None:
    async with met(database_url) as (found, idp):
        ann = await found.joined()
        stranger, answer = await came(found, idp)
        assert (answer.status_code, code_of(answer)) == (409, "confirm_by_mail")
        assert not await stranger.known()
        assert (await ann.auth("GET identities")).json()["items"] == []
        assert "Log in at abaft with Idp" in found.mail(ann.email)
        token = found.token(ann.email)
        done = await stranger.auth("POST identities/confirm", {"token": token})
        assert done.status_code == 200
        stranger.took(done)
        mine = await stranger.auth("GET me")
        assert mine.json()["user"]["id"] == (await ann.auth("GET me")).json()["user"]["id"]
        assert "Idp opens your account" in found.mail(ann.email)
        assert (await stranger.auth("POST identities/confirm", {"token": token})).status_code == 401
        # The owner's own ways in are as they were; the provider is one more.
        assert (await ann.elsewhere().login()).status_code == 200
        _, again = await came(found, idp)
        assert again.status_code == 303


async def test_oauth_2_who_took_anothers_address_first_is_put_out_when_they_come(
    database_url: str,
) -> None:
    async with met(database_url, settings={"email_verification": False}) as (found, idp):
        eve = found.stranger("ann@example.org")
        eve.took(await eve.auth("POST register", {"email": eve.email, "password": PASSWORD}))
        key = (await eve.auth("POST keys", {"name": "later", "scopes": ["*"]})).json()["key"]
        secret = (await eve.auth("POST totp", {"password": PASSWORD})).json()["secret"]
        await eve.auth("POST totp/confirm", {"code": pyotp.TOTP(secret).now()})
        hers = {"sub": "eve", "email": "eve@example.org"}
        theirs = dict(idp.person)
        idp.person |= hers
        assert (await linked(eve, idp)).status_code == 303
        idp.person |= theirs
        ann, answer = await came(found, idp)
        assert code_of(answer) == "confirm_by_mail"
        done = await ann.auth("POST identities/confirm", {"token": found.token(ann.email)})
        assert done.status_code == 200
        ann.took(done)
        assert not await eve.known()
        assert (await eve.elsewhere().login()).status_code == 401
        bearer = {"authorization": f"Bearer {key}"}
        assert (await eve.api.ask("GET /api/notes", headers=bearer)).status_code == 401
        idp.person |= hers
        other, _ = await came(found, idp)
        assert (await other.auth("GET me")).json()["user"]["email"] == "eve@example.org"
        account = await found.api.app.accounts.context.by_email(ann.email)
        assert account.verified == ann.email


async def test_oauth_2_an_identity_of_who_took_the_address_ends_with_a_reset(
    database_url: str,
) -> None:
    async with met(database_url, settings={"email_verification": False}) as (found, idp):
        eve = found.stranger("ann@example.org")
        eve.took(await eve.auth("POST register", {"email": eve.email, "password": PASSWORD}))
        idp.person |= {"sub": "eve", "email": "eve@example.org"}
        assert (await linked(eve, idp)).status_code == 303
        ann = found.stranger(eve.email)
        await ann.auth("POST password/forgot", {"email": ann.email})
        body = {"token": found.token(ann.email), "password": "a battery of correct horses"}
        assert (await ann.auth("POST password/reset", body)).status_code == 204
        person, _ = await came(found, idp)
        assert (await person.auth("GET me")).json()["user"]["email"] == "eve@example.org"
        assert (await ann.login(body["password"])).status_code == 200
        assert (await ann.auth("GET identities")).json()["items"] == []


async def test_oauth_2_the_mail_goes_to_the_address_as_it_is_stored(database_url: str) -> None:
    async with met(database_url) as (found, idp):
        await found.joined()
        idp.person |= {"email": "ANN@example.org"}
        ann, answer = await came(found, idp)
        assert code_of(answer) == "confirm_by_mail"
        body = {"token": found.token("ann@example.org")}
        assert (await ann.auth("POST identities/confirm", body)).status_code == 200


UNPROVED: list[dict[str, Any]] = [
    {"email_verified": False},
    {"email_verified": None},
    {"email_verified": "yes"},
    {"email_verified": 1},
    {"email": None},
    {"email": ["ann@example.org"]},
    {"email": "no address"},
    {"email": "a\0@example.org"},
]


@pytest.mark.parametrize("there", [True, False])
async def test_oauth_2_an_address_that_isnt_vouched_for_is_as_none(
    database_url: str, there: bool, subtests: pytest.Subtests
) -> None:
    async with met(database_url) as (found, idp):
        if there:
            await found.joined()
        mails, said_before = len(found.mails), dict(idp.person)
        for number, claims in enumerate(UNPROVED):
            with subtests.test(claims=claims):
                idp.person = said_before | claims
                person = found.stranger(address=f"192.0.2.{number}")
                answer = await Tab(person.client).login(idp)
                assert (answer.status_code, code_of(answer)) == (403, "email_unproved")
                assert not await person.known()
                assert len(found.mails) == mails
                assert len(await found.api.db.list(User)) == int(there)


async def test_without_verified_addresses_an_account_has_none(database_url: str) -> None:
    async with met(database_url, settings={"email_verification": False}) as (found, idp):
        idp.person |= {"email_verified": False}
        person, answer = await came(found, idp)
        assert answer.status_code == 303
        assert (await person.auth("GET me")).json()["user"]["email"] is None
        _, again = await came(found, idp)
        assert again.status_code == 303
        assert len(await found.api.db.list(User)) == 1


async def test_oauth_2_an_identity_is_known_by_issuer_and_subject_alone(database_url: str) -> None:
    async with met(database_url) as (found, idp):
        ann, _ = await came(found, idp)
        first = (await ann.auth("GET me")).json()["user"]
        # Another address at the provider, even one that is somebody's here, changes nothing.
        await found.joined("ben")
        idp.person |= {"email": "ben@example.org", "name": "Another"}
        other, answer = await came(found, idp)
        assert answer.status_code == 303
        assert (await other.auth("GET me")).json()["user"] == first
        # Another subject with the first one's address is somebody else.
        idp.person |= {"sub": "2", "email": "ann@example.org"}
        _, answer = await came(found, idp)
        assert code_of(answer) == "confirm_by_mail"


async def test_registration_may_be_by_invitation_or_closed(database_url: str) -> None:
    async with met(database_url, settings={"registration": "invited"}) as (found, idp):
        _, answer = await came(found, idp)
        assert (answer.status_code, code_of(answer)) == (403, "not_invited")
        body = {"email": "ann@example.org", "roles": ["editor"]}
        await found.api.ask("POST /api/auth/invitations", "admin", json=body)
        ann, answer = await came(found, idp)
        assert answer.status_code == 303
        assert (await ann.auth("GET me")).json()["roles"] == ["editor"]
        finish = {"token": found.token(ann.email), "password": PASSWORD}
        assert (await ann.auth("POST register/finish", finish)).status_code == 401
    async with met(database_url, settings={"registration": "closed"}) as (found, idp):
        idp.person |= {"email": "ben@example.org", "sub": "ben"}
        _, answer = await came(found, idp)
        assert (answer.status_code, code_of(answer)) == (403, "registration_closed")
        assert "joined" not in found.told()


async def test_a_user_without_an_account_is_asked_by_mail_too(database_url: str) -> None:
    async with met(database_url) as (found, idp):
        user = await found.api.db.create(User, name="Ann", email="ann@example.org")
        ann, answer = await came(found, idp)
        assert code_of(answer) == "confirm_by_mail"
        done = await ann.auth("POST identities/confirm", {"token": found.token(ann.email)})
        assert done.json()["user"]["id"] == str(user.id)


async def test_a_disabled_account_stays_shut(database_url: str) -> None:
    async with met(database_url) as (found, idp):
        ann, _ = await came(found, idp)
        user = (await ann.auth("GET me")).json()["user"]["id"]
        path = f"PATCH /api/auth/accounts/{user}"
        await found.api.ask(path, "admin", json={"disabled": True})
        person, answer = await came(found, idp)
        assert (answer.status_code, code_of(answer)) == (403, "account_disabled")
        assert not await person.known()


async def test_authn_7_a_second_factor_is_asked_for_after_a_provider_too(
    database_url: str,
) -> None:
    async with met(database_url) as (found, idp):
        ann = await found.joined()
        assert (await linked(ann, idp, next="/settings")).headers["location"] == "/settings"
        secret = (await ann.auth("POST totp", {"password": PASSWORD})).json()["secret"]
        code = pyotp.TOTP(secret).now()
        await ann.auth("POST totp/confirm", {"code": code})
        person = found.stranger(ann.email)
        answer = await Tab(person.client).login(idp, next="/notes")
        leads = urlsplit(answer.headers["location"])
        assert (leads.path, leads.query) == ("/account/factor", "next=%2Fnotes")
        assert not await person.known()
        body = {"factor_token": leads.fragment, "code": "000000"}
        assert (await person.auth("POST login/factor", body)).status_code == 401
        code = pyotp.TOTP(secret).at(clock.unix_ms() // 1000 + 30)
        done = await person.auth("POST login/factor", {**body, "code": code})
        assert done.status_code == 200
        [session, _] = (await person.auth("GET sessions")).json()["items"]
        assert session["methods"] == ["with.idp", "totp"]


async def test_oauth_2_linking_is_for_who_has_proved_lately_who_they_are(
    database_url: str,
) -> None:
    async with met(database_url) as (found, idp):
        ann = await found.joined()
        nobody = found.stranger()
        assert (await nobody.auth("POST identities", {"provider": "idp"})).status_code == 401
        answer = await ann.auth("POST identities", {"provider": "idp", "next": "//evil"})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_next")
        answer = await ann.auth("POST identities", {"provider": "nope"})
        assert answer.status_code == 404
        context = found.api.app.accounts.context
        [session] = await context.db.list(context.models.session)
        old = session.authenticated - timedelta(minutes=16)
        await context.db.update(session, authenticated=old)
        await context.sessions.tell()
        answer = await ann.auth("POST identities", {"provider": "idp"})
        assert (answer.status_code, answer.json()["code"]) == (403, "confirm_first")
        ann.took(await ann.auth("POST confirm", {"password": PASSWORD}))
        assert (await linked(ann, idp)).status_code == 303
        assert (await linked(ann, idp)).status_code == 303
        [row] = (await ann.auth("GET identities")).json()["items"]
        assert row["provider"] == "idp"
        assert "identity_linked" in found.told()
        user = (await ann.auth("GET me")).json()["user"]["id"]
        path = f"POST /api/auth/accounts/{user}/impersonation"
        admin = found.stranger()
        admin.tokens = (await found.api.ask(path, "admin")).json()
        assert (await admin.auth("POST identities", {"provider": "idp"})).status_code == 403
        answer = await admin.auth(f"DELETE identities/{row['id']}")
        assert (answer.status_code, answer.json()["code"]) == (403, "impersonated")


async def test_oauth_2_a_link_that_was_begun_ends_in_the_same_session(database_url: str) -> None:
    async with met(database_url) as (found, idp):
        ann = await found.joined()
        begun = await ann.auth("POST identities", {"provider": "idp"})
        # Somebody logs in in this browser, before it comes back.
        assert (await ann.login()).status_code == 200
        answer = await Tab(ann.client).back(idp.visit(begun.json()["url"]))
        assert answer.headers["location"] == "/?error=bad_state"
        assert (await ann.auth("GET identities")).json()["items"] == []


async def test_oauth_2_an_identity_belongs_to_one_account(database_url: str) -> None:
    async with met(database_url) as (found, idp):
        await came(found, idp)
        ben = await found.joined("ben")
        answer = await linked(ben, idp, next="/settings?tab=1")
        assert answer.headers["location"] == "/settings?tab=1&error=identity_taken"
        assert (await ben.auth("GET identities")).json()["items"] == []


async def test_the_last_way_in_is_never_taken_away(database_url: str) -> None:
    async with met(database_url) as (found, idp):
        ann, _ = await came(found, idp)
        ann.csrf = (await ann.auth("GET me")).json()["csrf"]
        [row] = (await ann.auth("GET identities")).json()["items"]
        answer = await ann.auth(f"DELETE identities/{row['id']}")
        assert (answer.status_code, answer.json()["code"]) == (409, "last_way_in")
        idp.person |= {"sub": "2", "email": "ann@elsewhere.example"}
        assert (await linked(ann, idp)).status_code == 303
        rows = (await ann.auth("GET identities")).json()["items"]
        assert len(rows) == 2
        # Of two at once one is refused, and one way in is left.
        paths = [f"DELETE identities/{row['id']}" for row in rows]
        gone = await asyncio.gather(*(ann.auth(path) for path in paths))
        assert sorted(answer.status_code for answer in gone) == [204, 409]
        await ann.auth("POST password/forgot", {"email": ann.email})
        token = found.token(ann.email)
        await ann.auth("POST password/reset", {"token": token, "password": PASSWORD})
        await ann.login()
        [row] = (await ann.auth("GET identities")).json()["items"]
        assert (await ann.auth(f"DELETE identities/{row['id']}")).status_code == 204
        assert (await ann.auth(f"DELETE identities/{row['id']}")).status_code == 404
        assert "identity_unlinked" in found.told()
        assert "doesn't open your account any more" in found.mail(ann.email)


async def test_two_first_log_ins_at_once_make_one_account(database_url: str) -> None:
    async with met(database_url) as (found, idp):
        answers = await asyncio.gather(*(came(found, idp) for _ in range(4)))
        users = await found.api.db.list(User)
        assert len(users) == 1
        for _, answer in answers:
            assert answer.status_code == 303 or code_of(answer) == "confirm_by_mail"


class Strict(User):
    __registers__ = ("name", "city")

    city: str

    @allow("read")
    def anybody(user, me: Actor) -> bool:
        return True


async def test_what_a_provider_doesnt_know_is_told(database_url: str) -> None:
    async with met(database_url, Strict) as (found, idp):
        answer = (await came(found, idp))[1]
        assert (answer.status_code, code_of(answer)) == (422, "invalid")
        assert await found.api.db.list(Strict) == []


@pytest.mark.named
async def test_tokens_of_the_provider_are_kept_only_if_wanted_and_encrypted(
    database_url: str,
) -> None:
    for keep in (False, True):
        async with met(database_url, provider={"keep_tokens": keep}) as (found, idp):
            idp.person |= {"sub": f"{keep}", "email": f"{keep}@example.org".lower()}
            person, answer = await came(found, idp)
            assert answer.status_code == 303
            user = (await person.auth("GET me")).json()["user"]["id"]
            tokens = await found.api.app.accounts.provider_tokens(user, "idp")
            assert (tokens or {}).get("refresh_token") == ("theirs" if keep else None)
            context = found.api.app.accounts.context
            rows = await context.db.list(context.models.identity)
            stored = [row.tokens for row in rows if row.subject == f"{keep}"]
            assert "theirs" not in stored[0]
            assert bool(stored[0]) is keep
            exported = (await person.auth("GET export")).json()
            assert [row["subject"] for row in exported["identities"]] == [f"{keep}"]
            assert "theirs" not in f"{exported}"
