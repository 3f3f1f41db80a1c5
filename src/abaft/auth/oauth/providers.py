"""What a provider is: who it says it is, what it is asked for, and what its answers mean."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from abaft.base.errors import SettingError
from abaft.guard.addresses import LOOPBACK

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
RESERVED = frozenset({"token"})
"""Names of endpoints beside those of providers."""
LONGEST = 2_000
"""Characters of an address that is asked, or that a browser is sent to."""
Ask = Callable[[str], Awaitable[Any]]
"""Fetches JSON of the provider's API by the access token."""
ClientAuth = Literal["", "client_secret_basic", "client_secret_post"]


class BadAnswer(Exception):
    """What a provider said doesn't hold, or is of another form: the text is for the trail alone."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Who somebody is at a provider. `email` is None unless the provider vouches for it."""

    provider: str
    issuer: str
    subject: str
    email: str | None = None
    name: str = ""
    tokens: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Provider:
    """What all have in common; `OIDC` and `OAuth2` are the two kinds.

    `parameters` go along with the browser; `internal` lets its address be one of a private network;
    `trusts_email` takes its addresses as proved where it doesn't say so itself.
    """

    client_id: str
    client_secret: str = field(default="", repr=False)
    name: str = ""
    title: str = ""
    scopes: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    client_auth: ClientAuth = ""
    response_mode: Literal["", "form_post"] = ""
    internal: bool = False
    trusts_email: bool = False
    keep_tokens: bool = False

    oidc: ClassVar[bool] = False

    @property
    def shown(self) -> str:
        """What a button calls it."""
        return self.title or self.name.title()

    def secret(self, now: int) -> str:
        """What proves to the provider that it is us."""
        return self.client_secret

    def urls(self) -> tuple[str, ...]:
        """All that is asked of, as far as it is known beforehand."""
        return ()

    def check(self, production: bool) -> None:
        """SettingError for what can't be right."""
        if not NAME.fullmatch(self.name) or self.name in RESERVED:
            raise SettingError(f"a provider's name is {self.name!r}: write it like 'example'")
        if not self.client_id:
            raise SettingError(f"{self.name} has no client_id: the provider gives one")
        for url in self.urls():
            reason = url_fault(url, production)
            if reason:
                raise SettingError(f"{self.name} has the URL {url!r}: {reason}")


@dataclass(frozen=True, kw_only=True)
class OIDC(Provider):
    """Any OpenID provider, by its issuer: the rest is discovered."""

    issuer: str = field(kw_only=False)
    name: str = "oidc"
    scopes: tuple[str, ...] = ("openid", "email", "profile")

    oidc: ClassVar[bool] = True

    def urls(self) -> tuple[str, ...]:
        return (self.issuer,)

    def issuers(self, said: str) -> bool:
        """Whether this is the issuer that its metadata may name."""
        return said == self.issuer

    def issuer_of(self, claims: Mapping[str, Any]) -> str:
        """The issuer that an ID token with these claims must have."""
        return self.issuer

    def verified(self, claims: Mapping[str, Any]) -> bool:
        """Whether the provider vouches for the address: true, as JSON or in Apple's spelling."""
        said = claims.get("email_verified")
        return said is True or said == "true"

    def read(self, claims: Mapping[str, Any], given: Mapping[str, Any]) -> Profile:
        """Who the claims are about. `given` came by the browser: nothing but a name is of it."""
        email, name = claims.get("email"), claims.get("name")
        proved = isinstance(email, str) and (self.trusts_email or self.verified(claims))
        return Profile(
            self.name,
            str(claims["iss"]),
            str(claims["sub"]),
            str(email) if proved else None,
            name if isinstance(name, str) else "",
        )


@dataclass(frozen=True, kw_only=True)
class OAuth2(Provider):
    """One that isn't an OpenID provider: who somebody is, its API tells."""

    authorize_url: str
    token_url: str
    api_url: str

    def urls(self) -> tuple[str, ...]:
        return self.authorize_url, self.token_url, self.api_url

    @property
    def origin(self) -> str:
        """What stands for the issuer; it stays when versions in paths change."""
        parts = urlsplit(self.authorize_url)
        return f"{parts.scheme}://{parts.netloc}"

    async def profile(self, ask: Ask) -> Profile:
        """Who has logged in. Raises BadAnswer."""
        raise NotImplementedError

    def made(self, subject: Any, email: Any, name: Any) -> Profile:
        """The profile of these; BadAnswer where there is no subject."""
        if isinstance(subject, bool) or not isinstance(subject, (str, int)) or subject == "":
            raise BadAnswer("it doesn't say who has logged in")
        return Profile(
            self.name,
            self.origin,
            str(subject),
            email if isinstance(email, str) else None,
            name if isinstance(name, str) else "",
        )


def members(value: Any) -> Mapping[str, Any]:
    """A JSON object. Raises BadAnswer for anything else."""
    if not isinstance(value, dict):
        raise BadAnswer("the answer isn't an object")
    return value


def url_fault(url: Any, production: bool) -> str:
    """Why nothing is fetched there; "" where it may be."""
    if not isinstance(url, str) or len(url) > LONGEST:
        return f"it isn't a text of at most {LONGEST} characters"
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return "it isn't a URL"
    if not host or parts.username is not None or parts.fragment:
        return "write it like https://login.example.org"
    if parts.scheme == "https":
        return ""
    if parts.scheme == "http" and not production and host in LOOPBACK:
        return ""
    return "it should begin with https; http is for this machine, in development"
