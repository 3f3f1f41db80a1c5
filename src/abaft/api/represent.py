"""From a handler's answer to the representation that the client wants (RFC 9110, 3.2)."""

from __future__ import annotations

import asyncio

from abaft.api import respond
from abaft.api.codings import Coding
from abaft.api.forms import PLAIN, Variant
from abaft.api.request import Request
from abaft.api.respond import Answer

_LARGE = 65_536
"""Bytes from which a body is compressed in a thread, so that the loop goes on."""
_READS = ("GET", "HEAD")


async def represent(request: Request, answer: Answer, least: int) -> Answer:
    """The answer in its form and coding, or 304 where the client has just this.

    `least` are the bytes from which a body is compressed.
    """
    body, variant = answer.body, request.variant
    if body is None:
        return answer
    coding = None
    if variant is not PLAIN:
        coding = _coding(variant, body, least)
        answer.extra = [_named(row, variant, coding) for row in answer.extra]
    known = request.headers.get(b"if-none-match")
    if known is not None and request.method in _READS and answer.status == 200:
        same = _unchanged(answer, known)
        if same is not None:
            return same
    return answer if variant is PLAIN else await _made(answer, body, variant, coding)


def _coding(variant: Variant, body: bytes, least: int) -> Coding | None:
    """None for what is so small that it would hardly get smaller."""
    return variant.coding if variant.required or len(body) >= least else None


def _named(
    header: tuple[bytes, bytes], variant: Variant, coding: Coding | None
) -> tuple[bytes, bytes]:
    """An ETag with the names of the form and coding: each is a representation of its own."""
    if header[0] != b"etag":
        return header
    names = [name for name in (variant.form.name, coding.name if coding else "") if name]
    return b"etag", "-".join([header[1][:-1].decode(), *names]).encode() + b'"'


def _unchanged(answer: Answer, known: bytes) -> Answer | None:
    for name, value in answer.extra:
        if name == b"etag" and respond.matches(known.decode("latin-1"), value.decode()):
            return Answer(304, None, answer.private, answer.extra)
    return None


async def _made(answer: Answer, body: bytes, variant: Variant, coding: Coding | None) -> Answer:
    form = answer.form
    if form is not variant.form and variant.form.convert is not None:
        body, form = variant.form.convert(body), variant.form
    extra = answer.extra
    if coding is not None:
        extra = [*extra, coding_header(coding)]
        large = len(body) >= _LARGE
        body = await asyncio.to_thread(coding.compress, body) if large else coding.compress(body)
    return Answer(answer.status, body, answer.private, extra, form)


def coding_header(coding: Coding) -> tuple[bytes, bytes]:
    """How the body is compressed."""
    return b"content-encoding", coding.name.encode()
