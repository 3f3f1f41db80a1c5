"""Scopes: what apps may ask for, and the words in which people are told."""

from __future__ import annotations

from collections.abc import Mapping

from abaft.auth.calls import Call
from abaft.auth.server.pages import in_words
from abaft.auth.server.protocol import OFFLINE, OPENID
from abaft.model.spec import Schema

_OWN = {
    OPENID: "know who you are here",
    "profile": "know your name",
    "email": "know your e-mail address",
    OFFLINE: "go on while you aren't there",
}
_DONE = {"read": "read {}", "write": "create, change and delete {}"}


class Scopes:
    """Those of OpenID Connect, two for each collection, and the application's own."""

    def __init__(self, schema: Schema, own: Mapping[str, str]) -> None:
        collections = {
            f"{name}.{verb}": (text, name.replace("_", " "))
            for name in schema.collections
            for verb, text in _DONE.items()
        }
        self._texts = {
            **{name: (text, "") for name, text in _OWN.items()},
            **collections,
            **{name: ("{}", text) for name, text in own.items()},
        }
        self.names = list(self._texts)

    def texts(self, call: Call, names: list[str]) -> list[str]:
        """What each of them means; who you are is meant by all."""
        return [in_words(call, *self._texts[name]) for name in names if name != OFFLINE]
