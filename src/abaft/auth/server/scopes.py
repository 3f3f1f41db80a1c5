"""Scopes: what apps may ask for, and the words in which people are told."""

from __future__ import annotations

from collections.abc import Mapping

from abaft.auth.server.protocol import OFFLINE, OPENID
from abaft.model.spec import Schema

_OWN = {
    OPENID: "know who you are here",
    "profile": "know your name",
    "email": "know your e-mail address",
    OFFLINE: "go on while you aren't there",
}
_DONE = {"read": "read", "write": "create, change and delete"}


class Scopes:
    """Those of OpenID Connect, two for each collection, and the application's own."""

    def __init__(self, schema: Schema, own: Mapping[str, str]) -> None:
        collections = {
            f"{name}.{verb}": f"{text} {name.replace('_', ' ')}"
            for name in schema.collections
            for verb, text in _DONE.items()
        }
        self._texts = {**_OWN, **collections, **own}
        self.names = list(self._texts)

    def texts(self, names: list[str]) -> list[str]:
        """What each of them means; who you are is meant by all."""
        return [self._texts[name] for name in names if name != OFFLINE]
