"""Which pages of other origins may call (the CORS protocol of Fetch): none, until asked."""

from __future__ import annotations

import re
from collections.abc import Mapping

from abaft.base.settings import Settings

Header = tuple[bytes, bytes]

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
EXPOSED = (
    "etag, link, location, preference-applied, ratelimit, ratelimit-policy, retry-after, "
    "server-timing, watermark"
)
_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~ ,-]{0,2000}")
_VARY: Header = (b"vary", b"origin")


def origins(settings: Settings) -> frozenset[str]:
    """The origins that are listed."""
    return frozenset(name.strip() for name in settings.cors_origins.split(",") if name.strip())


class Cors:
    """What an answer tells the browser of a page elsewhere. Origins are compared whole."""

    def __init__(self, settings: Settings) -> None:
        self._origins = origins(settings)
        self._any = "*" in self._origins
        self._credentials = settings.cors_credentials
        self._age = str(settings.cors_max_age).encode()

    def allows(self, origin: str) -> bool:
        """Whether a page of the origin may call."""
        return self._any or origin in self._origins

    def headers(self, origin: str | None) -> list[Header]:
        """Those that every answer has; a cache must know that they differ by Origin."""
        if self._any:
            return [(b"access-control-allow-origin", b"*"), *self._exposed()]
        if origin is None or origin not in self._origins:
            return [_VARY]
        found = [(b"access-control-allow-origin", origin.encode("latin-1")), _VARY]
        if self._credentials:
            found.append((b"access-control-allow-credentials", b"true"))
        return [*found, *self._exposed()]

    def _exposed(self) -> list[Header]:
        return [(b"access-control-expose-headers", EXPOSED.encode())]

    def preflight(self, headers: Mapping[bytes, bytes]) -> list[Header] | None:
        """The answer to the question whether a page may send such a request; None: it is none."""
        origin = headers.get(b"origin")
        if origin is None or b"access-control-request-method" not in headers:
            return None
        found = self.headers(origin.decode("latin-1"))
        if not self.allows(origin.decode("latin-1")):
            return found
        wanted = headers.get(b"access-control-request-headers", b"").decode("latin-1")
        found.append((b"access-control-allow-methods", METHODS.encode()))
        if wanted and _NAMES.fullmatch(wanted):
            found.append((b"access-control-allow-headers", wanted.encode()))
        vary = (b"vary", b"access-control-request-method, access-control-request-headers")
        return [*found, (b"access-control-max-age", self._age), vary]
