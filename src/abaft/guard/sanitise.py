"""Texts that browsers will draw, without what would run in them: HTML by nh3, and Markdown."""

from __future__ import annotations

import re
from html import unescape

import nh3

_SCHEMES = frozenset(("http", "https", "mailto", "tel"))
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_BARE = re.compile(r"</?([A-Za-z][A-Za-z0-9]{0,30})\s{0,9}/?>")
# Unrendered it is an element: what follows a slash is then an attribute of it.
_AUTOLINK = re.compile(r"<(?:https?://|mailto:)(?:(?!/on)[^\s<>\"'`]){1,2000}>", re.IGNORECASE)
# Elements that do something without an attribute, or have what follows read by other rules.
_ACTIVE = frozenset(
    [
        "applet",
        "base",
        "body",
        "button",
        "embed",
        "form",
        "frame",
        "frameset",
        "head",
        "html",
        "iframe",
        "input",
        "isindex",
        "link",
        "listing",
        "marquee",
        "math",
        "meta",
        "noembed",
        "noframes",
        "noscript",
        "object",
        "option",
        "param",
        "plaintext",
        "portal",
        "script",
        "select",
        "style",
        "svg",
        "template",
        "textarea",
        "title",
        "xmp",
    ]
)
_TARGET = re.compile(r"\](?:\(|:)\s{0,99}<?\s{0,99}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_IGNORED = re.compile(r"[\\\x00-\x20\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202f\u2060\ufeff]")
_LOOK = 400
"""Characters of a target that are looked at; no scheme is so long, however it is disguised."""


def clean_html(text: str) -> str:
    """The HTML with only what shows text: no scripts, styles, forms, frames or handlers."""
    return nh3.clean(text, url_schemes=set(_SCHEMES), link_rel="noopener noreferrer nofollow")


def clean_markdown(text: str) -> str:
    """The Markdown in which whoever renders it finds no HTML that acts, and no such link.

    Elements without attributes stay, and so does `List<String>`; what else begins like one begins
    with `&lt;` instead. A target with another scheme than those of the web gets a # before it.
    """
    return _TARGET.sub(_safe_target, _TAG.sub(lambda found: _safe_tag(found, text), text))


def _safe_tag(found: re.Match[str], text: str) -> str:
    bare = _BARE.match(text, found.start())
    if bare is not None and bare[1].lower() not in _ACTIVE:
        return "<"
    return "<" if _AUTOLINK.match(text, found.start()) else "&lt;"


def _safe_target(found: re.Match[str]) -> str:
    rest = unescape(unescape(found.string[found.end() : found.end() + _LOOK]))
    scheme = _SCHEME.match(_IGNORED.sub("", rest))
    if scheme is None or scheme[1].lower() in _SCHEMES:
        return found[0]
    return f"{found[0]}#"
