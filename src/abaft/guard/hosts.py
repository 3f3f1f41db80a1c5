"""By which names an application may be asked: the Host header (RFC 9110, 7.2)."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from abaft.base.settings import Settings

_FORM = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?")
_MOST = 1_000
"""Values that are remembered: names with ports are few, and made-up ones don't get in."""
_LOCAL = (".localhost", ".local", ".test", ".internal")


class Hosts:
    """Tells of a Host header whether it is one of ours.

    In production those of `allowed_hosts`, else that of `base_url`; with neither nothing is made of
    the header, and any is taken. In development what no foreign page can point at this machine by a
    name of its own (DNS rebinding): addresses, names without a dot, and those kept for such use.
    """

    def __init__(self, settings: Settings) -> None:
        given = [name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()]
        own = urlsplit(settings.base_url).hostname or ""
        self._named = frozenset(given or ([own] if own else []))
        self._ends = tuple(name[1:] for name in self._named if name.startswith("*."))
        self._development = not settings.production and not given
        self._any = "*" in self._named or (settings.production and not self._named)
        self._known: set[bytes] = set()

    def allows(self, value: bytes | None) -> bool:
        """Whether it is; None is for a request without one."""
        if value in self._known:
            return True
        if value is None:
            return self._development or self._any
        match = _FORM.fullmatch(value)
        if match is None or not (self._any or self._is_ours(match[1].decode().lower())):
            return False
        if len(self._known) < _MOST:
            self._known.add(value)
        return True

    def _is_ours(self, name: str) -> bool:
        name = name.removesuffix(".")
        if name in self._named or name.endswith(self._ends):
            return True
        return self._development and ("." not in name or name.endswith(_LOCAL) or _address(name))


def _address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
