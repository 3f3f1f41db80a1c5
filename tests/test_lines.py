"""The heads of answers as our servers write them: byte for byte those of uvicorn."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from abaft.cli.lines import QuickCycle

Header = tuple[bytes, bytes]
DATE: Header = (b"date", b"Mon, 23 Nov 2026 21:00:00 GMT")
LENGTH: Header = (b"content-length", b"2")

HEADS: list[tuple[int, list[Header]]] = [
    (200, [LENGTH]),
    (200, [(b"Content-Type", b"text/html"), LENGTH, (b"x-more", b"\xe9 \t~")]),
    (204, []),
    (201, [LENGTH, (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]),
    (200, [(b"content-type", b"application/x-ndjson")]),
    (200, [LENGTH, (b"connection", b"close")]),
    (200, [(b"transfer-encoding", b"chunked")]),
]


async def sent(kind: Any, status: int, headers: list[Header], keep_alive: bool) -> bytes:
    written: list[bytes] = []
    transport: Any = SimpleNamespace(write=written.append, close=lambda: written.append(b"closed"))
    cycle = kind(
        {"method": "GET"}, transport, SimpleNamespace(write_paused=False), None, None, False,
        [DATE], asyncio.Event(), False, keep_alive, lambda: None,
    )  # fmt: skip
    await cycle.send({"type": "http.response.start", "status": status, "headers": headers})
    body = b"" if status == 204 else b"{}"
    await cycle.send({"type": "http.response.body", "body": body})
    return b"".join(written)


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize(("status", "headers"), HEADS)
async def test_a_head_is_as_uvicorn_writes_it(
    status: int, headers: list[Header], keep_alive: bool
) -> None:
    for _ in range(2):
        ours = await sent(QuickCycle, status, headers, keep_alive)
        assert ours == await sent(RequestResponseCycle, status, headers, keep_alive)


@pytest.mark.parametrize(
    "header", [(b"x", b"a\r\nset-cookie: b=1"), (b"x", b"\0"), (b"a b", b""), (b"x\n", b"")]
)
async def test_inj_4_no_value_ends_a_line(header: Header) -> None:
    for kind in (QuickCycle, RequestResponseCycle):
        with pytest.raises(RuntimeError):
            await sent(kind, 200, [LENGTH, header], True)


async def test_what_is_remembered_of_headers_is_bounded() -> None:
    from abaft.cli import lines

    for number in range(2_000):
        await sent(QuickCycle, 200, [LENGTH, (b"x-number", b"%d" % number)], True)
    assert len(lines._KNOWN) <= 500
