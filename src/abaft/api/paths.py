"""Which requests are the record path's, and which a user's own route wins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

from starlette._utils import get_route_path
from starlette.routing import BaseRoute, Match


class Paths:
    """Tells by a scope whether it is a record's or a collection's."""

    def __init__(self, prefix: str, collections: Any) -> None:
        self.prefix = f"{prefix}/"
        self.collections = collections
        self._count = -1
        self._rivals: list[BaseRoute] = []

    def find(self, scope: Any, routes: Sequence[BaseRoute]) -> str | None:
        """What follows the prefix, percent-encoded; None where the router is to answer."""
        path: str = get_route_path(scope) if scope.get("root_path") else scope["path"]
        if not path.startswith(self.prefix):
            if path != self.prefix[:-1]:
                return None
            path = self.prefix
        if len(routes) != self._count:
            self._count = len(routes)
            self._rivals = [route for route in routes if self._may_rival(route)]
        for route in self._rivals:
            # Only for the methods it takes: their POST leaves our GET.
            if route.matches(scope)[0] is Match.FULL:
                return None
        raw: bytes | None = scope.get("raw_path")
        if raw is None:
            return quote(path[len(self.prefix) :], safe="/,:@")
        if b"%" not in raw:
            return path[len(self.prefix) :]
        before = scope["path"].removesuffix(path) + self.prefix
        return _after(before, raw.partition(b"?")[0].decode("latin-1"))

    def _may_rival(self, route: BaseRoute) -> bool:
        """Whether some path of ours could match the route, by the part before its parameters."""
        path = getattr(route, "path", None)
        if path is None:
            return True
        fixed = str(path).partition("{")[0]
        if not fixed.strip("/") and not str(path).strip("/"):
            # A mount at the root takes what nobody else does, as routes after it would.
            return False
        return fixed.startswith(self.prefix) or self.prefix.startswith(fixed)


def _after(before: str, raw: str) -> str:
    """What follows the decoded beginning in a path that is still encoded.

    Encoded slashes and commas are part of a key, so the path is cut before it is decoded; one whose
    beginning has such a slash leads to nothing.
    """
    *begin, rest = raw.split("/", before.count("/"))
    return rest if [unquote(part) for part in begin] == before.split("/")[:-1] else ""
