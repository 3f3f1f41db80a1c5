"""Cross-site requests: whether a browser sent one with a cookie that its user knows nothing of."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

HEADER = "x-csrf-token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def from_here(
    headers: Mapping[str, str],
    own: str = "",
    scheme: str = "https",
    trusted: frozenset[str] = frozenset(),
) -> bool:
    """Whether the request comes from a page of this very origin, as the browser says.

    `own` is this origin, such as https://example.org; without it, it is the host that was asked.
    `trusted` are origins whose pages may do the same.
    """
    if trusted and headers.get("origin") in trusted:
        return True
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        # Of "same-site" a sibling's pages may be somebody else's; "none" is no page at all.
        return False
    origin = headers.get("origin")
    if origin is None:
        return site is not None
    return origin == (own or f"{scheme}://{headers.get('host')}")


def refused(
    headers: Mapping[str, str],
    token: str,
    own: str,
    scheme: str,
    trusted: frozenset[str] = frozenset(),
) -> str:
    """Why a request that a cookie vouches for isn't to be believed; "" where it is."""
    if not from_here(headers, own, scheme, trusted):
        return "it doesn't come from a page of this origin"
    if not hmac.compare_digest(headers.get(HEADER, "").encode(), token.encode()):
        return f"its {HEADER.title()} isn't the session's: /auth/me tells it"
    return ""
