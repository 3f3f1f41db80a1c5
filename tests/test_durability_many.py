"""Writes of many records are all there or none of them, wherever they are cut (DUR-3)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apsw
import asyncpg
import httpx
import pytest

from abaft.store.postgres_pool import Connection
from scenarios import Api, serving
from servers.postgres import PostgresServer
from servers.process import AppProcess
from servers.proxy import Proxy
from test_nested import MODELS

LINES = [{"text": f"line {n}", "notes": [{"text": "a"}]} for n in range(3)]
ORDERS = [{"number": f"{n}"} for n in range(4)]
NESTED = {"number": "N", "customer": {"name": "Ann"}, "labels": [{"name": "x"}], "lines": LINES}
BATCH = [
    {"method": "POST", "path": "/customers", "body": {"name": "Ann"}, "name": "c"},
    {"method": "POST", "path": "/orders", "body": {"number": "B", "customer": {"$ref": "c.id"}}},
    {"method": "PATCH", "path": "/orders?number=old&limit=5", "body": {"number": "new"}},
    {"method": "POST", "path": "/orders", "body": NESTED},
]
PLAIN = [{"number": "P", "lines": [{"text": f"{n}"} for n in range(3)]}]
REQUESTS: dict[str, tuple[str, Any]] = {
    "list": ("POST /api/orders", ORDERS),
    "nested": ("POST /api/orders", NESTED),
    "nested at once": ("POST /api/orders", PLAIN),
    "filtered": ("PATCH /api/customers?phone=1&limit=9", {"phone": "2"}),
    "deleted": ("DELETE /api/customers?phone=1&limit=9", None),
    "batch": ("POST /api/batch", {"operations": BATCH}),
    "batch at once": ("POST /api/batch", {"operations": BATCH[:2]}),
}
COLLECTIONS = ("orders", "lines", "notes", "customers", "labels")


class Fuse:
    """Lets the call of this number fail, once."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.blown = False

    def burn(self) -> bool:
        self.left -= 1
        self.blown = self.blown or self.left == 0
        return self.left == 0


@contextmanager
def sqlite_fails(api: Api, fuse: Fuse) -> Iterator[None]:
    """The statement of that number finds the disk full."""
    connection = api.app.store._write_connection  # type: ignore[attr-defined]

    def trace(cursor: Any, sql: str, bindings: Any) -> bool:
        if fuse.burn():
            raise apsw.FullError("injected")
        return True

    connection.exec_trace = trace
    try:
        yield
    finally:
        connection.exec_trace = None


