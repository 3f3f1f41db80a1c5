"""Access tokens: short-lived JWTs in the form of RFC 9068, checked as RFC 8725 says."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jwt
from joserfc.errors import JoseError

from abaft.base import clock
from abaft.guard.signing_keys import SigningKeys

ALGORITHM = "Ed25519"
"""EdDSA by the name that says all of it (RFC 9864)."""
TYPE = "at+jwt"
LEEWAY = 30
"""Seconds by which the clocks of two machines may differ."""
MOST = 2_000
_HEADERS = frozenset({"alg", "kid", "typ"})


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says: who, where they are logged in, until when, and what for."""

    subject: str
    session: str
    expires: int
    scope: str = ""


class AccessTokens:
    """Makes and checks them; the issuer is also whom they are for."""

    def __init__(self, keys: SigningKeys, issuer: str, seconds: int) -> None:
        self._keys, self._issuer, self.seconds = keys, issuer, seconds

    def make(self, subject: str, session: str, token_id: str, **more: str) -> str:
        """A token for the subject's session; `more` are claims that an app's has."""
        now = clock.unix_ms() // 1000
        key = self._keys.current
        claims = {
            "iss": self._issuer,
            "aud": self._issuer,
            "sub": subject,
            "sid": session,
            "jti": token_id,
            "iat": now,
            "exp": now + self.seconds,
            **more,
        }
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}
        return str(jwt.encode(header, claims, key, algorithms=[ALGORITHM]))

    def read(self, text: str) -> Claims | None:
        """The claims of a token of ours that is valid now; None for every other text."""
        header = _header(text)
        if header is None or header.get("alg") != ALGORITHM or header.get("typ") != TYPE:
            return None
        # No key is ever fetched or taken from the token, and no extension is understood.
        if not _HEADERS.issuperset(header) or not isinstance(header.get("kid"), str):
            return None
        key = self._keys.known(header["kid"])
        if key is None:
            return None
        try:
            found = jwt.decode(text, key, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        return self._valid(found)

    def _valid(self, claims: Mapping[str, Any]) -> Claims | None:
        now = clock.unix_ms() // 1000
        times = [claims.get("exp"), claims.get("iat"), claims.get("nbf", 0)]
        if any(type(time) is not int for time in times):
            return None
        if claims["exp"] + LEEWAY <= now or max(times[1:]) - LEEWAY > now:
            return None
        if claims.get("iss") != self._issuer or claims.get("aud") != self._issuer:
            return None
        found = [claims.get("sub"), claims.get("sid"), claims.get("scope", "")]
        if not all(isinstance(text, str) for text in found):
            return None
        subject, session, scope = found
        return Claims(subject, session, claims["exp"] + LEEWAY, scope)


def _header(text: str) -> dict[str, Any] | None:
    if len(text) > MOST or text.count(".") != 2:
        return None
    part = text.partition(".")[0]
    try:
        found = orjson.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        return None
    return found if isinstance(found, dict) else None
