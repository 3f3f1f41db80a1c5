"""The PostgreSQL store: batches, faults, transactions, the change feed and the schema."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from servers.postgres import PostgresServer, PrivatePostgres

from abaft import Model, Ref, Settings, check, field
from abaft.base import clock
from abaft.base.actor import SYSTEM
from abaft.base.digest import fingerprint
from abaft.base.ids import uuid7
from abaft.model import expr as e
from abaft.model.build import build
from abaft.model.kinds import Uuid
from abaft.plan.access import Access
from abaft.plan.read import plan_read
from abaft.plan.types import Change, ReadShape, Sort, WriteShape
from abaft.plan.write import plan_write
from abaft.store.base import (
    Busy,
    CheckViolation,
    Lost,
    QueryTimeout,
    ReferenceViolation,
    StoreError,
    UniqueViolation,
    Unknown,
)
from abaft.store.postgres import PostgresStore, Read
from abaft.store.postgres_batch import read_lane
from abaft.store.postgres_pool import Connection
from abaft.store.sql.read import ReadStatement
from abaft.store.sql.statement import Bind, Statement


class Shelf(Model):
    name: str = field(max_length=40, unique=True)


class Book(Model):
    title: str
    pages: int = 1
    day: date | None = None
    shelf: Ref[Shelf]

    @check
    def some_pages(book) -> bool:
        return book.pages > 0


SCHEMA = build([Shelf, Book])


class Library:
    """A store with what these tests do to it, by short names."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.store = PostgresStore(SCHEMA, url, self.settings)
        key = e.Compare("eq", e.Column("id"), e.Param("key.id", Uuid()))
        pages = (Sort(("pages",), True), Sort(("id",)))
        self.one = self._read(ReadShape("Book", "one", key))
        self.page = self._read(ReadShape("Book", "page", e.TRUE, pages))
        self.days = self._read(ReadShape("Book", "page", e.TRUE, (Sort(("day",)), Sort(("id",)))))
        self.put_shelf = self._write("Shelf", "create", "id", "name", "created", "updated")
        book = ("title", "pages", "day", "shelf", "created", "updated")
        self.put_book = self._write("Book", "create", "id", *book)
        self.turn = self._write("Book", "update", "pages", "updated")
        self.match = self._write("Book", "update", "pages", "updated", match=True)
        self.drop = self._write("Shelf", "delete")

    def _read(self, shape: ReadShape) -> Read:
        return self.store.compile_read(
            plan_read(SCHEMA, self.settings, Access(SCHEMA, SYSTEM), shape)
        )

    def _write(self, model: str, action: Any, *assigned: str, match: bool = False) -> Any:
        shape = WriteShape(model, action, assigned, match=match)
        return self.store.compile_write(
            plan_write(SCHEMA, self.settings, Access(SCHEMA, SYSTEM), shape)
        )

    def crafted(self, sql: str, *names: str) -> Read:
        """A read by SQL text; like all compiled ones it begins with SELECT."""
        statement = Statement(sql, tuple(Bind(name, None) for name in names))
        return Read(
            ReadStatement(statement, (), False), read_lane(self.store._line, statement), None
        )

    def shelf(self, name: str) -> tuple[Any, dict[str, Any]]:
        id_ = uuid7()
        return self.put_shelf, values("Shelf", id_, "create", id=id_, name=name)

    def book(self, shelf: UUID, pages: int = 1, **more: Any) -> tuple[Any, dict[str, Any]]:
        id_ = uuid7()
        given = {"id": id_, "title": "t", "pages": pages, "day": None, "shelf": shelf, **more}
        return self.put_book, values("Book", id_, "create", **given)

    async def add_shelf(self, name: str) -> UUID:
        compiled, bound = self.shelf(name)
        assert await self.store.write(compiled, bound)
        found: UUID = bound["set.id"]
        return found

    async def add_book(self, shelf: UUID, pages: int = 1, **more: Any) -> UUID:
        compiled, bound = self.book(shelf, pages, **more)
        assert await self.store.write(compiled, bound)
        found: UUID = bound["set.id"]
        return found

    async def get(self, id_: UUID) -> Any:
        rows = await self.store.read(self.one, {"key.id": id_})
        return orjson.loads(rows[0][0]) if rows else None

    async def feed(self) -> list[Change]:
        return await self.store.changes("", 10_000)


def values(model: str, id_: UUID, action: str, **fields: Any) -> dict[str, Any]:
    now = clock.now()
    change = {"at": now, "actor": "me", "model": model, "record": str(id_), "action": action}
    stamps = {"created": now, "updated": now, **fields}
    return {
        **{f"set.{name}": value for name, value in stamps.items()},
        **{f"change.{name}": value for name, value in change.items()},
        "change.data": "{}",
        "key.id": id_,
    }


@asynccontextmanager
async def library(url: str, **settings: Any) -> AsyncIterator[Library]:
    """An open store whose tables are there."""
    made = Library(url, **settings)
    await made.store.open()
    try:
        assert (await made.store.upgrade(True))[1] == []
        yield made
    finally:
        await made.store.close()


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    engines = request.config.getoption("engines")
    if engines and "postgres" not in engines:
        pytest.skip("--engine leaves PostgreSQL out")
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as found:
        yield found


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


async def outcomes(*work: Any) -> list[Any]:
    return await asyncio.gather(*work, return_exceptions=True)


# --- batches


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
        found = await outcomes(*(lib.store.read(broken, {"n": n}) for n in range(20)))
        assert isinstance(found[0], StoreError)
        assert [rows[0][0] for rows in found[1:]] == [1] + [0] * 18


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


async def test_a_locked_record_holds_up_nobody_but_its_own_writers(url: str) -> None:
    async with library(url, query_timeout=1.0) as lib:
        shelf = await lib.add_shelf("a")
        held, free = await lib.add_book(shelf), await lib.add_book(shelf)
        async with lib.store.transaction() as session:
            await session.write(lib.turn, values("Book", held, "update", pages=5))
            work = [
                lib.store.write(lib.turn, values("Book", free, "update", pages=i)) for i in (2, 3)
            ]
            stuck = lib.store.write(lib.turn, values("Book", held, "update", pages=6))
            start = clock.monotonic()
            waiting = asyncio.ensure_future(outcomes(stuck))
            assert all(await asyncio.gather(*work))
            assert clock.monotonic() - start < 0.7
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


# --- faults


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


# --- transactions and programs


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
        with pytest.raises(ZeroDivisionError):
            async with lib.store.transaction() as session:
                await session.write(*lib.shelf("z"))
                raise ZeroDivisionError
        assert len(await lib.feed()) == 4
        assert await lib.store.sql("select count(*) n from shelfs", []) == [{"n": 4}]


async def test_an_idle_transaction_is_ended(url: str) -> None:
    async with library(url, query_timeout=0.3) as lib:
        with pytest.raises((Busy, Lost)):
            async with lib.store.transaction() as session:
                await session.write(*lib.shelf("a"))
                await asyncio.sleep(0.6)
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
        assert await asyncio.gather(*work) == ["done", "done"]
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
        stream = lib.store.stream(numbers, {})
        assert await anext(stream) == ("shelf 1",)
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
