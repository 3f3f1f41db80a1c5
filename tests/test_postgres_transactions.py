"""The PostgreSQL store: transactions, programs, streams, the change feed and the schema."""

import asyncio
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from abaft import Settings
from abaft.base import clock
from abaft.plan.change import Change
from abaft.store.base import (
    Lost,
    UniqueViolation,
)
from abaft.store.postgres import PostgresStore
from abaft.store.sql.statement import Bind, Statement
from postgres_library import SCHEMA, fresh_url, library, outcomes


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    yield from fresh_url(request)


async def test_a_transaction_lands_whole_or_not_at_all(url: str) -> None:
    async with library(url) as lib:
        async with lib.store.transaction() as session:
            assert await session.write(*lib.shelf("a"))
            with pytest.raises(UniqueViolation):
                await session.write(*lib.shelf("a"))
            # Tasks that share a session take turns, and what failed has undone itself alone.
            await asyncio.gather(*(session.write(*lib.shelf(name)) for name in "bcd"))
            assert await session.sql("select count(*) n from shelfs", []) == [{"n": 4}]
            assert await lib.store.sql("select count(*) n from shelfs", []) == [{"n": 0}]

        async def failing() -> None:
            async with lib.store.transaction() as session:
                await session.write(*lib.shelf("z"))
                raise ZeroDivisionError

        assert isinstance((await outcomes(failing()))[0], ZeroDivisionError)
        assert len(await lib.feed()) == 4
        assert await lib.store.sql("select count(*) n from shelfs", []) == [{"n": 4}]


@pytest.mark.slow
@pytest.mark.everywhere
async def test_an_idle_transaction_is_ended(url: str) -> None:
    async with library(url, query_timeout=0.3) as lib:

        async def idling() -> None:
            async with lib.store.transaction() as session:
                await session.write(*lib.shelf("a"))
                await asyncio.sleep(0.6)

        assert isinstance((await outcomes(idling()))[0], Lost)
        assert await lib.feed() == []


@pytest.mark.slow
async def test_programs_that_deadlock_are_run_again(url: str) -> None:
    async with library(url) as lib:
        shelf = await lib.add_shelf("a")
        first, second = await lib.add_book(shelf), await lib.add_book(shelf)
        add = Statement("update books set pages = pages + 1 where id = $1", (Bind("id", None),))
        rest = Statement("select pg_sleep(0.2)", ())
        runs = []

        def program(*ids: UUID) -> Any:
            def make() -> Any:
                runs.append(ids)
                yield add, {"id": ids[0]}
                yield rest, {}
                yield add, {"id": ids[1]}
                return "done"

            return make

        work = (lib.store.run(program(first, second)), lib.store.run(program(second, first)))
        assert await outcomes(*work) == ["done", "done"]
        assert len(runs) > 2
        assert [(await lib.get(id_))["pages"] for id_ in (first, second)] == [3, 3]


async def test_a_stream_may_be_left(url: str) -> None:
    async with library(url, connections=2) as lib:
        await lib.store.sql(
            "insert into shelfs select gen_random_uuid(), 'shelf ' || i, now(), now() "
            "from generate_series(1, 1200) i",
            [],
        )
        numbers = lib.crafted("SELECT name FROM shelfs ORDER BY length(name), name")
        names = [row[0] async for row in lib.store.stream(numbers, {})]
        assert names == [f"shelf {i}" for i in range(1, 1201)]
        stream: Any = lib.store.stream(numbers, {})
        assert (await anext(stream))[0] == "shelf 1"
        await stream.aclose()
        assert await lib.store.sql("select 1 n", []) == [{"n": 1}]


# --- the change feed


async def test_a_reader_of_the_feed_skips_no_commit_that_comes_late(url: str) -> None:
    async with library(url) as lib:
        async with lib.store.transaction() as session:
            await session.write(*lib.shelf("early number, late commit"))
            await lib.add_shelf("late number, early commit")
            assert await lib.feed() == []
        feed = await lib.feed()
        assert len(feed) == 2
        assert await lib.store.changes(feed[0].position, 10) == feed[1:]
        assert await lib.store.changes(feed[1].position, 10) == []
        # Numbers, not their digits, make the order.
        await lib.store.sql("update abaft_changes set tx = (10 - seq)::text::xid8", [])
        await lib.store.sql("update abaft_changes set tx = '100' where tx = '9'", [])
        assert [change.position for change in await lib.feed()] == ["8.2", "100.1"]


