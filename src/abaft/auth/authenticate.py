"""The authenticator of accounts: a browser's cookie or an access token becomes an actor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from abaft.auth.live import Live, Seat
from abaft.auth.sessions import Sessions
from abaft.base.actor import Actor
from abaft.base.errors import Forbidden
from abaft.guard import csrf
from abaft.guard.access_tokens import AccessTokens
from abaft.guard.tokens import KEY
from abaft.store.replicated import at_primary

SECURE, PLAIN = "__Host-session", "session"
"""The cookie's name; the plain one is for development, where there is no TLS."""


class AccountTokens:
    """Who a cookie or a bearer token stands for; a known one costs a look in a table."""

    own = True

    def __init__(
        self,
        sessions: Sessions,
        tokens: AccessTokens,
        origin: str,
        secure: bool,
        trusted: frozenset[str] = frozenset(),
    ) -> None:
        self._trusted = trusted
        self._sessions, self._tokens = sessions, tokens
        self._live: Live = sessions.live
        # Apart, so that no cookie is good as a bearer token, without what a cookie is asked for.
        self._cookies = Live(sessions.live.epoch)
        self._origin, self._scheme = origin, "https" if secure else "http"
        self.cookie = SECURE if secure else PLAIN
        self.epoch = sessions.live.epoch
        self.keys: Callable[[str, str], Awaitable[Seat | None]] | None = None
        """What finds the seat of an API key."""

    async def authenticate(self, headers: Mapping[str, str]) -> Actor | None:
        given = headers.get("authorization")
        if given is not None:
            seat = self._live.find(given.encode("latin-1"))
            if seat is None:
                with at_primary():
                    seat = await self._bearer(given)
            return None if seat is None else seat.actor
        cookies = headers.get("cookie")
        if cookies is None:
            return None
        token = cookies.encode("latin-1")
        seat = self._cookies.find(token)
        if seat is None:
            epoch = self.epoch.now()
            with at_primary():
                seat = await self.by_cookie(cookies)
            if seat is None:
                return None
            self._cookies.take(token, seat, epoch)
        if getattr(headers, "method", "") not in csrf.SAFE:
            reason = csrf.refused(headers, seat.csrf, self._origin, self._scheme, self._trusted)
            if reason:
                raise Forbidden(f"a cookie alone doesn't vouch for this: {reason}", code="csrf")
        return seat.actor

    def recall(self, headers: Mapping[bytes, bytes], method: str) -> Actor | None:
        """Who asks, if that is known by now; None: they have to authenticate."""
        given = headers.get(b"authorization")
        if given is not None:
            seat = self._live.find(given)
        elif method in csrf.SAFE and (given := headers.get(b"cookie")) is not None:
            seat = self._cookies.find(given)
        else:
            return None
        return None if seat is None else seat.actor

    async def by_cookie(self, cookies: str) -> Seat | None:
        """The seat of a Cookie header; one that opens nothing is as if it weren't there."""
        text = _cookie(cookies, self.cookie)
        if not text:
            return None
        return await self._sessions.by_cookie(text)

    async def _bearer(self, given: str) -> Seat | None:
        scheme, _, text = given.partition(" ")
        if scheme.lower() != "bearer":
            return None
        if text.startswith(KEY):
            return await self.keys(given, text.strip()) if self.keys is not None else None
        claims = self._tokens.read(text.strip())
        if claims is None:
            return None
        return await self._sessions.by_claims(given, claims)


def _cookie(header: str, name: str) -> str:
    """The value of a cookie (RFC 6265, 4.2.1); of two with one name none is believed."""
    found = [
        value.strip()
        for part in header.split(";")
        for key, equals, value in [part.partition("=")]
        if equals and key.strip() == name
    ]
    return found[0] if len(found) == 1 else ""
