"""ID tokens: signed by the provider, for us, for this log-in (OpenID Connect Core, 3.1.3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jws import extract_compact

from abaft.auth.oauth.metadata import Published
from abaft.auth.oauth.providers import OIDC, BadAnswer
from abaft.base import clock

LEEWAY = 60
"""Seconds by which clocks may differ."""
_SUBJECT = 255


async def claims_of(
    provider: OIDC, published: Published, text: Any, nonce: str, access_token: str
) -> dict[str, Any]:
    """The claims of an ID token. Raises BadAnswer for one that doesn't hold."""
    if not isinstance(text, str):
        raise BadAnswer("there is no ID token")
    metadata = await published.metadata.get()
    token = await _signed(published, text, metadata.algorithms)
    claims = dict(token.claims)
    issuer = provider.issuer_of(claims)
    checked = CodeIDToken(
        claims,
        token.header,
        options={
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": provider.client_id},
        },
        params={"nonce": nonce, "client_id": provider.client_id, "access_token": access_token},
    )
    try:
        checked.validate(now=clock.unix_ms() // 1000, leeway=LEEWAY)
    except (JoseError, ValueError, TypeError) as error:
        raise BadAnswer(f"the ID token doesn't hold: {error}") from error
    _check_subject(claims)
    return claims


async def _signed(published: Published, text: str, algorithms: frozenset[str]) -> jwt.Token:
    """The token, if one of the provider's keys signed it; for a new key they are asked for anew."""
    try:
        if extract_compact(text.encode()).headers().get("alg") not in algorithms:
            raise BadAnswer("the ID token is signed by a way that isn't taken")
        try:
            return jwt.decode(text, await published.keys.get(), list(algorithms))
        except InvalidKeyIdError:
            return jwt.decode(text, await published.keys.get(renew=True), list(algorithms))
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadAnswer(f"the ID token can't be read: {error}") from error


def _check_subject(claims: Mapping[str, Any]) -> None:
    subject, audience = claims.get("sub"), claims.get("aud")
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT or "\0" in subject:
        raise BadAnswer("the ID token names no subject")
    if isinstance(audience, list) and len(audience) > 1 and "azp" not in claims:
        raise BadAnswer("the ID token is for several, and doesn't say who asked for it")
