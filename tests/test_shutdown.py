"""Servers that begin together, stop, or are asked for too much (FAIL-5, REC-1, LOAD-1)."""

import asyncio
import itertools
import os
import signal
import socket
import sys
from collections import Counter as Tally
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import apsw
import asyncpg
import httpx
import pytest
from pymongo import AsyncMongoClient

from apps.ledger import MODELS, Entry
from existing import dialled
from servers.process import TESTS, AppProcess
from servers.storm import Storm, beside, paced, prepare, reckon

SERVERS = {
    "uvicorn": [],
    "serve": [sys.executable, "-m", "abaft.cli", "serve", "apps.ledger:app"],
    "serve two workers": [
        *(sys.executable, "-m", "abaft.cli", "serve", "apps.ledger:app", "--workers", "2"),
    ],
}


async def in_progress(folder: Path) -> None:
    """Waits until both requests that take their time have begun."""
    while True:
        if (folder / "slow").exists() and (folder / "held").exists():
            return
        await asyncio.sleep(0.02)


def until_refused(url: str) -> None:
    """uvicorn's supervisor of several workers looks at its signals twice a second.

    Blocks: a connect of asyncio's that runs out of time may leave its socket to the collector.
    """
    with httpx.Client(base_url=url, timeout=0.3) as late, suppress(httpx.TransportError):
        while True:
            assert late.get("/api/counters").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("kind", SERVERS)
async def test_fail_5_sigterm_finishes_what_is_in_progress(kind: str, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/test.db"
    env = {"PYTHONPATH": str(TESTS), "ABAFT_TEST_IN_PROGRESS": str(tmp_path)}
    with AppProcess(database, command=SERVERS[kind], env=env) as server:
        await prepare(server.url, 1)
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            slow = asyncio.create_task(client.get("/slow?seconds=4"))
            held = asyncio.create_task(client.post("/held?seconds=4&name=0"))
            await in_progress(tmp_path)
            server.terminate()
            await asyncio.to_thread(until_refused, server.url)
            assert not slow.done()
            assert (await slow).json() == 1
            assert (await held).json() == 1
        # uvicorn raises the signal again for who may have asked, once all is done.
        assert await asyncio.to_thread(server.wait, 10) in (0, -signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["serve", "serve two workers"])
async def test_fail_5_who_takes_too_long_is_not_waited_for(
    kind: str, database_url: str, tmp_path: Path
) -> None:
    env = {
        "PYTHONPATH": str(TESTS),
        "ABAFT_DRAIN_TIMEOUT": "1",
        "ABAFT_TEST_IN_PROGRESS": str(tmp_path),
    }
    with AppProcess(database_url, command=SERVERS[kind], env=env) as server:
        await prepare(server.url, 1)
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            slow = asyncio.create_task(client.get("/slow?seconds=15"))
            held = asyncio.create_task(client.post("/held?seconds=15&name=0"))
            await in_progress(tmp_path)
            server.terminate()
            with paced(10.0):
                assert await asyncio.to_thread(server.wait) in (0, -signal.SIGTERM)
            for outcome in await asyncio.gather(slow, held, return_exceptions=True):
                # Nobody was told that it took place.
                refused = isinstance(outcome, httpx.Response) and outcome.status_code >= 500
                assert refused or isinstance(outcome, httpx.TransportError), outcome
        server.start()
        async with httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/api/counters/0")).json()["value"] == 0


@pytest.mark.slow
async def test_fail_5_a_storm_is_answered_to_its_end(database_url: str) -> None:
    """Whatever a stopping server has carried out it has also answered."""
    storm = Storm()
    with AppProcess(database_url) as server:
        await prepare(server.url)
        stop = asyncio.Event()
        blowing = asyncio.create_task(storm.blow([server.url], stop))
        await storm.reach(40)
        server.terminate()
        with paced(10.0):
            await asyncio.to_thread(server.wait)
        stop.set()
        await blowing
    # A request that met the closing door was not read: it did not take place.
    storm.refused |= storm.unknown
    storm.unknown = set()
    await reckon(storm, database_url)


@pytest.mark.slow
async def test_fail_5_a_rolling_restart_fails_no_request(database_url: str) -> None:
    """The socket is handed from one server to the next, as systemd does; both hold it meanwhile."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        command = [*SERVERS["serve"], "--fd", str(listening.fileno())]
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        running = await serving_on(command, listening, database_url)
        await prepare(url)
        stop, statuses = asyncio.Event(), Tally[int]()
        writing = [asyncio.create_task(write(url, stop, statuses)) for _ in range(6)]
        try:
            for _ in range(3):
                before = statuses.total()
                following = await serving_on(command, listening, database_url)
                running.terminate()
                assert await asyncio.wait_for(running.wait(), 20) in (0, -signal.SIGTERM)
                running = following
                async with asyncio.timeout(20):
                    while statuses.total() < before + 40:  # noqa: ASYNC110 - many count
                        await asyncio.sleep(0.02)
            stop.set()
            await asyncio.gather(*writing)
        finally:
            stop.set()
            running.kill()
            await running.wait()
    assert statuses.keys() == {201}
    async with beside(database_url, *MODELS) as db:
        assert await db.count(Entry) == statuses.total()


_NUMBERS = itertools.count(1)
_READING: list[asyncio.Task[bytes]] = []
"""What the servers say later, so that none of them waits for somebody to read it."""


async def serving_on(
    command: list[str], listening: socket.socket, database: str
) -> asyncio.subprocess.Process:
    """A server of that socket, once it has started."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=TESTS.parent,
        env={**os.environ, "ABAFT_DATABASE": database, "PYTHONPATH": search_path()},
        pass_fds=[listening.fileno()],
        stderr=asyncio.subprocess.PIPE,
        limit=1_000_000,
    )
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while b"startup complete" not in await process.stderr.readline():
            pass
    _READING.append(asyncio.create_task(process.stderr.read()))
    return process


