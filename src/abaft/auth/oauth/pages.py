"""Where a browser ends up: sent on, or at a page that says what went wrong."""

from __future__ import annotations

from html import escape
from urllib.parse import quote, urlencode

from abaft.auth.calls import Reply
from abaft.base.errors import Fault
from abaft.guard.headers import new_nonce, of_page

_STYLE = """
:root { color-scheme: light dark; background: Canvas; color: CanvasText }
body { margin: 0 auto; padding: 2rem 1rem; max-width: 34rem; font: 1rem/1.5 system-ui, sans-serif }
"""
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


def page_of(fault: Fault, *cookies: tuple[str, str]) -> Reply:
    """A plain page that tells of a fault."""
    nonce = new_nonce()
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Log-in failed</title>'
        f'<style nonce="{nonce}">{_STYLE}</style><main><h1>Log-in failed</h1>'
        f"<p>{escape(fault.detail or fault.title)}"
        f'<p><code>{escape(fault.code)}</code><p><a href="/">Go on</a></main></html>'
    )
    # Its own address has what the provider sent.
    own = (*of_page(nonce), ("referrer-policy", "no-referrer"))
    return Reply(fault.status, None, (*own, *fault.headers.items(), *cookies), text)