async def test_what_isnt_settled_is_told_to_who_asks_for_it(url: str) -> None:
    async with library(url) as lib:
        first = await lib.add_shelf("before both")
        async with lib.store.transaction() as session:
            await session.write(*lib.shelf("early number, late commit"))
            second = await lib.add_shelf("late number, early commit")
            settled = await lib.store.changes("", 10)
            assert [change.id for change in settled] == [str(first)]
            # What is committed can be seen, though one that comes later will stand before it.
            seen = await lib.store.changes("", 10, settled=False)
            assert [change.id for change in seen] == [str(first), str(second)]
            behind = await lib.store.changes(settled[0].position, 10, settled=False)
            assert behind == seen[1:]
            assert await lib.store.changes(seen[1].position, 10, settled=False) == []
        whole = await lib.store.changes("", 10)
        assert [whole[0], whole[2]] == seen
        assert whole == await lib.store.changes("", 10, settled=False)


async def test_the_feed_of_concurrent_writers_is_read_once_and_whole(url: str) -> None:
    async with library(url) as lib:
        seen: list[Change] = []

        async def writing(who: int) -> None:
            for i in range(20):
                async with lib.store.transaction() as session:
                    await session.write(*lib.shelf(f"{who} {i}"))
                    await asyncio.sleep(random.random() / 200)

        writers = asyncio.gather(*(writing(who) for who in range(4)))
        position = ""
        while len(seen) < 80:
            done = writers.done()
            found = await lib.store.changes(position, 7)
            position = found[-1].position if found else position
            seen += found
            assert found or not done, "a record was passed"
        await writers
        assert len({change.id for change in seen}) == 80


async def test_old_changes_are_pruned(url: str) -> None:
    async with library(url) as lib:
        await lib.add_shelf("a")
        border = (clock.now() + timedelta(microseconds=1)).isoformat()
        await lib.add_shelf("b")
        assert await lib.store.prune_changes(border) == 1
        assert len(await lib.feed()) == 1


async def test_the_feed_of_a_restored_dump_goes_on(url: str) -> None:
    async with library(url) as lib:
        await lib.add_shelf("a")
        await lib.add_shelf("b")
        await lib.store.sql("update abaft_changes set tx = '999999999999'", [])
        assert await lib.feed() == []
        await lib.store.upgrade(False)
        assert len(await lib.feed()) == 2
        await lib.add_shelf("c")
        assert len(await lib.store.changes("999999999999.1", 9)) == 2


# --- the schema


async def test_workers_that_start_together_migrate_once(url: str) -> None:
    stores = [PostgresStore(SCHEMA, url, Settings()) for _ in range(3)]
    await asyncio.gather(*(store.open() for store in stores))
    missing = (await stores[0].upgrade(False))[1]
    assert "missing: CREATE TABLE abaft_changes" in missing
    results = await asyncio.gather(*(store.upgrade(True) for store in stores))
    assert sorted(len(applied) > 0 for applied, _ in results) == [False, False, True]
    assert await stores[0].upgrade(False) == ([], [])
    await asyncio.gather(*(store.close() for store in stores))


async def test_differences_are_told_and_nothing_is_changed(url: str) -> None:
    store = PostgresStore(SCHEMA, url, Settings())
    await store.open()
    await store.sql(
        "create table shelfs (id uuid primary key, name varchar(9), created timestamp not null, "
        "updated timestamptz(3) not null, must int not null)",
        [],
    )
    applied, differences = await store.upgrade(True)
    assert applied == []
    told = "\n".join(differences)
    assert 'shelfs.name is character varying(9) COLLATE "default"' in told
    assert "shelfs.name may be NULL" in told
    assert "shelfs.created is timestamp without time zone" in told
    assert "shelfs.updated" not in told
    assert "shelfs.must (integer) is NOT NULL without a default" in told
    assert await store.sql("select to_regclass('abaft_changes')::text t", []) == [{"t": None}]
    await store.close()


async def test_we_ask_for_what_we_rely_on(url: str) -> None:
    async with library(url) as lib:
        for name, value in {"timezone": "UTC", "datestyle": "ISO, YMD", "jit": "off"}.items():
            found = await lib.store.sql(f"select current_setting('{name}') v", [])
            assert found == [{"v": value}]
