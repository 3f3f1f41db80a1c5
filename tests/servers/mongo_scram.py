"""The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), for one user."""

import base64
import hashlib
import hmac
import secrets
from typing import Any

from servers.mongo_faults import Fault
from servers.mongo_wire import Document

ROUNDS = 4096


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


class Scram:
    """What the server knows of its user."""

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self.salt = secrets.token_bytes(16)
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), self.salt, ROUNDS)
        self.stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
        self.server = _hmac(salted, b"Server Key")

    def login(self) -> "Login":
        return Login(self)


class Login:
    """One conversation: two steps, and then an empty one that some drivers send."""

    def __init__(self, scram: Scram) -> None:
        self.scram = scram
        self.done = False
        self._said = b""

    def step(self, payload: bytes, mechanism: Any) -> Document:
        if self.done:
            return self._answer(b"")
        if mechanism is not None:
            if mechanism != "SCRAM-SHA-256":
                raise Fault(18, f"{mechanism} isn't offered")
            return self._first(payload)
        return self._final(payload)

    def _first(self, payload: bytes) -> Document:
        bare = payload.partition(b",,")[2]
        given = dict(part.split(b"=", 1) for part in bare.split(b","))
        if given[b"n"].decode() != self.scram.user:
            raise Fault(18, "Authentication failed.")
        self._nonce = given[b"r"] + secrets.token_hex(12).encode()
        salt = base64.b64encode(self.scram.salt)
        challenge = b"r=%s,s=%s,i=%d" % (self._nonce, salt, ROUNDS)
        self._said = bare + b"," + challenge
        return self._answer(challenge)

    def _final(self, payload: bytes) -> Document:
        unproved, _, proof = payload.rpartition(b",p=")
        said = self._said + b"," + unproved
        signature = _hmac(self.scram.stored, said)
        pairs = zip(base64.b64decode(proof), signature, strict=True)
        key = bytes(one ^ other for one, other in pairs)
        known = hmac.compare_digest(hashlib.sha256(key).digest(), self.scram.stored)
        if not known or b"r=" + self._nonce not in unproved:
            raise Fault(18, "Authentication failed.")
        self.done = True
        return self._answer(b"v=" + base64.b64encode(_hmac(self.scram.server, said)))

    def _answer(self, payload: bytes) -> Document:
        return {"conversationId": 1, "done": self.done, "payload": payload}
