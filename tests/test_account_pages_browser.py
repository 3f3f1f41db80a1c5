"""The pages of accounts in Chromium: the whole way of one person, and what others try."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from typing import Any

import pyotp
import pytest

from account_site import authenticator, log_in, registered, site
from accounts import PASSWORD
from browser import chromium
from oidc_provider import served

pytestmark = [pytest.mark.slow, pytest.mark.named]


async def press(page: Any, name: str) -> None:
    await page.get_by_role("button", name=name, exact=True).click()


async def renamed(page: Any, name: str) -> None:
    row = page.locator("details")
    await row.locator("summary").click()
    await row.get_by_label("Name of the passkey").fill(name)
    await row.get_by_role("button").click()
    await page.get_by_text("The passkey has its new name.").wait_for()
    await page.get_by_text(name).first.wait_for()


async def test_one_person_from_the_mailbox_to_the_end_of_another_session(
    database_url: str,
) -> None:
    async with site(database_url) as (_, url), chromium() as ann:
        page = await ann.open(f"{url}/account")
        await registered(page, url)
        await authenticator(page)
        await page.get_by_role("link", name="Passkeys").click()
        await page.get_by_label("Name of the passkey").fill("laptop")
        await page.get_by_label("Password").fill(PASSWORD)
        await press(page, "Continue")
        await page.get_by_text("The passkey is added.").wait_for()
        await page.get_by_text("laptop").wait_for()
        await renamed(page, "the laptop")
        # Out, and in again by it alone.
        await page.goto(f"{url}/account")
        await press(page, "Log out")
        await page.wait_for_url(f"{url}/account/login")
        await page.goto(f"{url}/account/login?next=/account/keys")
        await press(page, "Log in with a passkey")
        await page.wait_for_url(f"{url}/account/keys")
        # Codes of an app, and what is left when the app is lost.
        await page.goto(f"{url}/account/totp")
        await page.get_by_label("Password").fill(PASSWORD)
        await press(page, "Continue")
        await page.get_by_role("img", name="The key as a QR code").wait_for()
        secret = await page.locator("code").inner_text()
        await page.get_by_label("Code", exact=True).fill(pyotp.TOTP(secret).now())
        await press(page, "Continue")
        await page.get_by_role("heading", name="Recovery codes").wait_for()
        codes = await page.locator(".codes code").all_inner_texts()
        assert len(codes) == 10
        # At another browser the password isn't enough any more.
        other = await ann.stranger()
        there = await other.open(f"{url}/account")
        await there.get_by_label("E-mail").fill("ann@example.org")
        await there.get_by_label("Password").fill(PASSWORD)
        await press(there, "Log in")
        await there.get_by_label("Code").fill(codes[3])
        await press(there, "Continue")
        await there.wait_for_url(f"{url}/account")
        # It is ended from the first.
        await page.goto(f"{url}/account")
        rows = page.get_by_role("button", name=re.compile("^End: "))
        assert await rows.count() == 1
        await rows.click()
        await page.get_by_text("The session is over.").wait_for()
        await there.goto(f"{url}/account")
        await there.wait_for_url(f"{url}/account/login")
        assert ann.faults == other.faults == []


async def test_a_proof_is_asked_for_and_what_was_typed_goes_on(database_url: str) -> None:
    async with site(database_url) as (app, url), chromium() as ann:
        page = await ann.open(f"{url}/account")
        await registered(page, url)
        context = app.accounts.context  # type: ignore[union-attr]
        [session] = await context.db.list(context.models.session)
        await context.db.update(session, authenticated="2020-01-01T00:00:00Z")
        await context.sessions.tell()
        await page.goto(f"{url}/account/keys")
        await page.get_by_label("Name of the key").fill("backup")
        await page.get_by_label("Scopes").fill("notes.read")
        await press(page, "Save")
        await page.get_by_role("heading", name="Is it you?").wait_for()
        await page.get_by_label("Password").fill(PASSWORD)
        await press(page, "Continue")
        await page.get_by_role("heading", name="A new key").wait_for()
        assert (await page.locator("code").inner_text()).startswith("abk_")
        # A page that is loaded again makes no other.
        await page.goto(f"{url}/account/keys")
        assert await page.get_by_role("button", name="End: backup").count() == 1
        # What is downloaded is all that is kept.
        await page.goto(f"{url}/account/export")
        async with page.expect_download() as file:
            await press(page, "Have a copy of your data")
        assert (await file.value).suggested_filename == "account.json"
        assert ann.faults == []


ATTACKS = {
    "/form": """<!doctype html><form method="post" action="{url}/account/sessions/others">
