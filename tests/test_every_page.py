"""XSS-2, HDR-1: all that an app with everything answers, at each place that it says it has.

Places come of the app: of its routes, its table of endpoints, its pages and its collections.
Whoever draws a page, and each template, has to have been seen at the end.
"""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
import pyotp
import pytest
from fastapi.responses import PlainTextResponse

import abaft
from abaft import Invitation, Membership, Organisation, Ref, SignIn, User, field
from abaft.auth import page_drawing
from abaft.guard import headers as guard_headers
from abaft.login_with import GitHub
from account_browser import HERE, Browser, browser
from accounts import PASSWORD, World, client_of, world
from apps.open import Open
from sign_in import AUTHORIZE, BACK, Client, hidden, registered
from strict_pages import EVERYWHERE, faults
from test_account_texts import walked

pytestmark = pytest.mark.named
OAUTH = "/api/auth/oauth"
TEMPLATES = ("abaft.auth", "abaft.auth.server")
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGE_HEADERS = guard_headers.of_page
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")


class Paper(Open):
    """Of an organisation, as all is in an app with tenants."""

    text: str = field(default="", max_length=100)
    organisation: Ref[Organisation] = field(on_delete="cascade")


class Broken(Exception):
    """A defect of the application's own code."""


class Watched:
    """The app; each answer that leaves it is looked at."""

    def __init__(self, app: Any) -> None:
        self.inner = app
        self.wrong: list[str] = []
        self.nonces: set[str] = set()
        self.statuses: dict[bool, set[int]] = {True: set(), False: set()}
        """Those of pages, and of all else."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        told: list[Any] = []

        async def sending(message: Any) -> None:
            told.append(message)
            await send(message)

        # The application's own defect was answered before it is handed on to the server.
        with suppress(Broken):
            await self.inner(scope, receive, sending)
        self._look(scope, told)

    def _look(self, scope: Any, told: list[Any]) -> None:
        rows = [(name.decode(), value.decode("latin-1")) for name, value in told[0]["headers"]]
        body = b"".join(message.get("body", b"") for message in told[1:])
        page = any(name.lower() == "content-type" and "html" in value for name, value in rows)
        self.statuses[page].add(told[0]["status"])
        asked = f"{scope['method']} {scope['path']} ({told[0]['status']})"
        self.wrong += [f"{asked}: {fault}" for fault in faults(rows, body, self.nonces)]


def drawers(monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], set[str]]:
    """The modules that say the headers of a page, and those of them that did."""
    every, did = set(), set()
    for name, module in [*sys.modules.items()]:
        if name.startswith("abaft.") and getattr(module, "of_page", None):
            every.add(name)

            def noted(*args: Any, name: str = name, **more: Any) -> Any:
                did.add(name)
                return PAGE_HEADERS(*args, **more)

            if module is not guard_headers:
                monkeypatch.setattr(module, "of_page", noted)
    every.discard(guard_headers.__name__)
    return every, did


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], set[str]]:
    """The pages of accounts, and the templates, that were drawn."""
    pages, templates = set(), set()
    draw, render = page_drawing.Drawing.draw, jinja2.Template.render

    def drawing(self: Any, sheet: Any, *more: Any) -> Any:
        if not (sheet.done or sheet.fault):
            pages.add(sheet.page.name)
        return draw(self, sheet, *more)

    def rendering(self: Any, *args: Any, **more: Any) -> str:
        templates.add(self.name)
        return render(self, *args, **more)

    monkeypatch.setattr(page_drawing.Drawing, "draw", drawing)
    monkeypatch.setattr(jinja2.Template, "render", rendering)
    return pages, templates


def all_templates() -> set[str]:
    """Those that are a page: no other one extends or includes them."""
    texts = {
        path.name: path.read_text("utf-8")
        for package in TEMPLATES
        for path in (files(package) / "pages").iterdir()
        if path.name.endswith(".html")
    }
    parts = re.findall(r"{% (?:extends|include|from) \"([^\"]+)\"", "".join(texts.values()))
    return {*texts} - {*parts} | {"form.html"}


@asynccontextmanager
async def everything(url: str) -> AsyncIterator[World]:
    """An app with all that there is, and a defect, in development."""
    often = 10**9
    settings = {
        "base_url": "http://test",
        "requests_per_minute": often,
        "account_requests_per_minute": often,
        "route_limits": "GET /seldom 1",
        "security_contact": "mailto:security@example.org",
        "rate_exempt_addresses": "",
    }
    github = GitHub(client_id="client", client_secret="a secret of theirs")
    models = (User, Organisation, Membership, Invitation, Paper)
    sign_in = SignIn({"export": "Export all"}, registration=True)
    async with world(
        url, *models, tenant=Organisation, login_with=[github], sign_in=sign_in, settings=settings
    ) as found:
        app = found.api.app

        @app.get("/broken")
        async def broken() -> PlainTextResponse:
            raise Broken

        @app.get("/seldom")
        async def seldom() -> PlainTextResponse:
            return PlainTextResponse("here")

        found.api.app = Watched(app)  # type: ignore[assignment]
        found.api.client = client_of(found.api, "127.0.0.1")
        yield found


def places(app: Any) -> Iterator[str]:
    """Every path that the app knows, and one below it that it doesn't."""
    own = [getattr(route, "path", "") for route in app.routes]
    prefix = app.settings_.api_prefix
    endpoints = [f"{prefix}/auth/{row.path}" for row in app.accounts.endpoints]
    account = [
        f"/account/{name}" for name in {*app.accounts.pages._pages, *app.accounts.pages._forms}
    ]
    collections = [f"{prefix}/{name}{key}" for name in app.schema.collections for key in ("", "/x")]
    known = ["/.well-known/security.txt", "/.well-known/change-password", f"{prefix}/batch"]
    for path in {*own, *endpoints, *account, *collections, *known, "/", "/account/style.css"}:
        filled = re.sub(r"{[^}]*}|\*", "x", path)
        yield from (filled, f"{filled}/none")


