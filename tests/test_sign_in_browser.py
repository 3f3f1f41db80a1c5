"""Apps of others in Chromium, by a certified client: the whole way, against a real server."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from abaft import App, Settings, SignIn, User
from accounts import PASSWORD, Note
from browser import chromium
from conftest import opened
from oidc_provider import served
from scenarios import ADMIN_TOKEN, SECRET_KEY, Api
from servers.openid import OpenIdApp
from test_login_with_browser import Late

pytestmark = [pytest.mark.slow, pytest.mark.named]


async def made(app: App, url: str) -> dict[str, Any]:
    """Ann's account, and a client."""
    transport = httpx.ASGITransport(app)
    api = Api(app, httpx.AsyncClient(transport=transport, base_url=url))
    body = {"email": "ann@example.org", "roles": []}
    answer = await api.ask("POST /api/auth/invitations", "admin", json=body)
    assert answer.status_code == 202, answer.text
    text = app.accounts.context.mailer.box[-1].get_body(("plain",)).get_content()
    token = text.partition("#")[2].split()[0]
    body = {"token": token, "password": PASSWORD, "user": {"name": "Ann"}, "session": "cookie"}
    answer = await api.ask("POST /api/auth/register/finish", json=body)
    assert answer.status_code == 201, answer.text
    body = {
        "name": "Planner",
        "redirect_uris": ["http://127.0.0.1/back"],
        "logout_uris": [f"{url}/bye"],
        "scopes": ["openid", "email", "profile", "offline_access"],
        "method": "client_secret_post",
        "grants": [
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
    }
    answer = await api.ask("POST /api/auth/clients", "admin", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_oauth_a_certified_client_signs_people_in(database_url: str) -> None:
    late = Late()
    async with served(late) as url:
        given = Settings(
            database=database_url, secret_key=SECRET_KEY, admin_token=ADMIN_TOKEN, base_url=url
        )
        late.app = app = App(User, Note, settings=given, sign_in=SignIn(), sinks=())
        await app.start()
        try:
            client = await made(app, url)
            await _signed_in(url, client)
        finally:
            await app.stop()


async def _signed_in(url: str, client: dict[str, Any]) -> None:
    loop_free = opened(lambda: OpenIdApp(url, client["client_id"], client["client_secret"]))
    async with chromium() as ann:
        with loop_free as planner:
            page = await ann.open(f"{planner.url}/login")
            await page.get_by_label("E-mail").fill("ann@example.org")
            await page.get_by_label("Password").fill(PASSWORD)
            await page.get_by_role("button", name="Log in", exact=True).click()
            await page.get_by_role("button", name="Allow").click()
            await page.wait_for_url(f"{planner.url}/back*")
            told = json.loads(await page.inner_text("body"))
            assert (told["before"], told["after"]) == (True, False)
            assert told["claims"]["iss"] == url
            assert told["claims"]["sub"] == told["user"]["sub"]
            assert told["user"]["email"] == "ann@example.org"
            await page.goto(f"{planner.url}/device")
            await page.goto(json.loads(await page.inner_text("body"))["at"])
            await page.get_by_role("button", name="Allow").click()
            await page.get_by_text("Connected").wait_for()
            await page.goto(f"{planner.url}/device/done")
            device = json.loads(await page.inner_text("body"))
            assert device["claims"]["sub"] == told["user"]["sub"]
            await page.goto(told["leave"])
            await page.wait_for_url(f"{url}/bye?state=st")
            assert not [row for row in await ann.context.cookies(url) if row["name"] == "session"]
            assert ann.faults == []
