"""Tokens and sessions: what is forged, replayed, raced or late, and how soon what ends is over."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from abaft.base import clock
from accounts import ORIGIN, Person, World, world
from each import each

ACCESS = "access_token"


@pytest.fixture
async def found(database_url: str) -> AsyncIterator[World]:
    async with world(database_url) as found:
        yield found


def parts(token: str) -> list[dict[str, Any]]:
    return [
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        for part in token.split(".")[:2]
    ]


def b64(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: Any, claims: Any, signature: bytes = b"") -> str:
    return f"{b64(header)}.{b64(claims)}.{b64(signature)}"


async def refused(person: Person, token: str) -> None:
    answer = await person.ask("GET /api/auth/me", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 401, token
    assert "invalid_token" in answer.headers["www-authenticate"]


async def test_tok_1_what_is_not_signed_by_us_opens_nothing(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined(session="bearer")
        good = ann.tokens[ACCESS]
        header, claims = parts(good)
        head, body, signature = good.split(".")
        keys = found.api.app.accounts.keys
        public = json.dumps(keys.published()["keys"][0]).encode()
        stranger = OKPKey.generate_key("Ed25519")
        own = keys.current
        hostile = {"jku": "http://192.0.2.9/keys", "x5u": "http://192.0.2.9/", "crit": ["b64"]}
        forged = [
            unsigned({**header, "alg": "none"}, claims),
            unsigned({"alg": "none"}, claims),
            unsigned(header, claims),
            jwt.encode({**header, "alg": "HS256"}, claims, OctKey.import_key(public)),
            jwt.encode(header, claims, stranger, algorithms=["Ed25519"]),
            jwt.encode(
                {**header, "jwk": stranger.as_dict(private=False)},
                claims,
                stranger,
                algorithms=["Ed25519"],
            ),
            f"{head}.{body}.",
            f"{head}.{body}",
            f"{good}.{signature}",
            f"{good}.",
            good[:-8],
            good + "A" * 3_000,
            f"{head}.{b64({**claims, 'sub': 'someone'})}.{signature}",
            *(unsigned({**header, name: value}, claims) for name, value in hostile.items()),
        ]
        for name, value in {"jku": hostile["jku"], "x5u": hostile["x5u"]}.items():
            extra = {**header, name: value}
            forged.append(jwt.encode(extra, claims, own, algorithms=["Ed25519"]))
        forged.append(jwt.encode({**header, "kid": "made-up"}, claims, own, algorithms=["Ed25519"]))
        for token in forged:
            await refused(ann, token)
        assert await ann.known()


@each(
    ("changed", "valid"),
    [
        ({}, True),
        ({"iss": "https://other.example"}, False),
        ({"aud": "https://other.example"}, False),
        ({"aud": ["http://localhost"]}, False),
        ({"exp": -31}, False),
        ({"exp": -29}, True),
        ({"iat": 60}, False),
        ({"nbf": 60}, False),
        ({"nbf": -60}, True),
        ({"exp": None}, False),
        ({"exp": "9999999999"}, False),
        ({"sid": None}, False),
        ({"sid": "00000000-0000-0000-0000-000000000000"}, False),
        ({"sid": "?"}, False),
        ({"sub": "somebody else"}, False),
        ({"typ": "JWT"}, False),
        ({"typ": None}, False),
    ],
)
async def test_tok_2_each_claim_is_held_to(
    found: World, changed: dict[str, Any], valid: bool
) -> None:
    ann = await found.joined(uuid4().hex, session="bearer")
    header, claims = parts(ann.tokens[ACCESS])
    now = clock.unix_ms() // 1000
    for name, value in changed.items():
        target = header if name == "typ" else claims
        target[name] = now + value if isinstance(value, int) else value
        if value is None:
            del target[name]
    key = found.api.app.accounts.keys.current
    ann.tokens[ACCESS] = jwt.encode(header, claims, key, algorithms=["Ed25519"])
    if "typ" in changed and "typ" not in header:
        ann.tokens[ACCESS] = unsigned(header, claims)
    assert await ann.known() is valid


async def test_tok_3_none_stands_for_another(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined(session="bearer")
        browser = ann.elsewhere()
        await browser.login()
        await ann.auth("POST password/forgot", {"email": ann.email})
        cookie = browser.client.cookies["session"]
        held = {
            "refresh": ann.tokens["refresh_token"],
            "link": found.token(ann.email),
            "cookie": cookie,
            "csrf": browser.csrf,
        }
        for token in held.values():
            await refused(ann, token)
        for name, token in {**held, "access": ann.tokens[ACCESS]}.items():
            other = found.stranger()
            other.client.cookies.set("session", token)
            assert await other.known() is (name == "cookie"), name
            other.client.cookies.clear()
            body = {"refresh_token": token[:200]}
            if name != "refresh":
                assert (await other.auth("POST refresh", body)).status_code == 401, name
            body = {"token": token[:200], "password": "another password"}
            if name != "link":
                assert (await other.auth("POST password/reset", body)).status_code == 401, name
        # In the query no token is looked for.
        answer = await found.stranger().auth(f"GET me?access_token={ann.tokens[ACCESS]}")
        assert answer.status_code == 401


async def test_tok_4_of_twenty_refreshes_at_once_one_wins(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined(session="bearer")
        body = {"refresh_token": ann.tokens["refresh_token"]}
        answers = await asyncio.gather(*(ann.auth("POST refresh", body) for _ in range(20)))
        assert sorted(answer.status_code for answer in answers) == [200, *[409] * 19]
        codes = {answer.json()["code"] for answer in answers if answer.status_code == 409}
        assert codes == {"refresh_raced"}
        [won] = [answer.json() for answer in answers if answer.status_code == 200]
        assert (await ann.auth("POST refresh", {"refresh_token": won["refresh_token"]})).is_success


async def test_tok_4_a_token_of_before_ends_the_family(database_url: str) -> None:
    async with world(database_url, settings={"refresh_grace": 0.0}) as found:
        ann = await found.joined(session="bearer")
        stolen = {"refresh_token": ann.tokens["refresh_token"]}
        for _ in range(3):
            body = {"refresh_token": ann.tokens["refresh_token"]}
            ann.tokens = (await ann.auth("POST refresh", body)).json()
        other = ann.elsewhere()
        await other.login(session="bearer")
        answer = await found.stranger().auth("POST refresh", stolen)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_refresh_token")
        assert "refresh_reused" in found.told()
        body = {"refresh_token": ann.tokens["refresh_token"]}
        assert (await ann.auth("POST refresh", body)).status_code == 401
        assert not await ann.known()
        assert await other.known()


@pytest.mark.parametrize("way", ["logout", "end", "end_all", "reset", "disabled", "deleted"])
async def test_tok_5_what_ends_is_over_at_once_in_every_worker(database_url: str, way: str) -> None:
    async with world(database_url) as here, world(database_url) as there:
        ann = await here.joined(session="bearer")
        phone = ann.elsewhere()
        await phone.login()
        both = [ann, phone]
        others = [Person(there.api, row.email, there.stranger().client) for row in both]
        for row, other in zip(both, others, strict=True):
            other.tokens, other.csrf = row.tokens, row.csrf
            other.client.cookies = row.client.cookies
            assert await other.known()
        context = here.api.app.accounts.context
        if way == "logout":
            await phone.auth("POST logout")
        elif way == "end":
            items = (await ann.auth("GET sessions")).json()["items"]
            [id_] = [item["id"] for item in items if item["kind"] == "cookie"]
            assert (await ann.auth(f"DELETE sessions/{id_}")).status_code == 204
        elif way == "end_all":
            assert (await ann.auth("DELETE sessions")).status_code == 204
        elif way == "reset":
            await ann.auth("POST password/forgot", {"email": ann.email})
            body = {"token": here.token(ann.email), "password": "another password"}
            assert (await phone.auth("POST password/reset", body)).status_code == 204
        elif way == "disabled":
            user = (await context.by_email(ann.email)).user.__written__
            url = f"PATCH /api/auth/accounts/{user}"
            answer = await here.api.ask(url, "admin", json={"disabled": True})
            assert answer.status_code == 200
        else:
            user = (await ann.auth("GET me")).json()["user"]["id"]
            await here.api.ask(f"DELETE /api/users/{user}", "admin")
        stays = way in ("logout", "end")
        assert [await row.known() for row in (ann, phone)] == [stays, False]
        assert [await row.known() for row in others] == [stays, False]


async def test_tok_5_nobody_ends_what_is_not_theirs(database_url: str) -> None:
    async with world(database_url) as found:
        ann, bob = await found.joined("ann"), await found.joined("bob")
        [item] = (await ann.auth("GET sessions")).json()["items"]
        assert (await bob.auth(f"DELETE sessions/{item['id']}")).status_code == 404
        assert await ann.known()


async def test_tok_6_keys_turn_and_the_one_of_before_verifies(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(database_url, settings={"access_minutes": 60.0 * 24 * 30}) as found:
        ann = await found.joined(session="bearer")
        first = parts(ann.tokens[ACCESS])[0]["kid"]
        jwks = (await ann.auth("GET jwks")).json()["keys"]
        assert [key["kid"] for key in jwks].count(first) == 1
        assert all(set(key) == {"kty", "crv", "x", "kid", "use", "alg"} for key in jwks)
        real, days = clock.unix_ms, 7
        monkeypatch.setattr(clock, "unix_ms", lambda: real() + days * 86_400_000)
        assert await ann.known()
        body = {"refresh_token": ann.tokens["refresh_token"]}
        assert parts((await ann.auth("POST refresh", body)).json()[ACCESS])[0]["kid"] != first
        days = 21
        assert not await ann.known()


async def test_tok_7_sessions_end_when_idle_and_in_any_case(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"session_days": 2, "session_idle_hours": 10}
    async with world(database_url, settings=settings) as found:
        idle, busy = await found.joined("ann"), await found.joined("bob")
        real, real_ms = clock.now, clock.unix_ms
        hours = 0
        monkeypatch.setattr(clock, "now", lambda: real() + timedelta(hours=hours))
        monkeypatch.setattr(clock, "unix_ms", lambda: real_ms() + hours * 3_600_000)
        for hours in (9, 18, 27, 36, 45):
            assert await busy.known(), hours
        assert not await idle.known()
        hours = 49
        assert not await busy.known()


async def test_tok_7_a_login_is_under_another_cookie(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        before = ann.client.cookies["session"]
        ann.client.cookies.set("session", "abs_" + "0" * 32 + "." + "A" * 43, domain="test")
        ann.client.cookies.clear()
        ann.client.cookies.set("session", before)
        answer = await ann.login()
        fresh = answer.cookies["session"]
        assert fresh != before
        stale = found.stranger()
        stale.client.cookies.set("session", before)
        assert not await stale.known()


async def test_tok_7_cookies_are_closed_to_scripts_and_siblings(database_url: str) -> None:
    production = {
        "mode": "production",
        "base_url": "https://test",
        "smtp": "smtp+plain://127.0.0.1:1",
        "schema_check": "warn",
    }
    async with world(database_url):
        pass
    async with world(database_url, settings=production) as found:
        context = found.api.app.accounts.context
        name, text = context.cookie("x", 60)
        assert (name, text) == (
            "set-cookie",
            "__Host-session=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure",
        )


@each(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "cross-site", "origin": ORIGIN}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://test:8080"}, False),
        ({"origin": "https://test"}, False),
        ({"origin": "http://test.evil.example"}, False),
        ({"origin": ""}, False),
        ({"x-csrf-token": ""}, False),
        ({"x-csrf-token": "0" * 43}, False),
        ({"x-csrf-token": "ä"}, False),
        ({"content-type": "text/plain"}, False),
        ({"x-http-method-override": "GET", "x-csrf-token": ""}, False),
    ],
)
async def test_csrf_1_a_cookie_alone_writes_nothing(
    found: World, headers: dict[str, str], allowed: bool
) -> None:
    ann = await found.joined(uuid4().hex)
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    kept = {"origin": ORIGIN, "x-csrf-token": ann.csrf, "content-type": "application/json"}
    sent = [(n.encode(), v.encode()) for n, v in kept.items() if n not in headers] + raw
    for url in ("/api/notes", "/api/batch", "/api/auth/password"):
        answer = await ann.client.post(url, content=b'{"text": "x"}', headers=sent)
        assert (answer.status_code not in (403, 415)) is allowed, (url, answer.text)
    assert len((await ann.ask("GET /api/notes")).json()["items"]) == int(allowed)


async def test_csrf_1_another_session_s_token_is_none(database_url: str) -> None:
    async with world(database_url) as found:
        ann, bob = await found.joined("ann"), await found.joined("bob")
        ann.csrf = bob.csrf
        assert (await ann.ask("POST /api/notes", {"text": "x"})).json()["code"] == "csrf"


async def test_csrf_1_no_other_site_logs_a_browser_in(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
            body = {"email": ann.email, "password": "correct horse battery"}
            answer = await found.stranger().auth("POST login", body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


async def test_step_up_is_asked_for_by_a_rule(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        urls = []
        for _ in range(2):
            note = (await ann.ask("POST /api/notes", {"text": "x"})).json()
            urls.append(f"/api/notes/{note['id']}")
        assert (await ann.ask(f"DELETE {urls[0]}")).status_code == 204
        real, real_ms = clock.now, clock.unix_ms
        monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=6))
        monkeypatch.setattr(clock, "unix_ms", lambda: real_ms() + 360_000)
        assert (await ann.ask(f"DELETE {urls[1]}")).status_code == 403
        assert (await ann.auth("POST confirm", {"password": "wrong"})).status_code == 401
        answer = await ann.auth("POST confirm", {"password": "correct horse battery"})
        assert ann.took(answer).status_code == 200
        assert (await ann.ask(f"DELETE {urls[1]}")).status_code == 204
