"""Clients: the apps of others that are registered here, as Authlib asks about them."""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from authlib.oauth2.rfc6749 import ClientMixin  # type: ignore[import-untyped]

PUBLIC = "none"
_NETLOC = re.compile(r"[A-Za-z0-9._:\[\]-]*")
_LOOPBACK = ("127.0.0.1", "[::1]")


class Registered(ClientMixin):  # type: ignore[misc]
    """A client's record, with what the protocol asks of it."""

    def __init__(self, record: Any) -> None:
        self.record = record

    @property
    def id(self) -> str:
        """The client_id."""
        return str(self.record.id)

    def get_client_id(self) -> str:
        return self.id

    def get_default_redirect_uri(self) -> str | None:
        """The one there is; of several one has to be named."""
        known = self.record.redirect_uris
        return known[0] if len(known) == 1 else None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Those asked for that it may have, in the order of asking; None where there are none.

        Who asks for none gets all that it may have.
        """
        known = self.record.scopes
        asked = list(dict.fromkeys((scope or "").split()))
        found = [name for name in asked if name in known] if asked else list(known)
        return " ".join(found) if found or not asked else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Exactly one of its own; of a native app on this machine the port is free (RFC 8252)."""
        return any(_same(known, redirect_uri) for known in self.record.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        known = self.record.digest
        return bool(known) and hmac.compare_digest(known, secret_digest(client_secret))

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        if method == PUBLIC:
            return bool(self.record.method == PUBLIC)
        # Basic or in the form is the client's choice: the secret is the same.
        return bool(self.record.method != PUBLIC)

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and "authorization_code" in self.record.grants

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.record.grants


def basic_name(headers: Mapping[str, str]) -> str:
    """The user name of HTTP Basic, form-encoded as RFC 6749, 2.3.1 has it; "" without one."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return unquote_plus(b64decode(text, validate=True).decode().partition(":")[0])
    except (ValueError, binascii.Error):
        return ""


def secret_digest(secret: str) -> str:
    """What is stored of a client's secret: it has 256 random bits, so that none is guessed."""
    return sha256(b"client " + secret.encode()).hexdigest()


def _same(known: str, given: str) -> bool:
    if known == given:
        return True
    try:
        ours, theirs = urlsplit(known), urlsplit(given)
        port = theirs.port
    except ValueError:
        return False
    host = _host(ours.netloc)
    if host not in _LOOPBACK or ours.scheme != "http":
        return False
    # An address of this machine alone, where programs take whatever port is free.
    return f"http://{host}:{port}{_rest(ours)}" == given


def _host(netloc: str) -> str:
    if "@" in netloc:
        return ""
    bare, colon, port = netloc.rpartition(":")
    return bare if colon and port.isdigit() else netloc


def _rest(parts: Any) -> str:
    text = str(parts.path)
    if parts.query:
        text += f"?{parts.query}"
    return text


def fit_redirect(uri: str) -> str:
    """Why a client can't be sent there; "" where it can.

    https, a native app's own scheme (with a dot in it, RFC 8252, 7.1), or http on this machine.
    """
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return "it isn't a URL"
    if any(char <= " " or char > "~" for char in uri) or "\\" in uri or len(uri) > 400:
        return "it has characters that no URL has, or more than 400"
    if "#" in uri or "@" in parts.netloc or "*" in uri:
        return "it has a fragment, a user or a wildcard"
    if not _NETLOC.fullmatch(parts.netloc):
        # A policy of a page names the host: a ; in it would begin another directive there.
        return "its host has characters that no host has"
    if parts.scheme == "https":
        return "" if parts.hostname else "it names no host"
    if parts.scheme == "http":
        local = _host(parts.netloc) in (*_LOOPBACK, "localhost")
        return "" if local else "http is for programs on the same machine alone: use https"
    return "" if "." in parts.scheme else "its scheme is neither https nor one like org.example.app"
