"""Refusals that cost next to nothing: of what is one request too many only the end is looked for.

To read it, to route it and to word an answer takes as long as many a request that is answered. Five
times of what a worker can do would leave it no time for anything else.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from http import HTTPStatus

import orjson

from abaft.api.respond import Responder
from abaft.base import clock
from abaft.base.errors import Fault
from abaft.base.settings import Settings
from abaft.guard.admission import overloaded

TICK = 0.01
"""Seconds between two rounds of refusals: who asks again at once is held back by as much."""
SHARE = 0.03
"""The part of the time in which refusals are written, however many there are to write."""
LEAST = 0.0005
"""Seconds of a round at least."""
SOME = 16
"""Refusals between two looks at the clock."""

_LINE = re.compile(rb"[a-z]+ [^\r\n ]+ http/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: ?(\d{1,15})\r\n")
# What has a meaning for where a request ends, or for what comes after it.
_NOT_PLAIN = re.compile(
    rb"transfer-encoding|\nexpect|\nupgrade|\nconnection:(?! ?keep-alive\r)|\n[ \t]|[^\r]\n"
)


def still_to_come(data: bytes, most: int) -> int | None:
    """How many bytes of the one request in the data are missing.

    None where the usual way has to find that out: its head isn't whole, isn't plain, or its body
    is over `most`; or there is more than one request.
    """
    end = data.find(b"\r\n\r\n") + 4
    head = data[: end - 2].lower()
    if end < 4 or not _LINE.match(head) or _NOT_PLAIN.search(head):
        return None
    length = 0
    if b"content-length" in head:
        found = _LENGTH.findall(head)
        if len(found) != 1 or head.count(b"content-length") != 1 or int(found[0]) > most:
            return None
        length = int(found[0])
    missing = end + length - len(data)
    return missing if missing >= 0 else None


class Said:
    """What a server of ours says itself, with the headers that all answers have."""

    def __init__(self, settings: Settings) -> None:
        self._respond = Responder(settings)
        fault = overloaded()
        self.full_head = self._head(fault, "")
        self.full = self.full_head + orjson.dumps(fault.as_dict())
        """The answer to one request too many, ready to be sent."""

    def farewell(self, fault: Fault) -> bytes:
        """A problem after which the connection ends."""
        return self._head(fault, "connection: close\r\n") + orjson.dumps(fault.as_dict())

    def _head(self, fault: Fault, more: str) -> bytes:
        headers = self._respond.problem(fault, orjson.dumps(fault.as_dict()))
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        title = HTTPStatus(fault.status).phrase
        return b"".join(
            [f"HTTP/1.1 {fault.status} {title}\r\n".encode(), *lines, more.encode(), b"\r\n"]
        )


class Refusals:
    """Those that wait to be told, in order."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._last = 0.0
        self._due = False

    def add(self, tell: Callable[[], None]) -> None:
        """Has it told in a moment, unless that has been done by then."""
        self._waiting.append(tell)
        if not self._due:
            self._due = True
            self._last = clock.monotonic()
            asyncio.get_running_loop().call_later(TICK, self._round)

    def _round(self) -> None:
        now = clock.monotonic()
        until = now + max(LEAST, SHARE * (now - self._last))
        self._last = now
        while self._waiting and clock.monotonic() < until:
            for _ in range(min(SOME, len(self._waiting))):
                self._waiting.popleft()()
        self._due = bool(self._waiting)
        if self._due:
            asyncio.get_running_loop().call_later(TICK, self._round)
