"""Whose requests are counted as one client's: an address, or the network that is one customer's."""

from __future__ import annotations

import ipaddress


def network(address: str) -> str:
    """What is counted as one address: of IPv6 the /64, which is one customer's at least."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


class Networks:
    """What each address is counted as; None for one that isn't."""

    _MOST = 20_000

    def __init__(self, exempt: str) -> None:
        names = filter(None, map(str.strip, exempt.split(",")))
        self._exempt = [ipaddress.ip_network(name, strict=False) for name in names]
        self._known: dict[str, str | None] = {}

    def of(self, address: str) -> str | None:
        """Remembered: to read an address takes longer than to count a request."""
        try:
            return self._known[address]
        except KeyError:
            if len(self._known) >= self._MOST:
                self._known.clear()
            found = self._known[address] = self._find(address)
            return found

    def _find(self, address: str) -> str | None:
        name = network(address)
        try:
            one = ipaddress.ip_address(name if "/" not in name else address.partition("%")[0])
        except ValueError:
            return name or None  # a Unix socket has none
        return None if any(one in row for row in self._exempt) else name
