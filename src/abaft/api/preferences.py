"""Prefer (RFC 7240): how a client wants to be served. What isn't known is ignored."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from abaft.api.respond import Answer
from abaft.base.errors import BadRequest

if TYPE_CHECKING:
    from abaft.api.request import Request

HEADER = b"prefer"
_KNOWN = {"return": ("minimal", "representation"), "handling": ("lenient", "strict")}
_SHOWING = frozenset({"POST", "PATCH", "PUT"})
# name [= word or "text"], then what is behind a semicolon, which none of ours has. Spaces are taken
# for good (*+): tried in all ways, a header of nothing else would keep all others waiting.
_ONE = re.compile(
    r'\s*+([^\s=;,"]++)\s*+(?:=\s*+(?:"([^"]*+)"|([^\s;,"]*+)))?\s*+(?:;[^,]*+)?', re.ASCII
)

Handler = Callable[["Request"], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Preferences:
    """What was asked for of what there is; empty: nothing."""

    shown: str = ""
    handling: str = ""

    @property
    def minimal(self) -> bool:
        """Whether what was written is not to be shown."""
        return self.shown == "minimal"

    @property
    def lenient(self) -> bool:
        """Whether members and parameters that aren't known are to be passed over."""
        return self.handling == "lenient"

    def applied(self, method: str) -> str:
        """What Preference-Applied says."""
        shown = self.shown if method in _SHOWING else ""
        both = (("return", shown), ("handling", self.handling))
        return ", ".join(f"{name}={value}" for name, value in both if value)


NONE = Preferences()


@lru_cache(256)
def preferences(header: bytes) -> Preferences:
    """What the header asks for; of a preference that is there twice the first counts."""
    asked: dict[str, str] = {}
    for part in header.decode("latin-1").split(","):
        found = _ONE.fullmatch(part)
        if found:
            value = (found[2] or found[3] or "").lower()
            asked.setdefault(found[1].lower(), value)
    known = {name: asked.get(name, "") for name in _KNOWN}
    known = {name: value if value in _KNOWN[name] else "" for name, value in known.items()}
    return Preferences(known["return"], known["handling"])


async def served(request: Request, handler: Handler) -> Answer:
    """The handler's answer, that tells which preferences were met."""
    # Of many records an unknown filter passed over would change or delete more than was meant.
    several = not request.key and request.method in ("PATCH", "DELETE")
    forgiving = request.prefer.lenient and not several
    answer = await (lenient(request, handler) if forgiving else handler(request))
    applied = request.prefer.applied(request.method)
    if applied:
        answer.extra.append((b"preference-applied", applied.encode()))
    return answer


async def lenient(request: Request, handler: Handler) -> Answer:
    """The answer without the parameters that aren't known; nothing is written before they are."""
    while True:
        try:
            return await handler(request)
        except BadRequest as fault:
            known = _without(request.query, fault)
            if known == request.query:
                raise
            request.query = known


def _without(query: bytes, fault: BadRequest) -> bytes:
    unknown = {row.pointer for row in fault.errors if row.code == "unknown_parameter"}
    return b"&".join(part for part in query.split(b"&") if f"?{_name(part)}" not in unknown)


def _name(part: bytes) -> str:
    """The parameter's name, as long as a problem's pointer shows it."""
    return unquote_plus(part.partition(b"=")[0].decode("latin-1"))[:200]