<button>go</button></form><script>document.forms[0].submit()</script>""",
    "/login": """<!doctype html><form method="post" action="{url}/account/login">
<input name="email" value="eve@example.org"><input name="password" value="correct horse battery">
</form><script>document.forms[0].submit()</script>""",
    "/frame": """<!doctype html><iframe src="{url}/account" name="within"></iframe>""",
}


class Elsewhere:
    """Pages of somebody else's, which mean harm to a site."""

    url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        text = ATTACKS.get(scope["path"], "").replace("{url}", self.url).encode()
        headers = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_csrf_1_pages_from_elsewhere_do_nothing(database_url: str, host: str) -> None:
    """By `localhost` the other site is a sibling, whose forms a Lax cookie goes along with."""
    other = Elsewhere()
    async with AsyncExitStack() as stack:
        _, url = await stack.enter_async_context(site(database_url))
        evil = (await stack.enter_async_context(served(other))).replace("127.0.0.1", host)
        ann = await stack.enter_async_context(chromium())
        other.url = url
        page = await ann.open(url)
        await registered(page, url)
        second = await ann.stranger()
        there = await second.open(url)
        await log_in(there, url)
        # Nor do other sessions end, nor is she somebody else afterwards.
        for path, form in (("/form", "sessions/others"), ("/login", "login")):
            await page.goto(f"{evil}{path}")
            await page.wait_for_url(f"{url}/account/{form}")
            await page.get_by_text("too long, or was sent from elsewhere").wait_for()
            assert (403, f"{url}/account/{form}") in ann.answers
        await page.goto(f"{url}/account")
        await page.get_by_text("Ann").wait_for()
        await there.goto(f"{url}/account")
        await there.get_by_text("Ann").wait_for()
        # No page stands within another's.
        async with page.expect_console_message(lambda said: "frame-ancestors" in said.text):
            await page.goto(f"{evil}/frame")
        assert f"{url}/account" not in [frame.url for frame in page.frames]


async def test_csrf_2_a_form_of_a_session_that_is_over_does_nothing(database_url: str) -> None:
    async with site(database_url) as (_, url), chromium() as ann:
        page = await ann.open(url)
        await registered(page, url)
        stale = await ann.open(f"{url}/account/keys")
        await page.goto(f"{url}/account")
        await press(page, "Log out")
        await registered(page, url, "bob")
        # The cookie is bob's by now, and the form of the session before.
        await stale.get_by_label("Name of the key").fill("backup")
        await stale.get_by_label("Scopes").fill("read")
        await press(stale, "Save")
        await stale.get_by_text("too long, or was sent from elsewhere").wait_for()
        await page.goto(f"{url}/account/keys")
        await page.get_by_text("There is none.").wait_for()
        # Once nobody is logged in, it leads to where one logs in, and back.
        await page.goto(f"{url}/account")
        await press(page, "Log out")
        await press(stale, "Save")
        await stale.wait_for_url(f"{url}/account/login?next=/account/keys")


async def test_oauth_4_next_leads_nowhere_else(database_url: str) -> None:
    async with site(database_url) as (_, url), chromium() as ann:
        page = await ann.open(url)
        await registered(page, url)
        for away in ("//evil.example", "https://evil.example/", "/\\evil.example", "/%09/evil"):
            await page.goto(f"{url}/account/login?next={away}")
            await page.get_by_label("E-mail").fill("ann@example.org")
            await page.get_by_label("Password").fill(PASSWORD)
            await press(page, "Log in")
            await page.wait_for_url(f"{url}/account")
            await page.goto(f"{url}/account/confirm?next={away}")
            await page.get_by_label("Password").fill(PASSWORD)
            await press(page, "Continue")
            await page.wait_for_url(f"{url}/account")
        assert all("evil.example" not in to.partition("?")[0] for _, to in ann.answers)
