"""Signed values: HMAC-SHA256 (RFC 2104) by the standard library, in URL-safe base64."""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from functools import lru_cache

_SIZE = 16


@lru_cache(16)
def _keyed(key: bytes) -> hmac.HMAC:
    """What is reckoned of the key alone, which is most of the work for a short text."""
    return hmac.new(key, digestmod="sha256")


def _mac(key: bytes, purpose: bytes, payload: bytes) -> bytes:
    made = _keyed(key).copy()
    made.update(purpose + b"\0" + payload)
    return made.digest()[:_SIZE]


def sign(key: bytes, purpose: bytes, payload: bytes) -> str:
    """The payload with a 128-bit signature; `purpose` keeps kinds from standing for each other."""
    mac = _mac(key, purpose, payload)
    return urlsafe_b64encode(mac + payload).rstrip(b"=").decode("ascii")


def verify(key: bytes, purpose: bytes, text: str) -> bytes | None:
    """The payload that was signed, or None for any other text."""
    try:
        raw = text.encode("ascii")
        data = urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
    except (ValueError, binascii.Error):
        return None
    mac, payload = data[:_SIZE], data[_SIZE:]
    expected = _mac(key, purpose, payload)
    # Comparing the text too refuses the second spellings that lenient base64 would take.
    same = hmac.compare_digest(mac, expected) and sign(key, purpose, payload) == text
    return payload if same else None


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with the first key; what those of before have signed holds as well."""

    keys: tuple[bytes, ...] = field(repr=False)

    def sign(self, purpose: bytes, payload: bytes) -> str:
        """The payload, signed."""
        return sign(self.keys[0], purpose, payload)

    def verify(self, purpose: bytes, text: str) -> bytes | None:
        """The payload that one of the keys has signed, or None for any other text."""
        for key in self.keys:
            payload = verify(key, purpose, text)
            if payload is not None:
                return payload
        return None
