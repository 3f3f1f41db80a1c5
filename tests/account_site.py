"""An app with accounts on a port of this machine, for tests in a real browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from abaft import App, Settings, User
from accounts import PASSWORD, Note
from oidc_provider import served
from scenarios import ADMIN_TOKEN, SECRET_KEY


class Late:
    """An application that is made once it is known where it is served."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@asynccontextmanager
async def site(
    database: str, *models: type[Any], settings: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[tuple[App, str]]:
    """The app and its origin, by a name that browsers let passkeys be made for."""
    late = Late()
    async with served(late) as url:
        url = url.replace("127.0.0.1", "localhost")
        given = Settings(
            database=database,
            secret_key=SECRET_KEY,
            admin_token=ADMIN_TOKEN,
            base_url=url,
            **(settings or {}),
        )
        late.app = app = App(*(models or (User, Note)), settings=given, sinks=(), **options)
        await app.start()
        try:
            yield app, url
        finally:
            await app.stop()


async def registered(page: Any, url: str, name: str = "ann") -> None:
    """The way from the first page to the overview: the mail is read in the mailbox's page."""
    await page.goto(f"{url}/account/join")
    await page.get_by_label("E-mail").fill(f"{name}@example.org")
    await page.get_by_role("button", name="Send a link").click()
    await page.get_by_text("there is a mail").wait_for()
    await page.goto(f"{url}/api/auth/mailbox")
    link = re.search(r"http://localhost:\d+/account/register#\S+", await page.inner_text("body"))
    assert link is not None
    await page.goto(link[0])
    await page.get_by_label("Name").fill(name.title())
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_role("button", name="Save").click()
    await page.wait_for_url(f"{url}/account")


async def log_in(page: Any, url: str, name: str = "ann", then: str = "/account") -> None:
    """By the form, with the password."""
    await page.goto(f"{url}/account/login")
    await page.get_by_label("E-mail").fill(f"{name}@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in", exact=True).click()
    await page.wait_for_url(f"{url}{then}")


async def authenticator(page: Any) -> Any:
    """A device of this page's browser that makes and keeps passkeys, and asks nobody."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session
