"""What these endpoints take and give; a form's parameter that is unknown is nobody's fault."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from abaft.auth.keys import Name, Scope
from abaft.auth.login import STRICT

Text = Annotated[str, Field(max_length=2_000)]
_LENIENT = ConfigDict(extra="ignore")
"""RFC 6749, 3.1: parameters that aren't understood are ignored."""


@with_config(_LENIENT)
class Authorize(TypedDict, total=False):
    client_id: Text
    response_type: Text
    redirect_uri: Text
    scope: Text
    state: Text
    code_challenge: Text
    code_challenge_method: Text
    nonce: Text
    prompt: Text
    max_age: Text
    login_hint: Text
    response_mode: Text
    request: Text
    request_uri: Text
    since: Text


@with_config(_LENIENT)
class Consented(TypedDict, total=False):
    asked: Annotated[str, Field(max_length=16_000)]
    csrf: Text
    answer: Text


@with_config(_LENIENT)
class TokenForm(TypedDict, total=False):
    grant_type: Text
    code: Text
    redirect_uri: Text
    code_verifier: Text
    refresh_token: Text
    device_code: Text
    scope: Text
    client_id: Text
    client_secret: Text


@with_config(_LENIENT)
class OfToken(TypedDict, total=False):
    token: Text
    token_type_hint: Text
    client_id: Text
    client_secret: Text


@with_config(_LENIENT)
class DeviceForm(TypedDict, total=False):
    scope: Text
    client_id: Text
    client_secret: Text


@with_config(_LENIENT)
class UserCode(TypedDict, total=False):
    user_code: Text


@with_config(_LENIENT)
class Verified(TypedDict, total=False):
    user_code: Text
    csrf: Text
    answer: Text


@with_config(_LENIENT)
class LogoutQuery(TypedDict, total=False):
    id_token_hint: Annotated[str, Field(max_length=8_000)]
    client_id: Text
    post_logout_redirect_uri: Text
    state: Text


@with_config(_LENIENT)
class LogoutForm(LogoutQuery, total=False):
    csrf: Text
    answer: Text


class Issued(TypedDict):
    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str
    refresh_token: NotRequired[str]
    id_token: NotRequired[str]


class OAuthError(TypedDict):
    """What RFC 6749 answers to what isn't granted"""

    error: str
    error_description: NotRequired[str]


class DeviceCodes(TypedDict):
    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


Url = Annotated[str, Field(max_length=400)]
Method = Literal["none", "client_secret_basic", "client_secret_post"]
Grant = Literal[
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
]


@with_config(STRICT)
class NewClient(TypedDict):
    name: Name
    redirect_uris: NotRequired[Annotated[list[Url], Field(max_length=20)]]
    logout_uris: NotRequired[Annotated[list[Url], Field(max_length=20)]]
    scopes: NotRequired[Annotated[list[Scope], Field(max_length=50)]]
    grants: NotRequired[Annotated[list[Grant], Field(min_length=1, max_length=4)]]
    method: NotRequired[Method]
    trusted: NotRequired[bool]
    service: NotRequired[Annotated[str, Field(max_length=400)]]


class ClientShown(TypedDict):
    client_id: str
    name: str
    redirect_uris: list[str]
    logout_uris: list[str]
    scopes: list[str]
    grants: list[str]
    method: str
    trusted: bool
    service: str | None
    created: str
    client_secret: NotRequired[str]


class ClientList(TypedDict):
    items: list[ClientShown]


@with_config(_LENIENT)
class Metadata(TypedDict, total=False):
    """Of RFC 7591 what is understood here; the rest is left out of the answer, as it says."""

    client_name: Annotated[str, Field(max_length=120)]
    redirect_uris: Annotated[list[Url], Field(max_length=20)]
    post_logout_redirect_uris: Annotated[list[Url], Field(max_length=20)]
    grant_types: Annotated[list[str], Field(max_length=10)]
    response_types: Annotated[list[str], Field(max_length=10)]
    token_endpoint_auth_method: Text
    scope: Text


class AppShown(TypedDict):
    id: str
    name: str
    scopes: list[str]
    since: str
    used: str


class AppList(TypedDict):
    items: list[AppShown]


Claims = dict[str, Any]
