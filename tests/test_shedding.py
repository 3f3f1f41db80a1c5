"""What is too much is refused without being read, in order, and leaves the connection usable."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from abaft.base import clock
from abaft.cli.shedding import still_to_come
from abaft.guard.admission import Admission
from abaft.store.base import Busy
from abaft.store.turns import Turns
from servers.process import TESTS, AppProcess
from servers.storm import prepare

GET = b"GET /api/counters HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /api/counters HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
WITH = b"GET / HTTP/1.1\r\nhost: x\r\n%s\r\n\r\n"

PLAIN = [
    (GET, 0),
    (POST, 4),
    (POST + b"{}", 2),
    (POST + b"{  }", 0),
    (WITH % b"Connection: keep-alive", 0),
    (WITH % b"content-length:0", 0),
]
NOT_PLAIN = [
    b"",
    b"GET / HTTP/1.1\r\nhost: x\r\n",
    GET + GET,
    POST + b"{  }G",
    b"GET / HTTP/1.0\r\nhost: x\r\n\r\n",
    b"GET / HTTP/1.0\r\nvia: x http/1.1\r\n\r\n",
    b"GET  / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\nhost: x\r\n\r\n",
    WITH % b"content-length: 5000",
    WITH % b"content-length: 4\r\ncontent-length: 4",
    WITH % b"content-length : 4",
    WITH % b"content-length: +4",
    WITH % b"content-length: 4, 4",
    WITH % b"content-length:\t4",
    WITH % b"x: y\r\n content-length: 4",
    WITH % b"Transfer-Encoding: chunked",
    WITH % b"expect: 100-continue",
    WITH % b"Connection: Upgrade\r\nUpgrade: websocket",
    WITH % b"connection: close",
]


@pytest.mark.parametrize(("data", "missing"), PLAIN)
def test_load_1_the_end_of_a_plain_request_is_found(data: bytes, missing: int) -> None:
    assert still_to_come(data, 1000) == missing


@pytest.mark.parametrize("data", NOT_PLAIN)
def test_load_1_hdr_3_what_is_not_plain_goes_the_usual_way(data: bytes) -> None:
    """Two readers that see different ends would have one client's bytes taken for another's."""
    assert still_to_come(data, 1000) is None


@pytest.mark.slow
async def test_load_1_refusals_are_told_once_a_second() -> None:
    told: list[tuple[int, int]] = []
    admission = Admission(2, lambda *given: told.append(given))
    for _ in range(100):
        admission.refuse()
    assert told == [(0, 1)]
    await asyncio.sleep(1.1)
    assert told == [(0, 1), (0, 99)]


async def test_load_1_what_has_come_counts_before_it_has_begun() -> None:
    admission = Admission(2, print)
    admission.arrive()
    assert not admission.full
    admission.arrive()
    assert admission.full
    await asyncio.sleep(0)
    assert not admission.full
    admission.in_progress = 2
    assert admission.full


def test_load_1_who_would_wait_in_vain_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 0.0
    monkeypatch.setattr(clock, "monotonic", lambda: moment)
    turns = Turns(2, 5.0)
    for _ in range(50):
        turns.learn(1.0)
    waiting = [turns.wait() for _ in range(13)]
    for place in waiting[:-1]:
        place.__enter__()
    until = waiting[-1].__enter__()  # ten before it have five seconds' work for two
    assert until == 5.0
    with pytest.raises(Busy), turns.wait():
        pass
    turns.begin(until)
    moment = 5.1
    with pytest.raises(Busy):
        turns.begin(until)
    for place in waiting:
        place.__exit__(None, None, None)
    with turns.wait() as late:
        assert late == 10.1


@pytest.fixture(scope="module", params=["httptools", "h11"])
def full(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppProcess]:
    """A server with room for one request."""
    env = {
        "ABAFT_QUEUE_LIMIT": "1",
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
    }
    without = "import sys; sys.modules['httptools'] = None\nfrom abaft.cli import main; main()"
    start = ["-m", "abaft.cli"] if request.param == "httptools" else ["-c", without]
    command = [sys.executable, *start, "serve", "apps.ledger:app"]
    database = f"sqlite:///{tmp_path_factory.mktemp('full')}/test.db"
    with AppProcess(database, command=command, env=env) as server:
        asyncio.run(prepare(server.url, 1))
        yield server


async def _full(server: AppProcess) -> None:
    """Waits until it refuses."""
    status = b""
    while status != b"503":
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET)
        status = (await reader.readline()).split()[1]
        writer.close()


@asynccontextmanager
async def occupied(server: AppProcess) -> AsyncIterator[None]:
    """While a request is under way whose body is still to come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = b"PUT /api/counters/x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    writer.write(head + b"content-length: 2\r\n\r\n")
    await _full(server)
    yield
    writer.write(b"{}")
    assert (await reader.readline()).split()[1] in (b"200", b"201")
    writer.close()


@pytest.mark.slow
async def test_load_1_a_connection_that_was_refused_goes_on(full: AppProcess) -> None:
    async with httpx.AsyncClient(base_url=full.url) as client:
        async with occupied(full):
            body = {"name": "y"}
            for answer in (
                await client.get("/api/counters"),
                await client.post("/api/counters", json=body),
                await client.post("/api/counters", content=b" " * 200_000),
                await client.get("/docs", headers={"connection": "close"}),
            ):
                if answer.request.url.path == "/docs":
                    assert answer.status_code == 200  # the usual way, and no collection
                    continue
                assert answer.status_code == 503
                assert answer.json()["code"] == "overloaded"
                assert answer.headers["retry-after"] == "1"
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["x-content-type-options"] == "nosniff"
            head = await client.head("/api/counters")
            assert (head.status_code, head.content) == (503, b"")
        assert (await client.get("/api/counters")).status_code == 200


@pytest.mark.slow
async def test_load_1_refusals_keep_the_order_of_requests(full: AppProcess) -> None:
    """Requests that follow each other without waiting, and a body that comes in pieces."""
    async with occupied(full):
        reader, writer = await asyncio.open_connection("127.0.0.1", full.port)
        for piece in (GET, POST, b"{", b"  }", POST + b"{  ", b"}" + GET, b"BREW", b" x\r\n\r\n"):
            writer.write(piece)
            await asyncio.sleep(0.002)
        found = (await asyncio.wait_for(reader.read(), 5)).split(b"HTTP/1.1 ")[1:]
        assert [answer[:3] for answer in found] == [b"503"] * 4 + [b"400"]
        writer.close()
