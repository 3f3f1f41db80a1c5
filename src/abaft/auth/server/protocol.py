"""What OAuth 2.1 asks of a request, by Authlib.

Nothing is looked up or stored in here: what a request names is found before, and handed in as
`Found`; what comes of it is done after. So Authlib, which doesn't wait for anything, decides, and
the database is asked and written to as everywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from authlib.oauth2.rfc6749 import (  # type: ignore[import-untyped]
    AuthorizationServer,
    OAuth2Error,
    OAuth2Request,
)
from authlib.oauth2.rfc6749 import errors as refused
from authlib.oauth2.rfc6749.grants import (  # type: ignore[import-untyped]
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636 import CodeChallenge  # type: ignore[import-untyped]
from authlib.oauth2.rfc8628 import DeviceCodeGrant  # type: ignore[import-untyped]

from abaft.auth.server.clients import Registered, basic_name

METHODS = ["client_secret_basic", "client_secret_post", "none"]
CODE, REFRESH, CLIENT = "authorization_code", "refresh_token", "client_credentials"
DEVICE = DeviceCodeGrant.GRANT_TYPE
GRANTS = (CODE, REFRESH, CLIENT, DEVICE)
_PLAIN = re.compile(r"[A-Za-z0-9_ ]*")
OPENID, OFFLINE = "openid", "offline_access"


@dataclass(slots=True)
class Credential:
    """What a client brings to be given tokens for: a code, a refresh token or a device's code.

    `challenge` is that of PKCE, always by S256; `state` is what a device's user said: "" nothing
    yet, "yes", "no", "early" where it asks more often than it was told to, "over".
    """

    client: str
    scope: str
    user: str = ""
    redirect_uri: str = ""
    challenge: str = ""
    state: str = "yes"
    record: Any = None

    code_challenge_method = "S256"

    @property
    def code_challenge(self) -> str:
        return self.challenge

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def check_client(self, client: Registered) -> bool:
        return client.get_client_id() == self.client

    def get_client_id(self) -> str:
        return self.client

    def get_user_code(self) -> str:
        return ""

    def is_expired(self) -> bool:
        return self.state == "over"


@dataclass(slots=True)
class Found:
    """What the database has of what a request names."""

    client: Registered | None = None
    credential: Credential | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """What a client is to be given."""

    grant: str
    client: Registered
    scope: str
    credential: Credential | None = None


class Refused(Exception):
    """The answer of RFC 6749 to what isn't granted; `location` leads back to a client."""

    def __init__(self, error: OAuth2Error) -> None:
        self.status, self.body, headers = error()
        self.headers = tuple((name.lower(), value) for name, value in headers)
        self.location = dict(self.headers).get("location", "")
        self.error, self.detail = error.error, error.description
        super().__init__(self.error)


class _Request(OAuth2Request):  # type: ignore[misc]
    """A request whose parameters are read already, none of them twice."""

    def __init__(self, method: str, given: Mapping[str, str], headers: Mapping[str, str]) -> None:
        # Whether the transport is safe is known in front of here, where TLS may end.
        named = {"Authorization": headers.get("authorization", "")}
        super().__init__(method, "https://localhost", None, named)
        self.payload = BasicOAuth2Payload(dict(given))
        self._given = dict(given)

    @property
    def form(self) -> dict[str, str]:
        return self._given

    @property
    def args(self) -> dict[str, str]:
        return self._given


