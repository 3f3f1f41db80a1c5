"""A storm of writes, counted as Jepsen counts: answered, refused or unknown; and the reckoning."""

import asyncio
import time
from collections import Counter as Tally
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from abaft import App, Database, Model, Settings
from abaft.base.actor import SYSTEM
from apps.ledger import MODELS, Counter, Entry

LABELS = ("a", "b", "c")
Name = tuple[int, int]


@dataclass
class Storm:
    """What became of every write of all writers; an entry is named by its writer and number."""

    writers: int = 4
    answered: dict[Name, Any] = field(default_factory=dict)
    refused: set[Name] = field(default_factory=set)
    unknown: set[Name] = field(default_factory=set)
    values: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    codes: Tally[str] = field(default_factory=Tally)
    wrong: list[str] = field(default_factory=list)
    answered_at: float = 0.0
    slowest: float = 0.0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    next_n: Tally[int] = field(default_factory=Tally)

    async def blow(self, urls: list[str], stop: asyncio.Event) -> None:
        """Writes until told to stop; writers are shared out between the servers."""
        async with asyncio.TaskGroup() as group:
            for writer in range(self.writers):
                group.create_task(self._write(urls[writer % len(urls)], writer, stop))

    async def reach(self, count: int) -> None:
        """Waits until so many entries have been answered."""
        async with asyncio.timeout(20):
            while len(self.answered) < count:
                self.news.clear()
                await self.news.wait()

    async def _write(self, url: str, writer: int, stop: asyncio.Event) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            while not stop.is_set():
                self.next_n[writer] += 1
                name = writer, self.next_n[writer]
                await self._entry(client, name)
                await self._count(client, name)

    async def _entry(self, client: httpx.AsyncClient, name: Name) -> None:
        body: dict[str, Any] = {"writer": name[0], "n": name[1], "text": f"{name}" * 20}
        if name[1] % 3 == 0:
            body["labels"] = list(LABELS[: name[1] % 4])
        outcome, answer = await self._send(client, "POST", "/api/entries", body, 201)
        if outcome == "answered":
            self.answered[name] = answer
            self.news.set()
        else:
            (self.unknown if outcome == "unknown" else self.refused).add(name)

    async def _count(self, client: httpx.AsyncClient, name: Name) -> None:
        path = f"/api/counters/{name[0]}"
        outcome, _ = await self._send(client, "PATCH", path, {"value": name[1]}, 200)
        self.values.setdefault(name[0], []).append((name[1], outcome))

    async def _send(
        self, client: httpx.AsyncClient, method: str, path: str, body: Any, expected: int
    ) -> tuple[str, Any]:
        begun = time.monotonic()
        try:
            answer = await client.request(method, path, json=body)
        except httpx.ConnectError:
            await asyncio.sleep(0.02)
            return "refused", None
        except httpx.TransportError as error:
            self.codes[type(error).__name__] += 1
            return "unknown", None
        finally:
            self.slowest = max(self.slowest, time.monotonic() - begun)
        if answer.status_code == expected:
            self.answered_at = time.monotonic()
            return "answered", answer.json()
        return self._failed(answer), None

    def _failed(self, answer: httpx.Response) -> str:
        code = answer.json().get("code", "") if answer.content else ""
        self.codes[code] += 1
        if answer.status_code != 503 or not answer.headers.get("retry-after", "").isdigit():
            self.wrong.append(f"{answer.status_code} {answer.headers} {answer.text}")
        return "unknown" if code == "outcome_unknown" else "refused"


async def prepare(url: str, writers: int = 4) -> None:
    """The labels and counters that a storm needs."""
    async with httpx.AsyncClient(base_url=url) as client:
        for label in LABELS:
            answer = await client.put(f"/api/labels/{label}", json={})
            assert answer.status_code == 201, answer.text
        for writer in range(writers):
            answer = await client.put(f"/api/counters/{writer}", json={})
            assert answer.status_code == 201, answer.text


@asynccontextmanager
async def beside(database: str, *models: type[Model]) -> AsyncIterator[Database]:
    """The data as one more worker has it, past all rules."""
    app = App(*models, settings=Settings(database=database), sinks=())
    await app.start()
    try:
        yield app.db(SYSTEM)
    finally:
        await app.stop()


async def reckon(storm: Storm, database: str) -> None:
    """Holds the database and its change feed against what the storm was answered."""
    async with beside(database, *MODELS) as db:
        entries = [entry async for entry in db.stream(Entry, expand=["labels"])]
        counters = [counter async for counter in db.stream(Counter)]
        changes = [change async for change in all_changes(db)]
    assert not storm.wrong, storm.wrong[:3]
    _reckon_entries(storm, entries, changes)
    for counter in counters:
        if int(counter.name) < storm.writers:
            _reckon_counter(storm, counter, changes)


async def all_changes(db: Any) -> Any:
    """The change feed from its beginning, page by page."""
    after = ""
    while page := await db.changes(after=after, limit=500):
        for change in page:
            yield change
        after = page[-1].position


def _reckon_entries(storm: Storm, entries: list[Any], changes: list[Any]) -> None:
    stored = {(entry.writer, entry.n): entry for entry in entries}
    assert len(stored) == len(entries), "an entry is there twice"
    lost = storm.answered.keys() - stored.keys()
    assert not lost, f"{len(lost)} answered writes are lost, such as {min(lost)}"
    undead = stored.keys() & storm.refused
    assert not undead, f"{len(undead)} refused writes are there, such as {min(undead)}"
    assert stored.keys() <= storm.answered.keys() | storm.unknown
    for name, entry in stored.items():
        expected = list(LABELS[: name[1] % 4]) if name[1] % 3 == 0 else []
        assert [label.name for label in entry.labels] == expected, f"half of {name} is there"
        assert entry.text == f"{name}" * 20
    recorded = [change for change in changes if change.model == "Entry"]
    assert {change.action for change in recorded} <= {"create"}
    assert Tally(change.id for change in recorded) == Tally(str(entry.id) for entry in entries)
    names = {str(entry.id): name for name, entry in stored.items()}
    for change in recorded:
        assert (change.data["writer"], change.data["n"]) == names[change.id]


def _reckon_counter(storm: Storm, counter: Any, changes: list[Any]) -> None:
    """A writer's counter went up one by one, and the feed tells so in the same order."""
    told = [
        change.data["value"]
        for change in changes
        if (change.model, change.action, change.id) == ("Counter", "update", counter.name)
    ]
    tried = storm.values.get(int(counter.name), [])
    assert told == sorted(set(told)), "the feed tells a counter's changes twice or out of order"
    answered = {value for value, outcome in tried if outcome == "answered"}
    refused = {value for value, outcome in tried if outcome == "refused"}
    assert answered <= set(told)
    assert not refused & set(told)
    assert counter.value == (told[-1] if told else 0)


@contextmanager
def paced(limit: float) -> Iterator[None]:
    """Fails where what is inside takes longer."""
    begun = time.monotonic()
    yield
    took = time.monotonic() - begun
    assert took <= limit, f"it took {took:.1f} s, over {limit:g} s"
