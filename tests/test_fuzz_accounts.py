"""VAL-1: whatever is sent to accounts, their pages and the authorization server: never a 500."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from abaft import Invitation, Membership, Organisation, SignIn, User
from abaft.login_with import GitHub
from accounts import ORIGIN, PASSWORD, Note, World, client_of, world
from scenarios import ADMIN_TOKEN
from sign_in import BACK, registered

ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1e308,
    2**63,
    "",
    " ",
    "x" * 300,
    "a\0b",
    "\ud800",
    "é" * 200,
    "'\"<>`;--\\",
    "{{7*7}}",
    "../../etc/passwd",
    [],
    {},
    ["x"],
    {"a": {"b": 1}},
    "ann@example.org",
    "ann@example.org\r\nBcc: x",
    "01890a5d-ac96-774b-bcce-b302099a8057",
    "abl_x_y",
    "abt_" + "0" * 60,
    "%00",
    "\u202e",
    "💥",
    [None] * 200,
    {"$ne": None},
    "1e400",
    "http://evil/",
    "javascript:x",
]
TEXTS = [row for row in ODD if isinstance(row, str) and row]
SENT = [row for row in TEXTS if row != "\ud800"]
RAW = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"email":"a@b.org","email":"c@d.org"}',
    b"\xff\xfe",
    b'"x"',
    b"[" * 5_000,
    b'{"a":' * 3_000,
    b"\xef\xbb\xbf{}",
    b'{"email":1e400}',
    b'{"email":"\\ud800"}',
]
KINDS = [
    "application/json",
    "application/json; charset=utf-16",
    "text/plain",
    "",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
]
HEADERS: list[tuple[str, Any]] = [
    *(
        ("authorization", text)
        for text in (
            "Bearer",
            "Bearer a b",
            "Basic x",
            "Basic Og==",
            "Bearer ...",
            b"Bearer \xff\xfe",
            "Bearer é".encode(),
            "Bearer abk_x",
            "Bearer abt_" + "0" * 80,
            "Bearer eyJhbGciOiJub25lIn0.e30.",
        )
    ),
    *(
        ("cookie", text)
        for text in (
            "session=",
            "session=x",
            "session=abs_x_y; session=y",
            'session="x',
            "=;=",
            b"session=\xff",
            "session=" + "a" * 5_000,
            "__Host-session=x",
        )
    ),
]


class Fuzz:
    """Sends what chance gives; what was answered by a 500 is kept."""

    def __init__(self, found: World, chance: Random) -> None:
        self.found, self.chance = found, chance
        self.wrong: list[Any] = []
        self.seen: set[int] = set()

    async def send(self, method: str, path: str, **options: Any) -> None:
        client = client_of(self.found.api, f"192.0.2.{self.chance.randrange(250)}")
        answer: httpx.Response = await client.request(method, path, **options)
        self.seen.add(answer.status_code)
        if answer.status_code >= 500:
            defects = self.found.api.defects
            error = repr(defects[-1].error) if defects else answer.text
            self.wrong.append((method, path, str(options)[:300], error[:300]))
            defects.clear()

    def body(self, names: Any) -> dict[str, Any]:
        usual: dict[str, list[Any]] = {
            "email": ["ann@example.org", "ANN@example.org", "joe@example.org"],
            "password": [PASSWORD, "a new long password", "x" * 1_024],
        }
        listed = ("redirect_uris", "logout_uris", "roles", "scopes", "grants", "grant_types")
        found: dict[str, Any] = {}
        for name in names:
            if self.chance.random() < 0.15:
                continue
            found[name] = self.chance.choice(ODD)
            if name in usual and self.chance.random() < 0.6:
                found[name] = self.chance.choice(usual[name])
            if name in listed and self.chance.random() < 0.6:
                found[name] = [self.chance.choice(TEXTS)]
        return found

    def texts(self, names: Any) -> dict[str, str]:
        return {name: self.chance.choice(SENT) for name in names if self.chance.random() < 0.8}

    def place(self, path: str) -> str:
        while "*" in path:
            path = path.replace("*", quote(self.chance.choice(SENT), safe=""), 1)
        return f"/api/auth/{path}"


@asynccontextmanager
async def fuzzing(url: str, seed: int) -> AsyncIterator[Fuzz]:
    often = 10**9
    settings = {
        "base_url": ORIGIN,
        "requests_per_minute": often,
        "account_requests_per_minute": often,
    }
    options: dict[str, Any] = {
        "sign_in": SignIn({"export": "export all"}, registration=True),
        "login_with": [GitHub(client_id="x", client_secret="y")],
    }
    models = (User, Organisation, Membership, Invitation, Note)
    async with world(url, *models, settings=settings, **options) as found:
        throttle = found.api.app.accounts.context.throttle
        throttle._limits = {name: [] for name in throttle._limits}
        fuzz = Fuzz(found, Random(seed))
        yield fuzz
        assert not fuzz.wrong
        assert {400, 401, 404, 422} & fuzz.seen


def tokens(person: Any) -> Iterator[dict[str, str]]:
    yield {}
    yield {"authorization": f"Bearer {person.tokens['access_token']}"}
    yield {"authorization": f"Bearer {ADMIN_TOKEN}"}


SEED = 5
pytestmark = pytest.mark.slow


async def test_val_1_endpoints_of_accounts_refuse_what_is_odd(database_url: str) -> None:
    async with fuzzing(database_url, SEED) as fuzz:
        for row in fuzz.found.api.app.accounts.endpoints:
            ann = fuzz.found.stranger("ann@example.org")
            if (await ann.login(session="bearer")).status_code != 200:
                # What was sent before may have ended the account, or changed its password.
                ann = await fuzz.found.joined(f"ann{fuzz.chance.random()}", session="bearer")
            names = getattr(row.body, "__annotations__", ())
            for headers in tokens(ann):
                for _ in range(8 if names or row.query or "*" in row.path else 1):
                    options: dict[str, Any] = {"headers": headers}
                    if row.query:
                        options["params"] = fuzz.texts(row.query.__annotations__)
                    if row.form:
                        options["data"] = fuzz.texts(names)
                    elif row.body:
                        options["content"] = json.dumps(fuzz.body(names)).encode()
                        options["headers"] = {**headers, "content-type": "application/json"}
                    await fuzz.send(row.method, fuzz.place(row.path), **options)


async def test_val_1_bodies_that_are_none_are_refused(database_url: str) -> None:
    async with fuzzing(database_url, SEED) as fuzz:
        for row in fuzz.found.api.app.accounts.endpoints:
            for content in RAW if row.body else ():
                headers = {"content-type": fuzz.chance.choice(KINDS)}
                path = fuzz.place(row.path)
                await fuzz.send(row.method, path, content=content, headers=headers)
        for name, value in HEADERS:
            for path in ("/api/auth/me", "/api/notes", "/api/auth/oauth/userinfo", "/account"):
                await fuzz.send("GET", path, headers={name: value})
                await fuzz.send("POST", path, headers={name: value})


async def test_val_1_pages_of_accounts_refuse_what_is_odd(database_url: str) -> None:
    async with fuzzing(database_url, SEED) as fuzz:
        names = ("email", "password", "token", "name", "code", "current", "next", "id")
        here = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}
        pages = [*fuzz.found.api.app.accounts.pages._pages, "logout", "sessions/end", "", "none/x"]
        for page in pages:
            for _ in range(6):
                await fuzz.send("GET", f"/account/{page}", params=fuzz.texts(("next", "x")))
                await fuzz.send("POST", f"/account/{page}", data=fuzz.texts(names), headers=here)
            form = here | {"content-type": "application/x-www-form-urlencoded"}
            raw = b"\xff=%ff&a=%zz&" * 5
            await fuzz.send("POST", f"/account/{page}", content=raw, headers=form)
        for language in ("*;q=x", "é", "x" * 3_000, ",,;;", "../../x"):
            headers = {"accept-language": language.encode()}
            await fuzz.send("GET", "/account/login", headers=headers)
        for path in (
            "/.well-known/change-password",
            "/.well-known/openid-configuration",
            "/api/auth/mailbox",
            "/api/auth/with/github",
            "/api/auth/with/none",
            "/api/auth/with/github?next=%0d%0a",
            "/api/auth/with/github/callback?code=x&state=%ff",
            "/api/auth/with/github/callback?error=é",
        ):
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY"):
                await fuzz.send(method, path)


async def test_val_1_the_authorization_server_refuses_what_is_odd(database_url: str) -> None:
    async with fuzzing(database_url, SEED) as fuzz:
        client = await registered(fuzz.found)
        usual = {
            "client_id": client.id,
            "client_secret": client.secret,
            "redirect_uri": BACK,
            "response_type": "code",
            "scope": "openid",
            "state": "s",
            "code_challenge": "x" * 43,
            "code_challenge_method": "S256",
            "grant_type": "authorization_code",
            "code": "abo_x",
            "code_verifier": "y" * 43,
            "refresh_token": "x",
            "device_code": "x",
            "token": "x",
        }
        more = [
            "prompt",
            "max_age",
            "nonce",
            "request",
            "claims",
            "login_hint",
            "id_token_hint",
            "answer",
            "post_logout_redirect_uri",
            "user_code",
            "token_type_hint",
            "csrf",
            "resource",
            "ui_locales",
        ]
        for path in ("authorize", "token", "device", "verify", "revoke", "introspect", "logout"):
            for _ in range(60):
                names = fuzz.chance.sample([*usual, *more], fuzz.chance.randrange(1, 4))
                values = usual | {name: fuzz.chance.choice(SENT) for name in names}
                url = f"/api/auth/oauth/{path}"
                await fuzz.send("GET", url, params=values)
                await fuzz.send("POST", url, data=values, headers={"origin": ORIGIN})
