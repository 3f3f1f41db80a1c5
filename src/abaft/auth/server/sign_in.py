"""What an application says of its authorization server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from abaft.base.errors import SettingError

_SCOPE = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


@dataclass(frozen=True)
class SignIn:
    """That people may sign in to apps of others with this one (OAuth 2.1, OpenID Connect).

    `scopes` are words of yours that they may ask for, each with what people are told it means;
    those of collections, such as `posts.read`, are there already. With `registration` clients may
    register themselves (RFC 7591); else administrators do it.
    """

    scopes: Mapping[str, str] = field(default_factory=dict)
    registration: bool = False

    def __post_init__(self) -> None:
        wrong = [name for name in self.scopes if not _SCOPE.fullmatch(name)]
        if wrong:
            raise SettingError(f"{wrong[0]!r} is no scope: letters, digits and _ . : - make one")
