"""ID tokens (OpenID Connect Core, 2), signed by ES256, which clients everywhere understand."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from abaft.base import clock
from abaft.guard.signing_keys import derived

ALGORITHM = "ES256"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256 (FIPS 186-5): a private key is a number from 1 to below it."""
SECONDS = 600


@dataclass(frozen=True, slots=True)
class Who:
    """Whom a token is about, when they logged in, in seconds since 1970, and the client's nonce."""

    subject: str
    auth_time: int | None = None
    nonce: str = ""


class IdTokens:
    """Makes them; keys change by the calendar, and all workers come to the same ones.

    Those of the stretch before are published as long again, for whoever looks at a token late.
    """

    def __init__(self, keys: Sequence[bytes], issuer: str, seconds: int) -> None:
        self._keys, self._issuer, self._seconds = keys, issuer, seconds
        self._period = -1
        self._known: list[ECKey] = []

    def _current(self) -> list[ECKey]:
        period = clock.unix_ms() // 1000 // self._seconds
        if period != self._period:
            self._known = [self._made(key, period + by) for key in self._keys for by in (0, -1, 1)]
            self._period = period
        return self._known

    def _made(self, secret: bytes, period: int) -> ECKey:
        # 512 bits, so that none of the numbers is likelier than another (FIPS 186-5, A.2.1).
        name = f"id token {self._seconds} {period}"
        wide = b"".join(derived(secret, f"{name} {half}") for half in range(2))
        number = int.from_bytes(wide) % (_ORDER - 1) + 1
        key = ECKey.import_key(ec.derive_private_key(number, ec.SECP256R1()))
        return ECKey.import_key(key.as_dict(private=True) | {"kid": key.thumbprint()})

    def make(
        self, client: str, who: Who, session: str, access: str, claims: Mapping[str, Any]
    ) -> str:
        """A token for a client, bound to the access token that goes along."""
        now, key = clock.unix_ms() // 1000, self._current()[0]
        found: dict[str, Any] = {
            **claims,
            "iss": self._issuer,
            "sub": who.subject,
            "aud": client,
            "sid": session,
            "iat": now,
            "exp": now + SECONDS,
            "at_hash": _half(access),
        }
        if who.auth_time is not None:
            found["auth_time"] = who.auth_time
        if who.nonce:
            found["nonce"] = who.nonce
        header = {"alg": ALGORITHM, "typ": "JWT", "kid": key.kid}
        return str(jwt.encode(header, found, key, algorithms=[ALGORITHM]))

    def hinted(self, text: str) -> Mapping[str, Any] | None:
        """The claims of a token of ours, of whatever age; None for any other text."""
        try:
            found = jwt.decode(text, KeySet(list(self._current())), algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        return found if found.get("iss") == self._issuer else None

    def published(self) -> list[Mapping[str, Any]]:
        """The public parts, for the JWKS."""
        rows = KeySet(list(self._current())).as_dict(private=False)["keys"]
        return [{**row, "use": "sig", "alg": ALGORITHM} for row in rows]


def _half(access: str) -> str:
    """The left half of a digest (OpenID Connect Core, 3.1.3.6)."""
    return urlsafe_b64encode(sha256(access.encode()).digest()[:16]).rstrip(b"=").decode()
