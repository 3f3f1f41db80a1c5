"""Tokens and requests that are forged, swapped, doubled or sent twice at once (RFC 8725, 9700)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from accounts import Person, client_of
from each import each
from sign_in import (
    BACK,
    Client,
    allowed,
    hidden,
    reads,
    registered,
    sent,
    signing,
    tokens,
)
from test_account_tokens import b64, parts, unsigned

LEAVE = "/api/auth/oauth/logout"
Forge = Callable[[dict[str, Any], dict[str, Any], str, ECKey], str]

FORGED: dict[str, Forge] = {
    "alg none": lambda header, claims, good, own: unsigned({**header, "alg": "none"}, claims),
    "no alg": lambda header, claims, good, own: unsigned({"kid": header["kid"]}, claims),
    "the public key as a secret": lambda header, claims, good, own: jwt.encode(
        {**header, "alg": "HS256"},
        claims,
        OctKey.import_key(json.dumps(own.as_dict(private=False)).encode()),
    ),
    "the public key's PEM as a secret": lambda header, claims, good, own: jwt.encode(
        {**header, "alg": "HS256"}, claims, OctKey.import_key(b64(own.as_der(private=False)))
    ),
    "a key of the forger's": lambda header, claims, good, own: jwt.encode(
        header, claims, ECKey.generate_key("P-256"), algorithms=["ES256"]
    ),
    "the forger's key, sent along": lambda header, claims, good, own: _brought(header, claims),
    "keys from elsewhere": lambda header, claims, good, own: jwt.encode(
        {**header, "jku": "http://192.0.2.9/keys"}, claims, ECKey.generate_key("P-256"),
        algorithms=["ES256"],
    ),
    "a kid that leads out of a folder": lambda header, claims, good, own: unsigned(
        {**header, "kid": "../../../dev/null"}, claims
    ),
    "other claims, the same signature": lambda header, claims, good, own: ".".join(
        [good.split(".")[0], b64({**claims, "sub": "x"}), good.split(".")[2]]
    ),
    "no signature": lambda header, claims, good, own: good.rpartition(".")[0] + ".",
    "zeros (CVE-2022-21449)": lambda header, claims, good, own: unsigned(
        header, claims, bytes(64)
    ),
    "two parts": lambda header, claims, good, own: good.rpartition(".")[0],
    "five parts": lambda header, claims, good, own: f"{good}.{good.rpartition('.')[2]}.x",
    "long": lambda header, claims, good, own: good + "A" * 7_000,
}  # fmt: skip


def _brought(header: dict[str, Any], claims: dict[str, Any]) -> str:
    own = ECKey.generate_key("P-256")
    return jwt.encode(
        {**header, "jwk": own.as_dict(private=False)}, claims, own, algorithms=["ES256"]
    )


async def test_tok_1_a_hint_that_is_forged_logs_nobody_out(
    database_url: str, subtests: pytest.Subtests
) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        good = (await tokens(ann, client))["id_token"]
        header, claims = parts(good)
        keys = (await client_of(found.api).get("/api/auth/jwks")).json()["keys"]
        [public] = [row for row in keys if row["kid"] == header["kid"]]
        own = ECKey.import_key(public)
        for name, forge in FORGED.items():
            with subtests.test(name=name):
                token = forge(header, claims, good, own)
                assert token != good
                query = urlencode({"id_token_hint": token, "client_id": client.id})
                answer = await ann.client.get(f"{LEAVE}?{query}")
                assert answer.status_code == 400, answer.text
                assert await ann.known()
                assert await reads(found, token) == 401


async def test_tok_1_each_token_is_good_for_its_own_use_alone(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        first_party = await found.joined("bob", session="bearer")
        body = await tokens(ann, client)
        names = ("id_token", "refresh_token")
        for token in (*(body[name] for name in names), first_party.tokens["refresh_token"]):
            assert await reads(found, token) == 401
            headers = {"authorization": f"Bearer {token}"}
            info = await client_of(found.api).get("/api/auth/oauth/userinfo", headers=headers)
            assert info.status_code == 401
        for token in (body["id_token"], body["access_token"]):
            assert (await client.refresh(token)).json()["error"] == "invalid_grant"
            assert (await client.exchange(token)).json()["error"] == "invalid_grant"
        for token in (body["access_token"], body["refresh_token"]):
            answer = await ann.client.get(f"{LEAVE}?{urlencode({'id_token_hint': token})}")
            assert answer.status_code == 400
        # Nor is a token of the app's own users one of an app's.
        told = await client.form("introspect", token=first_party.tokens["access_token"])
        assert told.json() == {"active": False}
        assert await ann.known()


async def test_oauth_5_of_many_refreshes_at_once_one_family_is_left(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        body = await tokens(ann, client)
        rows = await asyncio.gather(*(client.refresh(body["refresh_token"]) for _ in range(5)))
        assert {row.status_code for row in rows} <= {200, 400}
        good = [row.json() for row in rows if row.status_code == 200]
        assert {row.json().get("error") for row in rows} <= {None, "invalid_grant"}
        # Answers within the moment of grace are for one client that asked twice: one goes on.
        usable = {row["refresh_token"] for row in good}
        fates = [(await client.refresh(token)).status_code for token in usable]
        assert fates.count(200) <= 1


async def test_oauth_5_of_many_exchanges_nothing_outlives_the_reuse(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        code = (await allowed(ann, client))["code"]
        rows = await asyncio.gather(*(client.exchange(code) for _ in range(5)))
        good = [row.json() for row in rows if row.status_code == 200]
        again = await client.exchange(code)
        assert again.json()["error"] == "invalid_grant"
        for row in good:
            assert await reads(found, row["access_token"]) == 401
            assert (await client.refresh(row["refresh_token"])).json()["error"] == "invalid_grant"


async def test_oauth_a_client_proves_itself_in_one_way(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        other = await registered(found, name="Other")
        for more in (
            {"client_id": client.id, "client_secret": client.secret},
            {"client_id": other.id, "client_secret": other.secret},
            {"client_id": other.id},
            {"client_secret": "x" * 43},
        ):
            code = (await allowed(ann, client))["code"]
            answer = await client.exchange(code, **more)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), more
            for path in ("introspect", "revoke", "device"):
                answer = await client.form(path, token="x", **more)
                assert answer.json()["error"] == "invalid_request", (path, more)
        # Its name beside its proof is what some libraries send, and contradicts nothing.
        code = (await allowed(ann, client))["code"]
        assert (await client.exchange(code, client_id=client.id)).status_code == 200
        nobody = Client(found, client.id, verifier=client.verifier)
        code = (await allowed(ann, client))["code"]
        assert (await nobody.exchange(code)).json()["error"] == "invalid_client"
        # The secret in the URL would be in every log: it isn't looked at there.
        path = f"/api/auth/oauth/token?{urlencode({'client_secret': client.secret})}"
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": BACK,
            "code_verifier": client.verifier, "client_id": client.id,
        }  # fmt: skip
        answer = await client_of(found.api).post(path, data=form)
        assert answer.json()["error"] == "invalid_client"


async def test_oauth_a_parameter_comes_once(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        for name, value in [
            ("redirect_uri", "https://evil.example/"),
            ("client_id", "other"),
            ("scope", "export"),
            ("code_challenge", "x" * 43),
            ("state", "other"),
            ("response_type", "code"),
        ]:
            answer = await ann.client.get(f"{client.asks()}&{urlencode({name: value})}")
            assert answer.status_code == 400, name
            assert "location" not in answer.headers
        code = (await allowed(ann, client))["code"]
        form = {
            "grant_type": "authorization_code", "code": [code, "x"], "redirect_uri": BACK,
            "code_verifier": client.verifier, "client_id": client.id,
            "client_secret": client.secret,
        }  # fmt: skip
        answer = await client_of(found.api).post("/api/auth/oauth/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert answer.json()["error_description"] == "code is given twice"
        assert answer.headers["cache-control"] == "no-store"


async def test_val_1_machines_are_told_in_their_protocols_own_words(database_url: str) -> None:
    async with signing(database_url, registration=True) as found:
        client = await registered(found)
        for name, value in [("code", "x" * 2_001), ('"\\\u00e9', ["1", "2"])]:
            for path in ("token", "introspect", "revoke", "device"):
                more: Any = {name: value, "token": "x"}
                answer = await client_of(found.api).post(f"/api/auth/oauth/{path}", data=more)
                if isinstance(value, list) or path == "token":
                    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
                    assert answer.json()["error_description"].isascii()
        assert (await client.form("token", **{str(n): "" for n in range(60)})).json()["error"]
        for body in (b"", b"[]", b"{", b'{"redirect_uris": 7}', b'{"client_name": ["x"]}'):
            answer = await client_of(found.api).post(
                "/api/auth/oauth/register", content=body,
                headers={"content-type": "application/json"},
            )  # fmt: skip
            assert answer.status_code == 400, body
            assert answer.json()["error"] == "invalid_client_metadata", body


async def test_oauth_tokens_are_asked_for_by_forms_alone(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, client = await found.joined(), await registered(found)
        code = (await allowed(ann, client))["code"]
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": BACK,
            "code_verifier": client.verifier, "client_id": client.id,
            "client_secret": client.secret,
        }  # fmt: skip
        ask = client_of(found.api)
        assert (await ask.get(f"/api/auth/oauth/token?{urlencode(form)}")).status_code == 405
        answer = await ask.post("/api/auth/oauth/token", json=form)
        assert answer.status_code in (400, 415), answer.text
        text = {"content-type": "text/plain"}
        answer = await ask.post("/api/auth/oauth/token", content=urlencode(form), headers=text)
        assert answer.status_code in (400, 415), answer.text
        assert (await ask.post("/api/auth/oauth/token", data=form)).status_code == 200


@pytest.fixture
async def program(database_url: str) -> AsyncIterator[tuple[Person, Client]]:
    async with signing(database_url) as found:
        uris = ["http://127.0.0.1/back"]
        yield await found.joined(), await registered(found, method="none", redirect_uris=uris)


@each(
    "uri",
    [
        "http://127.0.0.1.evil.example:80/back",
        "http://127.0.0.1:80@evil.example/back",
        "http://localhost:80/back",
        "http://127.0.0.2:80/back",
        "http://127.1:80/back",
        "http://2130706433:80/back",
        "http://0.0.0.0:80/back",
        "http://[::1]:80/back",
        "https://127.0.0.1:80/back",
        "http://127.0.0.1:80/back/../other",
        "http://127.0.0.1:80/back?x=1",
        "http://127.0.0.1:80/back#x",
        "http://127.0.0.1:080/back",
        "http://127.0.0.1:99999/back",
        "http://127.0.0.1:\u0668\u0660/back",
        "http://127.0.0.1:80\\@evil.example/back",
        "http://127.0.0.1:/back",
        "HTTP://127.0.0.1:80/back",
    ],
)
async def test_oauth_of_a_program_on_this_machine_the_port_alone_is_free(
    program: tuple[Person, Client], uri: str
) -> None:
    ann, client = program
    answer = await ann.client.get(client.asks(redirect_uri=uri))
    assert answer.status_code == 400, answer.headers
    assert "location" not in answer.headers
    good = await ann.client.get(client.asks(redirect_uri="http://127.0.0.1:80/back"))
    assert good.status_code == 200


async def test_oauth_who_is_logged_in_as_another_agrees_for_nobody_else(database_url: str) -> None:
    async with signing(database_url) as found:
        ann, eve = await found.joined(), await found.joined("eve")
        client = await registered(found)
        page = await eve.client.get(client.asks())
        # Eve's page in Ann's browser, by a form that Eve fills in: its token is of Eve's session.
        answer = await sent(
            ann, "/api/auth/oauth/authorize", {**hidden(page.text), "answer": "yes"}
        )
        assert answer.status_code == 403
        assert (await ann.auth("GET apps")).json()["items"] == []
