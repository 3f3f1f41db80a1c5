"""The pages of accounts for who has logged in: each does what its endpoint does, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pyotp
import pytest

from abaft import SignIn
from abaft.auth.page_table import PAGES
from abaft.base import clock
from abaft.login_with import GitHub
from account_browser import HERE, Browser, browser
from accounts import PASSWORD, World, client_of, world
from each import each
from sign_in import allowed, registered, signing
from tenants import ids, two
from test_account_passkeys import Authenticator
from test_tenant_of_session import with_account

pytestmark = pytest.mark.named


async def at_home(found: World) -> Browser:
    """Ann's browser, in which she has just logged in."""
    await found.joined("ann")
    one = browser(found)
    await one.login()
    return one


async def test_the_overview_leads_to_every_page_there_is(database_url: str) -> None:
    async with world(database_url) as found:
        one = await at_home(found)
        shown = await one.get("/account")
        assert "ann@example.org" in shown.text or "Ann" in shown.text
        places = set(re.findall(r'href="/account/([a-z]+)"', shown.text))
        assert places == {"passkeys", "totp", "keys", "address", "password", "export", "leave"}
        for place in places:
            page = await one.get(f"/account/{place}")
            assert page.status_code == 200, place
            assert 'href="/account"' in page.text
            assert page.headers["x-frame-options"] == "DENY"
            assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_tok_7_one_session_is_ended_or_all_others_at_once(database_url: str) -> None:
    async with world(database_url) as found:
        one = await at_home(found)
        others = [browser(found) for _ in range(3)]
        for other in others:
            await other.login()
            assert (await other.get("/account")).status_code == 200
        await one.get("/account")
        assert len(re.findall('action="/account/sessions/end"', one.page)) == 4
        assert "this one" in one.page
        text = await one.done("/account/sessions/end", {})
        assert "The session is over." in text
        text = await one.done("/account/sessions/others", {})
        assert "The other sessions are over." in text
        assert "/account/sessions/end" not in text
        for other in others:
            assert (await other.get("/account")).headers["location"] == "/account/login"


async def test_codes_of_an_app_from_the_picture_to_the_recovery(database_url: str) -> None:
    async with world(database_url) as found:
        one = await at_home(found)
        await one.get("/account/totp")
        wrong = await one.post("/account/totp/begin", {"password": "wrong"})
        assert (wrong.status_code, "This isn&#39;t your password" in wrong.text) == (401, True)
        text = await one.done("/account/totp/begin", {"password": PASSWORD})
        secret = re.findall(r"<code>([A-Z2-7]{32})</code>", text)[0]
        assert "<svg" in text
        assert f"secret={secret}" in text
        wrong = await one.post("/account/totp/confirm", {"code": "000000"})
        assert wrong.status_code == 401
        assert "<svg" in wrong.text
        assert secret in wrong.text
        text = await one.done("/account/totp/confirm", {"code": pyotp.TOTP(secret).now()})
        codes = re.findall(r"<code>([a-z0-9-]{14})</code>", text)
        assert len(codes) == 10
        shown = await one.get("/account/totp")
        assert "Recovery codes left: 10." in shown.text
        assert codes[0] not in shown.text
        assert (await one.get("/account/recovery")).headers["location"] == "/account/totp"
        other = browser(found)
        await other.get("/account/login")
        await other.post("/account/login", {"email": "ann@example.org", "password": PASSWORD})
        answer = await other.post("/account/factor", {"code": codes[0]})
        assert answer.status_code == 303
        assert "Recovery codes left: 9." in (await one.get("/account/totp")).text
        text = await one.done("/account/totp/remove", {"password": PASSWORD})
        assert "not asked for any more" in text
        await browser(found).login()


