"""Answers and faults become ASGI messages; headers that never change are made once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from abaft.api.forms import JSON_FORM, Form
from abaft.base.digest import fingerprint_of
from abaft.base.errors import Fault
from abaft.base.settings import Settings
from abaft.guard.headers import of_data

Send = Any
Header = tuple[bytes, bytes]
Headers = list[Header]

_JSON = (b"content-type", JSON_FORM.content_type)
# A stored answer may be used again only after asking, and never for somebody else.
_PUBLIC = (b"cache-control", b"no-cache")
_PRIVATE = (b"cache-control", b"private, no-cache")
_SECRET = (b"cache-control", b"no-store")
_VARY = (b"vary", b"accept, accept-encoding, authorization, cookie")


def etag_of(body: bytes) -> str:
    """The strong ETag of a representation (RFC 9110, 8.8.3)."""
    return f'"{fingerprint_of(body)}"'


def matches(header: str, etag: str) -> bool:
    """Whether If-None-Match names the ETag; weak comparison (RFC 9110, 13.1.2)."""
    if header.strip() == "*":
        return True
    return any(part.strip().removeprefix("W/") == etag for part in header.split(","))


def strong_etags(header: str) -> tuple[str, ...] | None:
    """The digests of If-Match; None for "*". A weak one never matches (RFC 9110, 13.1.1).

    All forms and codings of a record have its digest, and their own name after a hyphen: who read
    any of them has read the record.
    """
    if header.strip() == "*":
        return None
    parts = [part.strip() for part in header.split(",")]
    return tuple(part.strip('"').partition("-")[0] for part in parts if part.startswith('"'))


@dataclass(slots=True)
class Answer:
    """An answer as a value: it can be sent, kept, or put into another. No `body`: none is sent.

    `form` is that of the body; of one that is still to be made `chunks` are the parts. What isn't
    to be `kept` holds secrets: no cache may have it, not even the browser's.
    """

    status: int
    body: bytes | None = field(repr=False)
    private: bool
    extra: Headers = field(default_factory=list, repr=False)
    form: Form = JSON_FORM
    chunks: AsyncGenerator[bytes, None] | None = None
    kept: bool = True


class Responder:
    """Sends answers with the headers that the settings want; what never changes is made once."""

    def __init__(self, settings: Settings) -> None:
        safe = of_data(settings)
        self._bare: Headers = list(safe)
        self._public: Headers = [_JSON, _PUBLIC, _VARY, *safe]
        self._private: Headers = [_JSON, _PRIVATE, _VARY, *safe]
        self._problem: Headers = [(b"content-type", b"application/problem+json"), _SECRET, *safe]

    async def answer(
        self, send: Send, answer: Answer, *, head: bool = False, more: Sequence[Header] = ()
    ) -> None:
        """Sends it; for HEAD all but the body. `more` are headers of this request alone."""
        body = answer.body
        if not answer.kept:
            headers = self._unkept(answer)
        elif body is None:
            base = self._private if answer.private else self._public
            headers = [*base[1:], *answer.extra]
        else:
            headers = [
                *self.base(answer),
                (b"content-length", str(len(body)).encode()),
                *answer.extra,
            ]
        if more:
            headers.extend(more)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if head or body is None else body})

    def _unkept(self, answer: Answer) -> Headers:
        """Those of an answer that no cache may have; what it says itself comes first."""
        body = answer.body
        length = [] if body is None else [(b"content-length", str(len(body)).encode())]
        usual = [_SECRET, *self._bare] if body is None else [_JSON, _SECRET, *self._bare]
        given = {name for name, _ in answer.extra}
        own = [row for row in usual if row[0] not in given]
        return [*own, *length, *answer.extra]

    def base(self, answer: Answer) -> Headers:
        """What every answer with a body has."""
        base = self._private if answer.private else self._public
        if answer.form is JSON_FORM:
            return base
        return [(b"content-type", answer.form.content_type), *base[1:]]

    def problem(self, fault: Fault, body: bytes) -> Headers:
        """The headers of a fault's answer."""
        extra = [(name.encode(), value.encode("latin-1")) for name, value in fault.headers.items()]
        return [*self._problem, (b"content-length", str(len(body)).encode()), *extra]

    async def fault(self, send: Send, fault: Fault, *, head: bool = False) -> None:
        """A problem body (RFC 9457)."""
        body = orjson.dumps(fault.as_dict())
        headers = self.problem(fault, body)
        await send({"type": "http.response.start", "status": fault.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if head else body})
