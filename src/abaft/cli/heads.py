"""Heads of requests that other servers could read otherwise are refused, or made plain.

A target may be the URL of a host: it is the path there (RFC 9112, 3.2).
"""

from __future__ import annotations

import re
from typing import Any

import h11

Header = tuple[bytes, bytes]

_ABSOLUTE = re.compile(rb"https?://([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)
_LENGTH_DIGITS = 18
"""A body whose length has more is longer than any."""


class Unclear(ValueError):
    """There is more than one way to read it, or none."""


def origin_form(target: bytes, headers: list[Header]) -> tuple[bytes, list[Header]]:
    """The path that a URL has; its host stands in place of the header's, and is looked at as that.

    Several Host headers stay what they are: there is no right one. Raises Unclear.
    """
    if target[:1] == b"/" or target == b"*":
        return target, headers
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        raise Unclear("the target is no path")
    path = found[2].partition(b"#")[0]
    others = [header for header in headers if header[0] != b"host"]
    if len(headers) - len(others) < 2:
        headers = [(b"host", found[1]), *others]
    return (path if path[:1] == b"/" else b"/" + path), headers


def known_version(version: str, headers: list[Header]) -> None:
    """Raises Unclear for what is neither HTTP/1.1 nor 1.0, and for chunks of the latter, which
    knows of none: where their end is depends on who reads (RFC 9112, 6.1)."""
    if version != "1.1" and version != "1.0":
        raise Unclear("the version is not known")
    if version == "1.0" and any(name == b"transfer-encoding" for name, _ in headers):
        raise Unclear("HTTP/1.0 has no chunks")


def one_length(headers: list[Header]) -> None:
    """Raises Unclear for two ways to tell where the body ends (RFC 9112, 6.3), or one past reason.

    httptools sees to that by itself.
    """
    found = dict(headers)
    if b"content-length" in found and b"transfer-encoding" in found:
        raise Unclear("both a length and chunks")
    if len(found.get(b"content-length", b"")) > _LENGTH_DIGITS:
        raise Unclear("the length is past reason")


class PlainConnection(h11.Connection):
    """h11's reader of a connection, whose requests all have a plain head."""

    def next_event(self) -> Any:
        """What came next."""
        event = super().next_event()
        if not isinstance(event, h11.Request):
            return event
        headers = list(event.headers)
        try:
            known_version(event.http_version.decode("ascii"), headers)
            one_length(headers)
            target, headers = origin_form(event.target, headers)
        except Unclear as unclear:
            raise h11.RemoteProtocolError(str(unclear)) from None
        if target == event.target:
            return event
        return h11.Request(
            method=event.method, headers=headers, target=target, http_version=event.http_version
        )


def read_plainly(protocol: Any) -> None:
    """Has the connection of uvicorn's protocol in Python read so, if it is that one."""
    if type(getattr(protocol, "conn", None)) is h11.Connection:
        protocol.conn.__class__ = PlainConnection