def search_path() -> str:
    return os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])


async def write(url: str, stop: asyncio.Event, statuses: Tally[int]) -> None:
    """A connection for each request: none is kept that a server may close meanwhile."""
    while not stop.is_set():
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            body = {"writer": 0, "n": next(_NUMBERS), "text": "x"}
            answer = await client.post("/api/entries", json=body, headers={"connection": "close"})
            statuses[answer.status_code] += 1


@pytest.mark.slow
async def test_rec_1_those_that_begin_together_migrate_once(database_url: str) -> None:
    with ExitStack() as stack:
        apps = [AppProcess(database_url) for _ in range(3)]
        for app in apps:
            stack.callback(app.close)
            app.start(wait=False)
        for app in apps:
            await asyncio.to_thread(app.wait_until_ready)
        await prepare(apps[0].url, 1)
        async with httpx.AsyncClient(base_url=apps[-1].url) as client:
            assert (await client.get("/api/counters")).json()["items"]


@asynccontextmanager
async def locked(database: str) -> AsyncIterator[None]:
    """Holds the counters, so that whoever wants to change one has to wait."""
    if database.startswith("sqlite"):
        connection = apsw.Connection(database.removeprefix("sqlite:///"))
        connection.execute("begin immediate")
        yield
        connection.execute("rollback")
        connection.close()
        return
    if database.startswith("mysql"):
        holder = await dialled(database)
        await holder.query("lock tables counters write")
        yield
        await holder.ensure_closed()
        return
    if database.startswith("mongodb"):
        async with AsyncMongoClient(database) as client, client.start_session() as session:
            state = client.get_default_database()["abaft_state"]
            await session.start_transaction()
            await state.update_one({"_id": "writer"}, {"$inc": {"turn": 1}}, session=session)
            yield
            await session.abort_transaction()
        return
    other = await asyncpg.connect(database)
    await other.execute("begin; lock table counters in exclusive mode")
    yield
    await other.close()


@pytest.mark.slow
async def test_load_1_a_full_queue_sheds_at_once(database_url: str) -> None:
    limit = {"ABAFT_QUEUE_LIMIT": "5"}
    with AppProcess(database_url, env=limit) as server:
        await prepare(server.url, 1)
        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(base_url=server.url, timeout=20, limits=limits) as client:

            async def patch(value: int) -> httpx.Response:
                return await client.patch("/api/counters/0", json={"value": value})

            async with locked(database_url):
                waiting = [asyncio.create_task(patch(n)) for n in range(5)]
                await asyncio.sleep(0.5)
                with paced(2.0):
                    shed = await asyncio.gather(*(patch(10 + n) for n in range(20)))
            for answer in shed:
                assert answer.status_code == 503
                assert answer.json()["code"] == "overloaded"
                assert answer.headers["retry-after"].isdigit()
            answered = await asyncio.gather(*waiting)
            assert [answer.status_code for answer in answered] == [200] * 5
            assert (await patch(99)).status_code == 200


@pytest.mark.slow
async def test_the_feed_tells_of_each_write_once_and_in_order(database_url: str) -> None:
    """Writers in two processes that change the same records, with entries in between."""
    storm = Storm(writers=6)
    with AppProcess(database_url) as one, AppProcess(database_url) as other:
        await prepare(one.url, storm.writers)
        stop = asyncio.Event()
        blowing = asyncio.create_task(storm.blow([one.url, other.url], stop))
        await storm.reach(150)
        stop.set()
        await blowing
    await reckon(storm, database_url)