async def test_a_passkey_is_made_named_used_and_removed(database_url: str) -> None:
    async with world(database_url) as found:
        one, device = await at_home(found), Authenticator()
        await one.get("/account/passkeys")
        typed = {"name": "<phone>", "password": PASSWORD}
        await one.done("/account/passkeys/begin", typed)
        given = one.hidden("/account/passkeys/make")
        bad = await one.post("/account/passkeys/make", {"credential": "{"})
        assert (bad.status_code, 'role="alert"' in bad.text) == (400, True)
        made = json.dumps(device.made(json.loads(given["options"])))
        text = await one.done("/account/passkeys/make", {"credential": made})
        assert "The passkey is added." in text
        assert "&lt;phone&gt;" in text
        # Without a password, elsewhere.
        other = browser(found)
        await other.get("/account/login?next=/notes")
        await other.done("/account/passkey", {})
        options = json.loads(other.hidden("/account/passkey/enter")["options"])
        wrong = json.dumps(device.signed(options, origin="http://evil.example"))
        assert (
            await other.post("/account/passkey/enter", {"credential": wrong})
        ).status_code == 401
        signed = json.dumps(device.signed(options))
        answer = await other.post("/account/passkey/enter", {"credential": signed})
        assert answer.headers["location"] == "/notes"
        assert (await other.get("/account")).status_code == 200
        await one.get("/account/passkeys")
        text = await one.done("/account/passkeys/name", {"name": "<b>my</b> tablet"})
        assert "&lt;b&gt;my&lt;/b&gt; tablet" in text
        assert "has its new name" in text
        await one.get("/account/passkeys")
        text = await one.done("/account/passkeys/end", {})
        assert "The passkey is removed." in text
        assert "phone" not in text


async def test_a_key_is_shown_once(database_url: str) -> None:
    async with world(database_url) as found:
        one = await at_home(found)
        await one.get("/account/keys")
        for typed in (
            {"name": "backup", "scopes": ""},
            {"name": "", "scopes": "read"},
            {"name": "backup", "scopes": "a b/c"},
            {"name": "backup", "scopes": "read", "days": "x"},
            {"name": "backup", "scopes": "read", "days": "0"},
        ):
            answer = await one.post("/account/keys/make", typed)
            assert answer.status_code == 400, typed
            assert 'aria-invalid="true"' in answer.text
        typed = {"name": "backup", "scopes": "notes.read  notes.create", "days": "30"}
        text = await one.done("/account/keys/make", typed)
        key = re.findall(r"<code>(\S+)</code>", text)[0]
        bearer = {"authorization": f"Bearer {key}"}
        client = client_of(found.api)
        assert (await client.get("/api/notes", headers=bearer)).status_code == 200
        shown = await one.get("/account/keys")
        assert key not in shown.text
        assert "notes.read, notes.create" in shown.text
        assert "The key is over." in await one.done("/account/keys/end", {})
        assert (await client.get("/api/notes", headers=bearer)).status_code == 401


