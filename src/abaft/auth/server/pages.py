"""The pages of the authorization server: forms without a script, each under a strict policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from abaft.auth.calls import Call, Reply
from abaft.auth.mail import accepted
from abaft.guard.headers import new_nonce, of_page

_STYLE = """
:root { color-scheme: light dark; background: Canvas; color: CanvasText; --line: #8886; --main: #2457c5 }
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif }
main { margin: 10vh auto; max-width: 26rem; padding: 2rem; border: 1px solid var(--line); border-radius: 1rem }
h1 { margin: 0 0 1rem; font-size: 1.4rem; overflow-wrap: anywhere }
.quiet { opacity: .75; font-size: .9rem; overflow-wrap: anywhere }
.warn { border-left: 4px solid #c33; padding-left: .75rem }
label { display: block; margin-bottom: .25rem }
input:not([type=hidden]) { box-sizing: border-box; width: 100%; font: 1.4rem ui-monospace, monospace; padding: .5rem; margin-bottom: 1rem; text-align: center }
button { font: inherit; padding: .6rem 1.4rem; margin: .5rem .5rem 0 0; border: 1px solid var(--line); border-radius: .5rem; background: none; cursor: pointer }
button.main { background: var(--main); border-color: var(--main); color: #fff }
button:focus-visible, input:focus-visible { outline: 3px solid var(--main); outline-offset: 2px }
"""  # noqa: E501
_ENVIRONMENT = Environment(
    loader=PackageLoader("abaft.auth.server", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
)


_GERMAN: Mapping[str, str] = json.loads(
    (files("abaft.auth.server") / "pages" / "texts" / "de.json").read_text("utf-8")
)
_TEXTS: Mapping[str, Mapping[str, str]] = {"en": {}, "de": _GERMAN}
"""By what stands in the code, which is English."""


def language_of(call: Call) -> str:
    """The first that the browser wants and that there is."""
    wanted = accepted(call.headers.get("accept-language", ""))
    return next((name for name in wanted if name in _TEXTS), "en")


def in_words(call: Call, text: str, *given: str) -> str:
    """The text in the browser's language, with what is given in the places of "{}"."""
    return _TEXTS[language_of(call)].get(text, text).format(*given)


def page(call: Call, name: str, status: int = 200, sent_to: str = "", **values: Any) -> Reply:
    """A page; what its form answers may lead to `sent_to`, which its policy has to know."""
    language, nonce = language_of(call), new_nonce()
    text = _ENVIRONMENT.get_template(name).render(
        style=_STYLE, nonce=nonce, language=language, t=partial(in_words, call), **values
    )
    forms = " ".join(["'self'", *([_source(sent_to)] if sent_to else [])])
    return Reply(status, None, (*of_page(nonce, forms=forms), ("content-language", language)), text)


def _source(uri: str) -> str:
    """The origin, or the scheme of a native app, as a policy names it."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"


def said(call: Call, title: str, text: str, status: int = 200, code: str = "") -> Reply:
    """A page that says something."""
    return page(
        call, "said.html", status, title=in_words(call, title), text=_said(call, text), code=code
    )


def _said(call: Call, text: str) -> str:
    """What an app has asked wrongly is for who makes it: that stays as it is."""
    return _TEXTS[language_of(call)].get(text, text)
