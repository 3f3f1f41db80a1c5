"""Every way of writing many, cut anywhere: whole or not at all, as answered (DUR-1, 2, 3, 5)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from conftest import chosen_engines, opened
from servers.postgres import PostgresServer, PrivatePostgres
from servers.process import AppProcess
from servers.strace import SYNCS, WRITES, failing, fill_up, full_disk, need_strace, small_disk
from servers.ways import LARGE, WAYS, Lots
from test_faults_sqlite import check_integrity
from times import times

pytestmark = pytest.mark.slow

SYNCED, WRITTEN = 7, 47
"""How far the calls that fail in one run are apart: so many runs come to all of them. No write
takes so many calls, so that one that is sent again takes place."""


@asynccontextmanager
async def served(database: str) -> AsyncIterator[tuple[AppProcess, Lots]]:
    """A server, and lots for it."""
    env = {"ABAFT_QUERY_TIMEOUT": "3"}
    with AppProcess(database, app="apps.ways:app", env=env, probe="/api/tags?limit=1") as server:
        lots = Lots(server.url)
        await lots.prepare()
        yield server, lots


@asynccontextmanager
async def served_by(postgres: PostgresServer) -> AsyncIterator[tuple[str, Lots]]:
    """A database there, and lots for a server on it."""
    with postgres.database() as database:
        async with served(database) as (_, lots):
            yield database, lots


@pytest.mark.parametrize(("calls", "apart"), [(SYNCS, SYNCED), (WRITES, WRITTEN)])
async def test_dur_2_dur_3_each_call_of_each_way_fails(
    tmp_path: Path, calls: str, apart: int
) -> None:
    """The first run meets the first call and some after it, the second run the second call."""
    need_strace()
    path = tmp_path / "test.db"
    async with served(f"sqlite:///{path}") as (server, lots):
        async with lots.client() as client:
            for first in range(1, apart + 1):
                error = ("EIO", "ENOSPC")[first % 2]
                with failing(server.pid, calls, error, f"{first}+{apart}", wal(path)):
                    for place, steps in enumerate(WAYS.values()):
                        await lots.write(client, steps, keyed=(first // 2 + place) % 2 == 0)
                check_integrity(path)
        assert lots.codes["database_busy"] + lots.codes["outcome_unknown"] > apart, lots.codes
        await lots.reckon(f"sqlite:///{path}")
    check_integrity(path)


async def test_dur_2_the_file_fails_while_the_log_goes_into_it(tmp_path: Path) -> None:
    """Of what a checkpoint does nothing is told to clients: the log still has it all."""
    need_strace()
    path = tmp_path / "test.db"
    async with served(f"sqlite:///{path}") as (server, lots):
        async with lots.client() as client:
            for calls, error in ((WRITES, "EIO"), (SYNCS, "EIO"), (WRITES, "ENOSPC")):
                with failing(server.pid, calls, error, "2+3", path):
                    for _ in range(25):
                        await lots.write(client, LARGE["large"], False)
                await lots.write(client, WAYS["nested"], True)
        check_integrity(path)
        await lots.reckon(f"sqlite:///{path}")
        server.kill()
        server.start()
        await lots.reckon(f"sqlite:///{path}")
    check_integrity(path)


async def test_dur_2_dur_3_a_full_disk_under_every_way(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    async with served(f"sqlite:///{path}") as (server, lots):
        await through(lots, lambda: in_thread(full_for_a_moment, full_disk(server.pid, wal(path))))
        assert lots.codes["database_busy"] + lots.codes["outcome_unknown"], lots.codes
        await lots.reckon(f"sqlite:///{path}")
    check_integrity(path)


def wal(path: Path) -> Path:
    return Path(f"{path}-wal")


def full_for_a_moment(full: AbstractContextManager[None]) -> None:
    with full:
        asyncio.run(asyncio.sleep(0.5))


async def in_thread(call: Callable[..., None], *args: object) -> None:
    await asyncio.to_thread(call, *args)


async def through(lots: Lots, trouble: Callable[[], Awaitable[None]], rounds: int = 3) -> None:
    """Lots are written before, during and after the trouble, several times over."""
    stop = asyncio.Event()
    blowing = asyncio.create_task(lots.blow(stop))
    try:
        for _ in range(rounds):
            await lots.reach(random.randint(10, 60))
            await asyncio.sleep(random.uniform(0, 0.02))
            await trouble()
        await lots.reach(30)
    finally:
        stop.set()
        await blowing


async def test_dur_1_dur_3_a_killed_worker_leaves_all_ways_whole(database_url: str) -> None:
    async with served(database_url) as (server, lots):

        async def die() -> None:
            server.kill()
            await asyncio.to_thread(server.start)

        await through(lots, die, rounds=times(4))
        await lots.reckon(database_url)
    if database_url.startswith("sqlite"):
        check_integrity(Path(database_url.removeprefix("sqlite:///")))


async def test_fail_1_fail_2_cut_connections_leave_all_ways_whole(postgres: PostgresServer) -> None:
    async with served_by(postgres) as (database, lots):
        await through(lots, lambda: in_thread(postgres.cut_connections, database), rounds=times(6))
        await lots.reckon(database)


async def test_dur_1_a_killed_postgres_leaves_all_ways_whole(
    private_postgres: PrivatePostgres,
) -> None:
    async with served_by(private_postgres) as (database, lots):

        def die() -> None:
            private_postgres.kill()
            private_postgres.start()

        await through(lots, lambda: in_thread(die))
        await lots.reckon(database)


async def with_a_server(postgres: PrivatePostgres, trouble: Callable[..., None]) -> Lots:
    """`trouble` is told the URL of the database."""
    async with served_by(postgres) as (database, lots):
        await through(lots, lambda: in_thread(trouble, database))
        await lots.reckon(database)
    return lots


async def test_dur_2_a_log_of_postgres_that_cannot_be_synced(
    private_postgres: PrivatePostgres,
) -> None:
    """The server panics, as it must, and comes back by itself."""
    need_strace()

    def fail(database: str) -> None:
        with failing(private_postgres.pids(), "fdatasync", "EIO", "3+9"):
            time.sleep(0.5)

    lots = await with_a_server(private_postgres, fail)
    assert "PANIC" in private_postgres.log()
    assert lots.codes["outcome_unknown"] + lots.codes["database_lost"], lots.codes


async def test_dur_2_a_postgres_whose_disk_is_full(request: pytest.FixtureRequest) -> None:
    if "postgres" not in chosen_engines(request.config):
        pytest.skip("--engine leaves PostgreSQL out")
    with (
        small_disk(160) as folder,
        opened(partial(PrivatePostgres, durable=True, where=folder)) as postgres,
    ):
        ballast = folder / "ballast"

        def fill(database: str) -> None:
            fill_up(ballast)
            time.sleep(0.7)
            ballast.unlink()
            postgres.revive()

        lots = await with_a_server(postgres, fill)
        assert "No space left on device" in postgres.log()
        assert lots.codes.keys() & {"database_busy", "database_lost", "outcome_unknown"}


async def test_dur_2_a_table_of_postgres_that_cannot_grow(
    private_postgres: PrivatePostgres,
) -> None:
    """One statement is refused by the disk, and with it all that it was written with."""
    need_strace()
    calls = "pwrite64,pwritev,fallocate,fsync"

    def fail(database: str) -> None:
        table = private_postgres.file_of("lines", database)
        with failing(private_postgres.pids(), calls, "EIO", "1+", table):
            for _ in range(30):  # until the table grows
                time.sleep(1)
                if "Input/output error" in private_postgres.log():
                    break

    lots = await with_a_server(private_postgres, fail)
    assert "Input/output error" in private_postgres.log()
    assert lots.codes["database_busy"], lots.codes
