"""A worker whose database server, or the way to it, fails under load (FAIL-1, FAIL-2, FAIL-3)."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import pytest

from existing import fetch
from servers.postgres import PrivatePostgres
from servers.private import PrivateServer, Server
from servers.process import AppProcess
from servers.proxy import Proxy
from servers.replicas import PostgresHeir
from servers.storm import Storm, paced, prepare, reckon

IMPATIENT = {"ABAFT_QUERY_TIMEOUT": "1", "ABAFT_CONNECTIONS": "4"}
BOUND = 4.0
"""Seconds in which a request is answered whatever happens: its second, and what it takes to see
that nobody is there."""

Fault = Callable[[Proxy], Awaitable[None]]


async def storm_through(app_url: str, storm: Storm, trouble: Awaitable[None]) -> None:
    """A storm before, during and after; afterwards it must go on by itself."""
    stop = asyncio.Event()
    blowing = asyncio.create_task(storm.blow([app_url], stop))
    await storm.reach(len(storm.answered) + 5)
    await trouble
    with paced(10.0):
        await storm.reach(len(storm.answered) + 20)
    stop.set()
    await blowing


def judge(storm: Storm) -> None:
    assert not storm.wrong, storm.wrong[:3]
    assert storm.slowest < BOUND
    told = {"database_lost", "database_busy", "outcome_unknown"}
    assert storm.codes.keys() <= told, storm.codes


CONNECTIONS = {
    "postgresql": "select count(*) from pg_stat_activity where datname = current_database()"
    " and application_name = 'abaft'",
    "mysql": "select count(*) - 1 from information_schema.processlist where db = database()",
}


async def connections_to(url: str) -> int:
    [(count,)] = await fetch(url, CONNECTIONS[url.partition(":")[0]])
    return int(count)


async def black_hole(proxy: Proxy) -> None:
    proxy.hole = True
    await asyncio.sleep(2.5)
    proxy.hole = False


async def black_hole_then_reset(proxy: Proxy) -> None:
    proxy.hole = True
    await asyncio.sleep(0.3)
    proxy.cut()
    proxy.hole = False


async def resets(proxy: Proxy) -> None:
    for _ in range(5):
        proxy.cut()
        await asyncio.sleep(0.1)


async def half_closes(proxy: Proxy) -> None:
    for _ in range(3):
        proxy.half_close()
        await asyncio.sleep(0.1)


async def latency(proxy: Proxy) -> None:
    proxy.delay = 0.05
    await asyncio.sleep(0.5)
    proxy.delay = 0.0


async def one_byte_at_a_time(proxy: Proxy) -> None:
    proxy.size = 1
    await asyncio.sleep(0.5)
    proxy.size = 65_536


async def through_the_network(server: Server, faults: list[Fault]) -> None:
    storm = Storm()
    with server.database() as database:
        async with Proxy(database) as proxy:
            app = AppProcess(proxy.url, env=IMPATIENT)
            with closing(app):
                # In a thread, for the proxy lives on this loop.
                await asyncio.to_thread(app.start)
                await prepare(app.url)
                for fault in faults:
                    await storm_through(app.url, storm, fault(proxy))
                    judge(storm)
                    assert await connections_to(database) <= 4, "connections leak"
        await reckon(storm, database)


@pytest.mark.slow
async def test_fail_3_broken_and_silent_connections(shared_server: Server) -> None:
    await through_the_network(shared_server, [resets, black_hole_then_reset, half_closes])


@pytest.mark.slow
async def test_fail_3_any_fault_of_the_network(shared_server: Server) -> None:
    faults: list[Fault] = [black_hole, resets, latency, half_closes, one_byte_at_a_time]
    await through_the_network(shared_server, [*faults, *faults])


async def with_a_server(server: PrivateServer, troubles: list[Callable[[], None]]) -> None:
    async def all_of_them() -> None:
        for trouble in troubles:
            await asyncio.to_thread(trouble)
            await asyncio.sleep(0.3)

    storm = Storm()
    with server.database() as database:
        with AppProcess(database, env=IMPATIENT) as app:
            await prepare(app.url)
            await storm_through(app.url, storm, all_of_them())
            judge(storm)
            assert await connections_to(database) <= 4
        await reckon(storm, database)


@pytest.mark.slow
async def test_fail_1_a_restarted_server_is_found_again(private_server: PrivateServer) -> None:
    await with_a_server(private_server, [private_server.restart])


@pytest.mark.slow
async def test_fail_1_late_requests_are_told_to_come_back(
    private_server: PrivateServer,
) -> None:
    storm = Storm()
    with private_server.database() as database, AppProcess(database, env=IMPATIENT) as app:
        await prepare(app.url)
        await asyncio.to_thread(private_server.stop)
        stop = asyncio.Event()
        blowing = asyncio.create_task(storm.blow([app.url], stop))
        await asyncio.sleep(1.2)
        stop.set()
        await blowing
        judge(storm)
        assert storm.codes["database_lost"] > 0
        assert not storm.answered
        await asyncio.to_thread(private_server.start)
        await reckon(storm, database)


@pytest.mark.slow
async def test_fail_1_a_server_that_is_paused_restarted_and_cut(
    private_server: PrivateServer,
) -> None:
    server = private_server
    stops = [server.pause, lambda: None, lambda: None, server.resume]
    await with_a_server(server, [*stops, server.restart, server.restart, *stops])


@pytest.mark.slow
async def test_fail_1_a_primary_that_can_only_be_read(private_postgres: PrivatePostgres) -> None:
    server = private_postgres

    def turn(state: str) -> None:
        server.execute(f"alter system set default_transaction_read_only = {state}")
        server.execute("select pg_reload_conf()")

    with server.database() as database, AppProcess(database, env=IMPATIENT) as app:
        await prepare(app.url)
        storm = Storm()

        async def only_reads() -> None:
            await asyncio.to_thread(turn, "on")
            await asyncio.sleep(0.5)
            seen = len(storm.answered)
            async with httpx.AsyncClient(base_url=app.url) as client:
                assert (await client.get("/api/counters/0")).status_code == 200
                body = {"writer": 9, "n": 1, "text": "x"}
                refused = await client.post("/api/entries", json=body)
                assert refused.status_code == 503, refused.text
                assert refused.json()["code"] == "database_busy"
                assert refused.headers["retry-after"].isdigit()
            assert len(storm.answered) == seen
            await asyncio.to_thread(turn, "off")

        await storm_through(app.url, storm, only_reads())
        judge(storm)
        assert storm.codes["database_busy"] > 0
        assert await connections_to(database) <= 4
        await reckon(storm, database)


@pytest.mark.slow
async def test_fail_1_a_replica_takes_over(private_postgres: PrivatePostgres) -> None:
    """The primary dies, its synchronous replica is promoted, and the way leads there."""
    storm = Storm()
    with private_postgres.database() as database, PostgresHeir(private_postgres) as standby:
        promoted = urlsplit(database)._replace(netloc=urlsplit(standby.url).netloc).geturl()
        async with Proxy(database) as proxy:
            app = AppProcess(proxy.url, env=IMPATIENT)
            with closing(app):
                await asyncio.to_thread(app.start)
                await prepare(app.url)

                async def failover() -> None:
                    await asyncio.to_thread(private_postgres.kill)
                    await asyncio.sleep(0.3)
                    # Who comes too early meets a server that can only be read.
                    proxy.lead_to(standby.url)
                    await asyncio.sleep(0.3)
                    await asyncio.to_thread(standby.promote)

                await storm_through(app.url, storm, failover())
                judge(storm)
                assert storm.codes.keys() & {"database_lost", "database_busy"}
                assert await connections_to(promoted) <= 4
        await reckon(storm, promoted)
