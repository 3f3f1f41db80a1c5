"""Presets are held to what providers document, and what is fetched to where it may be from."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey

from abaft import App, Model, Settings, User
from abaft.auth.oauth.exchange import Exchange, person_of
from abaft.auth.oauth.presets import BY_NAME, providers_of
from abaft.base import clock
from abaft.base.errors import SettingError
from abaft.login_with import (
    OIDC,
    Apple,
    BadAnswer,
    Discord,
    Facebook,
    GitHub,
    Google,
    Microsoft,
    Provider,
    Spotify,
    Twitch,
    X,
)
from oidc_provider import Tab
from scenarios import SECRET_KEY
from test_login_with_accounts import code_of, met

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
APPLE = {"team_id": "TEAM", "key_id": "KEY", "private_key": PEM}

# name → the issuer, or the places of authorization, tokens and API; what is asked for.
DOCUMENTED: dict[str, tuple[tuple[str, ...], str]] = {
    "google": (("https://accounts.google.com",), "openid email profile"),
    "microsoft": (("https://login.microsoftonline.com/common/v2.0",), "openid email profile"),
    "gitlab": (("https://gitlab.com",), "openid email profile"),
    "slack": (("https://slack.com",), "openid email profile"),
    "twitch": (("https://id.twitch.tv/oauth2",), "openid user:read:email"),
    "apple": (("https://appleid.apple.com",), "openid email name"),
    "github": (
        (
            "https://github.com/login/oauth/authorize",
            "https://github.com/login/oauth/access_token",
            "https://api.github.com",
        ),
        "read:user user:email",
    ),
    "discord": (
        (
            "https://discord.com/oauth2/authorize",
            "https://discord.com/api/oauth2/token",
            "https://discord.com/api/users/@me",
        ),
        "identify email",
    ),
    "facebook": (
        (
            "https://www.facebook.com/v23.0/dialog/oauth",
            "https://graph.facebook.com/v23.0/oauth/access_token",
            "https://graph.facebook.com/v23.0/me?fields=id,name",
        ),
        "public_profile",
    ),
    "spotify": (
        (
            "https://accounts.spotify.com/authorize",
            "https://accounts.spotify.com/api/token",
            "https://api.spotify.com/v1/me",
        ),
        "",
    ),
    "x": (
        (
            "https://x.com/i/oauth2/authorize",
            "https://api.x.com/2/oauth2/token",
            "https://api.x.com/2/users/me?user.fields=confirmed_email",
        ),
        "users.read tweet.read users.email",
    ),
}


def made(name: str) -> Any:
    kind: Any = Apple if name == "apple" else BY_NAME[name]
    return kind(client_id="id", client_secret="canary", **(APPLE if name == "apple" else {}))


def test_every_preset_is_in_the_table() -> None:
    assert {*BY_NAME, "apple"} == {*DOCUMENTED}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_preset_is_where_its_provider_says(name: str) -> None:
    urls, scopes = DOCUMENTED[name]
    found = made(name)
    found.check(production=True)
    assert (found.name, found.urls(), " ".join(found.scopes)) == (name, urls, scopes)
    assert "canary" not in repr(found)
    assert PEM not in repr(found)


PROFILES: list[tuple[Provider, dict[str, Any], tuple[str, str | None, str]]] = [
    (
        GitHub(client_id="i"),
        {
            "https://api.github.com/user": {"id": 583231, "login": "octocat", "email": "evil@x.y"},
            "https://api.github.com/user/emails?per_page=100": [
                {"email": "b@example.org", "verified": True, "primary": False},
                {"email": "a@example.org", "verified": True, "primary": True},
            ],
        },
        ("583231", "a@example.org", "octocat"),
    ),
    (
        GitHub(client_id="i", host="git.example.org"),
        {
            "https://git.example.org/api/v3/user": {"id": 1, "name": "Ann", "login": "ann"},
            "https://git.example.org/api/v3/user/emails?per_page=100": [
                {"email": "a@example.org", "verified": False, "primary": True}
            ],
        },
        ("1", None, "Ann"),
    ),
    (
        Discord(client_id="i"),
        {
            "https://discord.com/api/users/@me": {
                "id": "80351110224678912", "username": "ann", "global_name": None,
                "email": "a@example.org", "verified": True,
            }
        },
        ("80351110224678912", "a@example.org", "ann"),
    ),
    (
        Discord(client_id="i"),
        {"https://discord.com/api/users/@me": {"id": "1", "email": "a@example.org"}},
        ("1", None, ""),
    ),
    (
        Facebook(client_id="i"),
        {DOCUMENTED["facebook"][0][2]: {"id": "7", "name": "Ann", "email": "a@example.org"}},
        ("7", None, "Ann"),
    ),
    (
        Spotify(client_id="i"),
        {DOCUMENTED["spotify"][0][2]: {"id": "s", "display_name": "Ann", "email": "a@b.org"}},
        ("s", None, "Ann"),
    ),
    (
        X(client_id="i"),
        {DOCUMENTED["x"][0][2]: {"data": {"id": "2", "name": "Ann", "confirmed_email": "a@b.org"}}},
        ("2", "a@b.org", "Ann"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("own", "api", "said"), PROFILES)
async def test_oauth_2_an_address_counts_where_the_provider_vouches_for_it(
    own: Any, api: dict[str, Any], said: tuple[str, str | None, str]
) -> None:
    async def ask(url: str) -> Any:
        return api[url]

    found = await own.profile(ask)
    assert (found.subject, found.email, found.name) == said
    assert found.issuer == own.origin

    async def nothing(url: str) -> Any:
        return {}

    with pytest.raises(BadAnswer):
        await own.profile(nothing)


CLAIMS = {"iss": "https://idp", "sub": "1", "email": "a@example.org", "name": "Ann"}
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"


@pytest.mark.parametrize(
    ("own", "more", "email"),
    [
        (Google(client_id="i"), {"email_verified": True}, "a@example.org"),
        (Google(client_id="i"), {"email_verified": False}, None),
        (made("apple"), {"email_verified": "true"}, "a@example.org"),
        (made("apple"), {"email_verified": "false"}, None),
        # nOAuth: whoever runs a tenant writes any address into it.
        (Microsoft(client_id="i"), {"email_verified": True}, None),
        (Microsoft(client_id="i"), {"xms_edov": True}, "a@example.org"),
        (Microsoft(client_id="i"), {"xms_edov": "1"}, "a@example.org"),
        (Microsoft(client_id="i", trusts_email=True), {}, "a@example.org"),
        (Twitch(client_id="i"), {"email_verified": True}, "a@example.org"),
    ],
)
def test_oauth_2_claims_are_believed_as_their_provider_means_them(
    own: OIDC, more: dict[str, Any], email: str | None
) -> None:
    assert own.read({**CLAIMS, **more}, {"email": "evil@example.org"}).email == email


@pytest.mark.parametrize(
    ("tenant", "claim", "issuer"),
    [
        ("common", TENANT, f"https://login.microsoftonline.com/{TENANT}/v2.0"),
        ("organizations", TENANT, f"https://login.microsoftonline.com/{TENANT}/v2.0"),
        ("consumers", PERSONAL, f"https://login.microsoftonline.com/{PERSONAL}/v2.0"),
        (TENANT, "another", f"https://login.microsoftonline.com/{TENANT}/v2.0"),
        ("organizations", PERSONAL, None),
        ("consumers", TENANT, None),
        ("common", None, None),
    ],
)
def test_oauth_1_an_issuer_of_microsoft_is_that_of_its_tenant(
    tenant: str, claim: str | None, issuer: str | None
) -> None:
    own = Microsoft(client_id="i", tenant=tenant)
    if issuer is None:
        with pytest.raises(BadAnswer):
            own.issuer_of({"tid": claim})
    else:
        assert own.issuer_of({"tid": claim}) == issuer
    said = "https://login.microsoftonline.com/{tenantid}/v2.0"
    assert own.issuers(said)
    assert not own.issuers("https://evil.example/{tenantid}/v2.0")


def test_apples_secret_is_a_jwt_of_the_key() -> None:
    from abaft.auth.oauth.exchange import _apple_secret

    now = clock.unix_ms() // 1000
    token = jwt.decode(_apple_secret(made("apple"), now), ECKey.import_key(PEM), ["ES256"])
    assert token.header["kid"] == "KEY"
    assert token.claims == {
        "iss": "TEAM", "iat": now, "exp": now + 300, "aud": "https://appleid.apple.com", "sub": "id"
    }  # fmt: skip
    with pytest.raises(SettingError, match=r"\.p8"):
        Exchange(Apple(client_id="i", team_id="t", key_id="k", private_key="x"), Any, True)
    assert person_of('{"name": {"firstName": "Ann"}, "email": "evil@example.org"}')
    assert [person_of(text) for text in (None, "x", "[]", " " * 2_001)] == [{}] * 4


@pytest.mark.named
async def test_a_provider_may_answer_by_a_form(database_url: str) -> None:
    chosen = {"response_mode": "form_post"}
    async with met(database_url, provider=chosen) as (found, idp):
        ann = found.stranger("ann@example.org")
        tab = Tab(ann.client)
        begun = await tab.begin(next="/notes")
        asked = dict(parse_qsl(urlsplit(begun.headers["location"]).query))
        assert asked["response_mode"] == "form_post"
        back = idp.visit(begun.headers["location"])
        # A form of another site comes without our cookies; what follows it has them.
        bare = found.stranger()
        said = await bare.client.post("/api/auth/with/idp/callback", data=back)
        assert said.status_code == 303
        assert back["code"] not in said.headers["location"]
        answer = await ann.client.get(said.headers["location"])
        assert answer.headers["location"] == "/notes"
        assert await ann.known()
        said = await bare.client.get(said.headers["location"], headers={"accept": "text/html"})
        assert code_of(said) == "bad_state"
        said = await tab.back({"posted": "made up"})
        assert code_of(said) == "bad_state"


def test_settings_name_providers() -> None:
    text = "microsoft://i:s@common, gitlab://i:s@git.example.org, github://i:s@, https://i:s@h/r#n"
    found = providers_of(text)
    assert [row.urls()[0] for row in found] == [
        "https://login.microsoftonline.com/common/v2.0",
        "https://git.example.org",
        "https://github.com/login/oauth/authorize",
        "https://h/r",
    ]
    assert [row.name for row in found] == ["microsoft", "gitlab", "github", "n"]


@pytest.mark.parametrize(
    ("providers", "reason"),
    [
        ([Google(client_id="")], "client_id"),
        ([Google(client_id="i"), Google(client_id="j")], "two providers"),
        ([Google(client_id="i", name="Not a name")], "name"),
        ([Google(client_id="i", name="token")], "name"),
        ([OIDC("http://example.org", client_id="i")], "https"),
        ([OIDC("https://", client_id="i")], "https"),
        ([OIDC("https://ann@example.org", client_id="i")], "https"),
    ],
)
def test_a_provider_that_cant_be_is_told_at_the_start(providers: Any, reason: str) -> None:
    given = Settings(database="sqlite:///", secret_key=SECRET_KEY)
    with pytest.raises(SettingError, match=reason):
        App(User, settings=given, login_with=providers)


class Thing(Model):
    name: str


def test_providers_need_accounts() -> None:
    given = Settings(database="sqlite:///", secret_key=SECRET_KEY)
    with pytest.raises(SettingError, match="login_with needs accounts"):
        App(Thing, settings=given, login_with=[Google(client_id="i")])
    for text in ("nobody://i:s@", "google://i:s@host", "google"):
        with pytest.raises(SettingError, match="login_with"):
            providers_of(text)
