"""The administrator's token."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from abaft.base.actor import Actor


class AdminToken:
    """One bearer token (RFC 6750) that stands above all rules."""

    own = True

    def __init__(self, token: str) -> None:
        self._given = f"Bearer {token}".encode()
        self._actor = Actor(system=True, label="admin")

    async def authenticate(self, headers: Mapping[str, str]) -> Actor | None:
        given = headers.get("authorization", "")
        # Most tokens are of people and of another length: how long this one is may be known.
        if len(given) != len(self._given) or given[:7].lower() != "bearer ":
            return None
        found = b"Bearer " + given[7:].encode()
        return self._actor if hmac.compare_digest(found, self._given) else None