async def knock(found: World, one: Browser | None, csrf: str) -> None:
    """By each method, with nothing, with a form and with too much."""
    client = found.api.client if one is None else one.client
    form = {"content-type": "application/x-www-form-urlencoded"}
    for path in sorted({*places(found.api.app)}):
        for method in METHODS:
            await client.request(method, path, headers=BROWSER)
        typed = urlencode({"csrf": csrf, "answer": "no", "next": "/<b>", "id": "x"}).encode()
        for headers in (HERE, {}):
            await client.post(path, content=typed, headers=BROWSER | form | headers)
        huge = {"content-length": str(10**9)} | BROWSER | form | HERE
        await client.post(path, content=b"x", headers=huge)
        await client.get(path, params={"error": "<b>", "next": "//x", "x": "a" * 9_000})
        await client.get(path, headers={"host": "evil.example"} | BROWSER)


async def test_xss_2_hdr_1_every_place_there_is(
    database_url: str, drawn: tuple[set[str], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with everything(database_url) as found:
        watched: Any = found.api.app
        every, did = drawers(monkeypatch)
        await knock(found, None, "")
        ann = await at_home(found)
        await tour(found, ann)
        await ann.login()
        await ann.get("/account")
        await knock(found, ann, ann.hidden("/account/logout")["csrf"])
        assert sorted({*watched.wrong}) == []
        pages, templates = drawn
        assert pages == {*watched.accounts.pages._pages}
        assert all_templates() - templates == set()
        assert every == did
        assert watched.statuses[True] >= {200, 400, 401, 403, 429}
        assert watched.statuses[False] >= {200, 303, 400, 401, 404, 405, 413, 414, 415, 429, 500}


async def at_home(found: World) -> Browser:
    """Ann, in an organisation of hers, whose browser has logged in."""
    ann = await found.joined("ann")
    made = await ann.ask("POST /api/organisations", {"name": "<b>Crew"})
    assert made.status_code == 201, made.text
    one = browser(found)
    one.client.headers.update(BROWSER)
    await one.login()
    return one


async def tour(found: World, ann: Browser) -> None:
    """Where one gets by forms alone."""
    await walked(found, ann, "en")
    await ann.get("/account/tenants")
    await ann.get("/account/identities")
    await ann.done("/account/identities/link", {"provider": "github"})
    await ann.get("/account/forgot")
    await ann.done("/account/forgot", {"email": "ann@example.org"})
    await found.api.client.get("/api/auth/mailbox", headers=BROWSER)
    await found.api.client.get("/api/auth/with/github/callback?state=x&code=y", headers=BROWSER)
    await apps(found, ann)
    await second_factor(found, ann)
    stranger = browser(found, "192.0.2.99")
    for _ in range(40):
        await stranger.get("/account/login")
        wrong = {"email": "joe@example.org", "password": "wrong wrong"}
        if (await stranger.post("/account/login", wrong)).status_code == 429:
            break
    for _ in range(2):
        await found.api.client.get("/seldom")


async def apps(found: World, ann: Browser) -> None:
    """The pages of the authorization server."""
    client = await registered(found, scopes=["openid", "email", "profile"])
    asking = Client(found, client.id, scope="openid email").asks(redirect_uri=BACK)
    assert (await ann.client.get(asking)).status_code == 200
    assert (await ann.client.get(f"{AUTHORIZE}?client_id=<b>")).status_code == 400
    assert (await ann.get(f"{OAUTH}/verify")).status_code == 200
    assert (await ann.get(f"{OAUTH}/verify?user_code=<b>")).status_code == 400
    assert (await ann.client.get(f"{OAUTH}/logout?client_id=<b>")).status_code == 200
    fields = hidden((await ann.get(f"{OAUTH}/logout")).text)
    stayed = await ann.client.post(f"{OAUTH}/logout", data=fields, headers=HERE)
    assert "Still logged in" in stayed.text


async def second_factor(found: World, ann: Browser) -> None:
    """Codes of an app, until they are shown."""
    await ann.get("/account/totp")
    page = await ann.done("/account/totp/begin", {"password": PASSWORD})
    secret = re.findall(r"<code>([A-Z2-7]{32})</code>", page)[0]
    await ann.done("/account/totp/confirm", {"code": pyotp.TOTP(secret).now()})
    await ann.get("/account/totp")
    await ann.done("/account/totp/remove", {"password": PASSWORD})


def test_xss_2_a_page_is_html_by_one_function() -> None:
    """Nothing else says that something is HTML, so that no page is without its headers."""
    package = Path(abaft.__file__).parent
    asked = re.compile(r'.*"text/html" (not )?in call\.headers\.get\("accept", ""\).*')
    said = [
        f"{path.name}: {line.strip()}"
        for path in package.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if "text/html" in line and not asked.match(line)
    ]
    assert said == ['headers.py: ("content-type", "text/html; charset=utf-8"),']


NONCE = "n" * 24
RIGHT = dict([
    *PAGE_HEADERS(NONCE, guard_headers.scripts(NONCE)),
    *[(name, values[0]) for name, values in EVERYWHERE.items()],
])  # fmt: skip
POLICY = RIGHT["content-security-policy"]
BODY = f'<!doctype html><style nonce="{NONCE}">p {{}}</style><p>here'
HOLES: list[tuple[str, dict[str, str]]] = [
    *((f"{BODY}{more}", {}) for more in (
        "<script>x()</script>", "<script nonce=wrong>x()</script>", "<img src=x onerror=x()>",
        "<p style='color: red'>", "<a href=' java\tscript:x()'>", "<a href='DATA:text/html,x'>",
        "<form action=javascript:x()>", "<iframe src=/>", "<base href=//evil.example>",
        "<link rel=stylesheet href=/x.css>", "<meta http-equiv=refresh content='0; url=//evil'>",
        "<svg><a xlink:href='javascript:x()'>", "<a href=x href=y>", "<object data=x>",
    )),
    *((BODY, {name: ""}) for name in RIGHT if name != "content-type"),
    *((BODY, {"content-security-policy": policy}) for policy in (
        POLICY.replace("script-src", "script-src 'unsafe-inline'"), f"{POLICY}; script-src *",
        POLICY.replace("script-src", "script-src 'self'"), f"{POLICY}; connect-src https:",
        POLICY.replace("default-src 'none'", "default-src 'self'"), f"{POLICY}; img-src *",
        POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'"),
        POLICY.replace(NONCE, "short"),
    )),
    ("{}", {"content-type": "application/json"}),
]  # fmt: skip


def test_xss_2_what_is_wrong_with_a_page_is_found() -> None:
    assert faults([*RIGHT.items()], BODY.encode(), set()) == []
    assert faults([*RIGHT.items()], BODY.encode(), {NONCE})
    for body, headers in HOLES:
        assert faults([*(RIGHT | headers).items()], body.encode(), set()), (body, headers)
