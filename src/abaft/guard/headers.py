"""The headers that every answer has: what a browser may not do with it."""

from __future__ import annotations

from abaft.base import ids
from abaft.base.settings import Settings

Header = tuple[bytes, bytes]

NOSNIFF: Header = (b"x-content-type-options", b"nosniff")
DATA_POLICY = b"default-src 'none'; frame-ancestors 'none'"
"""Of what is no page: should a browser draw it all the same, it runs and loads nothing."""
PAGE_POLICY = "default-src 'none'; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
"""Of a page of ours, to which each adds what it loads."""
FRAMES: Header = (b"x-frame-options", b"DENY")
PERMISSIONS: Header = (
    b"permissions-policy",
    b"camera=(), geolocation=(), microphone=(), payment=(), usb=()",
)


def new_nonce() -> str:
    """What scripts and styles of one page have, so that no others are run."""
    return ids.secret()[:24]


def of_page(
    nonce: str, *more: str, forms: str = "'none'", styles: str = ""
) -> tuple[tuple[str, str], ...]:
    """Those of a page of ours: only styles with the nonce are taken, and no script.

    `more` is what else it loads, `styles` whence else its styles may come, and `forms` where its
    forms may lead. No cache keeps it: the nonce is good for one time.
    """
    own = " ".join(filter(None, ["style-src", f"'nonce-{nonce}'", styles]))
    policy = "; ".join([PAGE_POLICY.format(forms=forms), own, *more])
    rows = [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy),
        ("cache-control", "no-store"),
    ]
    return (*rows, *((name.decode(), value.decode()) for name, value in (FRAMES, PERMISSIONS)))


def scripts(nonce: str) -> str:
    """What lets those scripts of a page run that have the nonce."""
    return f"script-src 'nonce-{nonce}'"


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
        below = "; includeSubDomains" if settings.hsts_subdomains else ""
        found.append((b"strict-transport-security", f"max-age={seconds}{below}".encode()))
    return found


def of_data(settings: Settings) -> list[Header]:
    """Those of records, problems and all else that is no page."""
    return [*common(settings), (b"content-security-policy", DATA_POLICY)]


def of_others(settings: Settings) -> list[Header]:
    """Those of what the application answers by code of its own, unless that says otherwise."""
    return [*common(settings), FRAMES, PERMISSIONS]