class _Code(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def query_authorization_code(self, code: str, client: Any) -> Credential | None:
        found: Credential | None = self.server.found.credential
        return found if found is not None and found.check_client(client) else None

    def authenticate_user(self, authorization_code: Credential) -> str:
        return authorization_code.user

    def delete_authorization_code(self, authorization_code: Credential) -> None:
        """It was used up before, or is by who stores what was granted."""


class _Refresh(RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Credential | None:
        found: Credential | None = self.server.found.credential
        return found

    def authenticate_user(self, refresh_token: Credential) -> str:
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: Credential) -> None:
        """Its successor replaces it, where sessions are kept."""


class _Device(DeviceCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def query_device_credential(self, device_code: str) -> Credential | None:
        found: Credential | None = self.server.found.credential
        return found

    def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
        found = self.server.found.credential
        return (found.user, found.state == "yes") if found.state in ("yes", "no") else None

    def should_slow_down(self, credential: Credential) -> bool:
        return credential.state == "early"


class _Own(ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS[:2]


class _Challenge(CodeChallenge):  # type: ignore[misc]
    """PKCE (RFC 7636) by S256, for each client, as OAuth 2.1 has it."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)
    DEFAULT_CODE_CHALLENGE_METHOD = "S256"

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        given = grant.request.payload.data
        if not given.get("code_challenge") or given.get("code_challenge_method") != "S256":
            raise refused.InvalidRequestError(
                "PKCE is needed: a code_challenge, with code_challenge_method=S256"
            )
        super().validate_code_challenge(grant, redirect_uri)


@dataclass(slots=True)
class _Kept:
    granted: dict[str, Any] = field(default_factory=dict)


class Protocol(AuthorizationServer):  # type: ignore[misc]
    """Decides over one request."""

    def __init__(self, found: Found, scopes: list[str]) -> None:
        super().__init__(scopes_supported=scopes)
        self.found = found
        self._kept = _Kept()
        self.register_grant(_Code, [_Challenge(required=True)])
        for grant in (_Refresh, _Device, _Own):
            self.register_grant(grant)
        self.register_token_generator("default", partial(_noted, self._kept))

    def query_client(self, client_id: str) -> Registered | None:
        client = self.found.client
        return client if client is not None and client.get_client_id() == client_id else None

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        """Done by who asked."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def granted(self, form: Mapping[str, str], headers: Mapping[str, str]) -> Granted:
        """What the token endpoint is to give. Raises Refused."""
        request = _proving(form, headers)
        with _refusals():
            grant = self.get_token_grant(request)
            grant.validate_token_request()
            grant.create_token_response()
        kept = self._kept.granted
        client, asked = kept["client"], kept["scope"] or ""
        scope = client.get_allowed_scope(asked) or ""
        if not set(scope.split()).issuperset(asked.split()):
            raise Refused(refused.InvalidScopeError())
        return Granted(kept["grant_type"], client, scope, self.found.credential)

    def asked(self, query: Mapping[str, str]) -> tuple[str, str]:
        """Where an authorization request leads back to, and the scope. Raises Refused."""
        if not _PLAIN.fullmatch(query.get("response_type", "")):
            query = {**query, "response_type": "unknown"}
        request = _Request("GET", query, {})
        with _refusals():
            grant = self.get_consent_grant_of(request)
        return grant.redirect_uri, request.scope or ""

    def get_consent_grant_of(self, request: _Request) -> Any:
        """As Authlib's, for a request that is one of Authlib's already."""
        try:
            grant = self.get_authorization_grant(request)
            grant.validate_consent_request()
        except OAuth2Error as error:
            error.state = request.payload.state
            raise
        return grant

    def client_of(
        self, form: Mapping[str, str], headers: Mapping[str, str], endpoint: str
    ) -> Registered:
        """The client that authenticates itself at another endpoint. Raises Refused."""
        request = _proving(form, headers)
        methods = METHODS[:2] if endpoint == "introspection" else METHODS
        with _refusals():
            client: Registered = self.authenticate_client(request, methods, endpoint)
            self.validate_requested_scope(form.get("scope"))
        return client


def _proving(form: Mapping[str, str], headers: Mapping[str, str]) -> _Request:
    """A request whose client proves itself in one way only (RFC 6749, 2.3). Raises Refused."""
    name = basic_name(headers)
    if name and ("client_secret" in form or form.get("client_id", name) != name):
        raise Refused(
            refused.InvalidRequestError(
                "The client proves itself in two ways: send Authorization, or client_id and "
                "client_secret in the form"
            )
        )
    return _Request("POST", form, headers)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turns Authlib's errors into Refused."""
    try:
        yield
    except OAuth2Error as error:
        raise Refused(error) from error
    except ValueError as error:
        # Authlib would repeat what was sent, which has characters that no description may have.
        raise Refused(
            refused.InvalidRequestError("It has characters of no such request.")
        ) from error


def _noted(kept: _Kept, **given: Any) -> dict[str, Any]:
    kept.granted = given
    return {}
