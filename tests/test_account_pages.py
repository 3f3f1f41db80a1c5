"""The pages of accounts: forms of HTML without scripts, and what is kept at well-known places."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pyotp
import pytest

from abaft.auth.page_bodies import local
from abaft.auth.page_table import PAGES
from abaft.login_with import Google
from account_browser import HERE, browser
from accounts import PASSWORD, client_of, world
from scenarios import serving

pytestmark = pytest.mark.named
OTHER = "another correct battery"


async def test_an_account_from_the_first_page_to_the_last(database_url: str) -> None:
    async with world(database_url) as found:
        one = browser(found)
        assert (await one.get("/account")).headers["location"] == "/account/login"
        await one.get("/account/join")
        answer = await one.post("/account/join", {"email": "ann@example.org"})
        assert answer.status_code == 200
        assert "there is a mail" in answer.text
        await one.get("/account/register")
        typed = {"token": found.token("ann@example.org"), "name": "<b>Ann", "password": PASSWORD}
        short = await one.post("/account/register", typed | {"password": "short"})
        assert short.status_code == 422
        assert 'role="alert"' in short.text
        assert "short" not in short.text.partition("<form")[2].replace("shorter", "")
        answer = await one.post("/account/register", typed)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account")
        shown = await one.get("/account")
        assert "&lt;b&gt;Ann" in shown.text
        assert "<b>Ann" not in shown.text
        again = await one.post("/account/logout", {})
        assert again.headers["location"] == "/account/login"
        assert (await one.get("/account")).status_code == 303


async def test_logging_in_goes_on_to_where_one_was_and_nowhere_else(database_url: str) -> None:
    async with world(database_url) as found:
        await found.joined("ann")
        one = browser(found)
        typed = {"email": "ann@example.org", "password": "wrong wrong wrong"}
        await one.get("/account/login?next=/notes%3Fpage=2")
        answer = await one.post("/account/login", typed)
        assert answer.status_code == 401
        assert 'value="ann@example.org"' in answer.text
        assert "wrong" not in answer.text
        answer = await one.post("/account/login", typed | {"password": PASSWORD})
        assert answer.headers["location"] == "/notes?page=2"
        assert "HttpOnly" in answer.headers["set-cookie"]
        for away in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"):
            await one.get(f"/account/login?next={away}")
            answer = await one.post("/account/login", typed | {"password": PASSWORD})
            assert answer.headers["location"] == "/account", away


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/a", True), ("/", True), ("/a?b=//c", True), ("//evil", False), ("/\\evil", False),
        ("/a\\b", False), ("https://evil", False), ("\t//evil", False), ("/\t/evil", False),
        ("/a\r\nx: y", False), ("", False), ("a", False), ("@evil", False),
        ("/" + "a" * 3_000, False),
    ],
)  # fmt: skip
def test_oauth_4_no_page_leads_elsewhere(path: str, kept: bool) -> None:
    assert local(path) == (path if kept else "")


async def test_a_second_factor_is_one_page_more(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined("ann")
        secret = (await ann.auth("POST totp", {"password": PASSWORD})).json()["secret"]
        codes = (await ann.auth("POST totp/confirm", {"code": pyotp.TOTP(secret).now()})).json()
        one = browser(found)
        await one.get("/account/login?next=/here")
        typed = {"email": "ann@example.org", "password": PASSWORD}
        answer = await one.post("/account/login", typed)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        answer = await one.post("/account/factor", {"code": "000000"})
        assert answer.status_code == 401
        answer = await one.post("/account/factor", {"code": codes["recovery_codes"][0]})
        assert answer.headers["location"] == "/here"


async def test_a_forgotten_password_and_a_changed_one(database_url: str) -> None:
    async with world(database_url) as found:
        await found.joined("ann")
        one = browser(found)
        await one.get("/account/forgot")
        known = await one.post("/account/forgot", {"email": "ann@example.org"})
        await one.get("/account/forgot")
        other = await one.post("/account/forgot", {"email": "nobody@example.org"})
        assert without_nonce(known.text) == without_nonce(other.text)
        await one.get("/account/reset")
        typed = {"token": found.token("ann@example.org"), "password": OTHER}
        assert "is saved" in (await one.post("/account/reset", typed)).text
        await one.get("/account/login")
        await one.post("/account/login", {"email": "ann@example.org", "password": OTHER})
        await one.get("/account/password")
        answer = await one.post("/account/password", {"current": OTHER, "password": PASSWORD})
        assert "is changed" in answer.text
        assert (await one.get("/account")).status_code == 200


def without_nonce(text: str) -> str:
    return re.sub(r'nonce="[^"]+"', "", text)


async def test_csrf_1_forms_from_elsewhere_do_nothing(database_url: str) -> None:
    async with world(database_url) as found:
        await found.joined("ann")
        one = browser(found)
        await one.get("/account/login")
        typed = {"email": "ann@example.org", "password": PASSWORD}
        elsewhere: list[dict[str, str]] = [
            {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
            {"sec-fetch-site": "same-site", "origin": "http://sibling.test"},
            {"origin": "null"},
            {"origin": "http://test:8080"},
            {},
        ]
        for headers in elsewhere:
            answer = await one.client.post("/account/login", data=typed, headers=headers)
            assert answer.status_code == 403, headers
            assert "set-cookie" not in answer.headers
        await one.post("/account/login", typed)
        for token in ("", "wrong"):
            answer = await one.client.post("/account/logout", data={"csrf": token}, headers=HERE)
            assert answer.status_code == 403
        assert (await one.get("/account")).status_code == 200


async def test_sessions_are_listed_and_ended(database_url: str) -> None:
    async with world(database_url) as found:
        await found.joined("ann")
        one, two = browser(found), browser(found)
        for each in (one, two):
            await each.get("/account/login")
            await each.post("/account/login", {"email": "ann@example.org", "password": PASSWORD})
        await one.get("/account")
        for _ in range(2):  # the one that joined, and the other
            await one.post("/account/sessions/end", {})
            await one.get("/account")
        assert "/account/sessions/end" not in one.page
        assert (await two.get("/account")).status_code == 303


async def test_xss_2_pages_run_nothing_but_their_own(database_url: str) -> None:
    others = [Google(client_id="client", title='<script>"Others"')]
    async with world(database_url, login_with=others) as found:
        one = browser(found)
        for name in [name for name, page in PAGES.items() if not page.known and not page.kept]:
            answer = await one.get(f"/account/{name}")
            assert answer.status_code == 200, name
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            nonces = set(re.findall(r'<script nonce="([^"]+)"', answer.text))
            assert all(f"'nonce-{nonce}'" in policy for nonce in nonces)
            assert answer.text.count("<script") == len(nonces)
            assert not re.search(r"\son\w+=|style=|<style", answer.text)
            assert answer.headers["cache-control"] == "no-store"
            # What a reader of the page aloud needs.
            assert '<html lang="en">' in answer.text
            for field in re.findall(r'<input id="([^"]+)"', answer.text):
                assert f'<label for="{field}">' in answer.text
        styles = await one.get("/account/style.css")
        assert styles.headers["content-type"].startswith("text/css")


async def test_pages_speak_the_languages_there_are(database_url: str, tmp_path: Any) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "fr.json").write_text('{"login": "Se connecter"}')
    (tmp_path / "login.html").write_text(
        '{% extends "form.html" %}{% block before %}<p>{{ app }} says hello</p>{% endblock %}'
    )
    given = {"page_templates": str(tmp_path)}
    async with world(database_url, settings=given) as found:
        one = browser(found)
        german = await one.get("/account/login", **{"accept-language": "xx, de-AT;q=0.9, de"})
        assert "Anmelden" in german.text
        assert '<html lang="de">' in german.text
        french = await one.get("/account/login", **{"accept-language": "fr"})
        assert "Se connecter" in french.text
        assert "Password" in french.text
        assert "says hello" in french.text
        odd = await one.get("/account/login", **{"accept-language": "../../etc/passwd"})
        assert "Log in" in odd.text


MANY = b"&".join([b"a%d=1" % number for number in range(99)])
ODD = [
    ("GET", "/account/nowhere", b"", "", 404),
    ("GET", "/account/../../etc/passwd", b"", "", 404),
    ("PUT", "/account/login", b"", "", 405),
    ("POST", "/account/login", b"{}", "application/json", 415),
    ("POST", "/account/login", b"a=1&a=2", "application/x-www-form-urlencoded", 400),
    ("POST", "/account/login", b"email=%ff", "application/x-www-form-urlencoded", 400),
    ("POST", "/account/login", b"\xff", "application/x-www-form-urlencoded", 400),
    ("POST", "/account/login", MANY, "application/x-www-form-urlencoded", 400),
    ("POST", "/account/login", b"", "application/x-www-form-urlencoded", 401),
    ("POST", "/account/login", b"email=" + b"a" * 300, "application/x-www-form-urlencoded", 400),
    ("POST", "/account/nowhere", b"", "application/x-www-form-urlencoded", 404),
    ("POST", "/account/sessions/end", b"id=1", "application/x-www-form-urlencoded", 303),
    ("POST", "/account/register", b"token=x%00&name=%00", "application/x-www-form-urlencoded", 401),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "kind", "status"), ODD)
async def test_what_no_page_sends_is_no_defect(
    database_url: str, method: str, path: str, body: bytes, kind: str, status: int
) -> None:
    async with world(database_url) as found:
        headers = HERE | ({"content-type": kind} if kind else {})
        answer = await client_of(found.api).request(method, path, content=body, headers=headers)
        assert answer.status_code == status, answer.text


async def test_without_accounts_or_where_they_are_off_there_are_no_pages(database_url: str) -> None:
    async with world(database_url, settings={"account_pages": False}) as found:
        assert (await client_of(found.api).get("/account/login")).status_code == 404
    async with world(database_url, settings={"registration": "closed"}) as found:
        one = browser(found)
        assert (await one.get("/account/join")).status_code == 404
        assert "/account/join" not in (await one.get("/account/login")).text


async def test_security_txt_says_whom_to_tell(database_url: str) -> None:
    given = {
        "security_contact": "mailto:security@example.org, https://example.org/report",
        "security_policy": "https://example.org/policy",
        "base_url": "https://example.org",
    }
    from abaft import User

    async with serving(database_url, User, settings=given) as api:
        answer = await api.ask("GET /.well-known/security.txt", headers={"host": "example.org"})
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        rows = [row.split(": ", 1) for row in answer.text.splitlines()]
        assert [value for name, value in rows if name == "Contact"] == [
            "mailto:security@example.org",
            "https://example.org/report",
        ]
        [expires] = [value for name, value in rows if name == "Expires"]
        left = datetime.fromisoformat(expires) - datetime.now(UTC)
        assert timedelta(days=90) < left < timedelta(days=365)
        assert ["Canonical", "https://example.org/.well-known/security.txt"] in rows
        assert ["Policy", "https://example.org/policy"] in rows


async def test_where_to_change_a_password(database_url: str) -> None:
    async with world(database_url) as found:
        client = client_of(found.api)
        answer = await client.get("/.well-known/change-password")
        assert answer.status_code == 302
        assert urlsplit(answer.headers["location"]).path == "/account/password"
        assert (await client.get("/.well-known/security.txt")).status_code == 404
        assert (await client.get("/.well-known/other")).status_code == 404
    given = {"change_password_url": "/mine"}
    async with world(database_url, settings=given) as found:
        answer = await client_of(found.api).get("/.well-known/change-password")
        assert answer.headers["location"] == "/mine"
