"""The fingerprint of a record's JSON: what an ETag is made of, here and inside the databases."""

from __future__ import annotations

from hashlib import sha256


def fingerprint(text: str) -> str:
    """The first 128 bits of the text's SHA-256, as 32 hexadecimal digits."""
    return sha256(text.encode()).hexdigest()[:32]
