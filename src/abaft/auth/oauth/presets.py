"""Providers that are known: where they are, what they are asked for, and when to believe them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal
from urllib.parse import unquote, urlsplit

from abaft.auth.oauth.providers import (
    OIDC,
    Ask,
    BadAnswer,
    ClientAuth,
    OAuth2,
    Profile,
    Provider,
    members,
)
from abaft.base.errors import SettingError


@dataclass(frozen=True, kw_only=True)
class Google(OIDC):
    """Accounts of Google and of Workspace."""

    issuer: str = "https://accounts.google.com"
    name: str = "google"


@dataclass(frozen=True, kw_only=True)
class Microsoft(OIDC):
    """Accounts of Entra ID and personal ones.

    `tenant` is `common`, `organizations`, `consumers`, or the id of one tenant. An address counts
    only where the optional claim `xms_edov` says that its domain is the tenant's: in any other case
    an administrator of some tenant may have written it (nOAuth).
    """

    tenant: str = "common"
    issuer: str = ""
    name: str = "microsoft"

    _ANY: ClassVar[frozenset[str]] = frozenset({"common", "organizations", "consumers"})
    _PERSONAL: ClassVar[str] = "9188040d-6c67-4c5b-b112-36a304b66dad"

    def __post_init__(self) -> None:
        if not self.issuer:
            issuer = f"https://login.microsoftonline.com/{self.tenant}/v2.0"
            object.__setattr__(self, "issuer", issuer)

    def issuers(self, said: str) -> bool:
        return said in (self._of("{tenantid}"), self._of(self._PERSONAL), self.issuer)

    def _of(self, tenant: str) -> str:
        return self.issuer.replace(f"/{self.tenant}/", f"/{tenant}/")

    def issuer_of(self, claims: Mapping[str, Any]) -> str:
        said = claims.get("tid")
        if not isinstance(said, str):
            raise BadAnswer("the ID token names no tenant")
        if self.tenant == "consumers" and said != self._PERSONAL:
            raise BadAnswer("the tenant isn't that of personal accounts")
        if self.tenant == "organizations" and said == self._PERSONAL:
            raise BadAnswer("a personal account isn't one of an organisation")
        return self._of(said) if self.tenant in self._ANY else self.issuer

    def verified(self, claims: Mapping[str, Any]) -> bool:
        return claims.get("xms_edov") in (True, 1, "1", "true")


@dataclass(frozen=True, kw_only=True)
class Apple(OIDC):
    """Apple ID: the secret is a JWT that the key from Apple signs.

    `private_key` is the text of the .p8 file. Apple answers by a form, and tells a name but once.
    """

    team_id: str
    key_id: str
    private_key: str = field(repr=False)
    issuer: str = "https://appleid.apple.com"
    name: str = "apple"
    scopes: tuple[str, ...] = ("openid", "email", "name")
    response_mode: Literal["", "form_post"] = "form_post"
    client_auth: ClientAuth = "client_secret_post"

    def read(self, claims: Mapping[str, Any], given: Mapping[str, Any]) -> Profile:
        found = super().read(claims, given)
        name = given.get("name")
        parts = [name.get("firstName"), name.get("lastName")] if isinstance(name, dict) else []
        said = " ".join(part for part in parts if isinstance(part, str)).strip()
        return Profile(found.provider, found.issuer, found.subject, found.email, said or found.name)


@dataclass(frozen=True, kw_only=True)
class GitLab(OIDC):
    """gitlab.com, or a GitLab of one's own by its `issuer`."""

    issuer: str = "https://gitlab.com"
    name: str = "gitlab"
    title: str = "GitLab"


@dataclass(frozen=True, kw_only=True)
class Slack(OIDC):
    """Sign in with Slack."""

    issuer: str = "https://slack.com"
    name: str = "slack"


@dataclass(frozen=True, kw_only=True)
class Twitch(OIDC):
    """Twitch tells of an address only what is asked for by name."""

    issuer: str = "https://id.twitch.tv/oauth2"
    name: str = "twitch"
    scopes: tuple[str, ...] = ("openid", "user:read:email")
    parameters: Mapping[str, str] = field(
        default_factory=lambda: {"claims": '{"id_token":{"email":null,"email_verified":null}}'}
    )
    client_auth: ClientAuth = "client_secret_post"

    def read(self, claims: Mapping[str, Any], given: Mapping[str, Any]) -> Profile:
        named = {"name": claims.get("preferred_username"), **claims}
        return super().read(named, given)


