"""XSS-1: names, addresses, apps and parameters that mean harm, on every page of accounts."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from abaft import App, Invitation, Membership, Organisation, SignIn, User
from abaft.auth.page_table import PAGES
from abaft.login_with import GitHub
from account_site import log_in, site
from accounts import PASSWORD
from canary import Canary, canary
from payloads import BREAKS, HANDLERS, PAYLOADS, TAGS, URLS
from scenarios import ADMIN_TOKEN

pytestmark = pytest.mark.slow
ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}
NAMES = [text for text in PAYLOADS if len(text) <= 120][::2]
"""Of each kind some: a list has a hundred rows."""
ECHOED = [*BREAKS, *HANDLERS[:4], *TAGS[:4], *URLS[:4]]
MODELS = (User, Organisation, Membership, Invitation)
OFTEN = 10**9
SETTINGS = {"requests_per_minute": OFTEN, "account_requests_per_minute": OFTEN}
CHALLENGE = f"code_challenge={'a' * 43}&code_challenge_method=S256"


class Site:
    """The app, and people who write what they like to it."""

    def __init__(self, app: App, url: str) -> None:
        accounts: Any = app.accounts
        self.app, self.url, self.context = app, url, accounts.context
        # Of mails all are to be seen, and of tries there are more than anybody has.
        self.context.mailer.box = deque()
        throttle = self.context.throttle
        throttle._limits = {name: [] for name in throttle._limits}
        self.refused: list[str] = []

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=self.url)

    async def ask(self, client: httpx.AsyncClient, request: str, body: Any, **headers: Any) -> Any:
        """What was answered; None for what was refused, which is kept."""
        method, _, path = request.partition(" ")
        answer = await client.request(method, f"/api/{path}", json=body, headers=headers)
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            self.refused.append(f"{request}: {body}: {answer.text}")
            return None
        return answer.json() if answer.content else {}

    async def joined(self, called: str) -> dict[str, str]:
        """An account, and what an app of its owner's sends."""
        async with self.client() as client:
            email = "ann@example.org"
            await self.ask(client, "POST auth/invitations", {"email": email}, **ADMIN)
            text = self.context.mailer.box[-1].get_body(("plain",)).get_content()
            token = text.partition("#")[2].split()[0]
            body = {
                "token": token,
                "password": PASSWORD,
                "user": {"name": called},
                "session": "bearer",
            }
            made = await self.ask(client, "POST auth/register/finish", body)
        return {} if made is None else {"authorization": f"Bearer {made['access_token']}"}

    async def filled(self, ann: dict[str, str]) -> None:
        """Whatever has a name, under each of the names."""
        context = self.context
        [account] = await context.db.list(context.models.account)
        async with self.client() as client:
            for number, name in enumerate(NAMES):
                key = {"name": name, "scopes": ["read"]}
                await self.ask(client, "POST auth/keys", key, **ann)
                made = await self.ask(client, "POST organisations", {"name": name}, **ann)
                if made is not None:
                    email = f"joe{number}@example.org"
                    invitation = {"email": email, "organisation": made["id"]}
                    there = {"x-tenant": made["id"]}
                    await self.ask(client, "POST invitations", invitation, **ann, **there)
                login = {"email": "ann@example.org", "password": PASSWORD, "session": "bearer"}
                await self.ask(client, "POST auth/login", login, **{"user-agent": name.encode()})
                await self.ask(client, "POST auth/register", {"email": f'"{name}"@example.org'})
                await self.ask(client, "POST auth/mail", {"email": f"{name}@example.org"})
                await self.app_of(client, account, name)
                # What a provider said of somebody: another one than is asked here.
                said = {"issuer": name, "subject": name, "email": name, "handle": f"h{number}"}
                values = {"account": account.id, "provider": name[:40], **said}
                factor = {"account": account.id, "kind": "passkey", "confirmed": True}
                await context.db.create(context.models.identity, **values)
                await context.db.create(
                    context.models.factor, **factor, secret="x y", name=name, handle=f"p{number}"
                )

    async def app_of(self, client: httpx.AsyncClient, account: Any, name: str) -> None:
        """An app that registers itself, and was allowed."""
        given = {
            "client_name": name,
            "redirect_uris": [f"{self.url}/account"],
            **dict.fromkeys(("logo_uri", "client_uri", "tos_uri", "policy_uri"), name),
        }
        made = await self.ask(client, "POST auth/oauth/register", given)
        assert not {"logo_uri", "client_uri", "tos_uri", "policy_uri"} & {*made}
        consent = {"account": account.id, "client": made["client_id"], "scopes": [name]}
        await self.context.db.create(self.context.models.consent, **consent)
        for kind in ("redirect_uris", "post_logout_redirect_uris"):
            tried = given | {kind: [name]}
            assert await self.ask(client, "POST auth/oauth/register", tried) is None, name

    async def clients(self) -> list[str]:
        rows = await self.context.db.list(self.context.models.client, limit=1_000)
        return [str(row.id) for row in rows]


