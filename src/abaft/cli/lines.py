"""The lines of an answer's head, made once: most headers are the same in every answer.

uvicorn looks at each name and value anew with two regular expressions. That is a tenth of what
reading a record costs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http import httptools_impl as http

Header = tuple[bytes, bytes]

_MOST = 500
_VARIES = frozenset(
    (b"content-length", b"etag", b"ratelimit", b"link", b"set-cookie", b"watermark")
)
"""Headers whose values are hardly ever the same; others may be."""
_KNOWN: dict[Header, bytes] = {}
_OWN_WAY = frozenset((b"connection", b"transfer-encoding"))


def lines(headers: Iterable[Header]) -> list[bytes] | None:
    """A line for each header; None where one has a meaning for the connection.

    Raises RuntimeError for what is no header.
    """
    found = []
    for header in headers:
        line = _KNOWN.get(header)
        if line is None:
            line = _line(*header)
            if line is None:
                return None
        found.append(line)
    return found


def _line(given: bytes, value: bytes) -> bytes | None:
    name = given.lower()
    if name in _OWN_WAY:
        return None
    if http.HEADER_RE.search(name) or http.HEADER_VALUE_RE.search(value):
        raise RuntimeError("Invalid HTTP header.")
    line = name + b": " + value + b"\r\n"
    if name not in _VARIES:
        if len(_KNOWN) >= _MOST:
            _KNOWN.clear()  # dates, and what an application makes up
        _KNOWN[given, value] = line
    return line


class QuickCycle(http.RequestResponseCycle):
    """uvicorn's answer to a request; only how a head with a length is written is its own."""

    async def send(self, message: Any) -> None:
        if self.response_started or not self._head(message):
            await super().send(message)

    def _head(self, message: Any) -> bool:
        """Whether it was written: a plain one, which nothing holds up."""
        usual = self.keep_alive and not self.access_log and not self.flow.write_paused
        if not usual or self.disconnected or message["type"] != "http.response.start":
            return False
        headers = message["headers"]
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
                break
        else:
            return False
        content = lines(headers)
        if content is None:
            return False
        self.response_started, self.waiting_for_100_continue = True, False
        self.expected_content_length, self.chunked_encoding = length, False
        dates = lines(self.default_headers) or []
        head = (http.STATUS_LINE[message["status"]], *dates, *content, b"\r\n")
        self.transport.write(b"".join(head))
        return True


def quicken(cycle: Any) -> None:
    """Has it answer so, if it is uvicorn's own; nothing of it has been sent yet."""
    if type(cycle) is http.RequestResponseCycle:
        cycle.__class__ = QuickCycle
