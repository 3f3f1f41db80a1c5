"""The parts of an ASGI request that the record path reads, with their limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from abaft.answers import Unit
from abaft.api import preferences
from abaft.api.forms import PLAIN, Variant
from abaft.api.preferences import Preferences
from abaft.base.actor import Actor
from abaft.base.errors import (
    BadRequest,
    TooLarge,
    UnsupportedMedia,
    UriTooLong,
)
from abaft.base.settings import Settings
from abaft.model.spec import Model

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
OPERATORS = "application/vnd.abaft.operators+json"
FORM = "application/x-www-form-urlencoded"
FORM_BYTES = 65_536
"""Bytes of a form: none of ours is so long, and each may take two hundred to be read."""


class Disconnected(Exception):
    """The client went away before its body was whole."""


@dataclass(slots=True)
class Request:
    """What a handler answers: `key` is still percent-encoded, and empty for a whole collection.

    `place` are the values in what follows the key. With `given` the body is known, as it is for a
    request that came within another; with `unit` it is answered within a transaction. `variant` is
    the form that the answer is to have.
    """

    method: str
    model: Model
    key: str
    query: bytes
    headers: dict[bytes, bytes] = field(repr=False)
    actor: Actor
    root: str
    receive: Any = None
    place: tuple[str, ...] = ()
    given: bytes | None = field(default=None, repr=False)
    unit: Unit | None = None
    variant: Variant = PLAIN
    prefer: Preferences = preferences.NONE
    address: str = ""

    async def body(self, settings: Settings) -> bytes:
        """The whole body. Raises TooLarge as soon as it is over the limit."""
        if self.given is not None:
            return self.given
        return await read_body(self.receive, self.headers, settings.max_body_bytes)


class Headers(Mapping[str, str]):
    """Headers as text, each decoded when it is asked for: mostly one of many is."""

    __slots__ = ("_given", "method")

    def __init__(self, given: Mapping[bytes, bytes], method: str = "") -> None:
        self._given = given
        self.method = method
        """The request's; empty where it isn't known."""

    def __getitem__(self, name: str) -> str:
        return self._given[name.encode("latin-1", "replace")].decode("latin-1")

    def get(self, name: str, default: Any = None) -> Any:
        """The same; `default` where there is no such header."""
        value = self._given.get(name.encode("latin-1", "replace"))
        return default if value is None else value.decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._given)

    def __len__(self) -> int:
        return len(self._given)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self)})"


_LISTS = (b"accept", b"accept-encoding", b"if-match", b"if-none-match", b"prefer")


def headers_of(scope: Any) -> dict[bytes, bytes]:
    """The headers by name; lists that came in several lines are one (RFC 9110, 5.3)."""
    given = scope["headers"]
    headers = dict(given)
    if len(headers) < len(given):
        for name in _LISTS:
            if name in headers:
                headers[name] = b", ".join([value for key, value in given if key == name])
    return headers


def check_url(scope: Any, settings: Settings) -> None:
    """414 for a URL over the limit."""
    if len(scope["query_string"]) + len(scope["path"]) > settings.max_url_bytes:
        raise UriTooLong(f"path and query may have {settings.max_url_bytes} bytes together")


def check_content(headers: dict[bytes, bytes], types: tuple[str, ...]) -> str:
    """The body's type; 415 for another one, or another charset or coding."""
    given = headers.get(b"content-type", b"").decode("latin-1").lower()
    name, _, parameters = given.partition(";")
    wrong_charset = parameters.strip() and parameters.strip().replace('"', "") not in (
        "charset=utf-8",
        "charset=utf8",
    )
    if name.strip() not in types or wrong_charset:
        raise UnsupportedMedia(
            f"the body should be {' or '.join(types)} in UTF-8",
            headers={"accept-patch" if MERGE_PATCH in types else "accept": ", ".join(types)},
        )
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMedia("a body that is compressed isn't taken")
    return name.strip()


async def read_form(receive: Any, headers: dict[bytes, bytes], settings: Settings) -> bytes:
    """The whole body of a form. Raises TooLarge as soon as it is over the limit."""
    return await read_body(receive, headers, min(settings.max_body_bytes, FORM_BYTES))


async def read_body(receive: Any, headers: dict[bytes, bytes], most: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it has more bytes than that."""
    length = headers.get(b"content-length")
    if length is not None and (not length.isdigit() or int(length[:20]) > most):
        if not length.isdigit():
            raise BadRequest("Content-Length isn't a number")
        raise _too_large(most)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and len(body) <= most:
        if message["type"] == "http.disconnect":
            raise Disconnected
        return body
    parts, size = [body], len(body)
    while message.get("more_body", False):
        if size > most:
            raise _too_large(most)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > most:
        raise _too_large(most)
    return b"".join(parts)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"a body may have {most} bytes", headers={"connection": "close"})
