"""Every page that abaft shows to people, looked at by axe in Chromium, by day and by night."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyotp
import pytest

from abaft import Invitation, Membership, Organisation, SignIn, User
from abaft.auth.page_table import PAGES
from abaft.login_with import GitHub
from account_site import authenticator, registered, site
from accounts import PASSWORD, Note
from axe import source, violations
from browser import chromium
from scenarios import ADMIN_TOKEN
from test_account_pages_browser import press

pytestmark = pytest.mark.slow


class Looked:
    """A browser's page, and all that axe has found on what it showed."""

    def __init__(self, page: Any, url: str, script: str) -> None:
        self.page, self.url, self._script = page, url, script
        self.found: list[str] = []
        self.count = 0

    async def go(self, path: str) -> None:
        await self.page.goto(f"{self.url}{path}")

    async def look(self) -> None:
        for scheme in ("light", "dark"):
            await self.page.emulate_media(color_scheme=scheme)
            self.found += [f"{scheme}: {row}" for row in await violations(self.page, self._script)]
        self.count += 1

    async def look_at(self, path: str) -> None:
        await self.go(path)
        await self.look()


@asynccontextmanager
async def looking(folder: Path) -> AsyncIterator[Looked]:
    """Ann, logged in to an app that has every page."""
    script = source()
    github = GitHub(client_id="client", client_secret="a secret of theirs")
    models = (User, Note, Organisation, Membership, Invitation)
    options: dict[str, Any] = {"login_with": [github], "sign_in": SignIn({"export": "Export all"})}
    async with site(f"sqlite:///{folder}/x.db", *models, **options) as (_, url), chromium() as ann:
        page = await ann.open(url)
        looked = Looked(page, url, script)
        await registered(page, url)
        yield looked
        assert looked.found == [], "\n".join(looked.found)


async def test_pages_of_accounts_keep_nobody_out(tmp_path: Path) -> None:
    async with looking(tmp_path) as ann:
        page = ann.page
        for language in ("en", "de"):
            await page.set_extra_http_headers({"accept-language": language})
            for name, row in PAGES.items():
                if not row.kept and name != "tenants":
                    await ann.look_at(f"/account/{name}".rstrip("/"))
        await page.set_extra_http_headers({"accept-language": "en"})
        assert ann.count > 40
        # With a list, a fault, a note and what is shown once.
        await ann.go("/account/keys")
        await page.get_by_label("Name of the key").fill("backup")
        await page.get_by_label("Scopes").fill("a/b")
        await press(page, "Save")
        await page.get_by_role("alert").wait_for()
        await ann.look()
        await page.get_by_label("Scopes").fill("notes.read")
        await press(page, "Save")
        await page.get_by_role("heading", name="A new key").wait_for()
        await ann.look()
        await ann.look_at("/account/keys")
        await press(page, "End: backup")
        await page.get_by_role("status").wait_for()
        await ann.look()
        await ann.look_at("/account/login?error=login_cancelled")


async def begin(page: Any) -> None:
    """What a passkey and codes of an app begin with."""
    await page.get_by_label("Password").fill(PASSWORD)
    await press(page, "Continue")


async def test_pages_of_second_factors_keep_nobody_out(tmp_path: Path) -> None:
    async with looking(tmp_path) as ann:
        page = ann.page
        await ann.go("/account/passkeys")
        # Without a device first: then the page stays.
        await begin(page)
        await page.get_by_role("button", name="Make the passkey").wait_for()
        await ann.look()
        await authenticator(page)
        await ann.go("/account/passkeys")
        await begin(page)
        await page.get_by_text("The passkey is added.").wait_for()
        await ann.look()
        await ann.go("/account/totp")
        await begin(page)
        await page.get_by_role("img", name="The key as a QR code").wait_for()
        await ann.look()
        secret = await page.locator("code").inner_text()
        await page.get_by_label("Code", exact=True).fill(pyotp.TOTP(secret).now())
        await press(page, "Continue")
        await page.get_by_role("heading", name="Recovery codes").wait_for()
        await ann.look()
        await ann.look_at("/account/totp")
        await ann.go("/account/digits")
        await page.get_by_label("E-mail").fill("ann@example.org")
        await press(page, "Send a code")
        await page.get_by_label("Code", exact=True).wait_for()
        await ann.look()


async def test_pages_of_apps_keep_nobody_out(tmp_path: Path) -> None:
    async with looking(tmp_path) as ann:
        page, url = ann.page, ann.url
        await ann.look_at("/api/auth/mailbox")
        made = await page.request.post(
            f"{url}/api/auth/clients",
            headers={"authorization": f"Bearer {ADMIN_TOKEN}"},
            data={"name": "Planner", "redirect_uris": [f"{url}/account"], "scopes": ["notes.read"]},
        )
        client = (await made.json())["client_id"]
        query = (
            f"client_id={client}&response_type=code&redirect_uri={url}/account&scope=notes.read"
            f"&code_challenge={'a' * 43}&code_challenge_method=S256&state=x"
        )
        await ann.look_at(f"/api/auth/oauth/authorize?{query}")
        await page.get_by_role("button").first.wait_for()
        for path in ("authorize?client_id=x", "verify", "logout", "verify?user_code=ABCD-EFGH"):
            await ann.look_at(f"/api/auth/oauth/{path}")
        await ann.look_at("/api/auth/with/nobody")
