"""Apps of devices: a code for who showed a challenge, at a place named before (RFC 8252)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from abaft import Settings
from abaft.auth.oauth.parties import Parties
from abaft.base.errors import SettingError
from accounts import PASSWORD, Person, World, world
from each import each
from oidc_provider import Provider, Tab, provider
from scenarios import pointers
from test_login_with_accounts import met

pytestmark = pytest.mark.named

APP = "com.example.app:/done"
REDIRECTS = {"app_redirects": f"{APP}, http://127.0.0.1/done, https://example.org/app?from=us"}
VERIFIER = "v" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
ASKED = {"redirect_uri": APP, "code_challenge": CHALLENGE, "state": "the app's"}


async def sent_back(found: World, idp: Provider, **more: str) -> dict[str, str]:
    """What the app is told by the browser's last step."""
    answer = await Tab(found.stranger().client).login(idp, **{**ASKED, **more})
    assert answer.status_code == 303, answer.text
    location = answer.headers["location"]
    assert location.startswith(more.get("redirect_uri", APP))
    return dict(parse_qsl(urlsplit(location).query))


async def exchanged(person: Person, code: str, verifier: str = VERIFIER, **more: Any) -> Any:
    return await person.auth("POST with/token", {"code": code, "code_verifier": verifier, **more})


async def test_an_app_gets_tokens_for_a_code(database_url: str) -> None:
    async with met(database_url, settings=REDIRECTS) as (found, idp):
        told = await sent_back(found, idp)
        assert told["state"] == "the app's"
        ann = found.stranger("ann@example.org")
        # Until the app asks, nothing was made.
        assert found.told() == []
        answer = await exchanged(ann, told["code"], user={"name": "Own"})
        assert (answer.status_code, answer.json()["token_type"]) == (201, "Bearer")
        ann.took(answer)
        assert (await ann.auth("GET me")).json()["user"]["name"] == "Own"
        told = await sent_back(found, idp)
        answer = await exchanged(ann, told["code"])
        assert (answer.status_code, "refresh_token" in answer.json()) == (200, True)


async def test_oauth_5_a_code_is_good_once_for_who_asked_for_it(database_url: str) -> None:
    async with met(database_url, settings=REDIRECTS) as (found, idp):
        ann = found.stranger()
        code = (await sent_back(found, idp))["code"]
        rows = await asyncio.gather(*(exchanged(ann, code) for _ in range(8)))
        assert sorted(row.status_code for row in rows) == [201] + [401] * 7
        code = (await sent_back(found, idp))["code"]
        assert (await exchanged(ann, code, "w" * 43)).json()["code"] == "bad_code"
        # A wrong try uses it up.
        assert (await exchanged(ann, code)).status_code == 401
        answer = await exchanged(ann, code, "short")
        assert pointers(answer) == [("/code_verifier", "string_pattern_mismatch")]
        assert (await ann.auth("POST with/token", {"code": code})).status_code == 422


@pytest.fixture
async def both(database_url: str) -> AsyncIterator[tuple[World, Provider]]:
    async with met(database_url, settings=REDIRECTS) as both:
        yield both


@each(
    "redirect",
    [
        "com.example.app:/done/more", "com.example.app:/Done", "com.example.app:/done?x=1",
        "com.example.apple:/done", "com.example.app:/done#x", "evil://done", "//evil.example",
        "https://example.org/app", "https://example.org/app?from=us&more=1",
        "https://example.org:444/app?from=us", "https://example.org@evil.example/app?from=us",
        "https://example.org.evil.example/app?from=us", "HTTPS://example.org/app?from=us",
        "http://127.0.0.1:8080/Done", "http://127.0.0.1:8080/done/..", "http://localhost:1/done",
        "http://127.0.0.1:80@evil.example/done", "http://127.0.0.1:x/done", "javascript:alert(1)",
        "http://127.0.0.1.evil.example/done", "http://[::1]:80/done", "",
    ],
)  # fmt: skip
async def test_oauth_4_an_app_is_sent_nowhere_but_where_it_was_said(
    both: tuple[World, Provider], redirect: str
) -> None:
    found, idp = both
    query = {**ASKED, "redirect_uri": redirect}
    answer = await Tab(found.stranger().client, "*/*").begin(**query)
    assert answer.status_code == 400
    assert pointers(answer) == [("?redirect_uri", "bad_redirect")]
    assert idp.requests == []


