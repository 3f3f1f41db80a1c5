"""DOS-2, OAUTH-6: providers, and devices of passkeys, that send what is large to read."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import cbor2
import pytest
from joserfc import jws

from accounts import PASSWORD, world
from bombs import b64
from oidc_provider import Provider, Tab, provider
from test_account_passkeys import Authenticator, kept

pytestmark = [pytest.mark.slow, pytest.mark.named]
FOUND = "/.well-known/openid-configuration"
ROOM = 12 * 2**20
"""Bytes that a log-in may take, both its sides together: an answer may have 256 KiB."""
Wrong = Callable[[Provider], Any]
DEEP = b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"


def at(path: str, body: bytes, status: int = 200) -> Wrong:
    return lambda idp: idp.wrong.update({path: (status, body)})


def published(**values: Any) -> Wrong:
    return lambda idp: idp.metadata.update(values)


def person(**values: Any) -> Wrong:
    return lambda idp: idp.person.update(values)


def keys(*rows: dict[str, Any]) -> Wrong:
    return at("/keys", json.dumps({"keys": rows}).encode())


def rsa(bits: int, exponent: str = "AQAB") -> dict[str, Any]:
    return {"kty": "RSA", "n": b64(b"\xff" * (bits // 8)), "e": exponent, "kid": "x"}


def tokens(idp: Provider, id_token: str = "", **more: Any) -> None:
    """What it answers to a code, whatever that is."""
    made = id_token or idp.id_token(None, "x")
    body = {"access_token": "x", "token_type": "Bearer", "id_token": made, **more}
    idp.wrong["/token"] = (200, json.dumps(body).encode())


def signed(payload: bytes) -> Wrong:
    def wrong(idp: Provider) -> None:
        key = idp.keys[0]
        header = {"alg": "RS256", "kid": key.kid}
        tokens(idp, jws.serialize_compact(header, payload, key, algorithms=["RS256"]))

    return wrong


def headed(header: bytes) -> Wrong:
    return lambda idp: tokens(idp, f"{b64(header)}.e30.AAAA")


def nested(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


def more_tokens(**more: Any) -> Wrong:
    """What is right, and what nobody asked for."""

    def wrong(idp: Provider) -> None:
        usual = idp._token

        def answered(form: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
            status, body = usual(form, headers)
            return status, body | more

        idp._token = answered  # type: ignore[method-assign]

    return wrong


AT_THE_BEGINNING: dict[str, Wrong] = {
    "deep": at(FOUND, DEEP),
    "deeper": at(FOUND, b"[" * 200_000),
    "long": at(FOUND, b'{"issuer":"' + b"a" * 2_000_000 + b'"}'),
    "a long number": at(FOUND, b'{"issuer":' + b"9" * 250_000 + b"}"),
    "members": at(FOUND, json.dumps({f"a{n}": 1 for n in range(20_000)}).encode()),
    "a long address": published(authorization_endpoint="https://x.example/" + "a" * 200_000),
    "a long host": published(token_endpoint="https://" + "a." * 50_000 + "example"),
}
AT_THE_END: dict[str, Wrong] = {
    "keys: many": keys(*[rsa(2048)] * 51),
    "keys: wide": keys(rsa(1_000_000)),
    "keys: wide, and a wide exponent": keys(rsa(16_384, b64(b"\xff" * 2_047))),
    "keys: deep": at("/keys", b'{"keys":[' + b"[" * 900 + b"]" * 900 + b"]}"),
    "keys: long": at("/keys", b'{"keys":[' + b" " * 2_000_000 + b"]}"),
    "keys: odd": keys({"kty": "EC", "crv": "P-256", "x": "A" * 100_000, "y": "A"}),
    "token: deep": at("/token", DEEP),
    "token: long": lambda idp: tokens(idp, token="a" * 1_000_000),
    "token: an ID token that is long": lambda idp: tokens(idp, "a" * 200_000 + ".e30.x"),
    "token: one of many parts": lambda idp: tokens(idp, "." * 200_000),
    "token: a deep header": headed(b"[" * 100_000),
    "token: a wide header": headed(b'{"alg":"RS256","crit":[' + b'"a",' * 30_000 + b'"a"]}'),
    "token: stretched": headed(b'{"alg":"PBES2-HS512+A256KW","p2c":2147483647,"enc":"A256GCM"}'),
    "token: packed": headed(b'{"alg":"RS256","zip":"DEF"}'),
    "token: deep claims": signed(b'{"sub":' + b"[" * 50_000),
    "token: deep claims that end": signed(DEEP),
    "token: a long number": signed(b'{"exp":' + b"9" * 50_000 + b"}"),
    "token: many audiences": person(aud=["a"] * 20_000),
    "token: a long subject": person(sub="a" * 100_000),
    "token: a list for a subject": person(sub=nested(100)),
}
TAKEN: dict[str, Wrong] = {
    "a deep list": published(id_token_signing_alg_values_supported=nested(200)),
    "a long name": person(name="a" * 60_000),
    "a name of nothing": person(name="\u202e" * 20_000),
    "a long address": person(email="a" * 60_000 + "@example.org"),
    "a picture": person(picture="http://169.254.169.254/" + "a" * 10_000, profile="file:///etc"),
    "many claims": person(**{f"claim{n}": "a" for n in range(3_000)}),
    "deep claims": person(address=nested(300)),
    "deep tokens": more_tokens(extra=nested(500)),
    "long tokens": more_tokens(extra="a" * 100_000),
}


async def log_in(url: str, wrong: Wrong, **options: Any) -> tuple[Any, list[Any], list[str]]:
    """The answer at the end, or where it ends; the defects, and what the provider was asked."""
    async with provider() as idp:
        wrong(idp)
        given = {"provider_timeout": 5.0}
        others = [idp.settings(**options)]
        async with world(url, login_with=others, settings=given) as found:
            tab = Tab(found.stranger().client)
            tracemalloc.start()
            try:
                answer = await tab.begin()
                if answer.status_code == 303:
                    answer = await tab.back(idp.visit(answer.headers["location"]))
                assert tracemalloc.get_traced_memory()[1] < ROOM
            finally:
                tracemalloc.stop()
            size = sum(len(value) for value in answer.headers.values()) + len(answer.content)
            assert size < 20_000, size
            return answer, found.api.defects, idp.requests


@pytest.mark.parametrize("kind", [*AT_THE_BEGINNING, *AT_THE_END])
async def test_oauth_6_a_provider_that_sends_bombs_opens_nothing(
    database_url: str, kind: str
) -> None:
    wrong = (AT_THE_BEGINNING | AT_THE_END)[kind]
    answer, defects, _ = await log_in(database_url, wrong)
    assert defects == []
    assert answer.status_code in (401, 403, 503), answer.text
    assert "session=" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("kind", TAKEN)
@pytest.mark.parametrize("keep", [False, True])
async def test_oauth_6_what_nobody_asked_for_is_no_defect(
    database_url: str, kind: str, keep: bool
) -> None:
    """Nor is any of it asked for in turn, such as a picture."""
    answer, defects, asked = await log_in(database_url, TAKEN[kind], keep_tokens=keep)
    assert defects == []
    assert answer.status_code in (303, 401, 403, 422), answer.text
    assert {*asked} <= {FOUND, "/token", "/keys", "/userinfo"}
    if answer.status_code == 303:
        assert urlsplit(answer.headers["location"]).path == "/"


CBOR = [
    b"\x81" * 400_000, b"\x9f" * 400_000, b"\x5f" * 400_000, b"\xa1\x00" * 200_000,
    b"\x9b\x00\x00\x00\x00\xff\xff\xff\xff", b"\x5b\x00\x00\x00\x00\xff\xff\xff\xff",
    b"\xbb\x00\x00\x00\x00\xff\xff\xff\xff", b"\x9b" + b"\xff" * 8, b"\x7b" + b"\xff" * 8,
    b"\xc2\x5a\x00\x06\x00\x00" + b"\xff" * 393_216, b"\xc5\x82\x1a\x7f\xff\xff\xff\x03",
    b"\xc4\x82\x1a\x7f\xff\xff\xff\x03", b"\xd8\x1c\x81\xd8\x1d\x00", b"\xd8\x23\x69(a+)+$aaa",
    b"\xd8\x24\x78\xff" + b"a" * 255, b"\xa0" * 1_000, b"", b"\xf6",
]  # fmt: skip
TEXTS = [
    b"[" * 400_000, b'{"a":' * 80_000, b'{"type":' + b"9" * 400_000 + b"}", b"\xff" * 400_000,
    b'{"type":"webauthn.create","challenge":"' + b"a" * 400_000 + b'"}', b"null", b"",
]  # fmt: skip


async def test_dos_2_no_passkey_weighs_more_than_it_has(database_url: str) -> None:
    async with world(database_url) as found:
        throttle = found.api.app.accounts.context.throttle
        throttle._limits = {name: [] for name in throttle._limits}
        ann, device = await found.joined(), Authenticator()
        for part, bombs in (("attestationObject", CBOR), ("clientDataJSON", TEXTS)):
            for bomb in bombs:
                begun = (await ann.auth("POST passkeys/begin", {"password": PASSWORD})).json()
                made = device.made(begun["options"])
                made["response"][part] = b64(bomb)
                body = {"token": begun["token"], "credential": made}
                assert await weighed(ann, "passkeys", body) == 401, bomb[:20]
        inner = {"fmt": "packed", "attStmt": {"x5c": [b"0" * 1_000] * 300, "alg": -7, "sig": b""}}
        begun = (await ann.auth("POST passkeys/begin", {"password": PASSWORD})).json()
        made = device.made(begun["options"])
        made["response"]["attestationObject"] = b64(cbor2.dumps(inner | {"authData": b"a" * 200}))
        body = {"token": begun["token"], "credential": made}
        assert await weighed(ann, "passkeys", body) == 401
        assert (await kept(ann, device)).status_code == 201
        for part, bombs in (
            ("authenticatorData", CBOR), ("signature", CBOR), ("clientDataJSON", TEXTS),
        ):  # fmt: skip
            for bomb in bombs:
                asked = (await ann.auth("POST passkeys/challenge", {})).json()
                given = device.signed(asked["options"])
                given["response"][part] = b64(bomb)
                body = {"token": asked["token"], "credential": given}
                assert await weighed(ann, "passkeys/login", body) == 401, bomb[:20]
        for raw in ("A" * 400_000, "=" * 400_000, "\u00e9" * 9_000, 1, [], {}, nested(150)):
            asked = (await ann.auth("POST passkeys/challenge", {})).json()
            given = device.signed(asked["options"]) | {"rawId": raw, "id": raw}
            body = {"token": asked["token"], "credential": given}
            assert await weighed(ann, "passkeys/login", body) == 401, str(raw)[:20]


async def weighed(ann: Any, path: str, body: Any) -> int:
    tracemalloc.start()
    try:
        answer = await ann.auth(f"POST {path}", body)
        assert tracemalloc.get_traced_memory()[1] < ROOM
    finally:
        tracemalloc.stop()
    assert len(answer.content) < 2_000
    return int(answer.status_code)