@dataclass(frozen=True, kw_only=True)
class GitHub(OAuth2):
    """github.com, or a GitHub Enterprise Server by its `host`."""

    host: str = "github.com"
    name: str = "github"
    title: str = "GitHub"
    scopes: tuple[str, ...] = ("read:user", "user:email")
    authorize_url: str = ""
    token_url: str = ""
    api_url: str = ""

    def __post_init__(self) -> None:
        api = "https://api.github.com"
        own = {
            "authorize_url": f"https://{self.host}/login/oauth/authorize",
            "token_url": f"https://{self.host}/login/oauth/access_token",
            "api_url": api if self.host == "github.com" else f"https://{self.host}/api/v3",
        }
        for name, url in own.items():
            object.__setattr__(self, name, getattr(self, name) or url)

    async def profile(self, ask: Ask) -> Profile:
        user = members(await ask(f"{self.api_url}/user"))
        emails = await ask(f"{self.api_url}/user/emails?per_page=100")
        rows = [row for row in emails if isinstance(row, dict)] if isinstance(emails, list) else []
        good = [row for row in rows if row.get("primary") is True and row.get("verified") is True]
        email = good[0].get("email") if good else None
        return self.made(user.get("id"), email, user.get("name") or user.get("login"))


@dataclass(frozen=True, kw_only=True)
class Discord(OAuth2):
    """Discord, whose API says whether an address is verified."""

    name: str = "discord"
    scopes: tuple[str, ...] = ("identify", "email")
    authorize_url: str = "https://discord.com/oauth2/authorize"
    token_url: str = "https://discord.com/api/oauth2/token"  # noqa: S105
    api_url: str = "https://discord.com/api/users/@me"

    async def profile(self, ask: Ask) -> Profile:
        user = members(await ask(self.api_url))
        email = user.get("email") if user.get("verified") is True else None
        return self.made(user.get("id"), email, user.get("global_name") or user.get("username"))


@dataclass(frozen=True, kw_only=True)
class Facebook(OAuth2):
    """Facebook doesn't say whether an address is verified: none is taken."""

    name: str = "facebook"
    scopes: tuple[str, ...] = ("public_profile",)
    authorize_url: str = "https://www.facebook.com/v23.0/dialog/oauth"
    token_url: str = "https://graph.facebook.com/v23.0/oauth/access_token"  # noqa: S105
    api_url: str = "https://graph.facebook.com/v23.0/me?fields=id,name"
    client_auth: ClientAuth = "client_secret_post"

    async def profile(self, ask: Ask) -> Profile:
        user = members(await ask(self.api_url))
        return self.made(user.get("id"), None, user.get("name"))


@dataclass(frozen=True, kw_only=True)
class Spotify(OAuth2):
    """Spotify's addresses are unverified, as it says itself: none is taken."""

    name: str = "spotify"
    authorize_url: str = "https://accounts.spotify.com/authorize"
    token_url: str = "https://accounts.spotify.com/api/token"  # noqa: S105
    api_url: str = "https://api.spotify.com/v1/me"
    client_auth: ClientAuth = "client_secret_basic"

    async def profile(self, ask: Ask) -> Profile:
        user = members(await ask(self.api_url))
        return self.made(user.get("id"), None, user.get("display_name"))


@dataclass(frozen=True, kw_only=True)
class X(OAuth2):
    """X, which tells an address only once it is confirmed."""

    name: str = "x"
    scopes: tuple[str, ...] = ("users.read", "tweet.read", "users.email")
    authorize_url: str = "https://x.com/i/oauth2/authorize"
    token_url: str = "https://api.x.com/2/oauth2/token"  # noqa: S105
    api_url: str = "https://api.x.com/2/users/me?user.fields=confirmed_email"
    client_auth: ClientAuth = "client_secret_basic"

    async def profile(self, ask: Ask) -> Profile:
        user = members(members(await ask(self.api_url)).get("data"))
        return self.made(user.get("id"), user.get("confirmed_email"), user.get("name"))


BY_NAME: Mapping[str, type[Provider]] = {
    "google": Google,
    "microsoft": Microsoft,
    "gitlab": GitLab,
    "slack": Slack,
    "twitch": Twitch,
    "github": GitHub,
    "discord": Discord,
    "facebook": Facebook,
    "spotify": Spotify,
    "x": X,
}
_PLACES = {"microsoft": "tenant", "github": "host", "gitlab": "issuer"}
"""What the host of a preset's URL in the settings is."""


def providers_of(text: str) -> list[Provider]:
    """The providers of the setting: URLs with commas between. SettingError for a wrong one."""
    return [_provider(part.strip()) for part in text.split(",") if part.strip()]


def _provider(url: str) -> Provider:

    parts = urlsplit(url)
    own: dict[str, Any] = {
        "client_id": unquote(parts.username or ""),
        "client_secret": unquote(parts.password or ""),
    }
    if parts.scheme in ("https", "http"):
        place = parts.netloc.rpartition("@")[2]
        name = parts.fragment or "oidc"
        return OIDC(f"{parts.scheme}://{place}{parts.path}", name=name, **own)
    kind = BY_NAME.get(parts.scheme)
    if kind is None:
        raise SettingError(
            "login_with can't be read: write google://ID:SECRET@ or https://ID:SECRET@HOST#name; "
            f"known: {', '.join(BY_NAME)}"
        )
    host = parts.netloc.rpartition("@")[2]
    if host:
        place = _PLACES.get(parts.scheme, "")
        if not place:
            raise SettingError(f"login_with: {parts.scheme} has no host, write nothing after the @")
        own[place] = f"https://{host}{parts.path}" if place == "issuer" else host
    return kind(**own)