@each(
    "redirect",
    [
        APP,
        "http://127.0.0.1:53211/done",
        "http://127.0.0.1/done",
        "https://example.org/app?from=us",
    ],
)
async def test_a_loopback_may_have_any_port(both: tuple[World, Provider], redirect: str) -> None:
    found, idp = both
    assert "code" in await sent_back(found, idp, redirect_uri=redirect)


@each(
    ("query", "wrong"),
    [
        ({"redirect_uri": APP}, [("?code_challenge", "required")]),
        ({"code_challenge": CHALLENGE}, [("?redirect_uri", "required")]),
        ({**ASKED, "code_challenge_method": "plain"}, [("?code_challenge_method", "bad_value")]),
        ({**ASKED, "code_challenge": "short"}, [("?code_challenge", "bad_value")]),
        ({**ASKED, "state": "a\r\nb"}, [("?state", "bad_value")]),
    ],
)
async def test_oauth_1_no_app_goes_without_pkce(
    both: tuple[World, Provider], query: dict[str, str], wrong: list[tuple[str, str]]
) -> None:
    found, _ = both
    answer = await Tab(found.stranger().client, "*/*").begin(**query)
    assert answer.status_code == 400
    assert pointers(answer) == wrong


async def test_an_app_hears_of_faults_and_factors(database_url: str) -> None:
    async with met(database_url, settings=REDIRECTS) as (found, idp):
        idp.wrong["answer"] = {"error": "access_denied"}
        told = await sent_back(found, idp)
        assert told == {"error": "login_cancelled", "state": "the app's"}
        idp.wrong.clear()
        ann = await found.joined(session="bearer")
        told = await sent_back(found, idp)
        answer = await exchanged(found.stranger(), told["code"])
        assert (answer.status_code, answer.json()["code"]) == (409, "confirm_by_mail")
        # Whom the app knows already links it by the code.
        code = (await sent_back(found, idp))["code"]
        body = {"code": code, "code_verifier": VERIFIER}
        assert (await found.stranger().auth("POST identities/code", body)).status_code == 401
        assert (await ann.auth("POST identities/code", body)).status_code == 204
        assert (await ann.auth("POST identities/code", body)).status_code == 401
        await ann.auth("POST totp", {"password": PASSWORD})
        code = (await sent_back(found, idp))["code"]
        answer = await exchanged(found.stranger(), code, session="cookie")
        assert (answer.status_code, "csrf" in answer.json()) == (200, True)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://example.org/done", "127.0.0.1"),
        ("http://localhost/done", "127.0.0.1"),
        ("app:/done", "domain"),
        ("javascript:alert(1)", "domain"),
        ("https:///done", "host"),
        ("https://ann@example.org/", "user"),
        ("com.example.app:/done#here", "fragment"),
        ("http://127.0.0.1:999999/", "URI"),
    ],
)
def test_oauth_4_what_is_no_place_for_an_app_is_told_at_the_start(uri: str, reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        Parties([], Settings(app_redirects=uri))


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"login_page": "https://evil.example"}, "login_page"),
        ({"login_page": "//evil.example"}, "login_page"),
        ({"provider_timeout": 0.0}, "provider_timeout"),
    ],
)
def test_settings_that_cant_be_are_told_at_the_start(chosen: dict[str, Any], reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        Parties([], Settings(**chosen))


async def test_providers_come_from_the_settings_too(database_url: str) -> None:
    async with provider() as idp:
        place = idp.url.replace("http://", "http://client:a%20secret%2Fwith%2Bsigns@")
        chosen = {"login_with": f"{place}#own, google://ID:SECRET@"}
        async with world(database_url, settings=chosen) as found:
            rows = (await found.stranger().auth("GET providers")).json()["items"]
            assert [row["name"] for row in rows] == ["own", "google"]
            answer = await Tab(found.stranger().client).login(idp, "own")
            assert answer.status_code == 303
