"""Apps of others sign people in: from the page to a code, and what is tried on the way."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from abaft.base import clock
from accounts import ORIGIN, Person, client_of
from each import each
from sign_in import (
    AUTHORIZE,
    Client,
    allowed,
    hidden,
    led,
    reads,
    registered,
    sent,
    signing,
    tokens,
)


@pytest.fixture
async def known(database_url: str) -> AsyncIterator[tuple[Person, Client]]:
    """Somebody who has joined, and a client that is registered."""
    async with signing(database_url) as found:
        yield await found.joined(), await registered(found)


async def test_from_a_page_to_tokens_that_rules_know(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        await ann.ask("POST /api/notes", {"text": "mine"})
        page = await ann.client.get(client.asks())
        assert "Planner" in page.text
        assert "read notes" in page.text
        policy = page.headers["content-security-policy"]
        assert "form-action 'self' https://app.example;" in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["cache-control"] == "no-store"
        back = led(await sent(ann, AUTHORIZE, {**hidden(page.text), "answer": "yes"}))
        assert (back["state"], back["iss"]) == ("st", ORIGIN)
        answer = await client.exchange(back["code"])
        body = answer.json()
        assert answer.headers["cache-control"] == "no-store"
        assert body["scope"] == client.scope
        headers = {"authorization": f"Bearer {body['access_token']}"}
        items = await client_of(found.api).get("/api/notes", headers=headers)
        assert [row["text"] for row in items.json()["items"]] == ["mine"]
        assert (
            await reads(found, body["access_token"], "POST /api/notes", json={"text": "x"}) == 403
        )
        info = await client_of(found.api).get("/api/auth/oauth/userinfo", headers=headers)
        me = (await ann.auth("GET me")).json()["user"]["id"]
        assert info.json() == {
            "sub": me,
            "email": ann.email,
            "email_verified": True,
            "name": "Ann",
        }
        # They have agreed to it: nothing is asked a second time.
        assert (await ann.client.get(client.asks())).status_code == 303


async def test_what_a_token_says_of_its_user(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        body = await tokens(ann, client)
        keys = (await client_of(found.api).get("/api/auth/jwks")).json()
        token = jwt.decode(body["id_token"], KeySet.import_key_set(keys), algorithms=["ES256"])
        claims = token.claims
        assert (claims["iss"], claims["aud"], claims["nonce"]) == (ORIGIN, client.id, "no")
        assert claims["email"] == ann.email
        assert abs(claims["auth_time"] - clock.unix_ms() // 1000) < 600
        half = sha256(body["access_token"].encode()).digest()[:16]
        assert urlsafe_b64decode(claims["at_hash"] + "==") == half
        assert not any("d" in key for key in keys["keys"])
        access = orjson.loads(urlsafe_b64decode(body["access_token"].split(".")[1] + "=="))
        assert (access["client_id"], access["scope"]) == (client.id, client.scope)


@each(
    ("more", "error"),
    [
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_id": ""}, "invalid_client"),
        ({"redirect_uri": "https://app.example/back/"}, "invalid_request"),
        ({"redirect_uri": "https://app.example/back?x=1"}, "invalid_request"),
        ({"redirect_uri": "https://app.example.evil.example/back"}, "invalid_request"),
        ({"redirect_uri": "https://APP.example/back"}, "invalid_request"),
        ({"redirect_uri": "https://app.example/back#x"}, "invalid_request"),
        ({"redirect_uri": "javascript:alert(1)"}, "invalid_request"),
        ({"redirect_uri": "https://app.example/bäck"}, "invalid_request"),
        ({"redirect_uri": 'https://app.example/"\\'}, "invalid_request"),
    ],
)
async def test_oauth_a_redirect_is_exactly_one_of_the_clients_or_there_is_none(
    known: tuple[Person, Client], more: dict[str, str], error: str
) -> None:
    ann, client = known
    answer = await ann.client.get(client.asks(**more))
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert error in answer.text


@each(
    ("more", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "cöde"}, "unsupported_response_type"),
        ({"response_type": '"\\'}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"scope": "export"}, "invalid_scope"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "e30."}, "request_not_supported"),
        ({"request_uri": "https://app.example/r"}, "request_uri_not_supported"),
        ({"prompt": "none"}, "consent_required"),
        ({"prompt": "none login"}, "invalid_request"),
    ],
)
async def test_oauth_what_is_asked_wrongly_is_told_to_the_client(
    known: tuple[Person, Client], more: dict[str, str], error: str
) -> None:
    ann, client = known
    back = led(await ann.client.get(client.asks(**more)))
    assert (back["error"], back["state"], back["iss"]) == (error, "st", ORIGIN)


async def test_who_is_not_logged_in_is_led_to_the_page_of_log_ins_and_back(
    database_url: str,
) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        nobody = found.stranger()
        answer = await nobody.client.get(client.asks())
        place = urlsplit(answer.headers["location"])
        assert (answer.status_code, place.path) == (303, "/account/login")
        [back] = parse_qs(place.query)["next"]
        assert parse_qs(back) == parse_qs(client.asks())
        assert led(await nobody.client.get(client.asks(prompt="none")))["error"] == "login_required"
        # Somebody who is logged in already is to prove it once more.
        answer = await ann.client.get(client.asks(prompt="login"))
        again = parse_qs(urlsplit(answer.headers["location"]).query)["next"][0]
        assert (await ann.client.get(again)).status_code == 303
        await ann.login()
        assert (await ann.client.get(again)).status_code == 200
        assert (await ann.client.get(client.asks(max_age="0"))).status_code == 303


async def test_oauth_only_a_page_of_ours_says_yes(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        eve = await found.joined("eve")
        page = await ann.client.get(client.asks())
        fields = {**hidden(page.text), "answer": "yes"}
        others = hidden((await eve.client.get(client.asks())).text)
        for headers, values in [
            ({"origin": "https://evil.example"}, fields),
            ({"sec-fetch-site": "cross-site"}, fields),
            ({}, fields | {"csrf": ""}),
            ({}, fields | {"csrf": others["csrf"]}),
        ]:
            answer = await sent(ann, AUTHORIZE, values, **headers)
            assert answer.status_code == 403, values
        # What the page asked is looked at anew.
        asked = fields["asked"].replace("app.example", "evil.example")
        answer = await sent(ann, AUTHORIZE, fields | {"asked": asked})
        assert (answer.status_code, "location" in answer.headers) == (400, False)
        back = led(await sent(ann, AUTHORIZE, fields | {"answer": "no"}))
        assert back["error"] == "access_denied"
        assert "app_refused" in found.told()


@each(
    ("more", "error"),
    [
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": "https://app.example/other"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_grant"),
        ({"code": "abl_0"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
    ],
)
async def test_oauth_a_code_is_bound_to_all_it_was_made_for(
    known: tuple[Person, Client], more: dict[str, str], error: str
) -> None:
    ann, client = known
    back = await allowed(ann, client)
    answer = await client.exchange(back["code"], **more)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_oauth_a_code_of_another_client_is_none(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        other = await registered(found, name="Other")
        other.verifier = client.verifier
        back = await allowed(ann, client)
        answer = await other.exchange(back["code"])
        assert answer.json()["error"] == "invalid_grant"
        wrong = Client(found, client.id, "wrong" * 9, verifier=client.verifier)
        answer = await wrong.exchange(back["code"])
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert "www-authenticate" in answer.headers
        bare = Client(found, client.id, verifier=client.verifier)
        assert (await bare.exchange(back["code"])).json()["error"] == "invalid_client"


async def test_oauth_a_code_that_comes_twice_ends_what_it_was_used_for(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        back = await allowed(ann, client)
        body = (await client.exchange(back["code"])).json()
        fresh = (await client.refresh(body["refresh_token"])).json()
        assert await reads(found, fresh["access_token"]) == 200
        again = await client.exchange(back["code"])
        assert again.json()["error"] == "invalid_grant"
        assert await reads(found, fresh["access_token"]) == 401
        assert (await client.refresh(fresh["refresh_token"])).json()["error"] == "invalid_grant"
        assert "code_reused" in found.told()


async def test_oauth_of_many_exchanges_of_a_code_at_most_one_is_good(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        back = await allowed(ann, client)
        answers = await asyncio.gather(*(client.exchange(back["code"]) for _ in range(5)))
        good = [answer.json() for answer in answers if answer.status_code == 200]
        assert len(good) <= 1
        assert {answer.status_code for answer in answers} <= {200, 400}


async def test_oauth_a_code_is_late_after_a_minute(database_url: str, moved: Any) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        back = await allowed(ann, client)
        moved(timedelta(seconds=61))
        assert (await client.exchange(back["code"])).json()["error"] == "invalid_grant"
