"""Opaque tokens: a record's id and 256 random bits, of which only a SHA-256 is stored."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from abaft.base import ids
from abaft.guard.signing_keys import keyed_digest

SESSION, REFRESH, LINK, KEY = "abs_", "abr_", "abl_", "abk_"
"""What each begins with, so that scanners of leaked secrets know it; none stands for another."""

_HALF = 16
_FORM = re.compile(r"(ab[a-z]_)([0-9a-f]{32})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Token:
    """A token's text, for who holds it, and what is stored of it."""

    id: UUID
    digest: str
    text: str = ""

    def __repr__(self) -> str:
        return f"Token({self.id})"

    def matches(self, digest: str) -> bool:
        """Whether this is what was stored; the time it takes tells nothing."""
        return hmac.compare_digest(self.digest, digest)


def new_token(kind: str, id_: UUID) -> Token:
    """A fresh token for the record of this id."""
    secret = ids.secret()
    return Token(id_, _digest(kind, secret), f"{kind}{id_.hex}.{secret}")


def sealed_token(kind: str, id_: UUID, key: bytes) -> Token:
    """One of which can be told later that it was made here, though nothing of it is stored then.

    Half of its secret is random, and half is made of that by the key.
    """
    half = ids.random_bytes(_HALF)
    secret = urlsafe_b64encode(half + _seal(kind, id_, half, key)).rstrip(b"=").decode()
    return Token(id_, _digest(kind, secret), f"{kind}{id_.hex}.{secret}")


def is_sealed(kind: str, text: str, key: bytes) -> bool:
    """Whether `sealed_token` made this by the key, be it ever so long ago."""
    found = _FORM.fullmatch(text) if len(text) < 100 else None
    if found is None or found[1] != kind:
        return False
    raw = urlsafe_b64decode(f"{found[3]}=")
    seal = _seal(kind, UUID(hex=found[2]), raw[:_HALF], key)
    return hmac.compare_digest(seal, raw[_HALF:])


def _seal(kind: str, id_: UUID, half: bytes, key: bytes) -> bytes:
    return bytes.fromhex(keyed_digest(key, "token", f"{kind}{id_.hex}.{half.hex()}"))[:_HALF]


def read_token(kind: str, text: str) -> Token | None:
    """The token that a client sent; None for what isn't one of this kind."""
    found = _FORM.fullmatch(text) if len(text) < 100 else None
    if found is None or found[1] != kind:
        return None
    return Token(UUID(hex=found[2]), _digest(kind, found[3]))


def _digest(kind: str, secret: str) -> str:
    return sha256(f"{kind}{secret}".encode()).hexdigest()
