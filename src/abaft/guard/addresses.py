"""Which addresses a server may be sent to, and which redirects a browser: pure, and by allowing."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,999}")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_public(text: str) -> bool:
    """Whether this is an address of the internet, however it is wrapped up in IPv6."""
    found = _inner(ipaddress.ip_address(text.partition("%")[0]))
    return found.is_global and not found.is_multicast


def is_internal(text: str) -> bool:
    """Whether it is public, or one of a private network; never of a link, as metadata services."""
    found = _inner(ipaddress.ip_address(text.partition("%")[0]))
    return not (found.is_link_local or found.is_multicast or found.is_unspecified)


def is_loopback(text: str) -> bool:
    """Whether it is of this very machine."""
    return _inner(ipaddress.ip_address(text.partition("%")[0])).is_loopback


def _inner(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_local_path(text: str) -> bool:
    """Whether a browser that is sent there stays at this origin: "//host" and "/\\host" leave."""
    return _PATH.fullmatch(text) is not None


def redirect_fault(text: str) -> str:
    """Why no app may be sent a code at this URI (RFC 8252, 7); "" where one may."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "it isn't a URI"
    if parts.fragment or "#" in text or not text.isascii() or not text.isprintable():
        return "it may have no fragment and no other characters than printable ASCII"
    if parts.username is not None or parts.password is not None:
        return "it may name no user"
    if parts.scheme == "https":
        return "" if parts.hostname else "it names no host"
    if parts.scheme == "http":
        literal = parts.hostname in ("127.0.0.1", "::1")
        return "" if literal and (port is None or port) else "http is for 127.0.0.1 and [::1] alone"
    return "" if "." in parts.scheme else "its scheme should be a domain of yours, backwards"


def same_redirect(asked: str, allowed: str) -> bool:
    """Whether these are the same, character by character; the port of a loopback may be any."""
    if asked == allowed:
        return True
    try:
        one, other = urlsplit(asked), urlsplit(allowed)
        ported = one.port is not None and other.port is None
    except ValueError:
        return False
    if not (ported and allowed.startswith(("http://127.0.0.1/", "http://[::1]/"))):
        return False
    return asked.replace(f":{one.port}/", "/", 1) == allowed and one.hostname == other.hostname
