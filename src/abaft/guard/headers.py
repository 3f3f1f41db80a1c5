"""The headers that every answer has: what a browser may not do with it."""

from __future__ import annotations

from abaft.base.settings import Settings

Header = tuple[bytes, bytes]

NOSNIFF: Header = (b"x-content-type-options", b"nosniff")
DATA_POLICY = b"default-src 'none'; frame-ancestors 'none'"
"""Of what is no page: should a browser draw it all the same, it runs and loads nothing."""
PAGE_POLICY = "default-src 'none'; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
"""Of a page of ours, to which each adds what it loads."""


def page_policy(*more: str, forms: str = "'none'") -> str:
    """The policy of a page that loads what `more` says, such as "style-src 'self'"."""
    return "; ".join([PAGE_POLICY.format(forms=forms), *more])


def common(settings: Settings) -> list[Header]:
    """Those of whatever is answered."""
    found: list[Header] = [
        NOSNIFF,
        # Within one's own pages a Referer is told; with none at all, forms would have no Origin.
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
    if settings.production and settings.base_url.startswith("https:") and settings.hsts_days:
        seconds = settings.hsts_days * 86_400
        found.append((b"strict-transport-security", f"max-age={seconds}".encode()))
    return found


def of_data(settings: Settings) -> list[Header]:
    """Those of records, problems and all else that is no page."""
    return [*common(settings), (b"content-security-policy", DATA_POLICY)]


def of_others(settings: Settings) -> list[Header]:
    """Those of what the application answers by code of its own, unless that says otherwise."""
    return [
        *common(settings),
        (b"x-frame-options", b"DENY"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ]