@asynccontextmanager
async def everything(folder: Any) -> AsyncIterator[Site]:
    options: dict[str, Any] = {
        "login_with": [GitHub(client_id="client", client_secret="a secret of theirs")],
        "sign_in": SignIn({"export": "Export all"}, registration=True),
        "tenant": Organisation,
    }
    database = f"sqlite:///{folder}/x.db"
    async with site(database, *MODELS, settings=SETTINGS, **options) as (app, url):
        yield Site(app, url)


async def test_xss_1_no_name_runs_on_any_page_nor_in_a_mail(tmp_path: Any) -> None:
    async with everything(tmp_path) as found, canary() as bird:
        ann = await found.joined(NAMES[0])
        await found.filled(ann)
        await log_in(bird.page, found.url)
        await pages(found, bird)
        await consents(found, bird)
        await mails(found, bird)
        assert bird.wrong == []


async def pages(found: Site, bird: Canary) -> None:
    """Those that list what somebody has, and those that are for one thing."""
    for name, page in PAGES.items():
        if not page.kept:
            text = await bird.go(f"{found.url}/account/{name}".rstrip("/"))
            if name in ("", "keys", "passkeys", "apps", "tenants"):
                assert text.count("alert(1)") > 40, name
    for path in ("/", "/api/auth/identities", "/api/auth/clients", "/api/organisations"):
        await bird.go(f"{found.url}{path}")
    # What could be a link, or the end of a word, is left out of a mail.
    assert "alert1" in await bird.go(f"{found.url}/api/auth/mailbox")


async def consents(found: Site, bird: Canary) -> None:
    """The page on which each app is allowed."""
    back = quote(f"{found.url}/account", safe="")
    for client in (await found.clients())[::3]:
        query = f"client_id={client}&response_type=code&redirect_uri={back}&prompt=consent"
        text = await bird.go(f"{found.url}/api/auth/oauth/authorize?{query}&{CHALLENGE}")
        assert "asks to use your account" in text


async def mails(found: Site, bird: Canary) -> None:
    """A mail's HTML, as the page that a mail program makes of it."""
    written = [*found.context.mailer.box]
    assert len(written) > 80
    for mail in written[::3]:
        await bird.page.set_content(mail.get_body(("html",)).get_content())
        await bird.look(str(mail["subject"]))


ECHOES = [
    "/account/{}", "/account/login?next={}", "/account/login?error={}", "/account?done={}",
    "/account/confirm?again={}&next={}", "/account/register#{}", "/account/magic?x={}#{}",
    "/account/login?{}=1", "/?{}", "/{}", "/.well-known/{}", "/api/{}", "/api/users/{}",
    "/api/users?{}=1", "/api/users?filter={}", "/api/users?sort={}", "/api/auth/{}",
    "/api/auth/mailbox?x={}", "/api/auth/with/{}", "/api/auth/with/github?next={}",
    "/api/auth/with/github?redirect_uri={}&code_challenge={}",
    "/api/auth/with/github/callback?error={}&state={}", "/api/auth/oauth/{}",
    "/api/auth/oauth/verify?user_code={}", "/api/auth/oauth/logout?client_id={}",
    "/api/auth/oauth/authorize?client_id={}&redirect_uri={}", "/api/auth/oauth/logout?state={}",
    "/api/auth/oauth/logout?id_token_hint={}",
    "/api/auth/oauth/logout?post_logout_redirect_uri={}",
]  # fmt: skip
AT_AN_APP = [
    "state={}", "scope={}", "prompt={}", "max_age={}", "response_type={}", "code_challenge={}",
    "redirect_uri={}", "nonce={}", "since={}", "login_hint={}", "response_mode={}", "{}=1",
]  # fmt: skip


async def shown(bird: Canary, url: str, text: str) -> None:
    await bird.go(url.replace("{}", quote(text, safe="")))


async def test_xss_1_no_parameter_runs_on_any_page(tmp_path: Any) -> None:
    """Each place has some of the texts, and each text several of the places."""
    async with everything(tmp_path) as found, canary() as bird:
        await found.joined("Ann")
        await log_in(bird.page, found.url)
        async with found.client() as client:
            given = {"client_name": "x", "redirect_uris": [f"{found.url}/account"]}
            made = await found.ask(client, "POST auth/oauth/register", given)
        usual = f"client_id={made['client_id']}&response_type=code&{CHALLENGE}"
        asking = [f"/api/auth/oauth/authorize?{row}&{usual}" for row in AT_AN_APP]
        for turn, place in enumerate([*ECHOES, *asking]):
            for text in ECHOED[turn % 7 :: 7]:
                await shown(bird, f"{found.url}{place}", text)
        # What a page's own script does with what stands behind the "#".
        for text in (
            "%",
            "'\"><img src=x onerror=alert(1)>",
            "%3Cscript%3Ealert(1)",
            "javascript:alert(1)",
        ):
            for page in ("register", "reset", "magic", "membership", "email", "factor", "identity"):
                await bird.go(f"{found.url}/account/{page}#{text}")
        assert bird.wrong == []
