"""A batch of a hundred beside a hundred requests: one client, one after the other."""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from typing import Any

from bench.scenarios import BATCH, SCENARIOS, Draw, Request, draws

TARGET = 20
_BATCHES = 3
"""How many for each hundred requests: they take less."""
_HEADERS = {"content-type": "application/json"}
Send = Callable[[Request], None]


class Failed(SystemExit):
    """A write was refused."""


def measure(port: int, rounds: int) -> dict[str, dict[str, float]]:
    """By client: the medians in milliseconds, and how many batches go into the hundred."""
    return {name: _compare(port, make, rounds) for name, make in _CLIENTS.items()}


def _compare(port: int, make: Any, rounds: int) -> dict[str, float]:
    with make(port) as send:
        given = draws(seed=BATCH)
        _seconds(send, "insert", given, BATCH)
        _seconds(send, "batch", given, _BATCHES)
        apart, together = [], []
        for _ in range(max(5, 2 * rounds)):
            apart.append(sum(_seconds(send, "insert", given, BATCH)))
            together += _seconds(send, "batch", given, _BATCHES)
    requests, batch = (statistics.median(times) * 1000 for times in (apart, together))
    return {"requests_ms": requests, "batch_ms": batch, "ratio": requests / batch}


def _seconds(send: Send, name: str, given: Iterator[Draw], count: int) -> list[float]:
    [scenario] = [row for row in SCENARIOS if row.name == name]
    times = []
    for request in [scenario.abaft(draw) for draw in islice(given, count)]:
        begun = time.perf_counter()
        send(request)
        times.append(time.perf_counter() - begun)
    return times


def _check(status: int) -> None:
    if status >= 300:
        raise Failed(f"a write was answered {status}")


@contextmanager
def _plain(port: int) -> Iterator[Send]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def send(request: Request) -> None:
        client.request(request.method, request.path, request.body, _HEADERS)
        answer = client.getresponse()
        answer.read()
        _check(answer.status)

    yield send
    client.close()


@contextmanager
def _httpx(port: int) -> Iterator[Send]:
    import httpx

    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

        def send(request: Request) -> None:
            content = request.body
            answer = client.request(request.method, request.path, content=content, headers=_HEADERS)
            _check(answer.status_code)

        yield send


_CLIENTS: dict[str, Any] = {"http.client": _plain}
if find_spec("httpx") is not None:
    _CLIENTS["httpx.Client"] = _httpx
