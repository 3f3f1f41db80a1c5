"""Reads that go to replicas: what a client wrote it reads, and no replica's trouble is its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import pytest

from abaft import App, Db, Me, Model, Settings, allow, before
from abaft import field as declared
from abaft.base.actor import SYSTEM
from abaft.observe.events import ReplicaBack, ReplicaLeft
from in_process import Answer, ask
from projects import run, write_app
from servers.postgres import PrivatePostgres
from servers.replicas import Pair, replica_url
from servers.storm import beside

pytestmark = [pytest.mark.slow, pytest.mark.everywhere]


class Note(Model, stamps=False):
    n: str = declared(key=True, max_length=20)
    text: str = declared(default="", search=True)
    facts: dict[str, Any] = declared(default_factory=dict)

    @allow("read", "create", "update", "delete")
    def everyone(note, me: Me) -> bool:
        return True

    @before("update")
    async def look(note) -> None:
        """What is stored is read for it."""


@dataclass
class Served:
    """An application with a replica, and what it has told."""

    app: App
    pair: Pair
    events: list[Any] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        given = [(name.encode(), value.encode()) for name, value in headers.items()]
        if body is not None:
            given.append((b"content-type", b"application/json"))
        sent = b"" if body is None else orjson.dumps(body)
        return await ask(self.app, method, path.encode(), given, sent)

    async def post(self, n: int, text: str = "") -> str:
        """The watermark after making a record."""
        answer = await self.ask("POST", "/api/notes", {"n": str(n), "text": text})
        assert answer.status == 201, answer.body
        return answer.headers["watermark"]

    async def numbers(self, **headers: str) -> list[int]:
        answer = await self.ask("GET", "/api/notes?sort=n&limit=100", **headers)
        assert answer.status == 200, answer.body
        return sorted(int(row["n"]) for row in answer.json()["items"])

    async def told(self, kind: type[ReplicaBack | ReplicaLeft], after: int = 0) -> Any:
        """The event of this kind, once it is there."""
        async with asyncio.timeout(15):
            while True:
                for event in self.events[after:]:
                    if isinstance(event, kind):
                        return event
                await asyncio.sleep(0.02)

    async def caught_up(self, expected: list[int]) -> None:
        """Waits until the replica shows it."""
        async with asyncio.timeout(15):
            while await self.numbers() != expected:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """The replica takes over nothing meanwhile."""
        await asyncio.to_thread(self.pair.replica.hold)
        try:
            yield
        finally:
            await asyncio.to_thread(self.pair.replica.go_on)


@asynccontextmanager
async def serving(pair: Pair, lag: float = 60) -> AsyncIterator[Served]:
    """An application on a new database of the primary, once its replica is read."""
    async with AsyncExitStack() as stack:
        url = stack.enter_context(pair.primary.database())
        served = Served(None, pair)  # type: ignore[arg-type]
        app = App(
            Note,
            database=url,
            replicas=[replica_url(pair.replica, url)],
            settings=Settings(replica_lag=lag),
            sinks=(served.events.append,),
        )
        served.app = app

        @app.get("/own")
        async def own(db: Db) -> list[int]:
            return [int(note.n) for note in await db.list(Note, sort="n")]

        @app.get("/counted")
        async def counted(db: Db) -> int:
            note = await db.create(Note, n="77")
            return int((await db.get(Note, note.n)).n)

        await app.start()
        try:
            await served.told(ReplicaBack)
            yield served
        finally:
            await app.stop()


async def test_reads_go_to_the_replica_and_a_watermark_leads_to_what_was_written(
    pair: Pair,
) -> None:
    async with serving(pair) as served:
        await served.post(1)
        await served.caught_up([1])
        async with served.held():
            written = await served.ask("POST", "/api/notes", {"n": "2"})
            watermark = written.headers["watermark"]
            cookie = written.headers["set-cookie"]
            assert await served.numbers() == [1], "it wasn't read from the replica"
            assert await served.numbers(watermark=watermark) == [1, 2]
            assert cookie.endswith("; Path=/; Max-Age=120; HttpOnly; SameSite=Lax")
            assert await served.numbers(cookie=f"a=b; {cookie.partition(';')[0]}") == [1, 2]
            assert (await served.ask("GET", "/api/notes/2")).status == 404
            assert (await served.ask("GET", "/api/notes/2", watermark=watermark)).status == 200
            assert (await served.ask("GET", "/own")).json() == [1]
            assert (await served.ask("GET", "/own", watermark=watermark)).json() == [1, 2]
            stream = await served.ask("GET", "/api/notes", accept="application/x-ndjson")
            assert stream.body.count(b"\n") == 1
        await served.caught_up([1, 2])
        assert await served.numbers(watermark=watermark) == [1, 2]


async def test_a_search_goes_where_its_index_is_brought_up(pair: Pair) -> None:
    """On MariaDB and MySQL that takes a write."""
    async with serving(pair) as served, served.held():
        watermark = await served.post(1, "a needle")
        path = "/api/notes?search=needle"
        stale = [] if isinstance(pair.primary, PrivatePostgres) else ["1"]
        found = (await served.ask("GET", path)).json()["items"]
        assert [row["n"] for row in found] == stale
        found = (await served.ask("GET", path, watermark=watermark)).json()["items"]
        assert [row["n"] for row in found] == ["1"]


async def test_every_way_of_writing_is_told_and_goes_by_what_is_stored(pair: Pair) -> None:
    async with serving(pair) as served, served.held():
        await served.post(1, "a")
        merged = await served.ask("PATCH", "/api/notes/1", {"facts": {"a": 1}})
        assert merged.status == 200, merged.body
        again = await served.ask("PATCH", "/api/notes/1", {"facts": {"b": 2}})
        assert again.json()["facts"] == {"a": 1, "b": 2}, "it went by an old state"
        batch = {"operations": [{"method": "POST", "path": "/notes", "body": {"n": "5"}}]}
        keyed = {"idempotency-key": "k1"}
        many = [{"n": "6"}, {"n": "7"}]
        answers = [
            merged,
            again,
            await served.ask("PUT", "/api/notes/2", {}),
            await served.ask("POST", "/api/notes?upsert=n", {"n": "2", "text": "b"}),
            await served.ask("POST", "/api/batch", batch),
            await served.ask("POST", "/api/notes", many, **keyed),
            await served.ask("POST", "/api/notes", many, **keyed),
            await served.ask("DELETE", "/api/notes/6"),
            await served.ask("GET", "/counted"),
        ]
        for answer in answers:
            assert answer.status < 300, answer.body
            assert "watermark" in answer.headers, answer
        last = answers[-1].headers["watermark"]
        assert await served.numbers(watermark=last) == [1, 2, 5, 7, 77]
        refused = await served.ask("POST", "/api/notes", {"n": "1"})
        assert refused.status == 409
        assert "watermark" not in (await served.ask("GET", "/api/notes")).headers


async def test_code_outside_of_requests_reads_what_it_wrote(pair: Pair) -> None:
    async with serving(pair) as served, served.held():
        db = served.app.db(SYSTEM)
        note = await db.create(Note, n="1")
        assert (await db.get(Note, "1")).n == "1"
        await asyncio.sleep(1.2)  # the primary was asked meanwhile where it is
        assert (await db.get(Note, "1")).n == "1"
        await db.update(note, text="x")
        assert (await db.get(Note, "1")).text == "x"
        async with db.transaction() as inside:
            assert (await inside.get(Note, "1")).text == "x"


async def test_a_write_goes_by_what_is_stored_wherever_it_comes_from(pair: Pair) -> None:
    async with serving(pair) as served, served.held():
        async with beside(served.app.settings_.database, Note) as other:
            note = await other.create(Note, n="1", text="a")
        db = served.app.db(SYSTEM)
        assert (await db.update(note, text="b")).text == "b"


async def test_a_later_page_doesnt_go_back_in_time(pair: Pair) -> None:
    async with serving(pair) as served:
        for n in (1, 2, 3):
            await served.post(n)
        await served.caught_up([1, 2, 3])
        async with served.held():
            watermark = await served.post(4)
            path = "/api/notes?sort=n&limit=1"
            page = (await served.ask("GET", path, watermark=watermark)).json()
            seen = page["items"]
            while page["next"] is not None:
                page = (await served.ask("GET", f"{path}&cursor={page['next']}")).json()
                seen += page["items"]
            assert [row["n"] for row in seen] == ["1", "2", "3", "4"]
            first = (await served.ask("GET", path)).json()
            path += f"&cursor={first['next']}"
            fourth = await served.ask("GET", path.replace("limit=1", "limit=9"))
            assert [row["n"] for row in fourth.json()["items"]] == ["2", "3"]


async def test_an_etag_says_what_is_shown_and_a_write_compares_with_what_is_stored(
    pair: Pair,
) -> None:
    async with serving(pair) as served:
        await served.post(1)
        await served.caught_up([1])
        path = "/api/notes/1"
        old = (await served.ask("GET", path)).headers["etag"]
        async with served.held():
            changed = await served.ask("PATCH", path, {"text": "x"})
            watermark = changed.headers["watermark"]
            assert (await served.ask("GET", path, **{"if-none-match": old})).status == 304
            given = {"if-none-match": old, "watermark": watermark}
            assert (await served.ask("GET", path, **given)).status == 200
            late = await served.ask("PATCH", path, {"text": "y"}, **{"if-match": old})
            assert late.status == 412


async def test_replicas_are_read_while_the_primary_is_away(pair: Pair) -> None:
    async with serving(pair) as served:
        await served.post(1)
        await served.caught_up([1])
        pair.primary.pause()
        try:
            took = []
            for _ in range(9):
                begun = time.monotonic()
                assert await served.numbers() == [1]
                took.append(time.monotonic() - begun)
                await asyncio.sleep(0.25)
            # Whoever waited for the primary would each time.
            assert median(took) < 1, took
        finally:
            pair.primary.resume()
        await served.post(2)


async def test_a_watermark_that_was_not_given_here(pair: Pair) -> None:
    async with serving(pair) as served, served.held():
        watermark = await served.post(1)
        swapped = ("A" if watermark[0] != "A" else "B") + watermark[1:]
        for wrong in ("", "x", "9" * 5_000, swapped, watermark + "A", "ü"):
            for path in ("/api/notes", "/own"):
                answer = await served.ask("GET", path, watermark=wrong)
                assert answer.status == 400, wrong
                assert answer.json()["code"] == "bad_watermark"
        # A browser can't help what it has: such a cookie leads to the primary, and no further.
        assert await served.numbers(cookie="abaft_watermark=x") == [1]
        assert await served.numbers() == []


async def test_one_from_another_history_means_the_primary_at_once(pair: Pair) -> None:
    async with serving(pair) as served, served.held():
        await served.post(1)
        far = served.app._watermarks
        assert far is not None
        took = []
        for position in (str(2**63 - 1), "0-1-999999999", "not one at all"):
            text = far.sign(position)
            begun = time.monotonic()
            assert await served.numbers(watermark=text) == [1]
            took.append(time.monotonic() - begun)
        assert median(took) < 2, took


async def test_a_replica_that_lags_is_left_out_until_it_has_caught_up(pair: Pair) -> None:
    async with serving(pair, lag=1) as served:
        async with served.held():
            n = 0
            while not any(isinstance(event, ReplicaLeft) for event in served.events):
                n += 1
                await served.post(n)
                await asyncio.sleep(0.1)
                assert n < 100
            left = await served.told(ReplicaLeft)
            assert left.reason == "it is more than 1 s behind"
            assert "@" not in left.replica
            assert await served.numbers() == [*range(1, n + 1)]
        await served.told(ReplicaBack, served.events.index(left))


async def test_a_replica_that_is_killed_takes_no_read_with_it(pair: Pair) -> None:
    async with serving(pair) as served:
        await served.post(1)
        await served.caught_up([1])
        slowest, reading = 0.0, True

        async def read() -> int:
            nonlocal slowest
            count = 0
            while reading:
                begun = time.monotonic()
                assert await served.numbers() == [1]
                slowest = max(slowest, time.monotonic() - begun)
                count += 1
            return count

        readers = [asyncio.create_task(read()) for _ in range(4)]
        await asyncio.sleep(0.3)
        await asyncio.to_thread(pair.replica.kill)
        try:
            left = await served.told(ReplicaLeft)
            await asyncio.sleep(0.3)
        finally:
            await asyncio.to_thread(pair.replica.start)
        await served.told(ReplicaBack, served.events.index(left))
        reading = False
        assert all(await asyncio.gather(*readers))
        assert slowest < 5
        async with served.held():
            await served.post(2)
            await served.caught_up([1])  # it is read again


async def test_a_replica_that_doesnt_answer_holds_nobody_up_for_long(pair: Pair) -> None:
    async with serving(pair) as served:
        await served.post(1)
        await served.caught_up([1])
        pair.replica.pause()
        try:
            begun = time.monotonic()
            assert await served.numbers() == [1]
            assert time.monotonic() - begun < 4
            left = await served.told(ReplicaLeft)
            took = []
            for _ in range(3):
                begun = time.monotonic()
                assert await served.numbers() == [1]
                took.append(time.monotonic() - begun)
            assert median(took) < 1, took
        finally:
            pair.replica.resume()
        await served.told(ReplicaBack, served.events.index(left))


def test_the_command_works_on_the_primary(pair: Pair, tmp_path: Path) -> None:
    module = (
        "from abaft import App, Model, field\n\n\n"
        "class Note(Model):\n    n: str = field(key=True, max_length=20)\n\n\napp = App(Note)\n"
    )
    app = write_app(tmp_path, module)
    rows = tmp_path / "notes.csv"
    rows.write_text("n\n1\n2\n")
    with pair.primary.database() as url:
        given = {"database": url, "ABAFT_REPLICAS": replica_url(pair.replica, url)}
        loaded = run("load", app, rows, **given)
        assert loaded.exit_code == 0, loaded.output
        shown = run("export", app, "Note", **given)
        assert shown.exit_code == 0, shown.output
        assert [orjson.loads(line)["n"] for line in shown.stdout.splitlines()] == ["1", "2"]


async def test_a_server_that_is_no_replica_isnt_read(pair: Pair) -> None:
    with pair.primary.database() as url, pair.primary.database() as other:
        events: list[Any] = []
        app = App(Note, database=url, replicas=[other], sinks=(events.append,))
        await app.start()
        try:
            answer = await ask(app, "GET", b"/api/notes")
            assert (answer.status, answer.json()["items"]) == (200, [])
            assert [event.replica for event in events if isinstance(event, ReplicaLeft)]
        finally:
            await app.stop()
