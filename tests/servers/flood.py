"""Connections that ask without a pause, in a process of their own: raw sockets, prepared bytes.

`python -m servers.flood PORT CONNECTIONS SECONDS < request` prints what came of it as JSON.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATUS = slice(9, 12)
PATIENCE = 20.0
"""Seconds after the end in which what is under way must be answered."""


@dataclass(frozen=True)
class Outcome:
    """Answers by status, those that said when to come back, and seconds of their latencies."""

    statuses: dict[str, int]
    told: int
    unanswered: int
    seconds: float
    median: dict[str, float]
    slowest: dict[str, float]

    def rate(self, status: str) -> float:
        return self.statuses.get(status, 0) / self.seconds


def flood(port: int, connections: int, seconds: float, request: bytes) -> Outcome:
    """Runs it in a process of its own, so that the client's work isn't this one's."""
    done = subprocess.run(
        [sys.executable, "-m", "servers.flood", str(port), str(connections), str(seconds)],
        input=request,
        capture_output=True,
        cwd=Path(__file__).parent.parent,
        timeout=seconds + PATIENCE + 30,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return Outcome(**json.loads(done.stdout))


class Flood:
    """One request under way on each connection at any time."""

    def __init__(self, port: int, connections: int, request: bytes) -> None:
        self.request = request
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.sent: dict[int, float] = {}
        self.partial: dict[int, bytes] = {}
        self.statuses: Counter[str] = Counter()
        self.latencies: dict[str, list[float]] = {}
        self.told = 0
        self.port = port
        for _ in range(connections):
            self.connect()

    def connect(self) -> None:
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        self.sockets[connection.fileno()] = connection
        self.poll.register(connection.fileno(), select.EPOLLIN)

    def run(self, seconds: float) -> dict[str, Any]:
        begun = time.monotonic()
        for number in [*self.sockets]:
            self.ask(number)
        while self.sent and time.monotonic() - begun < seconds + PATIENCE:
            for number, _ in self.poll.poll(0.1):
                self.hear(number, time.monotonic() - begun < seconds)
        latencies = {status: sorted(all_) for status, all_ in self.latencies.items()}
        return {
            "statuses": dict(self.statuses),
            "told": self.told,
            "unanswered": len(self.sent),
            "seconds": seconds,
            "median": {status: all_[len(all_) // 2] for status, all_ in latencies.items()},
            "slowest": {status: all_[-1] for status, all_ in latencies.items()},
        }

    def ask(self, number: int) -> None:
        self.sent[number] = time.monotonic()
        self.sockets[number].send(self.request)

    def hear(self, number: int, again: bool) -> None:
        data = self.sockets[number].recv(262_144)
        if not data:
            self.closed(number, again)
            return
        if data := whole(self.partial.pop(number, b"") + data, number, self.partial):
            self.count(data, time.monotonic() - self.sent.pop(number), again)
            if again:
                self.ask(number)

    def closed(self, number: int, again: bool) -> None:
        """Between two requests a server may end a connection; one that was sent is sent again."""
        self.sockets.pop(number).close()
        self.partial.pop(number, None)
        if number in self.sent:
            del self.sent[number]
            self.statuses["closed"] += 1
        if again:
            before = set(self.sockets)
            self.connect()
            [new] = self.sockets.keys() - before
            self.ask(new)

    def count(self, data: bytes, seconds: float, in_time: bool) -> None:
        status = data[STATUS].decode()
        # What was sent in time and answered later has been answered, but not at that rate.
        self.statuses[status if in_time else f"{status} later"] += 1
        self.latencies.setdefault(status, []).append(seconds)
        self.told += b"\nretry-after: " in data


def whole(data: bytes, number: int, partial: dict[int, bytes]) -> bytes:
    """The answer, if it is all there; else it is kept."""
    head = data.find(b"\r\n\r\n")
    length = data.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    if head < 0 or len(data) < head + 4 + int(length):
        partial[number] = data
        return b""
    return data


if __name__ == "__main__":
    _, port, connections, seconds = sys.argv
    found = Flood(int(port), int(connections), sys.stdin.buffer.read()).run(float(seconds))
    print(json.dumps(found))
