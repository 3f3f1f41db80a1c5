"""Keys derived from the secret key: those that sign access tokens change by the calendar."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import KeySet, OKPKey

from abaft.base import clock


def derived(key: bytes, purpose: str) -> bytes:
    """256 bits for one purpose (HKDF, RFC 5869): from none of them is another to be told."""
    return HKDF(SHA256(), 32, salt=None, info=b"abaft " + purpose.encode()).derive(key)


def keyed_digest(key: bytes, purpose: str, text: str) -> str:
    """A digest that nobody can try texts against who hasn't the key."""
    return hmac.digest(derived(key, purpose), text.encode(), "sha256").hex()


class SigningKeys:
    """Ed25519 keys, one for each stretch of `seconds`; all workers come to the same ones.

    They are derived from the first of the secret keys; those of the others only verify. Of each the
    one of before still verifies and the next is published ahead, so that no clock that is a
    little off and no cached JWKS refuses a token.
    """

    def __init__(self, keys: Sequence[bytes], seconds: int) -> None:
        self._keys, self._seconds = keys, seconds
        self._period = -1
        self._known: dict[str, OKPKey] = {}
        self._current = ""

    def _turn(self) -> None:
        period = clock.unix_ms() // 1000 // self._seconds
        if period != self._period:
            made = [self._made(key, period + by) for key in self._keys for by in (0, -1, 1)]
            self._known = {str(key.kid): key for key in made}
            self._period, self._current = period, str(made[0].kid)

    def _made(self, secret: bytes, period: int) -> OKPKey:
        seed = derived(secret, f"access token {self._seconds} {period}")
        key = OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(seed))
        return OKPKey.import_key(key.as_dict(private=True) | {"kid": key.thumbprint()})

    @property
    def current(self) -> OKPKey:
        """The key that signs now."""
        self._turn()
        return self._known[self._current]

    def known(self, kid: str) -> OKPKey | None:
        """The key of this id, while it verifies."""
        self._turn()
        return self._known.get(kid)

    def published(self) -> Mapping[str, Any]:
        """The JWKS (RFC 7517): public parts alone."""
        self._turn()
        found = KeySet(list(self._known.values())).as_dict(private=False)
        for key in found["keys"]:
            key |= {"use": "sig", "alg": "Ed25519"}
        return dict(found)
