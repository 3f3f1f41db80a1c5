"""What each answer owes a browser, and each page above all: held to, whoever drew it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Any

Headers = Sequence[tuple[str, str]]

EVERYWHERE = {
    "x-content-type-options": ("nosniff",),
    "referrer-policy": ("same-origin", "no-referrer"),
    "cross-origin-opener-policy": ("same-origin",),
    "cross-origin-resource-policy": ("same-origin",),
}
OF_PAGES = {
    "x-frame-options": ("DENY",),
    "cache-control": ("no-store",),
    "permissions-policy": ("camera=(), geolocation=(), microphone=(), payment=(), usb=()",),
}
NONE = ("default-src", "base-uri", "frame-ancestors")
ALLOWED = {"script-src": (), "style-src": ("'self'",), "img-src": ("'self'", "data:")}
"""What a page may load besides what has its nonce; of what isn't here, its own origin."""
_ACTIVE = {"iframe", "frame", "object", "embed", "applet", "base", "portal"}
_LEADS = {"href", "src", "action", "formaction", "data", "xlink:href", "poster", "background"}
_NONCE = re.compile(r"'nonce-([A-Za-z0-9_-]{22,})'")


class Read(HTMLParser):
    """A page's elements; what in them could run is `wrong`."""

    def __init__(self, nonce: str) -> None:
        super().__init__()
        self.nonce, self.wrong = nonce, list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if len(told) < len(attrs):
            self.wrong.append(f"<{tag}> says something twice: {attrs}")
        sheet = tag == "link" and told.get("rel") == "stylesheet"
        if (tag in ("script", "style") or sheet) and told.get("nonce") != self.nonce:
            self.wrong.append(f"<{tag}> has another nonce, or none: {attrs}")
        if tag in _ACTIVE:
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            target = re.sub(r"[\x00-\x20]", "", value or "").lower()
            leads = name in _LEADS and re.match(r"(javascript|vbscript|data):", target)
            refreshed = (
                tag == "meta" and name == "content" and re.search(r"url=(?!https?:)", target)
            )
            if name.startswith("on") or name in ("style", "srcdoc") or leads or refreshed:
                self.wrong.append(f"<{tag} {name}={value!r}>")


def faults(headers: Headers, body: bytes, seen: set[str]) -> list[str]:
    """What is wrong with an answer; `seen` are the nonces of pages before, this one's is added."""
    told = {name.lower(): value for name, value in headers}
    kind, policies = told.get("content-type", ""), list(_all(headers, "content-security-policy"))
    found = [*_lacking(told, EVERYWHERE)]
    if len(policies) != 1:
        return [*found, f"policies: {policies}"]
    if "html" not in kind and "xml" not in kind:
        right = policies[0] == "default-src 'none'; frame-ancestors 'none'"
        return found if right else [*found, f"no page, and its policy is {policies[0]}"]
    return [
        *found,
        *_lacking(told, OF_PAGES),
        *_of_page(policies[0], body, set() if seen is None else seen),
    ]


def _all(headers: Headers, name: str) -> Iterator[str]:
    return (value for key, value in headers if key.lower() == name)


def _lacking(told: dict[str, str], wanted: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for name, values in wanted.items():
        if told.get(name) not in values:
            yield f"{name}: {told.get(name)}"


def _of_page(policy: str, body: bytes, seen: set[str]) -> Iterator[str]:
    rows = [row.split() for row in policy.split(";")]
    directives = {row[0]: row[1:] for row in rows if row}
    if len(directives) < len(rows):
        yield f"a directive is there twice, or none: {policy}"
    yield from (f"{name} isn't 'none'" for name in NONE if directives.get(name) != ["'none'"])
    nonces = set(_NONCE.findall(policy))
    if len(nonces) != 1:
        yield f"nonces: {nonces}"
        return
    [nonce] = nonces
    if nonce in seen:
        yield "the nonce was another page's"
    seen.add(nonce)
    for name, sources in directives.items():
        usual: Any = ("'self'", "'none'", *(sources if name == "form-action" else ()))
        allowed = (f"'nonce-{nonce}'", *ALLOWED.get(name, usual))
        yield from (f"{name} lets in {row}" for row in sources if row not in allowed)
    reader = Read(nonce)
    reader.feed(body.decode())
    reader.close()
    yield from reader.wrong
    if re.search(rb"javascript:", body, re.IGNORECASE):
        yield "it has a javascript: URL"
