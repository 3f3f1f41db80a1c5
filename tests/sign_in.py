"""Apps of others, for tests: what they send, and the way through the pages."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from authlib.common.security import generate_token
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from abaft import SignIn
from accounts import ORIGIN, Person, World, client_of, world

BACK = "https://app.example/back"
AUTHORIZE = "/api/auth/oauth/authorize"


def signing(url: str, **given: Any) -> Any:
    """An app that others may sign in with."""
    sign_in = SignIn({"export": "export all"}, **given)
    return world(url, settings={"base_url": ORIGIN}, sign_in=sign_in)


@dataclass
class Client:
    """An app of somebody else's."""

    found: World
    id: str
    secret: str = ""
    redirect_uri: str = BACK
    scope: str = "openid email profile notes.read"
    verifier: str = field(default_factory=lambda: generate_token(48))

    def asks(self, **more: str) -> str:
        """The path to which it sends a browser."""
        query = {
            "client_id": self.id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": "st",
            "nonce": "no",
            "code_challenge": create_s256_code_challenge(self.verifier),
            "code_challenge_method": "S256",
        }
        given = {name: value for name, value in (query | more).items() if value}
        return f"{AUTHORIZE}?{urlencode(given)}"

    async def form(self, path: str, **values: str) -> httpx.Response:
        headers = {}
        if self.secret:
            pair = b64encode(f"{self.id}:{self.secret}".encode()).decode()
            headers["authorization"] = f"Basic {pair}"
        elif "client_id" not in values:
            values["client_id"] = self.id
        client = client_of(self.found.api, "192.0.2.77")
        answer = await client.post(f"/api/auth/oauth/{path}", data=values, headers=headers)
        if self.found.api.defects:
            raise AssertionError(path) from self.found.api.defects[0].error
        return answer

    async def exchange(self, code: str, /, **more: str) -> httpx.Response:
        given = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return await self.form("token", **(given | more))

    async def refresh(self, text: str, **more: str) -> httpx.Response:
        return await self.form("token", grant_type="refresh_token", refresh_token=text, **more)


async def registered(found: World, **more: Any) -> Client:
    body = {
        "name": "Planner",
        "redirect_uris": [BACK],
        "logout_uris": ["https://app.example/bye"],
        "scopes": ["openid", "email", "profile", "notes.read", "offline_access"],
    }
    answer = await found.api.ask("POST /api/auth/clients", "admin", json=body | more)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return Client(found, made["client_id"], made.get("client_secret", ""))


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    rows = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    return {name: value.replace("&amp;", "&") for name, value in rows}


async def sent(person: Person, path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
    """A form of a page, as a browser sends it."""
    given = {"origin": ORIGIN, "sec-fetch-site": "same-origin", **headers}
    answer = await person.client.post(path, data=fields, headers=given)
    assert not person.api.defects, person.api.defects[0].error
    return answer


def led(answer: httpx.Response) -> dict[str, str]:
    """What a redirect back to the client says."""
    assert answer.status_code == 303, answer.text
    url = answer.headers["location"]
    assert url.startswith(BACK), url
    return {name: row[0] for name, row in parse_qs(urlsplit(url).query).items()}


async def allowed(person: Person, client: Client, **more: str) -> dict[str, str]:
    """The way through the page."""
    page = await person.client.get(client.asks(**more))
    if page.status_code == 303:
        return led(page)
    assert page.status_code == 200, page.text
    return led(await sent(person, AUTHORIZE, {**hidden(page.text), "answer": "yes"}))


async def tokens(person: Person, client: Client) -> dict[str, Any]:
    back = await allowed(person, client)
    answer = await client.exchange(back["code"])
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def reads(found: World, token: str, request: str = "GET /api/notes", **more: Any) -> int:
    method, _, url = request.partition(" ")
    headers = {"authorization": f"Bearer {token}"}
    answer = await client_of(found.api).request(method, url, headers=headers, **more)
    return answer.status_code
