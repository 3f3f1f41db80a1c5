"""Streams of a real server: memory, clients that leave or wait, cut connections (DOS-4)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.waves import Wave, fill
from scenarios import LINES, serving
from servers.process import AppProcess

MILLION = 1_000_000
"""Far more than the kernel takes for a client that doesn't read, too."""


@pytest.fixture(scope="module")
def waves(module_database_url: str) -> str:
    """A database with a million of them, which all tests only read."""

    async def make() -> None:
        async with serving(module_database_url, Wave) as api:
            await fill(api.app, api.db, MILLION)

    asyncio.run(make())
    return module_database_url


@contextmanager
def served(url: str, *options: str, **settings: Any) -> Iterator[AppProcess]:
    """Waves behind a real server, with these options of uvicorn."""
    env = {f"ABAFT_{name.upper()}": str(value) for name, value in settings.items()}
    probe = "/api/waves?limit=1"
    with AppProcess(url, app="apps.waves:app", env=env, options=options, probe=probe) as server:
        yield server


async def taken(
    url: str, pause: Callable[[], Awaitable[object]], begun: asyncio.Event | None = None
) -> None:
    """Takes a stream's first part, then after a pause the rest."""
    headers = {"accept": LINES, "accept-encoding": "identity"}
    async with (
        httpx.AsyncClient(base_url=url, timeout=20) as client,
        client.stream("GET", "/api/waves", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        parts = answer.aiter_raw()
        await anext(parts)
        if begun is not None:
            begun.set()
        await pause()
        async for _ in parts:
            pass


@pytest.mark.slow
async def test_fail_2_a_server_cuts_the_connection_of_a_stream_that_failed(
    waves: str, engine: str
) -> None:
    seconds = 3 if engine == "mongodb" else 0.5  # of a million records, to the first of them
    with served(waves, stream_timeout=seconds) as server:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            await taken(server.url, partial(asyncio.sleep, seconds + 1))
        async with httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/api/waves/7")).status_code == 200
        assert "Cut: the stream was cut: it took longer than stream_timeout" in server.output()


@pytest.mark.slow
async def test_dos_4_a_server_ends_the_stream_of_a_client_that_left(waves: str) -> None:
    with served(waves, max_streams=1) as server:
        for _ in range(3):
            with suppress(TimeoutError):
                await asyncio.wait_for(taken(server.url, partial(asyncio.sleep, 20)), 0.5)
            async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
                url, headers = "/api/waves?limit=2000", {"accept": LINES}
                for _ in range(100):
                    answer = await client.get(url, headers=headers)
                    if answer.status_code != 503:
                        break
                    await asyncio.sleep(0.05)
                assert answer.text.count("\n") == 2_000
        assert "Exception" not in server.output()


@pytest.mark.slow
async def test_fail_5_a_server_that_stops_waits_no_longer_for_a_stream_than_for_others(
    waves: str,
) -> None:
    with served(waves, "--timeout-graceful-shutdown", "1") as server:
        begun, ended = asyncio.Event(), asyncio.Event()
        taking = asyncio.create_task(taken(server.url, ended.wait, begun))
        await asyncio.wait_for(begun.wait(), 20)
        server.terminate()
        assert await asyncio.to_thread(server.wait) in (0, -signal.SIGTERM)
        ended.set()
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            await taking


@pytest.mark.slow
async def test_dos_4_a_million_records_take_little_memory(waves: str) -> None:
    with served(waves) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=120) as client:
            await client.get("/api/waves?limit=1000")
            for accept, query in ((LINES, ""), ("text/csv", "?sort=-height")):
                await take_all(client, server.pid, accept, query)


async def take_all(client: httpx.AsyncClient, pid: int, accept: str, query: str) -> None:
    before, lines, size = memory(pid), 0, 0
    headers = {"accept": accept, "accept-encoding": "identity"}
    async with client.stream("GET", f"/api/waves{query}", headers=headers) as answer:
        async for part in answer.aiter_raw():
            lines += part.count(b"\n")
            size += len(part)
    assert lines == MILLION + (accept == "text/csv")
    assert size > 30_000_000
    assert most(pid) - before < 30_000_000


def memory(pid: int) -> int:
    """The bytes that the process has in memory; `most` counts from here."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return most(pid)


def most(pid: int) -> int:
    """The most bytes that it has had since."""
    [peak] = [row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in row]
    return int(peak.split()[1]) * 1024
