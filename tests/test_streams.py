"""Lists as streams: whole, of one moment, so many at once, cut where they fail (DOS-4, FAIL-2)."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from abaft import App
from abaft.api.streams import Cut
from abaft.observe.events import StreamCut
from abaft.store.base import Lost
from apps.waves import Wave, fill
from scenarios import LINES, Api, serving

MANY = 3_000
"""More than one part, and more than a page may have."""


@asynccontextmanager
async def waves(url: str, count: int = MANY, **settings: Any) -> AsyncIterator[Api]:
    async with serving(url, Wave, settings=settings) as api:
        await fill(api.app, api.db, count)
        yield api


class Client:
    """A client that reads as it likes, byte for byte as a server would put it to the app."""

    def __init__(self, app: App, target: str, accept: str = LINES, **headers: str) -> None:
        self.app = app
        path, _, query = target.partition("?")
        given = {"accept": accept, **headers}
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        self.sent: list[Any] = []
        self.begun = asyncio.Event()
        self.gone = asyncio.Event()
        self.when_sent: Callable[[int], Awaitable[None]] | None = None

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        self.begun.set()
        if self.when_sent is not None:
            await self.when_sent(len(self.sent))

    async def run(self) -> None:
        first = {"type": "http.request", "body": b"", "more_body": False}
        waiting = [first]

        async def receive() -> Any:
            if waiting:
                return waiting.pop()
            await self.gone.wait()
            return {"type": "http.disconnect"}

        await self.app(self.scope, receive, self._send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def whole(self) -> bool:
        last = self.sent[-1]
        return last["type"] == "http.response.body" and not last.get("more_body", False)


async def numbers(api: Api, query: str = "", **headers: str) -> list[int]:
    answer = await api.ask(f"GET /api/waves{query}", headers={"accept": LINES, **headers})
    assert answer.status_code == 200, answer.text
    return [httpx.Response(200, text=line).json()["number"] for line in answer.text.splitlines()]


async def test_a_list_without_a_limit_is_whole(database_url: str) -> None:
    async with waves(database_url) as api:
        assert await numbers(api) == list(range(1, MANY + 1))
        assert await numbers(api, "?sort=-height") == list(range(MANY, 0, -1))
        assert await numbers(api, "?limit=1001") == list(range(1, 1002))
        assert await numbers(api, "?number[gt]=1500&fields=number") == list(range(1501, MANY + 1))
        assert await numbers(api, "?offset=2900") == list(range(2901, MANY + 1))
        page = await api.ask("GET /api/waves?limit=100")
        assert await numbers(api, f"?cursor={page.json()['next']}") == list(range(101, MANY + 1))
        table = await api.ask("GET /api/waves?count=exact", headers={"accept": "text/csv"})
        lines = table.text.split("\r\n")
        assert (lines[0], lines[1]) == ("number,height,text", "1,0.25,wave 1 of the sea")
        assert len(lines) == MANY + 2
        assert table.headers["x-total-count"] == str(MANY)
        assert not {"content-length", "etag", "link"} & set(table.headers)
        head = await api.ask("HEAD /api/waves", headers={"accept": "text/csv"})
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == "text/csv; charset=utf-8; header=present"


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_stream_is_compressed_part_by_part(database_url: str, coding: str) -> None:
    async with waves(database_url) as api:
        plain = Client(api.app, "/api/waves")
        await plain.run()
        assert await numbers(api, **{"accept-encoding": coding}) == list(range(1, MANY + 1))
        client = Client(api.app, "/api/waves", **{"accept-encoding": coding})
        await client.run()
        assert (b"content-encoding", coding.encode()) in client.sent[0]["headers"]
        assert len(client.sent) > 3
        assert len(client.body) < len(plain.body) / 3
        if coding == "gzip":
            first = zlib.decompressobj(31).decompress(client.sent[1]["body"])
            assert plain.body.startswith(first)
            assert first.endswith(b"}\n")


async def test_a_stream_is_of_one_moment(database_url: str) -> None:
    async with waves(database_url) as api:
        client = Client(api.app, "/api/waves")

        async def write(count: int) -> None:
            if count == 2:
                await api.db.create(Wave, number=MANY + 1, height=0.0, text="late")

        client.when_sent = write
        await client.run()
        assert client.body.count(b"\n") == MANY
        assert len(await numbers(api)) == MANY + 1


async def test_a_slow_client_holds_the_database_up(database_url: str) -> None:
    """No more is read than is taken: what waits is one part."""
    async with waves(database_url) as api:
        rows = 0
        stream = api.app.store.stream

        async def counted(*given: Any) -> AsyncIterator[Any]:
            nonlocal rows
            async for row in stream(*given):
                rows += 1
                yield row

        api.app.store.stream = counted  # type: ignore[method-assign,assignment]
        client = Client(api.app, "/api/waves")
        read: list[int] = []

        async def slowly(count: int) -> None:
            await asyncio.sleep(0.05)
            read.append(rows)

        client.when_sent = slowly
        await client.run()
        # The head comes with the first two parts read, and each part before the next is read.
        assert read[0] < MANY / 2
        assert read[0] == read[1] < read[2]


async def test_dos_4_a_client_that_leaves_ends_the_stream(database_url: str) -> None:
    settings = {"max_streams": 1, "connections": 2}
    async with waves(database_url, **settings) as api:
        for at in (1, 2):
            client = Client(api.app, "/api/waves")

            async def leave(count: int, client: Client = client, at: int = at) -> None:
                if count == at:
                    client.gone.set()
                    await asyncio.sleep(10)

            client.when_sent = leave
            await asyncio.wait_for(client.run(), 5)
            assert not client.whole
            assert api.app.records.streams.under_way == 0
            # The only connection for what takes long is back.
            async with api.db.transaction() as db:
                assert await db.count(Wave) == MANY
            assert len(await numbers(api)) == MANY


async def test_dos_4_a_client_that_left_early_stops_the_query(database_url: str) -> None:
    async with waves(database_url, 20_000) as api:
        client = Client(api.app, "/api/waves?sort=text")
        client.gone.set()
        await asyncio.wait_for(client.run(), 5)
        assert client.sent == []
        assert api.app.records.streams.under_way == 0
        assert len(await numbers(api, "?limit=2000")) == 2_000


async def test_dos_4_so_many_streams_at_once(database_url: str) -> None:
    async with waves(database_url, max_streams=2, query_timeout=2, stream_timeout=1e9) as api:
        go = asyncio.Event()
        clients = [Client(api.app, "/api/waves") for _ in range(2)]

        async def wait(count: int) -> None:
            await go.wait()

        tasks = []
        for client in clients:
            client.when_sent = wait
            tasks.append(asyncio.create_task(client.run()))
        await asyncio.gather(*(client.begun.wait() for client in clients))
        answer = await api.ask("GET /api/waves", headers={"accept": LINES})
        assert (answer.status_code, answer.json()["code"]) == (503, "too_many_streams")
        assert int(answer.headers["retry-after"]) > 0
        waiting = asyncio.create_task(numbers(api))
        # Pages are no streams.
        assert len(await numbers(api, "?limit=10")) == 10
        go.set()
        await asyncio.gather(*tasks)
        assert len(await waiting) == MANY
        assert all(client.whole and client.status == 200 for client in clients)
        assert len(await numbers(api)) == MANY


@pytest.mark.slow
@pytest.mark.everywhere
async def test_dos_4_a_stream_that_takes_too_long_is_cut(database_url: str) -> None:
    # Time enough for what comes before the first part, on any machine.
    async with waves(database_url, stream_timeout=3) as api:
        events: list[Any] = []
        api.app.observer.sinks.append(events.append)
        client = Client(api.app, "/api/waves")

        async def for_long(count: int) -> None:
            await asyncio.sleep(3)

        client.when_sent = for_long
        with pytest.raises(Cut, match="stream_timeout"):
            await client.run()
        assert client.status == 200
        assert not client.whole
        assert api.app.records.streams.under_way == 0
        assert [event.path for event in events if isinstance(event, StreamCut)] == ["waves"]


@pytest.mark.slow
async def test_dos_1_a_client_that_reads_nothing_is_cut(database_url: str) -> None:
    async with waves(database_url, stream_stall=0.1) as api:
        client = Client(api.app, "/api/waves")

        async def stall(count: int) -> None:
            await asyncio.sleep(0.05 if count < 3 else 10)

        client.when_sent = stall
        with pytest.raises(Cut, match="stream_stall"):
            await client.run()
        assert not client.whole
        assert api.app.records.streams.under_way == 0


async def test_dos_4_a_query_that_takes_too_long_is_refused(database_url: str) -> None:
    async with waves(database_url, 50_000, stream_timeout=0.001) as api:
        # With a connection that is open: the time is for the query.
        assert (await api.ask("GET /api/waves/7")).status_code == 200
        url = "GET /api/waves?sort=text&text[icontains]=x"
        answer = await api.ask(url, headers={"accept": LINES})
        assert (answer.status_code, answer.json()["code"]) == (422, "query_timeout")
        assert api.app.records.streams.under_way == 0
        assert (await api.ask("GET /api/waves/7")).status_code == 200


@pytest.mark.parametrize("rows", [0, 2_500])
async def test_fail_2_what_fails_in_the_midst_never_looks_whole(
    database_url: str, rows: int
) -> None:
    async with waves(database_url) as api:
        stream = api.app.store.stream

        async def failing(*given: Any) -> AsyncIterator[Any]:
            count = 0
            async for row in stream(*given):
                if count == rows:
                    raise Lost("gone")
                count += 1
                yield row

        api.app.store.stream = failing  # type: ignore[method-assign,assignment]
        client = Client(api.app, "/api/waves")
        if rows:
            with pytest.raises(Cut):
                await client.run()
            assert client.status == 200
            assert not client.whole
        else:
            await client.run()
            assert client.status == 503
            assert b"database_lost" in client.body
        assert api.app.records.streams.under_way == 0


async def test_fail_2_middleware_lets_a_cut_through(database_url: str) -> None:
    async with waves(database_url, 20_000) as api:

        @api.app.middleware("http")
        async def named(request: Any, call_next: Any) -> Any:
            response = await call_next(request)
            response.headers["x-seen"] = "yes"
            return response

        client = Client(api.app, "/api/waves")
        await client.run()
        assert (b"x-seen", b"yes") in client.sent[0]["headers"]
        assert client.body.count(b"\n") == 20_000

        async def slowly(count: int) -> None:
            await asyncio.sleep(0.2)

        api.app.records.streams.settings = replace(api.app.settings_, stream_timeout=0.3)
        client = Client(api.app, "/api/waves")
        client.when_sent = slowly
        with pytest.raises(Cut):
            await client.run()
        assert not client.whole
        assert api.app.records.streams.under_way == 0
