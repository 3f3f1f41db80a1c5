"""The protocol: where a browser is sent, and what the code that it comes back with is good for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from abaft.auth.oauth.fetch import Fetcher
from abaft.auth.oauth.id_tokens import claims_of
from abaft.auth.oauth.metadata import Published
from abaft.auth.oauth.presets import Apple
from abaft.auth.oauth.providers import OIDC, BadAnswer, OAuth2, Profile, Provider, members
from abaft.auth.oauth.state import Flow
from abaft.base import clock
from abaft.base.errors import SettingError

SECRET_SECONDS = 300
"""For how long a secret is valid that is made for one request."""


KEPT_BYTES = 14_000
"""Of tokens that are kept, as JSON."""


class Exchange:
    """One provider, as it is spoken to."""

    def __init__(self, provider: Provider, fetcher: Fetcher, production: bool) -> None:
        self.provider, self._fetcher = provider, fetcher
        self.published: Published | None = None
        if isinstance(provider, OIDC):
            self.published = Published(provider, fetcher, production)
        if isinstance(provider, Apple):
            _apple_secret(provider)

    async def leads_to(self, flow: Flow, redirect_uri: str) -> str:
        """Where the browser is sent. Raises Away."""
        own, more = self.provider, dict(self.provider.parameters)
        if self.published is not None:
            metadata = await self.published.metadata.get()
            url, more["nonce"] = metadata.authorize_url, flow.nonce
        else:
            assert isinstance(own, OAuth2)
            url = own.authorize_url
        if own.response_mode:
            more["response_mode"] = own.response_mode
        return str(
            prepare_grant_uri(
                url,
                own.client_id,
                "code",
                redirect_uri,
                " ".join(own.scopes) or None,
                flow.state,
                code_challenge=create_s256_code_challenge(flow.verifier),
                code_challenge_method="S256",
                **more,
            )
        )

    async def check_issuer(self, said: str | None) -> None:
        """Against mix-up (RFC 9207): the answer is of whom the browser was sent to."""
        if self.published is None:
            return
        metadata = await self.published.metadata.get()
        if said is None and not metadata.tells_issuer:
            return
        if said != metadata.issuer:
            raise BadAnswer("the answer is of another issuer, or doesn't say of which")

    async def profile(
        self, flow: Flow, code: str, redirect_uri: str, given: Mapping[str, Any]
    ) -> Profile:
        """Who has logged in at the provider. Raises BadAnswer or Away."""
        tokens = await self._tokens(code, flow.verifier, redirect_uri)
        own = self.provider
        if isinstance(own, OIDC):
            found = await self._by_claims(own, flow, tokens, given)
        else:
            assert isinstance(own, OAuth2)
            access = str(tokens["access_token"])
            found = await own.profile(lambda url: self._api(url, access))
        if "\0" in found.subject or not 0 < len(found.subject) <= 255:
            raise BadAnswer("the subject can't be kept")
        if own.keep_tokens and not _fit(tokens):
            raise BadAnswer("its tokens are too long, or too deep, to be kept")
        return replace(found, tokens=tokens if own.keep_tokens else {})

    async def _by_claims(
        self, own: OIDC, flow: Flow, tokens: Mapping[str, Any], given: Mapping[str, Any]
    ) -> Profile:
        assert self.published is not None
        access = str(tokens["access_token"])
        claims = await claims_of(own, self.published, tokens.get("id_token"), flow.nonce, access)
        metadata = await self.published.metadata.get()
        if "email" not in claims and metadata.userinfo_url:
            more = members(await self._api(metadata.userinfo_url, access))
            if more.get("sub") != claims["sub"]:
                raise BadAnswer("the userinfo is about somebody else")
            # What is signed comes first.
            claims = {**more, **claims}
        return own.read(claims, given)

    async def _api(self, url: str, access_token: str) -> Any:
        headers = {"authorization": f"Bearer {access_token}"}
        return await self._fetcher.get(url, headers, self.provider.internal)

    async def _tokens(self, code: str, verifier: str, redirect_uri: str) -> Mapping[str, Any]:
        url, way = await self._token_url()
        body = prepare_token_request(
            "authorization_code", redirect_uri=redirect_uri, code=code, code_verifier=verifier
        )
        own, now = self.provider, clock.unix_ms() // 1000
        secret = _apple_secret(own, now) if isinstance(own, Apple) else own.client_secret
        auth = ClientAuth(own.client_id, secret, way if secret else "none")
        url, headers, body = auth.prepare("POST", url, {}, body)
        found = members(await self._fetcher.post(url, body, headers, own.internal))
        access, kind = found.get("access_token"), found.get("token_type", "bearer")
        if not isinstance(access, str) or not access.isascii() or not access.isprintable():
            raise BadAnswer(f"the code wasn't taken: {str(found.get('error'))[:80]}")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise BadAnswer("its access token is of another type")
        return found

    async def _token_url(self) -> tuple[str, str]:
        if self.published is not None:
            metadata = await self.published.metadata.get()
            return metadata.token_url, metadata.client_auth
        assert isinstance(self.provider, OAuth2)
        return self.provider.token_url, self.provider.client_auth or "client_secret_post"


def _fit(tokens: Mapping[str, Any]) -> bool:
    """Whether they can be kept; of what is nested deeper than 250 times no JSON is made."""
    try:
        return len(orjson.dumps(dict(tokens))) <= KEPT_BYTES
    except orjson.JSONEncodeError:
        return False


def _apple_secret(provider: Apple, now: int = 0) -> str:
    """The JWT that is Apple's client secret. SettingError for a key that signs nothing."""
    claims = {
        "iss": provider.team_id,
        "iat": now,
        "exp": now + SECRET_SECONDS,
        "aud": "https://appleid.apple.com",
        "sub": provider.client_id,
    }
    try:
        key = ECKey.import_key(provider.private_key)
        return jwt.encode({"alg": "ES256", "kid": provider.key_id}, claims, key, ["ES256"])
    except (JoseError, ValueError, TypeError) as error:
        raise SettingError(f"{provider.name}: private_key isn't the text of a .p8 file") from error


def person_of(text: str | None) -> Mapping[str, Any]:
    """What Apple's form says of a name; it came by the browser, so it is no more than a hint."""
    if not text or len(text) > 2_000:
        return {}
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
