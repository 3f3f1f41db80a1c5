"""What stands before all that an application answers: hosts, other origins, headers of safety."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from abaft.api.rates import ENTERED, Rates
from abaft.api.respond import Responder
from abaft.base import ids
from abaft.base.errors import BadRequest, Fault
from abaft.base.settings import Settings
from abaft.guard import headers as safe
from abaft.guard.cors import Cors
from abaft.guard.hosts import Hosts
from abaft.observe.events import Observer
from abaft.observe.refusals import Refusals

Serve = Callable[[Any, Any, Any], Awaitable[None]]
Header = tuple[bytes, bytes]

_OURS = "abaft.door"
_TYPE, _POLICY = b"content-type", b"content-security-policy"


def wrong_host() -> Fault:
    """What a request under another name is answered with."""
    return BadRequest("this isn't a host that is served here", code="wrong_host")


class Door:
    """Wraps what the application's own code answers; the record path sees to itself."""

    def __init__(self, settings: Settings, observer: Observer) -> None:
        self.rates = Rates(settings, observer)
        self.refusals = Refusals(settings.log_refusals, observer.emit)
        self.respond, self.hosts = Responder(settings), Hosts(settings)
        self._headers = safe.of_others(settings)
        self._policy = settings.content_security_policy
        self.cors = Cors(settings) if settings.cors_origins else None

    def concerns(self, scope: Any) -> bool:
        """Whether pages elsewhere may call, so that even the record path passes here first."""
        return self.cors is not None and _OURS not in scope

    async def __call__(self, scope: Any, receive: Any, send: Any, serve: Serve) -> None:
        """Serves the request, if it is for us, and adds what its answer lacks."""
        scope[_OURS] = True
        found = dict(scope["headers"])
        origin = found.get(b"origin")
        more = [] if self.cors is None else self.cors.headers(_text(origin))
        policy = self._policy_of(scope)

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                message = {**message, "headers": [*given, *self._lacking(given, policy), *more]}
            await send(message)

        if not self.hosts.allows(host_of(scope, found)):
            await self.refuse(scope, sending, wrong_host())
            return
        if self.cors is not None and scope["method"] == "OPTIONS":
            preflight = self.cors.preflight(found)
            if preflight is not None:
                await send({"type": "http.response.start", "status": 204, "headers": preflight})
                await send({"type": "http.response.body", "body": b""})
                return
        try:
            more.extend(await self.rates.enter(scope))
        except Fault as fault:
            await self.refuse(scope, sending, fault)
            return
        scope[ENTERED] = True
        await serve(scope, receive, sending)

    async def refuse(self, scope: Any, send: Any, fault: Fault) -> None:
        """Answers by a fault, and takes note of it."""
        self.refusals.note(fault, scope)
        await self.respond.fault(send, fault, head=scope["method"] == "HEAD")

    def _policy_of(self, scope: Any) -> bytes:
        """The policy of pages; a nonce in it is new for each, and `request.state.nonce`."""
        if "{nonce}" not in self._policy:
            return self._policy.encode()
        nonce = ids.secret()
        scope["state"] = {**scope.get("state", {}), "nonce": nonce}
        return self._policy.replace("{nonce}", nonce).encode()

    def _lacking(self, given: list[Header], policy: bytes) -> list[Header]:
        names = {name.lower() for name, _ in given}
        found = [row for row in self._headers if row[0] not in names]
        if _POLICY not in names:
            kind = next((value for name, value in given if name.lower() == _TYPE), b"")
            page = b"html" in kind or b"xml" in kind
            found.append((_POLICY, policy if page else safe.DATA_POLICY))
        return found


def host_of(scope: Any, headers: dict[bytes, bytes]) -> bytes | None:
    """The one Host that a request has; of several none is right."""
    given = scope["headers"]
    if len(headers) < len(given) and sum(name == b"host" for name, _ in given) > 1:
        return b""
    return headers.get(b"host")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