async def test_authn_6_a_proof_is_asked_for_and_then_it_goes_on(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(database_url) as found:
        one = await at_home(found)
        later = clock.now() + timedelta(minutes=16)
        monkeypatch.setattr(clock, "now", lambda: later)
        await one.get("/account/keys")
        typed = {"name": "backup", "scopes": "read"}
        asked = await one.post("/account/keys/make", typed)
        assert asked.status_code == 403
        assert "Is it you?" in asked.text
        wrong = await one.post("/account/confirm", {"password": "wrong"})
        assert wrong.status_code == 401
        # What was typed is still there, and goes on.
        answer = await one.post("/account/confirm", {"password": PASSWORD})
        assert answer.status_code == 200
        assert "backup" in (await one.get("/account/keys")).text
        assert len(re.findall(r'action="/account/keys/end"', one.page)) == 1
        await one.get("/account/confirm?next=/notes")
        answer = await one.post("/account/confirm", {"password": PASSWORD})
        assert answer.headers["location"] == "/notes"


async def test_the_address_the_data_and_the_end(database_url: str) -> None:
    async with world(database_url) as found:
        one = await at_home(found)
        await one.get("/account/address")
        typed = {"email": "new@example.org", "password": PASSWORD}
        assert "to both addresses" in await one.done("/account/address", typed)
        for address in ("new@example.org", "ann@example.org"):
            await one.get("/account/email")
            assert "confirmed" in await one.done("/account/email", {"token": found.token(address)})
        # Another address ends all sessions.
        assert (await one.get("/account")).status_code == 303
        await one.login("new")
        await one.get("/account/export")
        answer = await one.post("/account/export", {})
        assert "attachment" in answer.headers["content-disposition"]
        assert answer.json()["user"]["email"] == "new@example.org"
        await one.get("/account/leave")
        assert (await one.post("/account/leave", {"password": "wrong"})).status_code == 401
        answer = await one.post("/account/leave", {"password": PASSWORD})
        assert "Your account is deleted." in answer.text
        assert "Max-Age=0" in answer.headers["set-cookie"]
        assert (await one.get("/account")).status_code == 303


async def test_a_log_in_by_a_link_or_a_code_in_a_mail(database_url: str) -> None:
    async with world(database_url) as found:
        await found.joined("ann")
        one = browser(found)
        await one.get("/account/link?next=/notes")
        assert "there is a mail" in await one.done("/account/link", {"email": "ann@example.org"})
        await one.get("/account/magic?next=/notes")
        answer = await one.post("/account/magic", {"token": found.token("ann@example.org")})
        assert answer.headers["location"] == "/notes"
        other = browser(found)
        await other.get("/account/digits?next=/notes")
        await other.done("/account/digits", {"email": "ann@example.org"})
        again = await other.post("/account/digits/enter", {"code": "1"})
        assert again.status_code == 401
        code = re.findall(r"\b\d{4} \d{4}\b", found.mail("ann@example.org"))[0]
        answer = await other.post("/account/digits/enter", {"code": code})
        assert answer.headers["location"] == "/notes"
        assert (await other.get("/account")).status_code == 200


async def test_who_one_is_elsewhere_is_linked_and_unlinked(database_url: str) -> None:
    github = GitHub(client_id="client", client_secret="a secret of theirs")
    async with world(database_url, login_with=[github]) as found:
        one = await at_home(found)
        await one.get("/account/identities")
        answer = await one.post("/account/identities/link", {"provider": "github"})
        assert answer.status_code == 200, answer.text
        assert 'content="0; url=https://github.com/login/oauth/authorize?' in answer.text
        assert any("login-" in row for row in answer.headers.get_list("set-cookie"))
        await one.get("/account/identities")
        assert (await one.post("/account/identities/link", {"provider": "no"})).status_code == 404
        context = found.api.app.accounts.context
        [account] = await context.db.list(context.models.account)
        values = {"issuer": "https://github.com", "subject": "1", "handle": "x"}
        await context.db.create(
            context.models.identity, account=account.id, provider="github", **values
        )
        assert "GitHub" in (await one.get("/account/identities")).text
        assert "opens your account no more" in await one.done("/account/identities/end", {})


async def test_an_app_is_taken_back_what_it_was_allowed(database_url: str) -> None:
    async with signing(database_url) as found:
        ann = await found.joined("ann")
        await allowed(ann, await registered(found))
        one = Browser(ann.client)
        shown = await one.get("/account/apps")
        assert "Planner" in shown.text
        assert "notes.read" in shown.text
        assert "The app may do nothing any more." in await one.done("/account/apps/end", {})
        assert "Planner" not in one.page


async def test_the_tenant_is_chosen_at_a_page(database_url: str) -> None:
    async with two(database_url) as api:
        found = World(api)
        eve = await with_account(found, "eve")
        one = Browser(eve.client)
        shown = await one.get("/account/tenants")
        assert shown.text.count('action="/account/tenants/choose"') == 2
        text = await one.done("/account/tenants/choose", {})
        assert "It is chosen." in text
        assert text.count('action="/account/tenants/choose"') == 1
        tenant = (await eve.auth("GET me")).json()["tenant"]
        assert tenant in (ids(api)["red"], ids(api)["blue"])


async def test_an_error_in_the_address_is_told_in_words_of_the_page(database_url: str) -> None:
    async with world(database_url) as found:
        one = browser(found)
        shown = await one.get("/account/login?error=login_cancelled")
        assert "It was cancelled on the other side." in shown.text
        shown = await one.get("/account/login?error=login_cancelled", **{"accept-language": "de"})
        assert "Es wurde auf der anderen Seite abgebrochen." in shown.text
        for text in ("nobody knows", "<script>alert(1)</script>", "csrf_label", "../x"):
            shown = await one.get(f"/account/login?error={quote(text)}")
            assert "Something went wrong" in shown.text
            assert text not in shown.text


FORMS = [(page, form) for page in PAGES.values() if page.known for form in page.forms]


@pytest.fixture
async def whole(database_url: str) -> AsyncIterator[World]:
    """An app that has everything, and Ann."""
    async with everything(database_url) as found:
        await at_home(found)
        yield found


@each("name", [form.name for _, form in FORMS])
async def test_csrf_1_no_form_is_taken_without_its_token(whole: World, name: str) -> None:
    one = browser(whole)
    await one.login()
    if (await one.get(f"/account/{name}")).status_code == 404:
        return  # it is there for tenants alone
    before = await _kept(whole)
    typed = {"password": PASSWORD, "current": PASSWORD, "id": "x", "email": "new@example.org"}
    elsewhere = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    await one.get("/account")
    right = one.hidden("/account/logout")["csrf"]
    for token, headers in (("", HERE), ("stale", HERE), (right, elsewhere), (right, {})):
        sent = typed | {"csrf": token}
        answer = await one.client.post(f"/account/{name}", data=sent, headers=headers)
        assert answer.status_code == 403, (token, answer.text)
        assert "too long" in answer.text
    assert await _kept(whole) == before
    assert (await one.get("/account")).status_code == 200


ODD = [
    "",
    "\0",
    "x" * 1_100,
    "\U0001f600" * 900,
    "{",
    "[1]",
    "null",
    "9" * 5_000,
    "-1",
    "<b>",
    "a b",
    "%",
]


TYPED = {form.name: (page, form) for page in PAGES.values() for form in page.forms}
for absent in ("logout", "sessions/others", "export", "tenants/choose", "membership"):
    del TYPED[absent]  # nothing is typed there, or they aren't of this app


@pytest.mark.parametrize("name", TYPED)
async def test_limit_1_nothing_that_is_typed_is_a_defect(whole: World, name: str) -> None:
    one = browser(whole)
    await one.login()
    await one.get("/account")
    csrf = one.hidden("/account/logout")["csrf"]
    page, form = TYPED[name]
    for odd in ODD:
        fields = [*page.kept, *(field.name for field in form.fields), form.each or "id"]
        typed = {field: odd for field in fields} | {"csrf": csrf, "next": odd, "again": odd}
        answer = await one.client.post(f"/account/{name}", data=typed, headers=HERE)
        assert answer.status_code < 500, (odd, answer.text)
        assert not whole.api.defects, whole.api.defects
        assert "<b>" not in answer.text
        where = answer.headers.get("location", "/account")
        assert where.startswith("/account"), where


async def test_a_note_is_told_by_the_page_that_its_form_leads_to(database_url: str) -> None:
    async with world(database_url) as found:
        one = await at_home(found)
        assert "The key is over." in (await one.get("/account/keys?done=keys/end")).text
        assert "is over" not in (await one.get("/account/passkeys?done=keys/end")).text
        for name in ("leave", "nothing", "<b>", "password"):
            assert 'role="status"' not in (await one.get(f"/account?done={name}")).text


def everything(url: str) -> AbstractAsyncContextManager[World]:
    """An app with all pages but that of tenants."""
    github = GitHub(client_id="client", client_secret="a secret of theirs")
    given = {"base_url": "http://test"}
    return world(url, login_with=[github], sign_in=SignIn({}), settings=given)


async def _kept(found: World) -> list[Any]:
    """What stands in the database of sessions, factors, keys and mails."""
    context = found.api.app.accounts.context
    models = context.models
    rows = [
        sorted(str(row.id) for row in await context.db.list(model, limit=1_000))
        for model in (models.session, models.factor, models.key, models.account, models.code)
    ]
    return [rows, len(found.mails)]
