"""A load generator on asyncio, for where wrk is absent: same input, same output, a lower ceiling.

``python -m bench.load HOST PORT FILE SECONDS CONNECTIONS`` sends the prepared requests of FILE
(separated by NUL) in turn over keep-alive connections and prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

# Seconds that the last answers may take once the time is up.
_GRACE = 10


class Load:
    """What all connections share: the requests, the deadline and the figures."""

    def __init__(self, requests: list[bytes], seconds: float) -> None:
        self.requests: Iterator[bytes] = cycle(requests)
        self.start = time.perf_counter()
        self.deadline = self.start + seconds
        self.latencies: list[float] = []
        self.errors = 0

    def figures(self) -> dict[str, float]:
        """The same keys as wrk.lua prints."""
        taken = time.perf_counter() - self.start
        ordered = sorted(self.latencies) or [0.0]
        return {
            "requests": len(self.latencies),
            "seconds": taken,
            "p50_ms": ordered[len(ordered) // 2] * 1e3,
            "p99_ms": ordered[int(len(ordered) * 0.99)] * 1e3,
            "errors": self.errors,
        }


class Connection(asyncio.Protocol):
    """One connection with one request in flight."""

    def __init__(self, load: Load, done: asyncio.Future[None]) -> None:
        self.load, self.done = load, done
        self.buffer = b""
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.send()

    def send(self) -> None:
        """Send the next request, or close once the time is up."""
        self.sent = time.perf_counter()
        if self.sent >= self.load.deadline:
            self.transport.close()
        else:
            self.transport.write(next(self.load.requests))

    def data_received(self, chunk: bytes) -> None:
        self.buffer += chunk
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self.buffer, 0, head)
        # Both servers send a length; an answer without one (204) has no body.
        if len(self.buffer) < head + 4 + (int(length[1]) if length else 0):
            return
        self.load.latencies.append(time.perf_counter() - self.sent)
        self.load.errors += self.buffer[9:10] > b"3"
        self.buffer = b""
        self.send()

    def connection_lost(self, _: Exception | None) -> None:
        self.load.errors += time.perf_counter() < self.load.deadline
        if not self.done.done():
            self.done.set_result(None)


async def run(host: str, port: int, requests: list[bytes], seconds: float, count: int) -> Load:
    """Keep ``count`` connections busy for ``seconds``."""
    loop = asyncio.get_running_loop()
    load = Load(requests, seconds)
    ends = [loop.create_future() for _ in range(count)]
    for end in ends:
        await loop.create_connection(lambda end=end: Connection(load, end), host, port)  # type: ignore[misc]
    _, pending = await asyncio.wait(ends, timeout=seconds + _GRACE)
    load.errors += len(pending)
    return load


def main(host: str, port: str, file: str, seconds: str, connections: str) -> None:
    """The command line."""
    requests = Path(file).read_bytes().split(b"\0")
    load = uvloop.run(run(host, int(port), requests, float(seconds), int(connections)))
    print(json.dumps(load.figures()))


if __name__ == "__main__":
    main(*sys.argv[1:])
