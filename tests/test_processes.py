"""Several processes with several workers on one server: nothing is lost, and no limit is passed."""

import asyncio
import random
import uuid
from collections import Counter as Tally
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from apps.ledger import MODELS, Counter, Entry
from projects import run, running, said, write_app
from servers.mariadb import MariadbServer
from servers.private import Server
from servers.storm import all_changes, beside
from times import times

pytestmark = [pytest.mark.slow, pytest.mark.everywhere]
WORKERS, CONNECTIONS = 2, 3
OPERATORS = {"content-type": "application/vnd.abaft.operators+json"}
LEDGER = "from apps.ledger import app\n"
TESTS = str(Path(__file__).parent)


@pytest.fixture
def database(shared_server: Server) -> Iterator[str]:
    with shared_server.database() as url:
        yield url


@asynccontextmanager
async def two_processes(database: str, folder: Path) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A client of each of two processes, with two workers each."""
    (folder / "app.py").write_text(LEDGER)
    given = {
        "ABAFT_DATABASE": database,
        "ABAFT_CONNECTIONS": str(CONNECTIONS),
        "ABAFT_SECRET_KEY": "k3y-of-tests-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2,
        "ABAFT_MODE": "production",
        "PYTHONPATH": f"{TESTS}:{Path(TESTS).parent / 'src'}",
    }
    async with beside(database, *MODELS):
        pass  # development makes the tables
    with ExitStack() as stack:
        urls = []
        for name in ("one", "two"):
            arguments = ("serve", "--workers", str(WORKERS))
            log = folder / name
            process = running(*arguments, cwd=folder, log=log, **given)
            urls.append(stack.enter_context(process)[1])
        clients = [httpx.AsyncClient(base_url=url, timeout=30) for url in urls]
        try:
            yield clients
        finally:
            for client in clients:
                await client.aclose()


async def all_of(count: int, work: Callable[[int], Awaitable[Any]]) -> list[Any]:
    return await asyncio.gather(*(work(n) for n in range(count)))


@dataclass(frozen=True)
class Writers:
    """Who write to both processes at once."""

    clients: list[httpx.AsyncClient]
    rounds: int

    async def increment(self, n: int) -> None:
        for _ in range(self.rounds):
            body = {"value": {"increment": 1}}
            answer = await self.clients[n % 2].patch(
                "/api/counters/c", json=body, headers=OPERATORS
            )
            assert answer.status_code == 200, answer.text

    async def compete(self, n: int) -> Tally[int]:
        """All writers want the same numbers: one of them gets each."""
        found: Tally[int] = Tally()
        for number in range(self.rounds):
            body = {"writer": 0, "n": number, "text": str(n)}
            answer = await self.clients[n % 2].post("/api/entries", json=body)
            found[answer.status_code] += 1
        return found

    async def repeat(self, n: int) -> None:
        """Sent at once to both processes, it takes place once."""
        for number in range(self.rounds):
            headers = {"idempotency-key": uuid.uuid4().hex}
            body = {"writer": n + 1, "n": number, "text": "once"}
            sent = [
                client.post("/api/entries", json=body, headers=headers)
                for client in (*self.clients, *self.clients)
            ]
            told = await asyncio.gather(*sent)
            done = [answer for answer in told if answer.status_code == 201]
            assert len({answer.content for answer in done}) == 1, [answer.text for answer in told]
            # One that waits for too long is told to come again.
            rest = {answer.status_code for answer in told} - {201}
            assert rest <= {409, 503}, [answer.text for answer in told]


async def test_increments_conflicts_keys_and_the_feed(database: str, tmp_path: Path) -> None:
    rounds = times(12)
    async with two_processes(database, tmp_path) as clients:
        writers = Writers(clients, rounds)
        made = await clients[0].put("/api/counters/c", json={})
        assert made.status_code == 201, made.text
        _, competed, _ = await asyncio.gather(
            all_of(8, writers.increment), all_of(4, writers.compete), all_of(3, writers.repeat)
        )
    assert sum(competed, Tally()) == {201: rounds, 409: 3 * rounds}
    async with beside(database, *MODELS) as db:
        assert (await db.get(Counter, "c")).value == 8 * rounds
        numbers = Tally([(row.writer, row.n) async for row in db.stream(Entry)])
        told = [change async for change in all_changes(db)]
    assert set(numbers.values()) == {1}
    assert len(numbers) == 4 * rounds
    assert sum(change.model == "Entry" for change in told) == 4 * rounds
    counted = [row for row in told if (row.model, row.action) == ("Counter", "update")]
    assert len(counted) == 8 * rounds


class Owner:
    """Creates, changes and deletes records of its own, and keeps what it was told."""

    def __init__(self, client: httpx.AsyncClient, number: int) -> None:
        self.client = client
        self.number = number
        self.choose = random.Random(number)
        self.kept: dict[str, str] = {}

    async def work(self, steps: int) -> None:
        for step in range(steps):
            chosen = self.choose.random()
            if chosen < 0.5 or not self.kept:
                await self._create(step)
            elif chosen < 0.8:
                await self._update(step)
            else:
                await self._delete()

    def _any(self) -> str:
        return self.choose.choice([*self.kept])

    async def _create(self, step: int) -> None:
        body = {"writer": self.number, "n": step, "text": "new"}
        answer = await self.client.post("/api/entries", json=body)
        assert answer.status_code == 201, answer.text
        self.kept[answer.json()["id"]] = "new"

    async def _update(self, step: int) -> None:
        key, text = self._any(), f"changed in step {step}"
        answer = await self.client.patch(f"/api/entries/{key}", json={"text": text})
        assert answer.status_code == 200, answer.text
        assert answer.json()["text"] == text
        self.kept[key] = text

    async def _delete(self) -> None:
        key = self._any()
        answer = await self.client.delete(f"/api/entries/{key}")
        assert answer.status_code == 204, answer.text
        del self.kept[key]


def replayed(changes: list[Any]) -> dict[str, str]:
    """The entries by what the feed tells of them, in its order."""
    found: dict[str, str] = {}
    for change in changes:
        assert (change.id in found) == (change.action != "create"), change
        if change.action == "delete":
            del found[change.id]
        else:
            found[change.id] = change.data["text"]
    return found


async def test_what_was_answered_is_there_and_the_feed_replays_it(
    database: str, tmp_path: Path
) -> None:
    async with two_processes(database, tmp_path) as clients:
        owners = [Owner(clients[n % 2], n) for n in range(24)]
        await asyncio.gather(*(owner.work(times(30)) for owner in owners))
    async with beside(database, *MODELS) as db:
        there = {str(row.id): row.text async for row in db.stream(Entry)}
        told = [change async for change in all_changes(db)]
    answered = {key: text for owner in owners for key, text in owner.kept.items()}
    assert there == answered
    assert replayed(told) == answered


async def test_workers_never_hold_more_connections_than_they_may(
    database: str, tmp_path: Path, shared_server: Any
) -> None:
    name = urlsplit(database).path.removeprefix("/")
    if isinstance(shared_server, MariadbServer):
        held = f"select count(*) from information_schema.processlist where db = '{name}'"
        ask = shared_server.execute
    else:
        held = f"select count(*) from pg_stat_activity where datname = '{name}'"
        ask = shared_server.fetch
    async with two_processes(database, tmp_path) as clients:
        flooding, most = True, 0

        async def flood(n: int) -> None:
            number = 0
            while flooding:
                number += 1
                body = {"writer": n, "n": number, "text": "x"}
                await clients[n % 2].post("/api/entries", json=body)
                await clients[n % 2].get(f"/api/entries?limit={number % 50 + 1}&sort=-n")

        flooders = [asyncio.create_task(flood(n)) for n in range(32)]
        for _ in range(times(40)):
            [[count]] = await asyncio.to_thread(ask, held)
            most = max(most, int(count))
            await asyncio.sleep(0.05)
        flooding = False
        await asyncio.gather(*flooders)
    assert WORKERS * 2 <= most <= 2 * WORKERS * CONNECTIONS


def test_more_connections_than_the_server_takes_are_told(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: None)
    arguments = ["serve", write_app(tmp_path), "--port", "0", "--workers", "500"]
    result = run(*arguments, database=database, ABAFT_CONNECTIONS="10")
    assert result.exit_code == 0, result.output
    assert "500 workers with 10 connections each are 5000, and the database takes" in said(result)
    arguments[-1] = "2"
    result = run(*arguments, database=database, ABAFT_CONNECTIONS="2")
    assert "lower ABAFT_CONNECTIONS" not in said(result)
