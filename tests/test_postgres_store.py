"""The PostgreSQL store: reads and writes that travel together, and values at the edges."""

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest

from abaft.base.digest import fingerprint
from abaft.base.ids import uuid7
from abaft.store.base import (
    Busy,
    CheckViolation,
    QueryTimeout,
    ReferenceViolation,
    StoreError,
    UniqueViolation,
)
from abaft.store.postgres_pool import Connection
from postgres_library import fresh_url, library, outcomes, values


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    yield from fresh_url(request)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that were sent."""
    sizes: list[int] = []
    plain = Connection.fetchmany

    async def counting(self: Connection, query: str, args: Any, **more: Any) -> Any:
        sizes.append(len(args))
        return await plain(self, query, args, **more)

    monkeypatch.setattr(Connection, "fetchmany", counting)
    return sizes


async def test_reads_that_travel_together_find_their_own_rows_in_order(
    url: str, sent: list[int]
) -> None:
    async with library(url) as lib:
        shelf = await lib.add_shelf("a")
        ids = await asyncio.gather(*(lib.add_book(shelf, i % 17 + 1) for i in range(100)))
        pages = {id_: i % 17 + 1 for i, id_ in enumerate(ids)}
        order = sorted(pages, key=lambda id_: (-pages[id_], id_))
        sent.clear()
        for _ in range(5):
            asked = [random.choice([*ids, uuid7()]) for _ in range(150)]
            limits = [random.randrange(0, 40) for _ in range(50)]
            found = asyncio.gather(*map(lib.get, asked))
            lists = asyncio.gather(*(lib.store.read(lib.page, {"limit": n}) for n in limits))
            for id_, book in zip(asked, await found, strict=True):
                assert (book and (book["id"], book["pages"])) == (
                    (str(id_), pages[id_]) if id_ in pages else None
                )
            for n, rows in zip(limits, await lists, strict=True):
                assert [(row[1], row[2]) for row in rows] == [(pages[i], i) for i in order[:n]]
        assert max(sent) > 8
        assert len(sent) < 300


async def test_a_read_joins_its_like_only_before_it_is_sent(url: str, sent: list[int]) -> None:
    async with library(url) as lib:
        book = await lib.add_book(await lib.add_shelf("a"))
        sent.clear()
        assert len(await asyncio.gather(*(lib.get(book) for _ in range(50)))) == 50
        assert sent == [1]
        slow = lib.crafted("SELECT (SELECT max(pages) FROM books), pg_sleep(0.3)")
        early = asyncio.ensure_future(lib.store.read(slow, {}))
        await asyncio.sleep(0.1)
        await lib.store.write(lib.turn, values("Book", book, "update", pages=7))
        late = await lib.store.read(slow, {})
        assert (await early)[0][0] in (1, 7)
        assert late[0][0] == 7


async def test_lists_bytes_and_nulls_are_bound_in_batches(url: str) -> None:
    async with library(url) as lib:
        read = lib.crafted(
            "SELECT $1::BIGINT = any($2::BIGINT[]), $3::BYTEA, $4::DATE = any($5::DATE[])",
            *"abcde",
        )
        day = date(2020, 1, 1)
        given = [{"a": i, "b": [1, 5], "c": b"x" * i, "d": day, "e": [day]} for i in range(9)]
        rows = await asyncio.gather(*(lib.store.read(read, g) for g in [*given, *given]))
        assert [row[0] for row in rows[:9]] == [(i in (1, 5), b"x" * i, True) for i in range(9)]
        assert rows[9:] == rows[:9]


@pytest.mark.slow
async def test_a_bad_neighbour_hurts_nobody_else(url: str) -> None:
    async with library(url, query_timeout=1.0) as lib:
        slow = lib.crafted("SELECT $1::FLOAT8, pg_sleep($1::FLOAT8)::TEXT", "s")
        quick = [lib.store.read(slow, {"s": i / 1e6}) for i in range(20)]
        found = await outcomes(
            *quick, lib.store.read(slow, {"s": 0.3}), lib.store.read(slow, {"s": 60})
        )
        assert [rows[0][0] for rows in found[:-1]] == [*(i / 1e6 for i in range(20)), 0.3]
        assert isinstance(found[-1], QueryTimeout)
        broken = lib.crafted("SELECT 1 / $1::BIGINT", "n")
        numbers = [*range(20), "no number"]
        found = await outcomes(*(lib.store.read(broken, {"n": n}) for n in numbers))
        assert isinstance(found[0], StoreError)
        assert isinstance(found[-1], CheckViolation)
        assert [rows[0][0] for rows in found[1:-1]] == [1] + [0] * 18


async def test_of_writes_that_share_a_commit_each_stands_or_falls_alone(
    url: str, sent: list[int]
) -> None:
    async with library(url) as lib:
        sent.clear()
        work = [lib.store.write(*lib.shelf(f"s{i % 10}")) for i in range(20)]
        found = await outcomes(*work)
        assert sent[0] == 20
        assert sum(isinstance(row, tuple) for row in found) == 10
        refused = [row for row in found if not isinstance(row, tuple)]
        assert [error.fields for error in refused] == [("name",)] * 10
        feed = await lib.feed()
        assert len(feed) == len({change.id for change in feed}) == 10


async def test_violations_are_named(url: str) -> None:
    async with library(url) as lib:
        shelf = await lib.add_shelf("a")
        await lib.add_book(shelf)
        with pytest.raises(ReferenceViolation) as reference:
            await lib.add_book(uuid7())
        assert reference.value.constraint == "fk_books_shelf"
        with pytest.raises(CheckViolation) as condition:
            await lib.add_book(shelf, 0)
        assert condition.value.name == "ck_books_some_pages"
        with pytest.raises(UniqueViolation) as unique:
            await lib.store.write(
                lib.put_shelf, values("Shelf", shelf, "create", id=shelf, name="b")
            )
        assert unique.value.fields == ("id",)
        with pytest.raises(ReferenceViolation):
            await lib.store.write(lib.drop, values("Shelf", shelf, "delete"))


async def test_of_many_writers_with_one_etag_exactly_one_wins(url: str) -> None:
    async with library(url) as lib:
        book = await lib.add_book(await lib.add_shelf("a"))
        rows = await lib.store.read(lib.one, {"key.id": book})
        etags = {"etags": [fingerprint(rows[0][0])]}
        work = [{**values("Book", book, "update", pages=i), **etags} for i in range(2, 40)]
        found = await asyncio.gather(*(lib.store.write(lib.match, bound) for bound in work))
        assert sum(row is not None for row in found) == 1
        assert await lib.store.probe(lib.match, work[0]) == {"read": True, "match": False}
        assert [change.action for change in await lib.feed()].count("update") == 1


@pytest.mark.slow
@pytest.mark.everywhere
async def test_a_locked_record_holds_up_nobody_but_its_own_writers(url: str) -> None:
    async with library(url, query_timeout=3.0) as lib:
        shelf = await lib.add_shelf("a")
        held, free = await lib.add_book(shelf), await lib.add_book(shelf)
        async with lib.store.transaction() as session:
            await session.write(lib.turn, values("Book", held, "update", pages=5))
            work = [
                lib.store.write(lib.turn, values("Book", free, "update", pages=i)) for i in (2, 3)
            ]
            stuck = lib.store.write(lib.turn, values("Book", held, "update", pages=6))
            waiting = asyncio.ensure_future(outcomes(stuck))
            assert all(await asyncio.gather(*work))
            assert not waiting.done(), "they were done while it waited"
            assert isinstance((await waiting)[0], Busy)
        assert (await lib.get(held))["pages"] == 5


async def test_the_first_and_the_last_day_are_days(url: str) -> None:
    async with library(url) as lib:
        shelf = await lib.add_shelf("a")
        last = datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
        await lib.add_book(shelf, day=date.max, created=last, updated=last)
        await lib.add_book(shelf, day=date.min, created=datetime(1, 1, 1, tzinfo=UTC))
        rows = await lib.store.read(lib.days, {"limit": 5})
        assert [row[1] for row in rows] == [date.min, date.max]
        shown = [orjson.loads(row[0]) for row in rows]
        assert [book["day"] for book in shown] == ["0001-01-01", "9999-12-31"]
        assert [book["created"] for book in shown] == [
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
        ]
        ends = await lib.store.sql("select 'infinity'::date a, '-infinity'::timestamptz b", [])
        assert ends == [{"a": date.max, "b": datetime.min.replace(tzinfo=UTC)}]
