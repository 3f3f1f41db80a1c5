"""What abaft answers besides the API where no route of the application does: pages of accounts,
and what is kept at well-known places (RFC 8615)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI
from starlette.responses import Response

from abaft.api.request import FORM, Headers, headers_of, read_form
from abaft.base import clock
from abaft.base.errors import BadRequest, MethodNotAllowed, UnsupportedMedia
from abaft.base.settings import Settings

ACCOUNT = "/account"
_FIELDS = 20
_EXPIRES = timedelta(days=180)

Answer = Callable[[Any, Any, str], Awaitable[Response | None]]


def add_fallback(app: FastAPI, answer: Answer) -> None:
    """Asks `answer` where no route matches; None of it leaves the request to others."""
    router = app.router
    otherwise = router.default

    async def fallback(scope: Any, receive: Any, send: Any) -> None:
        response = None
        if scope["type"] == "http":
            root = scope.get("root_path", "").rstrip("/")
            response = await answer(scope, receive, scope["path"].removeprefix(root))
        if response is None:
            await otherwise(scope, receive, send)
        else:
            await response(scope, receive, send)

    router.default = fallback


def add_pages(app: FastAPI, settings: Settings, pages: Any) -> None:
    """Answers both; `pages` are those of accounts, None where there are none."""
    add_fallback(app, WellKnown(settings, pages is not None).answer)
    if pages is not None:
        add_fallback(app, AccountPages(pages, settings).answer)


class WellKnown:
    """/.well-known/security.txt (RFC 9116) and change-password (W3C)."""

    def __init__(self, settings: Settings, pages: bool) -> None:
        self._settings, self._pages = settings, pages

    async def answer(self, scope: Any, receive: Any, path: str) -> Response | None:
        """None where nothing is kept."""
        if scope["method"] not in ("GET", "HEAD"):
            return None
        if path == "/.well-known/change-password":
            root = scope.get("root_path", "").rstrip("/")
            to = self._settings.change_password_url or (
                f"{root}{ACCOUNT}/password" if self._pages else ""
            )
            return Response(status_code=302, headers={"location": to}) if to else None
        if path == "/.well-known/security.txt" and self._settings.security_contact:
            return Response(self._security(), media_type="text/plain; charset=utf-8")
        return None

    def _security(self) -> str:
        """Whom to tell of a hole. It is renewed as long as somebody serves it."""
        own = self._settings
        contacts = filter(None, map(str.strip, own.security_contact.split(",")))
        expires = (clock.now() + _EXPIRES).replace(hour=0, minute=0, second=0, microsecond=0)
        rows = [*(f"Contact: {one}" for one in contacts), f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}"]
        if own.security_policy:
            rows.append(f"Policy: {own.security_policy}")
        if own.base_url:
            rows.append(f"Canonical: {own.base_url}/.well-known/security.txt")
        return "\n".join(rows) + "\n"


class AccountPages:
    """Forms of HTML as visits to the pages of accounts."""

    def __init__(self, pages: Any, settings: Settings) -> None:
        self._pages, self._settings = pages, settings

    async def answer(self, scope: Any, receive: Any, path: str) -> Response | None:
        """None for a path elsewhere. Raises Fault."""
        if path != ACCOUNT and not path.startswith(f"{ACCOUNT}/"):
            return None
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in ("GET", "POST"):
            allow = "GET, HEAD, POST"
            raise MethodNotAllowed(f"this path takes {allow}", headers={"allow": allow})
        headers = headers_of(scope)
        form = await self._form(receive, headers) if method == "POST" else {}
        root = scope.get("root_path", "").rstrip("/")
        visit = self._pages.visit(
            method,
            path.removeprefix(ACCOUNT).strip("/"),
            f"{root}{ACCOUNT}",
            _values(scope["query_string"]),
            form,
            Headers(headers, method),
            (scope.get("client") or ("",))[0],
        )
        reply = await self._pages.answer(visit)
        response = Response(reply.page, reply.status)
        for name, value in reply.headers:
            response.headers.append(name, value)
        return response

    async def _form(self, receive: Any, headers: dict[bytes, bytes]) -> Mapping[str, str]:
        kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        if kind != FORM:
            raise UnsupportedMedia(f"a form is sent as {FORM}")
        return _values(await read_form(receive, headers, self._settings))


def _values(text: bytes) -> dict[str, str]:
    """The fields of a form; of several with one name none is meant."""
    try:
        pairs = parse_qsl(
            text.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_FIELDS,
        )
    except (UnicodeError, ValueError):
        raise BadRequest("this form can't be read") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadRequest("a field of this form came twice")
    return found
