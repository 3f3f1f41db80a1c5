"""DOS-2, AUTHN-2: what is small to send and large to read costs accounts no more than it weighs.

Nothing is timed: what is counted are statuses, bytes that were taken for it, bytes that were
answered, and passwords that were hashed.
"""

from __future__ import annotations

import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import pytest
from cryptography.hazmat.primitives.kdf import pbkdf2

from abaft import Invitation, Membership, Organisation, SignIn, User
from abaft.api.request import FORM_BYTES
from abaft.guard import passwords
from abaft.login_with import GitHub
from account_browser import HERE
from accounts import ORIGIN, PASSWORD, Note, World, client_of, world
from bombs import ADDRESSES, CODED, HEADS, KINDS, TOKENS, of_forms, of_json
from scenarios import ADMIN_TOKEN

pytestmark = [pytest.mark.slow, pytest.mark.named]
MODELS = (User, Organisation, Membership, Invitation, Note)
MILLION = 1_000_000
ROOM, TIMES = 12 * 2**20, 16
"""Bytes that any request may take, and how many more for each byte that it has."""
ANSWERED = 80_000
"""Bytes of an answer: of a form that is refused what was typed comes back with it."""
LIMIT = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass
class Weighed:
    """Requests to the app, and what was wrong with the answers."""

    found: World
    headers: dict[str, dict[str, str]]
    hashed: list[int]
    wrong: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    async def send(self, what: str, method: str, path: str, **options: Any) -> Any:
        size = len(options.get("content", b"")) + len(path)
        size += sum(len(value) for value in options.get("headers", {}).values())
        client = client_of(self.found.api)
        before = len(self.hashed)
        tracemalloc.start()
        answer = await client.request(method, path, **options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        await client.aclose()
        self.statuses.add(answer.status_code)
        told = f"{what}: {method} {path[:100]}: {answer.status_code}"
        if answer.status_code >= 500 or self.found.api.defects:
            defects = [repr(row.error)[:300] for row in self.found.api.defects]
            self.wrong.append(f"{told}: {defects or answer.text[:200]}")
            self.found.api.defects.clear()
        if peak > ROOM + TIMES * size:
            self.wrong.append(f"{told}: {peak:,} bytes for {size:,}")
        if len(answer.content) > ANSWERED:
            self.wrong.append(f"{told}: {len(answer.content):,} bytes are answered")
        if len(self.hashed) > before + 2:
            self.wrong.append(f"{told}: {len(self.hashed) - before} passwords are hashed")
        return answer

    async def refused(self, what: str, method: str, path: str, **options: Any) -> None:
        """The same; it has to be a 4xx, with a problem that says why."""
        answer = await self.send(what, method, path, **options)
        kind = answer.headers.get("content-type", "")
        told = f"{what}: {method} {path[:100]}: {answer.status_code} {answer.text[:200]}"
        if not 400 <= answer.status_code < 500 or (
            kind == "application/problem+json" and not answer.json().get("detail")
        ):
            self.wrong.append(told)


@asynccontextmanager
async def weighing(url: str, patch: pytest.MonkeyPatch) -> AsyncIterator[Weighed]:
    """An app with everything, to which nobody asks too often."""
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
    hashed: list[int] = []
    hashing, verifying = passwords._hash, passwords.Passwords._verified

    def hash_(password: str) -> str:
        hashed.append(len(password))
        return hashing(password)

    def verified(self: Any, stored: str, password: str) -> bool:
        hashed.append(len(password))
        return verifying(self, stored, password)

    patch.setattr(passwords, "_hash", hash_)
    patch.setattr(passwords.Passwords, "_verified", verified)
    async with world(url, *MODELS, settings=settings, **options) as found:
        throttle = found.api.app.accounts.context.throttle
        throttle._limits = {name: [] for name in throttle._limits}
        ann = await found.joined("ann", session="bearer")
        known = {"ann": f"Bearer {ann.tokens['access_token']}", "admin": f"Bearer {ADMIN_TOKEN}"}
        headers = {"nobody": {}, **{who: {"authorization": text} for who, text in known.items()}}
        yield Weighed(found, headers, hashed)
        longest = passwords.LONGEST * 18  # what one letter becomes at most, by NFKC
        assert all(size <= longest for size in hashed)


RECORDS = [
    ("POST", "/api/notes"), ("POST", "/api/notes?upsert=id"), ("PATCH", "/api/notes?limit=5"),
    ("PUT", "/api/notes/x"), ("PATCH", "/api/notes/x"), ("POST", "/api/batch"),
    ("POST", "/api/organisations"), ("POST", "/api/invitations"),
]  # fmt: skip


async def test_dos_2_no_body_weighs_more_than_it_has(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with weighing(database_url, monkeypatch) as scales:
        for row in scales.found.api.app.accounts.endpoints:
            if row.body is None or row.form:
                continue
            path = f"/api/auth/{row.path.replace('*', 'x')}"
            names = [*getattr(row.body, "__annotations__", ())] or ["a"]
            for what, content in of_json(names):
                for who in ("ann", "admin") if row.known else ("nobody",):
                    headers = LIMIT | scales.headers[who]
                    await scales.refused(what, row.method, path, content=content, headers=headers)
        for method, path in RECORDS:
            for what, content in of_json(["text", "name", "email", "operations"]):
                headers = LIMIT | scales.headers["ann"]
                await scales.refused(what, method, path, content=content, headers=headers)
        assert scales.wrong == []
        assert scales.statuses >= {400, 404, 413, 422}


async def test_dos_2_no_body_is_unpacked(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is compressed, or of another type, isn't so much as looked at."""
    paths = ("login", "register", "password/forgot", "oauth/token", "passkeys/login")
    async with weighing(database_url, monkeypatch) as scales:
        for path in [*(f"/api/auth/{name}" for name in paths), "/account/login", "/api/notes"]:
            form = path.endswith(("token", "/account/login"))
            for coding, content in CODED.items():
                headers = (FORM if form else LIMIT) | {"content-encoding": coding, **HERE}
                await scales.refused(coding, "POST", path, content=content, headers=headers)
            for kind, content in KINDS.items():
                headers = {"content-type": kind, **HERE}
                await scales.refused(kind[:40], "POST", path, content=content, headers=headers)
        assert scales.wrong == []


async def test_dos_2_no_form_weighs_more_than_it_has(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with weighing(database_url, monkeypatch) as scales:
        accounts = scales.found.api.app.accounts
        for row in (row for row in accounts.endpoints if row.form):
            for what, content in of_forms([*row.body.__annotations__][:3]):
                path = f"/api/auth/{row.path.replace('*', 'github')}"
                # Who reads a form leniently, as OAuth has it, may well pass over what is odd.
                for part in (content, content[:FORM_BYTES]):
                    await scales.send(what, "POST", path, content=part, headers=FORM | HERE)
        for what, content in of_forms(["email", "token", "credential", "next"]):
            for page in ("login", "register", "passkey/enter", "totp/begin", "keys/make"):
                path, headers = f"/account/{page}", FORM | HERE
                for part in (content, content[:FORM_BYTES]):
                    await scales.send(what, "POST", path, content=part, headers=headers)
        assert scales.wrong == []
        assert scales.statuses >= {400, 413}


async def test_dos_3_no_address_is_read_twice(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is refused, or written to as any other; what is longer than any is refused unread."""
    asked = {
        "register": {}, "password/forgot": {}, "mail": {}, "login": {"password": PASSWORD},
        "mail/code": {"code": "1"}, "invitations": {},
    }  # fmt: skip
    async with weighing(database_url, monkeypatch) as scales:
        for path, more in asked.items():
            who = scales.headers["admin" if path == "invitations" else "nobody"]
            for address in ADDRESSES:
                for text in (address, address * 400):
                    content = json.dumps({"email": text, **more}).encode()
                    answer = await scales.send(
                        text[:40], "POST", f"/api/auth/{path}", content=content, headers=LIMIT | who
                    )
                    right = {202, 401, 422} if len(text) <= 254 else {413, 422}
                    assert answer.status_code in right, (path, text[:99], answer.text)
        assert scales.wrong == []


async def test_authn_2_no_password_costs_more_than_another(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long one is refused before it is hashed; what grows as it is normalised is hashed once."""
    async with weighing(database_url, monkeypatch) as scales:
        for text in ("x", "\ufdfa", "a\u0301", "\U0001f642", "\u0344", "\u1e9b\u0323", "\0", " "):
            for times in (1_024 // len(text), 900_000 // len(text.encode())):
                body = {"email": "ann@example.org", "password": text * times}
                content = json.dumps(body, ensure_ascii=False).encode()
                before = len(scales.hashed)
                answer = await scales.send(
                    repr(text), "POST", "/api/auth/login", content=content, headers=LIMIT
                )
                assert answer.status_code in ({401} if times <= 1_024 else {413, 422}), answer.text
                # The first log-in makes what strangers' passwords are held against.
                assert len(scales.hashed) - before <= (2 if times <= 1_024 else 0)
        assert scales.wrong == []


async def test_dos_2_tok_1_no_token_is_unpacked_or_stretched(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither deflated nor by PBKDF2, whatever its header says."""

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was unpacked, or stretched")

    monkeypatch.setattr(zlib, "decompress", never)
    monkeypatch.setattr(zlib, "decompressobj", never)
    monkeypatch.setattr(pbkdf2.PBKDF2HMAC, "derive", never)
    async with weighing(database_url, monkeypatch) as scales:
        for text in TOKENS:
            for scheme in ("Bearer", "Basic", "bearer  ", "x" * 9_000):
                headers: Any = {"authorization": f"{scheme} {text}".encode("latin-1")}
                for path in ("/api/auth/me", "/api/auth/oauth/userinfo"):
                    await scales.refused(text[:20], "GET", path, headers=headers)
                await scales.send(text[:20], "GET", "/api/notes", headers=headers)
                form = {"content": b"grant_type=client_credentials", "headers": headers | FORM}
                await scales.refused(text[:20], "POST", "/api/auth/oauth/token", **form)
            short = quote_plus(text[:7_500])
            hint = f"/api/auth/oauth/logout?id_token_hint={short}"
            await scales.refused(text[:20], "GET", hint)
            for path, name in (
                ("revoke", "token"),
                ("introspect", "token"),
                ("logout", "id_token_hint"),
            ):
                content = f"{name}={quote_plus(text[:1_900])}".encode()
                url = f"/api/auth/oauth/{path}"
                await scales.refused(text[:20], "POST", url, content=content, headers=FORM)
            for path, name in (("refresh", "refresh_token"), ("password/reset", "token")):
                body = {name: text, "password": PASSWORD}
                url, content = f"/api/auth/{path}", json.dumps(body).encode()
                await scales.refused(text[:20], "POST", url, content=content, headers=LIMIT)
        assert scales.wrong == []


ASKED = (
    """
GET /account/login, GET /account, GET /api/auth/me, GET /api/notes, GET /api/auth/oauth/verify,
GET /api/auth/with/github, GET /api/auth/with/github/callback, POST /account/login,
POST /api/auth/login, GET /docs
""".replace("\n", " ")
    .strip()
    .split(", ")
)


async def test_dos_2_no_header_weighs_more_than_it_has(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer ones than a server lets through: none is a defect, and none is kept whole."""
    async with weighing(database_url, monkeypatch) as scales:
        for name, values in HEADS.items():
            for value in values:
                for method, path in map(str.split, ASKED):
                    options: dict[str, Any] = {"headers": {name: value.encode("latin-1")}}
                    if method == "POST":
                        options["headers"] |= FORM if "account" in path else LIMIT
                        options["content"] = b"{}"
                    await scales.send(f"{name} {value[:9]}", method, path, **options)
        login = json.dumps({"email": "ann@example.org", "password": PASSWORD, "session": "bearer"})
        agent = LIMIT | {"user-agent": "x" * 900_000}
        await scales.send("agent", "POST", "/api/auth/login", content=login.encode(), headers=agent)
        context = scales.found.api.app.accounts.context
        rows = await context.db.list(context.models.session)
        assert sorted(len(row.agent) for row in rows)[-1] == 200
        assert scales.wrong == []
