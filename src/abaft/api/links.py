"""The Link header of a page (RFC 8288): where the pages beside it are."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_plus

from abaft.api.parse import Page
from abaft.api.request import Request

_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?%"
# What may not stand in a query as it is (RFC 3986, 3.4).
_UNSAFE = re.compile(rb"[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]|%(?![0-9A-Fa-f]{2})")
_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_PLACES = ("cursor", "offset")


def page_links(
    request: Request, prefix: str, page: Page, following: str | None, count: int | None, most: int
) -> bytes:
    """The header's value, for a page that has one after it or that isn't the first.

    `following` is the cursor of the page after, `count` what is known of the number of records
    and `most` how many `offset` may skip. Pages by `offset` lead to pages by `offset`.
    """
    query = request.query
    if query.translate(None, _PLAIN) or _BROKEN.search(query):
        query = _UNSAFE.sub(_encoded, query)
    root = quote(request.root, safe="/,:@") if request.root else ""
    base = f"<{root}{prefix}/{request.model.collection}"
    if not page.placed:
        joint = "&" if query else ""
        return f'{base}?{query.decode()}{joint}cursor={following}>; rel="next"'.encode()
    kept = [part for part in query.decode().split("&") if part and _name(part) not in _PLACES]
    places = {"first": ""}
    if following is not None:
        places["next"] = f"cursor={following}"
    if page.intent.shape.offset:
        places |= _by_offset(page.intent.values["offset"], page.limit, following, count, most)
    links = []
    for relation, place in places.items():
        wanted = "&".join([*kept, place] if place else kept)
        links.append(f'{base}{"?" if wanted else ""}{wanted}>; rel="{relation}"')
    return ", ".join(links).encode()


def _by_offset(
    offset: int, limit: int, following: str | None, count: int | None, most: int
) -> dict[str, str]:
    """The pages before and after; beyond what may be skipped the cursor leads on."""
    places = {}
    if following is not None and offset + limit <= most:
        places["next"] = f"offset={offset + limit}"
    if offset:
        places["prev"] = f"offset={max(0, offset - limit)}"
    if count:
        last = offset % limit + (count - 1 - offset % limit) // limit * limit
        if 0 <= last <= most:
            places["last"] = f"offset={last}"
    return places


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0])


def _encoded(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0] + found[0][1:]
