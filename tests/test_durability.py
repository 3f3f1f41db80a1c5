"""What was answered is there, what was refused is not, whoever gets killed (DUR-1, REC-2)."""

import asyncio
import random

import httpx
import pytest

from servers.private import PrivateServer
from servers.process import AppProcess
from servers.storm import Storm, paced, prepare, reckon
from times import times


async def storm_with_kills(server: AppProcess, storm: Storm, rounds: int, seed: int) -> None:
    """Kills the server in the middle of the storm and starts it again, several times."""
    chance = random.Random(seed)
    for _ in range(rounds):
        stop = asyncio.Event()
        blowing = asyncio.create_task(storm.blow([server.url], stop))
        await storm.reach(len(storm.answered) + chance.randint(1, 120))
        await asyncio.sleep(chance.uniform(0, 0.02))
        server.kill()
        await asyncio.sleep(0.05)
        stop.set()
        await blowing
        with paced(5.0):
            await asyncio.to_thread(server.start)


async def kill_the_worker(database: str, rounds: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    storm = Storm()
    with AppProcess(database) as server:
        await prepare(server.url)
        await storm_with_kills(server, storm, rounds, seed)
    await reckon(storm, database)


@pytest.mark.slow
async def test_dur_1_rec_2_a_killed_worker_keeps_every_answered_write(database_url: str) -> None:
    await kill_the_worker(database_url, rounds=times(6))


async def kill_the_database(server: PrivateServer, rounds: int) -> None:
    """The worker lives on: its storm meets a database that dies and comes back."""
    storm = Storm()
    with server.database() as database, AppProcess(database) as app:
        await prepare(app.url)
        stop = asyncio.Event()
        blowing = asyncio.create_task(storm.blow([app.url], stop))
        for _ in range(rounds):
            await storm.reach(len(storm.answered) + random.randint(1, 120))
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(random.uniform(0, 0.2))
            await asyncio.to_thread(server.start)
            with paced(10.0):
                await storm.reach(len(storm.answered) + 1)
        stop.set()
        await blowing
        assert not storm.wrong, (storm.wrong[:3], app.output())
        await reckon(storm, database)


@pytest.mark.slow
@pytest.mark.everywhere
async def test_dur_1_a_killed_server_keeps_every_answered_write(
    private_server: PrivateServer,
) -> None:
    await kill_the_database(private_server, rounds=times(4))


@pytest.mark.slow
async def test_two_workers_and_one_if_match_make_one_winner(database_url: str) -> None:
    async def patch(client: httpx.AsyncClient, etag: str, value: int) -> httpx.Response:
        body, match = {"value": value}, {"if-match": etag}
        return await client.patch("/api/counters/0", json=body, headers=match)

    with AppProcess(database_url) as one, AppProcess(database_url) as other:
        await prepare(one.url, writers=1)
        async with (
            httpx.AsyncClient(base_url=one.url, timeout=20) as left,
            httpx.AsyncClient(base_url=other.url, timeout=20) as right,
        ):
            for value in range(1, 21):
                etag = (await left.get("/api/counters/0")).headers["etag"]
                tries = [
                    patch(client, etag, 10 * value + i)
                    for i, client in enumerate([left, right, left, right])
                ]
                answers = await asyncio.gather(*tries)
                statuses = sorted(answer.status_code for answer in answers)
                assert statuses == [200, 412, 412, 412]
                winner = next(answer for answer in answers if answer.status_code == 200)
                assert (await right.get("/api/counters/0")).json() == winner.json()
