"""Tells of requests that were turned away: a few each second, and how many more there were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from abaft.base import clock
from abaft.base.errors import Fault
from abaft.observe.events import RequestRefused

WATCHED = frozenset((401, 403, 429))
"""Credentials that nobody knows, rules that don't allow it, limits."""
CODES = frozenset(("wrong_host",))
USER = "abaft.user"
"""Where a scope has the id of who asks, once that is known."""
_LONGEST = 200


class Refusals:
    """`most` are told a second: whoever is refused often mustn't fill the log."""

    def __init__(self, most: int, tell: Callable[[RequestRefused], None]) -> None:
        self._most, self._tell = most, tell
        self._until, self._left, self._untold = 0.0, 0, 0

    def note(self, fault: Fault, scope: Any) -> None:
        """Takes note of a refusal, if it is one of these."""
        if not self._most or (fault.status not in WATCHED and fault.code not in CODES):
            return
        now = clock.monotonic()
        if now >= self._until:
            self._until, self._left = now + 1, self._most
        if not self._left:
            self._untold += 1
            return
        self._left -= 1
        untold, self._untold = self._untold, 0
        self._tell(_told(fault, scope, untold))


def _told(fault: Fault, scope: Any, untold: int) -> RequestRefused:
    return RequestRefused(
        fault.status,
        fault.code,
        scope["method"],
        # Without the query: what is asked for there is of those who ask.
        scope["path"][:_LONGEST],
        scope.get(USER) or "",
        (scope.get("client") or ("",))[0],
        untold,
    )
