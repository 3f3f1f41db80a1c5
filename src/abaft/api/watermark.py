"""Read your writes: an answer to a write carries a watermark, and a read that brings it sees all.

It is what others call a bookmark, or a consistency or session token: signed, so that nobody can
make one up to find out how far a replica is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from abaft.api.respond import Responder
from abaft.base.errors import BadRequest, Fault
from abaft.base.reach import PRIMARY, REACH, Reach
from abaft.guard.sign import Signer
from abaft.store.base import StoreError

HEADER = b"watermark"
COOKIE = "abaft_watermark"
SECONDS = 60
"""How long a browser sends it at least: replicas that are so far behind are left out before."""
_LONGEST = 4_096
_PURPOSE = b"watermark"
_KNOWN = "abaft.reach"
_SAFE = ("GET", "HEAD", "OPTIONS", "QUERY")

Serve = Callable[[Any, Any, Any], Awaitable[None]]


class Watermarks:
    """Stands before all that an application serves, where there are replicas."""

    def __init__(
        self,
        position: Callable[[], Awaitable[str]],
        signer: Signer,
        lag: float,
        respond: Responder,
    ) -> None:
        self._respond = respond
        self._position = position
        self._signer = signer
        self._seconds = max(SECONDS, int(lag * 2))

    def concern(self, scope: Any) -> bool:
        """Whether it is a request that has no reach yet."""
        return scope["type"] == "http" and _KNOWN not in scope

    async def __call__(self, scope: Any, receive: Any, send: Any, serve: Serve) -> None:
        """Serves the request within its reach, and tells what it has written."""
        scope[_KNOWN] = True
        try:
            need = self._need(scope)
        except Fault as fault:
            await self._respond.fault(send, fault, head=scope["method"] == "HEAD")
            return
        reach = Reach(need or "")
        if need is None or scope["method"] not in _SAFE:
            reach.place = PRIMARY
        secure = scope.get("scheme") == "https"

        async def sending(message: Any) -> None:
            if reach.written and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), *await self._headers(secure)]
                message = {**message, "headers": headers}
            await send(message)

        token = REACH.set(reach)
        try:
            await serve(scope, receive, sending)
        finally:
            REACH.reset(token)

    def _need(self, scope: Any) -> str | None:
        """The position to be read; None: of one nobody knows, only the primary surely has it."""
        cookie = b""
        for name, value in scope["headers"]:
            if name == HEADER:
                return self._told(value)
            if name == b"cookie":
                cookie = value
        if cookie and (text := _cookie(cookie.decode("latin-1"))):
            # A browser can't help what it sends, perhaps from before the key was changed.
            payload = self._signer.verify(_PURPOSE, text)
            return payload.decode() or None if payload is not None else None
        return ""

    def _told(self, value: bytes) -> str | None:
        text = value.decode("latin-1").strip()
        payload = self._signer.verify(_PURPOSE, text) if len(text) <= _LONGEST else None
        if payload is None:
            detail = "the header Watermark isn't one that was given here"
            hint = "send the Watermark of an answer as it came, or none"
            raise BadRequest(detail, code="bad_watermark", hint=hint)
        return payload.decode() or None

    def sign(self, position: str) -> str:
        """The watermark of a position."""
        return self._signer.sign(_PURPOSE, position.encode())

    async def _headers(self, secure: bool) -> list[tuple[bytes, bytes]]:
        """The position after the write; where the primary can't tell, what leads to it."""
        position = ""
        with suppress(StoreError, TimeoutError):
            position = await self._position()
        text = self.sign(position)
        cookie = f"{COOKIE}={text}; Path=/; Max-Age={self._seconds}; HttpOnly; SameSite=Lax"
        cookie += "; Secure" if secure else ""
        return [(HEADER, text.encode()), (b"set-cookie", cookie.encode())]


def _cookie(header: str) -> str:
    """The value of our cookie; "" where it isn't there."""
    for part in header.split(";"):
        name, _, value = part.partition("=")
        if name.strip() == COOKIE:
            return value.strip()
    return ""
