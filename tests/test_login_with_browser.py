"""The whole way in Chromium, with a certified provider whose pages are its own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pyotp
import pytest
from fastapi import Request
from fastapi.responses import HTMLResponse

from abaft import App, Settings, User
from abaft.auth.factors import Factors
from abaft.base import clock
from accounts import Note
from browser import chromium
from conftest import opened
from oidc_provider import served
from scenarios import ADMIN_TOKEN, SECRET_KEY
from servers.openid import OpenIdProvider

pytestmark = [pytest.mark.slow, pytest.mark.named]

PAGE = """<!doctype html><title>%s</title><p id="who"></p>
<a id="login" href="/api/auth/with/idp?next=/welcome">Log in</a>
<script nonce="%s">
fetch("/api/auth/me").then(async answer => {
  const body = await answer.json()
  who.textContent = answer.status === 200 ? body.user.name : "nobody"
})
</script>"""
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1"
"""The provider's page wants a font from elsewhere: nothing of a test leaves this machine."""


class Late:
    """An application that is made once it is known where it is served."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@asynccontextmanager
async def site(database: str, host: str, **options: Any) -> AsyncIterator[tuple[App, str]]:
    """An app with a button, and the provider behind it; by `localhost` they are two sites."""
    late = Late()
    async with served(late) as url:
        url = url.replace("127.0.0.1", host)
        with opened(lambda: OpenIdProvider(f"{url}/api/auth/with/idp/callback")) as provider:
            given = Settings(
                database=database,
                secret_key=SECRET_KEY,
                admin_token=ADMIN_TOKEN,
                content_security_policy="default-src 'self'; script-src 'nonce-{nonce}'",
                docs=False,
            )
            late.app = app = App(
                User, Note, settings=given, login_with=[provider.settings(**options)], sinks=()
            )
            _add_pages(app)
            await app.start()
            try:
                yield app, url
            finally:
                await app.stop()


def _add_pages(app: App) -> None:
    def page(request: Request) -> HTMLResponse:
        return HTMLResponse(PAGE % (request.url.path, request.state.nonce))

    for path in ("/", "/welcome"):
        app.add_api_route(path, page, response_class=HTMLResponse)


async def agree(page: Any, name: str) -> None:
    """What a person does at the provider: a name, a password, and yes."""
    await page.get_by_placeholder("Enter any login").fill(name)
    await page.get_by_placeholder("and password").fill("any")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()


@pytest.mark.parametrize(
    ("host", "mode"), [("127.0.0.1", ""), ("localhost", ""), ("localhost", "form_post")]
)
async def test_oauth_1_a_browser_logs_in_at_a_certified_provider(
    database_url: str, host: str, mode: Any
) -> None:
    async with site(database_url, host, response_mode=mode) as (app, url), chromium(ALONE) as ann:
        page = await ann.open(url)
        await page.get_by_text("nobody").wait_for()
        await page.click("#login")
        await agree(page, "ann")
        await page.wait_for_url(f"{url}/welcome")
        await page.get_by_text("ann").wait_for()
        cookies = {row["name"]: row for row in await ann.context.cookies(url)}
        assert {"session", "device"} <= {*cookies}
        assert cookies["session"]["httpOnly"]
        assert cookies["session"]["sameSite"] == "Lax"
        assert not [name for name in cookies if name.startswith("login-")]
        # Once more, elsewhere: the same account.
        other = await ann.stranger()
        page = await other.open(url)
        await page.click("#login")
        await agree(page, "ann")
        await page.get_by_text("ann").wait_for()
        assert len(await app.accounts.context.db.list(User)) == 1
        assert ann.faults == other.faults == []
        # Nothing of the log-in is left in an address that others could see.
        assert "code=" not in page.url


async def test_the_pages_of_accounts_lead_to_providers_and_back(database_url: str) -> None:
    async with site(database_url, "127.0.0.1") as (app, url), chromium(ALONE) as ann:
        context = app.accounts.context
        page = await ann.open(f"{url}/account/login?next=/welcome")
        await page.get_by_text("Log in with Idp").click()
        await agree(page, "ann")
        await page.wait_for_url(f"{url}/welcome")
        await page.get_by_text("ann").wait_for()
        # With a second factor a page asks for it; the token leaves the address at once.
        user = (await context.db.list(User))[0]
        account = await context.account_of(str(user.id))
        factors = Factors(context)
        secret, _ = await factors.begin(account)
        await factors.confirm(context.db, account, pyotp.TOTP(secret).now())
        other = await ann.stranger()
        page = await other.open(f"{url}/account/login?next=/welcome")
        await page.get_by_text("Log in with Idp").click()
        await agree(page, "ann")
        await page.wait_for_url(f"{url}/account/factor?next=%2Fwelcome")
        await page.get_by_label("Code").fill(pyotp.TOTP(secret).at(clock.unix_ms() // 1000 + 30))
        await page.get_by_role("button", name="Continue").click()
        await page.wait_for_url(f"{url}/welcome")
        await page.get_by_text("ann").wait_for()
        # Whose address somebody has here follows a mail.
        await context.db.create(User, name="Ben", email="ben@example.org")
        third = await ann.stranger()
        page = await third.open(f"{url}/account/login")
        await page.get_by_text("Log in with Idp").click()
        await agree(page, "ben")
        await page.get_by_text("confirm_by_mail").wait_for()
        mail = context.mailer.box[-1].get_body(("plain",)).get_content()
        path = re.search(r"/account/identity#\S+", mail)
        assert path is not None
        await page.goto(url + path[0])
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_text("You are logged in as Ben").wait_for()
        assert ann.faults == other.faults == third.faults == []


async def test_oauth_1_who_cancels_or_goes_back_is_told(database_url: str) -> None:
    async with site(database_url, "127.0.0.1") as (app, url), chromium(ALONE) as ann:
        page = await ann.open(url)
        await page.click("#login")
        await page.get_by_text("Cancel").click()
        await page.get_by_text("login_cancelled").wait_for()
        await page.get_by_role("link", name="Continue").click()
        await page.get_by_text("nobody").wait_for()
        await page.click("#login")
        await agree(page, "unproved")
        await page.get_by_text("email_unproved").wait_for()
        # The same answer again is worth nothing.
        await page.reload()
        await page.get_by_text("bad_state").wait_for()
        assert await app.accounts.context.db.list(User) == []
        assert ann.faults == []
