"""The PostgreSQL store when connections break, servers stop, and callers give up."""

import asyncio
import random
from collections.abc import Iterator
from uuid import UUID

import pytest

from abaft import Settings, User
from abaft.store.base import (
    Lost,
    QueryTimeout,
    Unknown,
)
from abaft.store.postgres import PostgresStore
from postgres_library import SCHEMA, fresh_url, library, outcomes
from scenarios import serving
from servers.postgres import PostgresServer, PrivatePostgres


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    yield from fresh_url(request)


async def test_reads_outlive_cut_connections(url: str, postgres: PostgresServer) -> None:
    async with library(url) as lib:
        book = await lib.add_book(await lib.add_shelf("a"))
        cutting = True

        async def reading() -> int:
            count = 0
            while cutting:
                assert await lib.get(book)
                count += 1
            return count

        readers = [asyncio.ensure_future(reading()) for _ in range(8)]
        for _ in range(5):
            await asyncio.sleep(0.05)
            await asyncio.to_thread(postgres.cut_connections, url)
        cutting = False
        assert all(await asyncio.gather(*readers))


async def test_every_answered_write_is_there_once_however_connections_break(
    url: str, postgres: PostgresServer
) -> None:
    async with library(url) as lib:
        answered: list[UUID] = []
        unknown: list[UUID] = []
        cutting = True

        async def writing(who: int) -> None:
            while cutting:
                compiled, bound = lib.shelf(f"{who}-{len(answered)}-{random.random()}"[:40])
                try:
                    await lib.store.write(compiled, bound)
                    answered.append(bound["set.id"])
                except Unknown:
                    unknown.append(bound["set.id"])

        writers = [asyncio.ensure_future(writing(who)) for who in range(8)]
        for _ in range(5):
            await asyncio.sleep(0.05)
            await asyncio.to_thread(postgres.cut_connections, url)
        cutting = False
        await asyncio.gather(*writers)
        there = {str(row["id"]) for row in await lib.store.sql("select id from shelfs", [])}
        recorded = [change.id for change in await lib.store.changes("", 1_000_000)]
        assert len(answered) > 50
        assert {str(id_) for id_ in answered} <= there <= {str(i) for i in answered + unknown}
        assert sorted(recorded) == sorted(there)


@pytest.mark.slow
async def test_a_stopped_server_is_lost_and_a_started_one_is_found_again(
    private_postgres: PrivatePostgres,
) -> None:
    async with library(private_postgres.url, query_timeout=3.0) as lib:
        book = await lib.add_book(await lib.add_shelf("a"))
        await asyncio.to_thread(private_postgres.stop)
        work = (lib.get(book), lib.store.write(*lib.shelf("b")), lib.store.ping(), lib.feed())
        assert [type(error) for error in await outcomes(*work)] == [Lost] * 4
        waiting = asyncio.ensure_future(asyncio.gather(lib.get(book), lib.add_shelf("c")))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(private_postgres.start)
        assert (await waiting)[0]["id"] == str(book)
        assert [shelf["name"] for shelf in await lib.store.sql("select name from shelfs", [])] == [
            "a",
            "c",
        ]


async def test_a_server_that_is_not_there_or_turns_us_away_is_lost() -> None:
    store = PostgresStore(SCHEMA, "postgres://nobody@127.0.0.1:9/none", Settings(query_timeout=0.2))
    with pytest.raises(Lost):
        await store.open()
    await store.close()


@pytest.mark.slow
async def test_who_gives_up_waiting_leaves_the_connections_in_order(url: str) -> None:
    async with library(url, connections=2, query_timeout=2.0) as lib:
        async with lib.store.transaction():
            waiting = [asyncio.ensure_future(lib.store.sql("select 1 n", [])) for _ in range(5)]
            await asyncio.sleep(0.05)
            for task in waiting[:3]:
                task.cancel()
        assert (await outcomes(*waiting))[3:] == [[{"n": 1}]] * 2
        task = asyncio.ensure_future(lib.store.sql("select pg_sleep(60)", []))
        await asyncio.sleep(0.1)
        task.cancel()
        assert isinstance((await outcomes(task))[0], asyncio.CancelledError)
        assert await lib.store.sql("select 2 n", []) == [{"n": 2}]
        with pytest.raises(QueryTimeout):
            await lib.store.sql("select pg_sleep(60)", [])


async def test_fail_1_old_changes_are_pruned_after_the_database_was_away(
    private_postgres: PrivatePostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abaft.app.PRUNE_EVERY", 0.05)
    settings = {"change_retention_days": 1, "query_timeout": 1}
    with private_postgres.database() as url:
        async with serving(url, User, settings=settings) as api:
            private_postgres.kill()
            await asyncio.sleep(0.5)
            private_postgres.start()
            await api.db.create(User)
            await api.app.pipeline.store.sql(
                "update abaft_changes set at = at - interval '2 days'", []
            )
            turns = 0
            while await api.changes() and turns < 400:
                await asyncio.sleep(0.05)
                turns += 1
            assert await api.changes() == []
