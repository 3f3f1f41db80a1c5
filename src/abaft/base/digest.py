"""The fingerprint of a record's JSON: what an ETag is made of, here and inside the databases."""

from __future__ import annotations

from hashlib import sha256


def fingerprint(text: str) -> str:
    """The first 128 bits of the text's SHA-256, as 32 hexadecimal digits."""
    return fingerprint_of(text.encode())


def fingerprint_of(body: bytes) -> str:
    """The same of text that is UTF-8 already."""
    return sha256(body).hexdigest()[:32]
