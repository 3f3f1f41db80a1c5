"""Second factors, log-ins by mail, changed addresses and API keys, each with what others try."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import pyotp
import pytest

from abaft.auth.trail import Checked
from abaft.base import clock
from accounts import PASSWORD, Person, World, world
from scenarios import pointers


def code_of(totp: pyotp.TOTP, steps: int = 0) -> str:
    """What the app shows, or showed so many steps ago, or is to show."""
    return str(totp.at(clock.unix_ms() // 1000 + 30 * steps))


async def enrolled(ann: Person) -> tuple[pyotp.TOTP, list[str]]:
    """Their app of codes, and the recovery codes."""
    begun = await ann.auth("POST totp", {"password": PASSWORD})
    assert begun.status_code == 201
    totp = pyotp.TOTP(begun.json()["secret"])
    assert totp.provisioning_uri(name=ann.email, issuer_name="abaft") == begun.json()["uri"]
    # It isn't asked for before a first code has shown that the app has it.
    assert (await ann.elsewhere().login()).status_code == 200
    answer = await ann.auth("POST totp/confirm", {"code": code_of(totp, -1)})
    assert answer.status_code == 200
    return totp, answer.json()["recovery_codes"]


async def half(ann: Person) -> tuple[Person, str]:
    """The same person at another device, after the first proof."""
    other = ann.elsewhere()
    answer = await other.login()
    assert answer.status_code == 202
    assert answer.json()["factors"] == ["totp", "recovery"]
    assert "set-cookie" not in answer.headers
    assert not await other.known()
    return other, answer.json()["factor_token"]


async def test_authn_7_a_code_of_an_app_is_used_once(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        totp, _ = await enrolled(ann)
        other, token = await half(ann)
        again, second = await half(ann)
        code = code_of(totp)
        body = {"factor_token": token, "code": code}
        assert (
            await other.auth("POST login/factor", {**body, "code": "000000"})
        ).status_code == 401
        answer = await other.auth("POST login/factor", body)
        assert other.took(answer).status_code == 200
        assert await other.known()
        items = (await other.auth("GET sessions")).json()["items"]
        assert items[0]["methods"] == ["password", "totp"]
        # Neither the code nor what the first proof was answered is good a second time.
        answer = await again.auth("POST login/factor", {"factor_token": second, "code": code})
        assert answer.json()["code"] == "bad_factor"
        answer = await again.auth("POST login/factor", {**body, "code": code_of(totp, 1)})
        assert answer.json()["code"] == "bad_code"
        assert "second factor" in found.mail(ann.email)


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (0, True), (1, True), (2, False)])
async def test_authn_7_a_step_before_and_after_is_near_enough(
    database_url: str, steps: int, good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        totp, _ = await enrolled(ann)
        at = clock.unix_ms()
        monkeypatch.setattr(clock, "unix_ms", lambda: at)
        other, token = await half(ann)
        code = code_of(totp, steps)
        answer = await other.auth("POST login/factor", {"factor_token": token, "code": code})
        assert answer.status_code == (200 if good else 401)


async def test_authn_7_recovery_codes_are_good_once_each(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        _, codes = await enrolled(ann)
        assert len(set(codes)) == 10
        pairs = [await half(ann) for _ in range(3)]
        tries = [
            other.auth("POST login/factor", {"factor_token": token, "code": codes[0].upper()})
            for other, token in pairs
        ]
        answers = await asyncio.gather(*tries)
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
        context = found.api.app.accounts.context
        rows = await context.db.list(context.models.factor)
        assert len(rows) == 10
        assert not any(code.replace("-", "") in str(row.__dict__) for row in rows for code in codes)


async def test_authn_7_tries_are_few(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        await enrolled(ann)
        other, token = await half(ann)
        seen = []
        for number in range(7):
            body = {"factor_token": token, "code": f"{number:06}"}
            seen.append((await other.auth("POST login/factor", body)).status_code)
        assert seen == [401] * 5 + [429] * 2


async def test_authn_7_no_way_round_the_second_factor(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        await enrolled(ann)
        await ann.auth("POST password/forgot", {"email": ann.email})
        body = {"token": found.token(ann.email), "password": "another password"}
        answer = await ann.auth("POST password/reset", body)
        assert "set-cookie" not in answer.headers
        assert (await ann.elsewhere().login("another password")).status_code == 202
        await ann.elsewhere().auth("POST mail", {"email": ann.email})
        answer = await ann.elsewhere().auth("POST mail/link", {"token": found.token(ann.email)})
        assert answer.status_code == 202
        assert answer.json()["factors"] == ["totp", "recovery"]


async def test_authn_6_a_second_factor_is_changed_by_who_knows_the_password(
    database_url: str,
) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        answer = await ann.auth("POST totp", {"password": "not this one"})
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_password")
        await enrolled(ann)
        assert (await ann.auth("POST totp", {"password": PASSWORD})).json()[
            "code"
        ] == "factor_there"
        assert (await ann.auth("POST totp/remove", {"password": "no"})).status_code == 401
        assert (await ann.auth("POST totp/remove", {"password": PASSWORD})).status_code == 204
        assert (await ann.elsewhere().login()).status_code == 200


async def test_a_link_logs_in_once(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        await ann.auth(
            "POST mail", {"email": ann.email.upper().replace("EXAMPLE.ORG", "example.org")}
        )
        token = found.token(ann.email)
        devices = [ann.elsewhere() for _ in range(5)]
        answers = await asyncio.gather(
            *(d.auth("POST mail/link", {"token": token}) for d in devices)
        )
        assert sorted(answer.status_code for answer in answers) == [200, *[401] * 4]


async def mailed_digits(found: World, ann: Person) -> tuple[str, str]:
    """What the asking was answered with, and what the mail says."""
    answer = await ann.auth("POST mail", {"email": ann.email, "by": "code"})
    digits = filter(str.isdigit, found.mail(ann.email).partition(" is your")[0])
    return answer.json()["token"], "".join(digits)


async def test_digits_log_in_once_and_few_wrong_ones_end_them(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        token, digits = await mailed_digits(found, ann)
        assert len(digits) == 8
        other = ann.elsewhere()
        body = {"token": token, "code": digits}
        answer = await other.auth("POST mail/code", {**body, "code": f"{digits[:4]} {digits[4:]}"})
        assert other.took(answer).status_code == 200
        assert (await ann.elsewhere().auth("POST mail/code", body)).status_code == 401
        token, digits = await mailed_digits(found, ann)
        body = {"token": token, "code": digits}
        wrong = str((int(digits) + 1) % 10**8).zfill(8)
        for number in range(3):
            eve = found.stranger(ann.email, f"192.0.2.{number}")
            answer = await eve.auth("POST mail/code", {**body, "code": wrong})
            assert answer.status_code == 401
        answer = await other.auth("POST mail/code", {**body, "code": digits})
        assert answer.json()["code"] == "bad_code"


async def test_authn_3_mails_to_log_in_tell_nothing(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        for by in ("link", "code"):
            known = await found.stranger().auth("POST mail", {"email": ann.email, "by": by})
            other = await found.stranger().auth("POST mail", {"email": "w@example.org", "by": by})
            told = [row.json() for row in (known, other)]
            tokens = [row.pop("token", "") for row in told]
            assert (known.status_code, told[0]) == (other.status_code, told[1])
            assert len(tokens[0]) == len(tokens[1])
        answers = [
            await found.stranger().auth("POST mail/code", {"code": "00000000", "token": token})
            for token in tokens
        ]
        assert answers[0].content == answers[1].content


async def test_authn_6_an_address_changes_once_both_have_agreed(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        new = "ann@elsewhere.org"
        body = {"email": new, "password": "not this one"}
        assert (await ann.auth("POST email", body)).status_code == 401
        assert (await ann.auth("POST email", {**body, "password": PASSWORD})).status_code == 202
        tokens = [found.token(ann.email), found.token(new)]
        eve = found.stranger()
        answer = await eve.auth("POST email/agree", {"token": tokens[0]})
        assert answer.json() == {"changed": False}
        # One side alone, even twice, changes nothing.
        assert (await eve.auth("POST email/agree", {"token": tokens[0]})).status_code == 401
        assert (await ann.auth("GET me")).json()["user"]["email"] == ann.email
        answer = await eve.auth("POST email/agree", {"token": tokens[1]})
        assert answer.json() == {"changed": True}
        assert new in found.mail(ann.email)
        assert not await ann.known()
        assert (await ann.elsewhere().login()).status_code == 401
        ann.email = new
        assert (await ann.elsewhere().login()).status_code == 200


async def test_an_address_that_is_taken_is_not_told_of(database_url: str) -> None:
    async with world(database_url) as found:
        ann, bob = await found.joined("ann"), await found.joined("bob")
        answers = [
            await ann.auth("POST email", {"email": email, "password": PASSWORD})
            for email in (bob.email, "free@example.org")
        ]
        assert answers[0].content == answers[1].content
        assert "You have one already" in found.mail(bob.email)


async def test_keys_do_what_their_scopes_say(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        made = await ann.auth("POST keys", {"name": "backup", "scopes": ["notes.read"]})
        assert made.status_code == 201
        key = made.json()["key"]
        assert key.startswith("abk_")
        program = found.stranger()
        program.tokens = {"access_token": key}
        await ann.ask("POST /api/notes", {"text": "x"})
        assert len((await program.ask("GET /api/notes")).json()["items"]) == 1
        assert (await program.ask("POST /api/notes", {"text": "x"})).status_code == 403
        assert (await program.ask("GET /api/users")).status_code == 403
        [shown] = (await ann.auth("GET keys")).json()["items"]
        assert "key" not in shown
        assert shown["used"] is not None
        # A key makes no keys, changes no password and sees no sessions.
        for request, body in {
            "POST keys": {"name": "more", "scopes": ["*"]},
            "GET keys": None,
            "POST password": {"current": PASSWORD, "password": "another password"},
            "POST totp": {"password": PASSWORD},
            "POST confirm": {"password": PASSWORD},
        }.items():
            answer = await program.auth(request, body)
            assert answer.status_code == 403, request
        assert (await ann.auth(f"DELETE keys/{shown['id']}")).status_code == 204
        assert (await program.ask("GET /api/notes")).status_code == 401


async def test_a_key_has_an_end(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(database_url) as found:
        ann = await found.joined(session="bearer")
        answer = await ann.auth("POST keys", {"name": "x", "scopes": ["*"], "days": 2})
        program = found.stranger()
        program.tokens = {"access_token": answer.json()["key"]}
        assert (await program.ask("POST /api/notes", {"text": "x"})).status_code == 201
        real, real_ms = clock.now, clock.unix_ms
        monkeypatch.setattr(clock, "now", lambda: real() + timedelta(days=2))
        monkeypatch.setattr(clock, "unix_ms", lambda: real_ms() + 2 * 86_400_000)
        assert (await program.ask("GET /api/notes")).status_code == 401


async def test_services_have_keys_alone(database_url: str) -> None:
    async with world(database_url) as found:
        body = {"name": "robot", "scopes": ["notes.read"], "roles": ["editor"]}
        ann = await found.joined()
        await ann.ask("POST /api/notes", {"text": "x"})
        assert (await ann.auth("POST services", body)).status_code == 403
        answer = await found.api.ask("POST /api/auth/services", "admin", json=body)
        robot = found.stranger()
        robot.tokens = {"access_token": answer.json()["key"]}
        assert len((await robot.ask("GET /api/notes")).json()["items"]) == 1
        wrong = await found.api.ask("POST /api/auth/services", "admin", json={**body, "scopes": []})
        assert pointers(wrong)[0][0] == "/scopes"


async def test_log_1_the_trail_tells_what_was_changed_in_it(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        await ann.elsewhere().login("not this one")
        body = {"current": PASSWORD, "password": "another password"}
        await ann.auth("POST password", body)
        items = (await found.api.ask("GET /api/auth/events", "admin")).json()["items"]
        assert [item["what"] for item in items] == [
            "password_changed",
            "login_failed",
            "login",
            "joined",
            "invited",
        ]
        assert items[-1]["actor"] == "admin"
        assert items[0]["actor"] == f"user:{items[0]['user']}"
        assert {item["address"] for item in items[:-1]} == {"192.0.2.1"}
        assert PASSWORD not in str(items)
        check = "GET /api/auth/events/check"
        assert (await found.api.ask(check, "admin")).json() == {
            "broken": None,
            "since": 0,
            "last": 5,
        }
        assert (await found.stranger().ask(check)).status_code == 401
        context = found.api.app.accounts.context
        rows = await context.db.list(context.models.event, sort="number")
        await context.db.update(rows[3], what="login")
        assert (await found.api.ask(check, "admin")).json()["broken"] == 4
        await context.db.update(rows[3], what="login_failed")
        await context.db.delete(rows[1])
        assert (await found.api.ask(check, "admin")).json()["broken"] == 2


async def test_log_1_events_of_several_workers_are_one_chain(database_url: str) -> None:
    async with world(database_url) as here, world(database_url) as there:
        contexts = [one.api.app.accounts.context for one in (here, there)]

        async def add(n: int) -> None:
            context = contexts[n % 2]
            added = partial(context.trail.add, what="tried", actor=f"n{n}", detail="\x1b[31m\n")
            await context.whole(added)

        await asyncio.gather(*(add(n) for n in range(30)))
        trail = contexts[0].trail
        assert await trail.check() == Checked(None, 0, 30)
        rows = await trail.latest()
        assert [row.number for row in rows] == [*range(30, 0, -1)]


async def test_roles_are_given_and_taken_at_once(database_url: str) -> None:
    async with world(database_url) as found:
        ann, bob = await found.joined("ann"), await found.joined("bob")
        await ann.ask("POST /api/notes", {"text": "x"})
        url = f"/api/auth/accounts/{(await bob.auth('GET me')).json()['user']['id']}"
        for roles, seen in ((["editor"], 1), ([], 0)):
            answer = await found.api.ask(f"PATCH {url}", "admin", json={"roles": roles})
            assert answer.json()["roles"] == roles
            assert len((await bob.ask("GET /api/notes")).json()["items"]) == seen
        assert (await ann.ask(f"PATCH {url}", {"roles": ["editor"]})).status_code == 403
        assert (await found.stranger().ask(f"GET {url}")).status_code == 401
        answer = await found.api.ask(f"PATCH {url}", "admin", json={"roles": ["\0scope:*"]})
        assert answer.status_code == 422


async def test_who_acts_in_another_s_name_is_told(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        user = (await ann.auth("GET me")).json()["user"]["id"]
        url = f"POST /api/auth/accounts/{user}/impersonation"
        assert (await ann.ask(url)).status_code == 403
        admin = found.stranger()
        admin.tokens = (await found.api.ask(url, "admin")).json()
        note = (await admin.ask("POST /api/notes", {"text": "x"})).json()
        assert note["owner"] == user
        changes = await found.api.db.changes("", 500)
        assert [row.actor for row in changes if row.model == "Note"] == [f"user:{user} by admin"]
        # A step-up is out of reach, and so is what makes the account one's own.
        assert (await admin.ask(f"DELETE /api/notes/{note['id']}")).status_code == 403
        for request, body in {
            "POST keys": {"name": "x", "scopes": ["*"]},
            "POST confirm": {"password": PASSWORD},
            "POST totp": {"password": PASSWORD},
            "POST email": {"email": "e@example.org", "password": PASSWORD},
            "POST password": {"current": PASSWORD, "password": "another password"},
        }.items():
            assert (await admin.auth(request, body)).json()["code"] == "impersonated", request
