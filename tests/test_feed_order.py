"""The change feed tells of each record's changes in the order in which they took place."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from abaft import Conflict, Database
from apps.ledger import MODELS, Counter
from servers.storm import all_changes, beside
from times import times


@asynccontextmanager
async def workers(url: str, count: int = 2) -> AsyncIterator[list[Database]]:
    """The data as so many workers have it, each with connections of its own."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(beside(url, *MODELS)) for _ in range(count)]


async def assert_told_in_order(db: Database) -> None:
    """Who applies the feed has what is stored."""
    stored = {counter.name: counter.value for counter in await db.list(Counter)}
    told = {change.id: change.data["value"] async for change in all_changes(db)}
    assert told == stored


async def storm(url: str, rounds: int, counters: int) -> None:
    async with workers(url) as dbs:
        records = [await dbs[0].create(Counter(name=str(n), value=0)) for n in range(counters)]
        value = 0
        for _ in range(rounds):
            writes = []
            for _ in range(40):
                value += 1
                writes.append(random.choice(dbs).update(random.choice(records), value=value))
            await asyncio.gather(*writes)
            await assert_told_in_order(dbs[0])


@pytest.mark.slow
@pytest.mark.everywhere
async def test_workers_that_fight_over_records_are_told_of_in_order(database_url: str) -> None:
    await storm(database_url, rounds=20, counters=5)


async def test_workers_that_fight_over_one_record_all_get_their_turn(database_url: str) -> None:
    await storm(database_url, rounds=10, counters=1)


@pytest.mark.slow
async def test_workers_fight_for_long(database_url: str) -> None:
    await storm(database_url, rounds=times(100), counters=6)


async def test_a_transaction_writes_a_record_as_often_as_it_likes(database_url: str) -> None:
    async with workers(database_url, 1) as (db,):
        async with db.transaction() as inside:
            counter = await inside.create(Counter(name="a", value=0))
            for value in range(1, 5):
                counter = await inside.update(counter, value=value)
        assert (await db.get(Counter, "a")).value == 4
        async with db.transaction() as inside:
            for value in range(5, 9):
                counter = await inside.update(counter, value=value)
            await inside.delete(counter)
        assert await db.count(Counter) == 0


@pytest.mark.slow
@pytest.mark.everywhere
async def test_a_transaction_that_comes_late_is_told_to_try_again(postgres_url: str) -> None:
    """Its number is from before the write that it would overwrite."""
    async with workers(postgres_url) as (early, late):
        one, two = [await early.create(Counter(name=name, value=0)) for name in "ab"]

        async def overwrite() -> None:
            async with early.transaction() as inside:
                await inside.update(one, value=1)
                await late.update(two, value=2)
                await inside.update(two, value=1)

        with pytest.raises(Conflict, match="try again"):
            await overwrite()
        assert (await late.get(Counter, "b")).value == 2
        await assert_told_in_order(early)


@pytest.fixture
def postgres_url(database_urls: dict[str, str]) -> str:
    if "postgres" not in database_urls:
        pytest.skip("--engine leaves PostgreSQL out")
    return database_urls["postgres"]
