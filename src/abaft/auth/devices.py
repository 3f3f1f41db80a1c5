"""Browsers that an account has logged in with before: strangers' failures don't lock them out.

OWASP calls it a device cookie: it opens nothing, and names whose failures are counted.
"""

from __future__ import annotations

from typing import Any

from abaft.auth.calls import Call
from abaft.auth.context import Context
from abaft.base import ids
from abaft.guard.sign import sign, verify
from abaft.guard.signing_keys import keyed_digest
from abaft.guard.throttle import Subject

SECURE, PLAIN = "__Host-device", "device"
DAYS = 180


class Devices:
    """Makes and reads the cookies of known browsers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._name = SECURE if context.settings.production else PLAIN

    def cookie(self, account: Any) -> tuple[tuple[str, str], ...]:
        """The header that lets a browser be known again."""
        email = account.user.email
        if email is None:
            return ()
        payload = f"{ids.request_id()}.{self._digest(email)}".encode()
        text = sign(self._context.key, b"device", payload)
        return (self._context.cookie(text, DAYS * 86_400, self._name),)

    def subject(self, call: Call, email: str) -> Subject:
        """Whose failures count: those of this browser, if the account knows it, or everybody's."""
        digest = self._digest(email)
        for part in call.headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            payload = verify(self._context.key, b"device", value) if name == self._name else None
            if payload is not None:
                device, _, owner = payload.decode().partition(".")
                if owner == digest:
                    return "device", device
        return "account", digest

    def _digest(self, email: str) -> str:
        """Addresses aren't kept where tries are counted; letters count as they do in the query."""
        return keyed_digest(self._context.key, "throttle", email.strip().lower())[:32]
