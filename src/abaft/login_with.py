"""Who people may log in with: `App(User, login_with=[Google(client_id=…, client_secret=…)])`."""

from abaft.auth.oauth.presets import (
    Apple,
    Discord,
    Facebook,
    GitHub,
    GitLab,
    Google,
    Microsoft,
    Slack,
    Spotify,
    Twitch,
    X,
)
from abaft.auth.oauth.providers import OIDC, BadAnswer, OAuth2, Profile, Provider

__all__ = [
    "Apple",
    "BadAnswer",
    "Discord",
    "Facebook",
    "GitHub",
    "GitLab",
    "Google",
    "Microsoft",
    "OAuth2",
    "OIDC",
    "Profile",
    "Provider",
    "Slack",
    "Spotify",
    "Twitch",
    "X",
]
