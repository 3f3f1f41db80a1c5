"""An OpenID provider for tests: real over HTTP, with keys of its own, and as wrong as it is told.

async with provider() as idp:
    idp.person |= {"email": "ann@example.org"}
    idp.wrong["nonce"] = "another"
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import uvicorn
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import RSAKey

from abaft.login_with import OIDC

CLIENT, SECRET = "client", "a secret/with+signs"


def _new_keys() -> Iterator[RSAKey]:
    """Keys that differ from the last ones, under ids that nobody had: to make one takes a while."""
    made = [RSAKey.generate_key(2048) for _ in range(3)]
    for key in cycle(made):
        yield RSAKey.import_key(key.as_dict(private=True) | {"kid": secrets.token_hex(4)})


_KEYS = _new_keys()


@dataclass
class Asked:
    """A log-in that somebody began here."""

    query: dict[str, str]
    used: bool = False


@dataclass
class Provider:
    """What it is, and what it was told to do wrong: claims by their names, and ways by theirs."""

    url: str = ""
    person: dict[str, Any] = field(
        default_factory=lambda: {
            "sub": "248289761001",
            "name": "Ann Smith",
            "email": "ann@example.org",
            "email_verified": True,
        }
    )
    wrong: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    keys: list[RSAKey] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    posts: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rotate()

    def rotate(self) -> None:
        """Another key signs from now on, and is the only one that is published."""
        before = [key.thumbprint() for key in self.keys]
        self.keys = [next(key for key in _KEYS if key.thumbprint() not in before)]

    def settings(self, **options: Any) -> OIDC:
        """This provider, as an app declares it."""
        given = {"client_id": CLIENT, "client_secret": SECRET, "name": "idp", **options}
        return OIDC(self.url, **given)

    def visit(self, url: str) -> dict[str, str]:
        """What a browser brings back that was sent to this URL, and whose user agreed."""
        parts = urlsplit(url)
        where = parts._replace(query="", fragment="").geturl()
        assert where == f"{self.url}/authorize", url
        query = dict(parse_qsl(parts.query))
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.asked[code] = Asked(query)
        answer = {"code": code, "state": query["state"], "iss": self.url}
        return {**answer, **self.wrong.get("answer", {})}

    # As an ASGI application:

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        self.requests.append(path)
        text = b""
        while scope["method"] == "POST":
            message = await receive()
            text += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if path in self.wrong.get("slow", ()):
            await asyncio.sleep(60)
        if path in self.wrong.get("huge", ()):
            await _huge(send)
            return
        status, body = self.wrong.get(path) or self._answered(path, text.decode(), headers)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        more = [(b"location", f"{self.url}/elsewhere".encode())] if status // 100 == 3 else []
        head = [(b"content-type", b"application/json"), *more]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": raw})

    def _answered(self, path: str, text: str, headers: dict[str, str]) -> tuple[int, Any]:
        match path:
            case "/.well-known/openid-configuration":
                return 200, self._described()
            case "/keys":
                return 200, {"keys": [key.as_dict(private=False) for key in self.keys]}
            case "/token":
                return self._token({name: row[0] for name, row in parse_qs(text).items()}, headers)
            case "/userinfo":
                return 200, {"sub": self.person["sub"], **self.userinfo}
        return 404, {"error": "not_found"}

    def _described(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    def _token(self, form: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        self.posts.append(form)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        asked = self.asked.get(form.get("code", ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked.used or made != asked.query["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        if form.get("redirect_uri") != asked.query["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        asked.used = True
        access = secrets.token_urlsafe(16)
        token = {"access_token": access, "token_type": "Bearer", "refresh_token": "theirs"}
        return 200, {**token, "id_token": self.id_token(asked.query.get("nonce"), access)}

    def id_token(self, nonce: str | None, access: str) -> str:
        half = hashlib.sha256(access.encode()).digest()[:16]
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
            **self.person,
            **self.wrong.get("claims", {}),
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "RS256", "kid": self.keys[0].kid, **self.wrong.get("header", {})}
        return self._signed(header, claims)

    def _signed(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """A JWS; by hand, for libraries make none that is wrong."""
        text = ".".join(_b64(json.dumps(part).encode()) for part in (header, claims))
        key: RSAKey = self.wrong.get("signed_by", self.keys[0])
        match header["alg"]:
            case "none":
                return f"{text}."
            case "HS256":
                # The confusion: the public key, which everybody has, taken for a shared secret.
                mac = hmac.digest(key.as_pem(private=False), text.encode(), "sha256")
                return f"{text}.{_b64(mac)}"
            case "PS256":
                way: Any = padding.PSS(padding.MGF1(SHA256()), 32)
            case _:
                way = padding.PKCS1v15()
        return f"{text}.{_b64(key.private_key.sign(text.encode(), way, SHA256()))}"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def _huge(send: Any) -> None:
    head = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    for _ in range(200):
        await send({"type": "http.response.body", "body": b" " * 65_536, "more_body": True})
    await send({"type": "http.response.body", "body": b"{}"})


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """An ASGI application on a free port of this machine; its origin."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve([listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn tells by nothing else
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            await task


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    found = Provider()
    async with served(found) as url:
        found.url = url
        yield found


@asynccontextmanager
async def providers(count: int) -> AsyncIterator[list[Provider]]:
    """That many, each at a path of its own."""
    found = [Provider() for _ in range(count)]

    async def one_of(scope: Any, receive: Any, send: Any) -> None:
        number, _, path = scope["path"].removeprefix("/").partition("/")
        await found[int(number)]({**scope, "path": f"/{path}"}, receive, send)

    async with served(one_of) as url:
        for number, row in enumerate(found):
            row.url = f"{url}/{number}"
        yield found


@dataclass
class Tab:
    """A browser's tab: it has cookies, and goes where it is sent, but never by itself."""

    client: httpx.AsyncClient
    page: str = "text/html"

    async def begin(self, name: str = "idp", **query: str) -> httpx.Response:
        url = f"/api/auth/with/{name}?{urlencode(query)}"
        return await self.client.get(url, headers={"accept": self.page})

    async def back(self, answer: dict[str, str], name: str = "idp") -> httpx.Response:
        url = f"/api/auth/with/{name}/callback?{urlencode(answer)}"
        return await self.client.get(url, headers={"accept": self.page})

    async def login(self, idp: Provider, name: str = "idp", **query: str) -> httpx.Response:
        """The whole way: there, agreed, and back."""
        begun = await self.begin(name, **query)
        assert begun.status_code == 303, begun.text
        return await self.back(idp.visit(begun.headers["location"]), name)
