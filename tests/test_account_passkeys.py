"""Passkeys, made and used by an authenticator in software, and what it mustn't get away with."""

from __future__ import annotations

import hashlib
import json
import os
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import cbor2
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from abaft.base import clock
from accounts import PASSWORD, Person, world

ORIGIN = "http://localhost:8000"
PRESENT, VERIFIED, ATTESTED = 1, 4, 64


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Authenticator:
    """A key that a device would keep; each detail can be wrong."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = os.urandom(32)
        self.count = 0

    def client(self, kind: str, options: Any, origin: str = ORIGIN) -> bytes:
        told = {"type": kind, "challenge": options["challenge"], "origin": origin}
        return json.dumps({**told, "crossOrigin": False}).encode()

    def data(self, site: str, flags: int) -> bytes:
        self.count += 1
        return (
            hashlib.sha256(site.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")
        )

    def made(self, options: Any, **wrong: Any) -> dict[str, Any]:
        client = self.client("webauthn.create", options, wrong.get("origin", ORIGIN))
        point = self.key.public_key().public_numbers()
        cose = {
            1: 2,
            3: -7,
            -1: 1,
            -2: point.x.to_bytes(32, "big"),
            -3: point.y.to_bytes(32, "big"),
        }
        data = self.data(wrong.get("site", "localhost"), wrong.get("flags", 5) | ATTESTED)
        data += bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(cose)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {"clientDataJSON": b64(client), "attestationObject": b64(attestation)}
        return {
            "id": b64(self.id),
            "rawId": b64(self.id),
            "type": "public-key",
            "response": response,
        }

    def signed(self, options: Any, **wrong: Any) -> dict[str, Any]:
        kind = wrong.get("kind", "webauthn.get")
        client = self.client(kind, options, wrong.get("origin", ORIGIN))
        data = self.data(wrong.get("site", "localhost"), wrong.get("flags", 5))
        key = wrong.get("key", self.key)
        signature = key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": b64(client),
            "authenticatorData": b64(data),
            "signature": b64(signature),
        }
        return {
            "id": b64(self.id),
            "rawId": b64(self.id),
            "type": "public-key",
            "response": response,
        }


async def kept(ann: Person, device: Authenticator, **wrong: Any) -> httpx.Response:
    begun = (await ann.auth("POST passkeys/begin", {"password": PASSWORD})).json()
    body = {"token": begun["token"], "credential": device.made(begun["options"], **wrong)}
    return await ann.auth("POST passkeys", {**body, "name": "phone"})


async def entered(ann: Person, device: Authenticator, **wrong: Any) -> httpx.Response:
    asked = (await ann.auth("POST passkeys/challenge", {})).json()
    body = {"token": asked["token"], "credential": device.signed(asked["options"], **wrong)}
    return await ann.auth("POST passkeys/login", body)


async def test_a_passkey_is_enough(database_url: str) -> None:
    async with world(database_url) as found:
        ann, device = await found.joined(), Authenticator()
        answer = await kept(ann, device)
        assert (answer.status_code, answer.json()["name"]) == (201, "phone")
        assert "passkey was added" in found.mail(ann.email)
        other = ann.elsewhere()
        answer = await entered(other, device)
        assert other.took(answer).status_code == 200
        assert (await other.auth("GET me")).json()["user"]["email"] == ann.email
        [item] = (await other.auth("GET passkeys")).json()["items"]
        assert (await other.auth(f"DELETE passkeys/{item['id']}")).status_code == 204
        assert (await entered(ann.elsewhere(), device)).json()["code"] == "bad_passkey"


async def test_a_passkey_gets_another_name_from_its_owner_alone(database_url: str) -> None:
    async with world(database_url) as found:
        ann, eve, device = await found.joined(), await found.joined("eve"), Authenticator()
        made = (await kept(ann, device)).json()
        place = f"PATCH passkeys/{made['id']}"
        answer = await ann.auth(place, {"name": "old phone"})
        assert (answer.status_code, answer.json()) == (200, {**made, "name": "old phone"})
        assert (await ann.auth("GET passkeys")).json()["items"] == [answer.json()]
        assert (await eve.auth(place, {"name": "mine"})).status_code == 404
        assert (await found.stranger().auth(place, {"name": "mine"})).status_code == 401
        for name in ("", "x" * 121, 7, None):
            assert (await ann.auth(place, {"name": name})).status_code == 422
        assert (await ann.auth(place, {"name": "x", "secret": "y"})).status_code == 422
        assert (await ann.auth("GET passkeys")).json()["items"][0]["name"] == "old phone"
        assert (await entered(ann.elsewhere(), device)).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "http://localhost:8001"},
        {"origin": "http://evil.example"},
        {"site": "evil.example"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"kind": "webauthn.create"},
        {"key": ec.generate_private_key(ec.SECP256R1())},
    ],
    ids=["port", "origin", "site", "unverified", "absent", "kind", "key"],
)
async def test_authn_7_what_a_passkey_signs_is_held_to(
    database_url: str, wrong: dict[str, Any]
) -> None:
    async with world(database_url) as found:
        ann, device = await found.joined(), Authenticator()
        if "kind" not in wrong and "key" not in wrong:
            answer = await kept(ann, device, **wrong)
            assert (answer.status_code, answer.json()["code"]) == (401, "bad_passkey")
        assert (await kept(ann, device)).status_code == 201
        answer = await entered(ann.elsewhere(), device, **wrong)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_passkey")


async def test_authn_7_a_challenge_is_of_one_use_and_a_copy_is_noticed(database_url: str) -> None:
    async with world(database_url) as found:
        ann, device = await found.joined(), Authenticator()
        await kept(ann, device)
        asked = (await ann.auth("POST passkeys/challenge", {})).json()
        body = {"token": asked["token"], "credential": device.signed(asked["options"])}
        assert (await ann.elsewhere().auth("POST passkeys/login", body)).status_code == 200
        answer = await ann.elsewhere().auth("POST passkeys/login", body)
        assert answer.json()["code"] == "bad_code"
        # What was signed for one challenge is none for another.
        again = (await ann.auth("POST passkeys/challenge", {})).json()
        stale = {"token": again["token"], "credential": body["credential"]}
        answer = await ann.elsewhere().auth("POST passkeys/login", stale)
        assert answer.json()["code"] == "bad_passkey"
        device.count = 1
        assert (await entered(ann.elsewhere(), device)).json()["code"] == "bad_passkey"


async def test_authn_7_nobody_adds_a_passkey_to_another_s_account(database_url: str) -> None:
    async with world(database_url) as found:
        ann, eve = await found.joined("ann"), await found.joined("eve")
        answer = await ann.auth("POST passkeys/begin", {"password": "not this one"})
        assert answer.json()["code"] == "bad_password"
        begun = (await ann.auth("POST passkeys/begin", {"password": PASSWORD})).json()
        device = Authenticator()
        body = {"token": begun["token"], "credential": device.made(begun["options"])}
        assert (await eve.auth("POST passkeys", body)).json()["code"] == "bad_code"
        assert (await ann.auth("POST passkeys", body)).status_code == 201
        # One that is known already isn't taken a second time, by anybody.
        assert (await kept(eve, device)).status_code == 409


@pytest.mark.parametrize(
    "credential", [{}, {"rawId": 1}, {"rawId": "?"}, {"rawId": "AAAA", "response": []}]
)
async def test_authn_7_what_is_made_up_is_refused(
    database_url: str, credential: dict[str, Any]
) -> None:
    async with world(database_url) as found:
        ann, device = await found.joined(), Authenticator()
        await kept(ann, device)
        for given in (credential, {**device.signed({"challenge": "AAAA"}), **credential}):
            asked = (await ann.auth("POST passkeys/challenge", {})).json()
            body = {"token": asked["token"], "credential": given}
            answer = await ann.elsewhere().auth("POST passkeys/login", body)
            assert answer.json()["code"] == "bad_passkey"
            begun = (await ann.auth("POST passkeys/begin", {"password": PASSWORD})).json()
            body = {"token": begun["token"], "credential": given}
            assert (await ann.auth("POST passkeys", body)).json()["code"] == "bad_passkey"


async def test_authn_6_without_a_password_a_log_in_of_just_now_is_the_proof(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A passkey is the only factor: a second one, codes of an app and the end are still theirs."""
    async with world(database_url) as found:
        ann, device = await found.joined(), Authenticator()
        assert (await kept(ann, device)).status_code == 201
        asked = await ann.auth("POST passkeys/begin", {})
        assert (asked.status_code, asked.json()["errors"][0]["pointer"]) == (422, "/password")
        context = found.api.app.accounts.context
        account = await context.account_of((await ann.auth("GET me")).json()["user"]["id"])
        await context.db.update(account, password=None)
        other = ann.elsewhere()
        other.took(await entered(other, device))
        assert (await other.auth("GET me")).json()["has_password"] is False
        begun = (await other.auth("POST passkeys/begin", {})).json()
        spare = {"token": begun["token"], "credential": Authenticator().made(begun["options"])}
        assert (await other.auth("POST passkeys", {**spare, "name": "spare"})).status_code == 201
        # What proves nothing doesn't make a proof younger.
        assert (await other.auth("POST confirm", {"password": ""})).status_code == 401
        real, real_ms = clock.now, clock.unix_ms
        monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=16))
        monkeypatch.setattr(clock, "unix_ms", lambda: real_ms() + 960_000)
        for request in ("POST passkeys/begin", "POST totp", "POST leave"):
            answer = await other.auth(request, {})
            assert (answer.status_code, answer.json()["code"]) == (403, "confirm_first"), request
        monkeypatch.undo()
        other.took(await entered(other, device))
        body = {"password": "another horse battery"}
        assert (await other.auth("POST password", body)).status_code == 200
        assert (await other.auth("GET me")).json()["has_password"] is True