@contextmanager
def postgres_fails(fuse: Fuse, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The connection breaks before the round trip of that number."""

    def breaking(call: Callable[..., Any]) -> Callable[..., Any]:
        async def called(connection: Connection, *args: Any, **options: Any) -> Any:
            if fuse.burn():
                connection.terminate()
                raise asyncpg.ConnectionDoesNotExistError("injected")
            return await call(connection, *args, **options)

        return called

    with patch.context() as patched:
        for name in ("execute", "fetch", "fetchmany"):
            patched.setattr(Connection, name, breaking(getattr(Connection, name)), raising=False)
        yield


async def prepare(api: Api) -> None:
    for n in range(3):
        await api.ask("POST /api/customers", json={"name": f"old {n}", "phone": "1"})
    await api.ask("POST /api/orders", json={"number": "old"})


async def renew(api: Api) -> None:
    """What was done is undone, so that it can be done again."""
    for name in ("orders", "lines", "customers", "labels"):
        answer = await api.ask(f"DELETE /api/{name}?all=true&limit=100")
        assert answer.is_success, answer.text
    await prepare(api)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS) as api:
        await prepare(api)
        yield api


async def state(api: Api) -> tuple[Any, list[str]]:
    """What is stored, but for keys, and what the feed tells of it."""
    rows = [await api.items(f"/api/{name}?limit=100") for name in COLLECTIONS]
    shown = [sorted(str(row.get("number") or row.get("phone")) for row in found) for found in rows]
    return shown, await api.changes()


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.slow
async def test_dur_3_all_or_nothing_at_each_failure(
    api: Api, engine: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, body = REQUESTS[kind]
    api.client.timeout = httpx.Timeout(30)
    for at in range(1, 200):
        before = await state(api)
        fuse = Fuse(at)
        faults = (
            sqlite_fails(api, fuse) if engine == "sqlite" else postgres_fails(fuse, monkeypatch)
        )
        with faults:
            method, _, url = request.partition(" ")
            options = {} if body is None else {"json": body}
            answer = await api.client.request(method, url, **options)
        after = await state(api)
        if answer.status_code >= 400:
            assert answer.status_code == 503, answer.text
            assert after == before, (kind, at)
            continue
        assert after != before, (kind, at)
        # A broken connection is replaced, and the whole is done again: once.
        assert Counter(after[1][len(before[1]) :]) == Counter(expected(kind))
        return
    raise AssertionError("it never went through")


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.slow
async def test_fail_2_dur_5_an_answer_of_the_database_is_lost(
    postgres: PostgresServer, kind: str, keyed: bool
) -> None:
    """Whichever it is, that of the commit too: done once, not at all, or by a key once in all."""
    request, body = REQUESTS[kind]
    method, _, url = request.partition(" ")
    told: Counter[str] = Counter()
    with postgres.database() as database:
        async with Proxy(database) as proxy, serving(proxy.url, *MODELS) as api:
            api.client.timeout = httpx.Timeout(30)
            await prepare(api)
            for at in range(1, 100):
                before = await state(api)
                options: dict[str, Any] = {} if body is None else {"json": body}
                if keyed:
                    options["headers"] = {"idempotency-key": f"{at}"}
                proxy.turns, proxy.lose_at = 0, at
                answer = await api.client.request(method, url, **options)
                lost, proxy.lose_at = proxy.lose_at == 0, 0
                done = Counter((await state(api))[1][len(before[1]) :])
                whole = Counter(expected(kind))
                told[answer.json().get("code", "") if answer.status_code >= 400 else "done"] += 1
                if answer.status_code < 400:
                    assert done == whole, (at, done)
                elif answer.json()["code"] == "outcome_unknown":
                    assert done in (whole, Counter()), (at, done)
                else:
                    assert answer.status_code == 503, answer.text
                    assert not done, (at, answer.text)
                if keyed:
                    again = await api.client.request(method, url, **options)
                    assert again.status_code < 400, again.text
                    done = Counter((await state(api))[1][len(before[1]) :])
                    assert done == whole, "sent twice with one key, done once"
                if not lost:
                    break
                await renew(api)
    assert told["outcome_unknown"], told


def expected(kind: str) -> list[str]:
    nested = ["create Customer", "create Label", "create Order"]
    nested += ["create Line", "create Note"] * 3
    batch = ["create Customer", "create Order"]
    return {
        "list": ["create Order"] * 4,
        "nested": nested,
        "nested at once": ["create Order", *["create Line"] * 3],
        "filtered": ["update Customer"] * 3,
        "deleted": ["delete Customer"] * 3,
        "batch": [*batch, "update Order", *nested],
        "batch at once": batch,
    }[kind]


async def storm(url: str, sent: list[int], answered: set[int], stop: asyncio.Event) -> None:
    """Lists of five entries, one after the other, by a number of their own."""
    async with httpx.AsyncClient(base_url=url) as client:
        while not stop.is_set():
            number = len(sent)
            sent.append(number)
            entries = [{"writer": number, "n": n, "text": "x"} for n in range(5)]
            try:
                answer = await client.post("/api/entries", json=entries)
            except httpx.HTTPError:
                return
            if answer.status_code == 201:
                answered.add(number)


async def reach(answered: set[int], count: int) -> None:
    while len(answered) < count:  # noqa: ASYNC110 - several of them count
        await asyncio.sleep(0.005)


@pytest.mark.slow
async def test_dur_1_dur_3_a_killed_worker_leaves_whole_lists(database_url: str) -> None:
    sent: list[int] = []
    answered: set[int] = set()
    with AppProcess(database_url) as server:
        for _ in range(3):
            stop = asyncio.Event()
            blowing = [asyncio.create_task(storm(server.url, sent, answered, stop)) for _ in "abc"]
            begun = len(answered)
            await reach(answered, begun + random.randint(3, 9))
            server.kill()
            stop.set()
            await asyncio.gather(*blowing)
            await asyncio.to_thread(server.start)
        found: Counter[int] = Counter()
        async with httpx.AsyncClient(base_url=server.url) as client:
            page = (await client.get("/api/entries?limit=1000")).json()
            assert page["next"] is None
            found.update(row["writer"] for row in page["items"])
    assert set(found.values()) <= {5}
    assert answered <= set(found)
