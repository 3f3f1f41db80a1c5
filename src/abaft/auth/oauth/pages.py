"""Where a browser is sent on to."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from abaft.auth.calls import Reply

_SAFE = "!#$%&'()*+,/:;=?@[]~"


def sent(url: str, *cookies: tuple[str, str]) -> Reply:
    """On to a URL: the next request is a GET, and tells nobody where it came from."""
    location = quote(url, safe=_SAFE)
    return Reply(303, None, (("location", location), ("referrer-policy", "no-referrer"), *cookies))


def with_query(url: str, **values: str) -> str:
    """The URL with more in its query, before what stands after "#"."""
    rest, mark, fragment = url.partition("#")
    given = urlencode({name: value for name, value in values.items() if value})
    if given:
        rest += ("&" if "?" in rest else "?") + given
    return rest + mark + fragment
