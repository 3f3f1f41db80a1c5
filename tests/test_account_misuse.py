"""Ways into an account that half a proof must not open, and what happens while one is looked at."""

from __future__ import annotations

import asyncio
from typing import Any

import pyotp
import pytest

from accounts import PASSWORD, world
from test_account_factors import mailed_digits


async def test_authn_7_a_right_password_does_not_begin_guesses_of_codes_anew(
    database_url: str,
) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        begun = (await ann.auth("POST totp", {"password": PASSWORD})).json()
        code = pyotp.TOTP(begun["secret"]).now()
        assert (await ann.auth("POST totp/confirm", {"code": code})).status_code == 200
        seen = []
        for n in range(8):
            eve = found.stranger(ann.email, f"192.0.2.{n}")
            half = await eve.login()
            if half.status_code == 202:
                body = {"factor_token": half.json()["factor_token"], "code": "abcdefgh"}
                half = await eve.auth("POST login/factor", body)
            seen.append(half.status_code)
        assert seen == [401] * 5 + [429] * 3


async def test_authn_5_digits_tried_at_once_are_all_counted(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        context = found.api.app.accounts.context
        context.throttle._limits = {name: [] for name in context.throttle._limits}
        asked = await ann.auth("POST mail", {"email": ann.email, "by": "code"})
        token = asked.json()["token"]
        bodies = [{"token": token, "code": f"{n:08}"} for n in range(20)]
        await asyncio.gather(*(found.stranger().auth("POST mail/code", row) for row in bodies))
        [code] = await context.db.list(context.models.code, lambda row: row.purpose == "digits")
        assert 1 <= code.tries <= 3
        text = found.mail(ann.email)
        digits = "".join(part for part in text.split() if part.isdigit() and len(part) == 4)
        while code.tries < 3:
            await found.stranger().auth("POST mail/code", {"token": token, "code": "0"})
            [code] = await context.db.list(context.models.code, lambda row: row.purpose == "digits")
        answer = await ann.elsewhere().auth("POST mail/code", {"token": token, "code": digits})
        assert answer.status_code == 401


async def test_tok_5_a_login_under_way_does_not_outlive_the_password(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        flows, first = found.api.app.accounts._login, asyncio.Event()
        opened, go_on = flows.opened, asyncio.Event()

        async def late(*given: Any) -> Any:
            first.set()
            await go_on.wait()
            return await opened(*given)

        monkeypatch.setattr(flows, "opened", late)
        eve = ann.elsewhere()
        under_way = asyncio.create_task(eve.login())
        await first.wait()
        body = {"current": PASSWORD, "password": "another password"}
        assert (await ann.auth("POST password", body)).status_code == 200
        go_on.set()
        await under_way
        assert not await eve.known()


@pytest.mark.parametrize("way", ["link", "reset"])
async def test_oauth_2_who_made_an_account_in_another_s_name_is_out_when_they_come(
    database_url: str, way: str
) -> None:
    async with world(database_url, settings={"email_verification": False}) as found:
        eve = found.stranger("ann@example.org")
        body = {"email": eve.email, "password": PASSWORD, "session": "bearer"}
        assert eve.took(await eve.auth("POST register", body)).status_code == 201
        key = await eve.auth("POST keys", {"name": "x", "scopes": ["*"]})
        begun = (await eve.auth("POST totp", {"password": PASSWORD})).json()
        code = pyotp.TOTP(begun["secret"]).now()
        assert (await eve.auth("POST totp/confirm", {"code": code})).status_code == 200
        ann = found.stranger(eve.email)
        if way == "link":
            await ann.auth("POST mail", {"email": ann.email})
            answer = await ann.auth("POST mail/link", {"token": found.token(ann.email)})
            assert ann.took(answer).status_code == 200
        else:
            await ann.auth("POST password/forgot", {"email": ann.email})
            token = found.token(ann.email)
            body = {"token": token, "password": "of Ann's own"}
            assert (await ann.auth("POST password/reset", body)).status_code == 204
            assert (await ann.login("of Ann's own")).status_code == 200
        assert await ann.known()
        assert not await eve.known()
        assert (await eve.elsewhere().login()).status_code == 401
        eve.tokens = {"access_token": key.json()["key"]}
        assert not await eve.known()


async def test_tok_3_a_key_ends_no_sessions(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        robot = found.stranger()
        key = (await ann.auth("POST keys", {"name": "x", "scopes": ["*"]})).json()["key"]
        robot.tokens = {"access_token": key}
        for request in ("POST logout", "DELETE sessions", "GET sessions", "GET passkeys"):
            answer = await robot.auth(request)
            assert (answer.status_code, answer.json()["code"]) == (403, "session_needed")
        assert await ann.known()


async def test_authn_5_digits_are_good_where_they_were_asked_for(database_url: str) -> None:
    async with world(database_url) as found:
        ann, eve = await found.joined(), await found.joined("eve")
        theirs, _ = await mailed_digits(found, eve)
        # Eve asks for Ann's digits too, which makes Ann's own no worse.
        mine, digits = await mailed_digits(found, ann)
        asked, others = await mailed_digits(found, ann)
        for token in (theirs, asked, "abl_0", mine[:-1] + "x"):
            answer = await eve.elsewhere().auth("POST mail/code", {"token": token, "code": digits})
            assert (answer.status_code, answer.json()["code"]) == (401, "bad_code")
        link = await ann.auth("POST mail/link", {"token": mine})
        assert link.json()["code"] == "bad_code"
        other = ann.elsewhere()
        answer = await other.auth("POST mail/code", {"token": mine, "code": digits})
        assert other.took(answer).status_code == 200
        assert digits != others
        answer = await ann.elsewhere().auth("POST mail/code", {"email": ann.email, "code": others})
        assert answer.status_code == 422
