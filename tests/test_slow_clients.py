"""Clients that send or read too slowly, against `abaft serve` (DOS-1, DOS-2)."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from servers.process import TESTS, AppProcess
from servers.storm import prepare

pytestmark = pytest.mark.slow

TIMES = {
    "ABAFT_HEAD_TIMEOUT": "1",
    "ABAFT_BODY_TIMEOUT": "1",
    "ABAFT_STREAM_STALL": "1",
    "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
}
CUT_BY = 4.0
"""Seconds by which a peer that is given one second must be cut; the rest is a busy machine's."""
ARGUMENTS = ["serve", "apps.ledger:app"]
# uvicorn's protocol in C, and the one in Python that stands in where httptools is missing.
PARSERS = {
    "httptools": [sys.executable, "-m", "abaft.cli", *ARGUMENTS],
    "h11": [
        *(sys.executable, "-c"),
        "import sys; sys.modules['httptools'] = None\nfrom abaft.cli import main; main()",
        *ARGUMENTS,
    ],
}
HEAD = b"POST /api/counters HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module", params=PARSERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppProcess]:
    database = f"sqlite:///{tmp_path_factory.mktemp('slow')}/test.db"
    with AppProcess(database, command=PARSERS[request.param], env=TIMES) as server:
        asyncio.run(prepare(server.url, 1))
        yield server


@asynccontextmanager
async def connected(
    server: AppProcess,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        await closed(writer)


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def trickle(writer: asyncio.StreamWriter, first: bytes, piece: bytes) -> None:
    """Sends the first bytes at once, and for as long as it can a piece every tenth of a second."""
    writer.write(first)
    while not writer.transport.is_closing():
        writer.write(piece)
        await asyncio.sleep(0.1)


# What is sent at once, what is sent drop by drop, and the refusal; none: closed without a word.
SENDERS = {
    "nothing": (b"", b"", b""),
    "line": (b"GET /api/cou", b"n", b" 408 "),
    "headers": (b"GET /api/counters HTTP/1.1\r\nhost: x\r\n", b"a: b\r\n", b" 408 "),
    "body": (HEAD + b"content-length: 100000\r\n\r\n", b" ", b" 408 "),
    "chunks": (HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n", b" 408 "),
    "second request": (
        b"GET /api/counters HTTP/1.1\r\nhost: x\r\n\r\nGET /",
        b"a",
        b" 408 ",
    ),
}


@pytest.mark.parametrize("kind", SENDERS)
async def test_dos_1_who_sends_too_slowly_is_cut(server: AppProcess, kind: str) -> None:
    first, piece, refusal = SENDERS[kind]
    async with connected(server) as (reader, writer):
        begun = time.monotonic()
        sending = asyncio.create_task(trickle(writer, first, piece))
        answer = await asyncio.wait_for(reader.read(), CUT_BY)
        assert time.monotonic() - begun >= 0.9
        sending.cancel()
    assert refusal in answer, answer
    assert (b"request_timeout" in answer) == bool(refusal)


async def test_dos_1_others_are_answered_while_many_are_slow(server: AppProcess) -> None:
    kinds = [*SENDERS.values()] * 30
    peers = [await asyncio.open_connection("127.0.0.1", server.port) for _ in kinds]
    tasks = [
        asyncio.create_task(trickle(writer, first, piece))
        for (_, writer), (first, piece, _) in zip(peers, kinds, strict=True)
    ]
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
        slowest = 0.0
        for _ in range(10):
            begun = time.monotonic()
            assert (await client.get("/api/counters")).status_code == 200
            slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 1.0
    async with asyncio.timeout(3 * CUT_BY):
        await asyncio.gather(*(reader.read() for reader, _ in peers))
    for task in tasks:
        task.cancel()
    for _, writer in peers:
        await closed(writer)


async def test_dos_1_who_reads_nothing_is_cut(server: AppProcess) -> None:
    """It asks for page after page, and reads none; the kernel's buffers fill up, then ours."""
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
        for number in range(60):
            body = {"writer": 1, "n": number, "text": "x" * 20_000}
            await client.post("/api/entries", json=body)
    async with connected(server) as (reader, writer):
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /api/entries?limit=60 HTTP/1.1\r\nhost: x\r\n\r\n" * 20)
        await asyncio.sleep(0.5)
        assert holds(server, writer)
        for _ in range(int(CUT_BY / 0.05)):
            await asyncio.sleep(0.05)
            if not holds(server, writer):
                return
    raise AssertionError("it was not cut")


def holds(server: AppProcess, writer: asyncio.StreamWriter) -> bool:
    port = writer.get_extra_info("sockname")[1]
    ends = [f":{number:04X}" for number in (server.port, port)]
    ends = [f":{port:04X}" for port in (server.port, writer.get_extra_info("sockname")[1])]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, *_, inode = line.split()[:10]
        if [local[-5:], remote[-5:]] == ends:
            return inode != "0"
    return False


async def test_dos_1_who_reads_slowly_but_reads_is_answered(server: AppProcess) -> None:
    async with connected(server) as (reader, writer):
        writer.write(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = b""
        while piece := await reader.read(8_192):
            answer += piece
            await asyncio.sleep(0.2)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head.lower()


async def test_dos_2_a_head_that_never_ends_is_refused(server: AppProcess) -> None:
    async with connected(server) as (reader, writer):
        writer.write(b"GET /api/counters HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 40_000)
        answer = await asyncio.wait_for(reader.read(), CUT_BY)
    assert answer.startswith(b"HTTP/1.1 431"), answer[:200]
    assert b'"head_too_large"' in answer


async def test_a_body_larger_than_the_limit_of_heads_is_taken(server: AppProcess) -> None:
    """One write of head and body, and requests that follow each other on one connection."""
    body = b'{"writer": 7, "n": %d, "text": "' + b"x" * 300_000 + b'"}'
    async with connected(server) as (reader, writer):
        for number in range(3):
            sent = body % number
            head = HEAD.replace(b"counters", b"entries")
            writer.write(head + b"content-length: %d\r\n\r\n" % len(sent) + sent)
            assert (await reader.readline()).startswith(b"HTTP/1.1 201"), number
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(r for r in head.lower().split(b"\r\n") if r.startswith(b"content-length"))
            await reader.readexactly(int(size.partition(b":")[2]))
