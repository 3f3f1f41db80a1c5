"""Which limits of requests hold for whom: by address before all else, then by who asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from abaft.base.actor import Actor
from abaft.base.errors import SettingError
from abaft.base.settings import Settings
from abaft.guard.limits import Quota, Window, open_store
from abaft.guard.networks import Networks
from abaft.observe.events import CountsUnshared, Observer

Header = tuple[bytes, bytes]
ENTERED = "abaft.rates"
"""Where a scope holds the headers of what was counted on the way in."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit of one route: what is asked for begins with `path`, or is it."""

    method: str
    path: str
    whole: bool
    quota: Quota

    def covers(self, method: str, path: str) -> bool:
        """Whether the route is meant; HEAD is a GET, and a slash at the end is none."""
        if self.method != "*" and self.method != ("GET" if method == "HEAD" else method):
            return False
        path = path.rstrip("/")
        return path == self.path if self.whole else path.startswith(self.path)


def rules_of(text: str, window: Window) -> list[Rule]:
    """The limits of routes as a setting tells them: "POST /api/posts 60; * /search* 600"."""
    found = []
    for part in filter(None, map(str.strip, text.split(";"))):
        method, _, rest = part.partition(" ")
        path, _, number = rest.strip().rpartition(" ")
        if not path.startswith("/") or not (number.isascii() and number.isdigit()):
            raise SettingError(f"route_limits has {part!r}: write it like POST /api/posts 60")
        path = path.strip()
        quota = Quota(f"{method.upper()} {path}", int(number), window)
        whole = not path.endswith("*")
        beginning = path.rstrip("/") if whole else path.removesuffix("*")
        found.append(Rule(method.upper(), beginning, whole, quota))
    return found


class Rates:
    """Counts the requests of one worker, or of all together where their counts are shared."""

    def __init__(self, settings: Settings, observer: Observer) -> None:
        store = open_store(settings.throttle_storage)
        window = Window(store, lambda error: observer.emit(CountsUnshared(error)))
        self.close = window.close

        def quota(name: str, most: int) -> Quota | None:
            return Quota(name, most, window) if most else None

        self._address = quota("address", settings.requests_per_minute)
        self._account = quota("account", settings.account_requests_per_minute)
        self._key = quota("key", settings.key_requests_per_minute)
        self._rules = rules_of(settings.route_limits, window)
        self._networks = Networks(settings.rate_exempt_addresses)
        self._roles = frozenset(filter(None, map(str.strip, settings.rate_exempt_roles.split(","))))

    async def enter(self, scope: Any) -> Sequence[Header]:
        """Counts a request on its way in: the headers of its answer. Raises TooManyRequests."""
        if ENTERED in scope:
            return ()
        address = (scope.get("client") or ("",))[0]
        whose = self._networks.of(address)
        told: Sequence[Header] = ()
        if whose is not None and self._address is not None:
            told = await self._address.spend(whose)
        if self._rules:
            told = await self._route(scope, whose or address) or told
        return told

    async def _route(self, scope: Any, whose: str) -> Sequence[Header]:
        told: Sequence[Header] = ()
        for rule in self._rules:
            if rule.covers(scope["method"], scope["path"]):
                told = await rule.quota.spend(whose)
        return told

    async def who(self, actor: Actor) -> Sequence[Header]:
        """Counts a request by who asks. Raises TooManyRequests."""
        if actor.id is None or (self._roles and self._roles & actor.roles):
            return ()
        if actor.key:
            return await self._key.spend(actor.key) if self._key is not None else ()
        return await self._account.spend(actor.id) if self._account is not None else ()
