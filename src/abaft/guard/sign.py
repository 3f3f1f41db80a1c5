"""Signed values: HMAC-SHA256 (RFC 2104) by the standard library, in URL-safe base64."""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

_SIZE = 16


def sign(key: bytes, purpose: bytes, payload: bytes) -> str:
    """The payload with a 128-bit signature; `purpose` keeps kinds from standing for each other."""
    mac = hmac.digest(key, purpose + b"\0" + payload, "sha256")[:_SIZE]
    return urlsafe_b64encode(mac + payload).rstrip(b"=").decode("ascii")


def verify(key: bytes, purpose: bytes, text: str) -> bytes | None:
    """The payload that was signed, or None for any other text."""
    try:
        raw = text.encode("ascii")
        data = urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
    except (ValueError, binascii.Error):
        return None
    mac, payload = data[:_SIZE], data[_SIZE:]
    expected = hmac.digest(key, purpose + b"\0" + payload, "sha256")[:_SIZE]
    # Comparing the text too refuses the second spellings that lenient base64 would take.
    same = hmac.compare_digest(mac, expected) and sign(key, purpose, payload) == text
    return payload if same else None
