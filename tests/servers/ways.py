"""Lots of records, each written by a row of steps; the reckoning goes by the histories of all.

A lot's records all have the same history, for each step writes all of them or none. What a step
did is known by its answer, and of some it isn't: then there are several histories that may be.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from apps.ways import MODELS, Line, Order
from servers.storm import all_changes, beside

TAGS = ("a", "b", "c")
COUNT = 3
PATIENCE = 30.0
Event = tuple[Any, ...]
History = tuple[Event, ...]
Body = Callable[[int, int], Any]
"""What is sent for a lot, as its state of that number."""


def there(history: History) -> bool:
    return bool(history) and history[-1][0] != "delete"


@dataclass(frozen=True)
class Step:
    """One request that writes a lot: what it does to one that is there, and to one that isn't."""

    request: str
    body: Body | None = None
    on_stored: str = ""
    on_absent: str = ""

    def applied(self, history: History, state: int) -> History | None:
        """The history if it took place; None where it is refused."""
        event = self.on_stored if there(history) else self.on_absent
        if event == "refused":
            return None
        if not event:
            return history
        return (*history, (event,) if event == "delete" else (event, state))


def order(lot: int, n: int, state: int, **more: Any) -> dict[str, Any]:
    return {"number": f"{lot}.{n}", "lot": lot, "state": state, "tags": TAGS[: n + 1], **more}


def orders(lot: int, state: int) -> list[Any]:
    return [order(lot, n, state) for n in range(COUNT)]


def big(lot: int, state: int) -> list[Any]:
    return [order(lot, n, state, text="x" * 300_000) for n in range(COUNT)]


def upserted(lot: int, state: int) -> list[Any]:
    return [{**row, "tags": [*TAGS]} for row in orders(lot, state)]


def line(lot: int, n: int, state: int) -> dict[str, Any]:
    return {"n": n, "lot": lot, "state": state}


def nested(lot: int, state: int) -> dict[str, Any]:
    return order(lot, 0, state, lines=[line(lot, n, state) for n in range(COUNT)])


def operations(*given: tuple[str, str, Any]) -> dict[str, Any]:
    return {"operations": [
        {"method": method, "path": path, **({} if body is None else {"body": body})}
        for method, path, body in given
    ]}  # fmt: skip


def batch(lot: int, state: int) -> Any:
    made = operations(("POST", "/orders", order(lot, 0, state)))
    made["operations"][0]["name"] = "o"
    rows = [{**line(lot, n, state), "order": {"$ref": "o.number"}} for n in range(COUNT)]
    made["operations"] += operations(*[("POST", "/lines", row) for row in rows])["operations"]
    return made


def both(lot: int, state: int) -> Any:
    found = f"?lot={lot}&limit=50"
    paths = (f"/orders{found}", f"/lines{found}")
    return operations(*[("PATCH", path, {"state": state}) for path in paths])


def gone(lot: int, state: int) -> Any:
    return operations(("DELETE", f"/orders/{lot}.0", None))


CREATE = {"on_stored": "refused", "on_absent": "create"}
FOUND = "/api/orders?lot={lot}&limit=50"
LIST = Step("POST /api/orders", orders, **CREATE)
FILTERED = Step(f"PATCH {FOUND}", lambda lot, state: {"state": state}, on_stored="update")
CLEARED = Step(f"DELETE {FOUND}", on_stored="delete")
UPSERT = Step("POST /api/orders?upsert=number", upserted, "update", "create")
BOTH = Step("POST /api/batch", both, on_stored="update")
WAYS: Mapping[str, tuple[Step, ...]] = {
    "list": (LIST, FILTERED, UPSERT, CLEARED),
    "upsert": (UPSERT, UPSERT, FILTERED),
    "nested": (Step("POST /api/orders", nested, **CREATE), BOTH),
    "nested, gone": (
        Step("POST /api/orders", nested, **CREATE),
        Step("DELETE /api/orders/{lot}.0", on_stored="delete", on_absent="refused"),
    ),
    "batch": (
        Step("POST /api/batch", batch, **CREATE),
        BOTH,
        Step("POST /api/batch", gone, on_stored="delete", on_absent="refused"),
    ),
}
LARGE: Mapping[str, tuple[Step, ...]] = {
    "large": (Step("POST /api/orders", big, **CREATE), CLEARED)
}


@dataclass
class Lots:
    """What may have become of every lot."""

    url: str
    allowed: dict[int, set[History]] = field(default_factory=dict)
    doubtful: dict[int, tuple[Step, int]] = field(default_factory=dict)
    """Of a lot, the step whose outcome is unknown and that nothing written since has settled."""
    kept: list[tuple[str, Any, str, bytes]] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    answered: int = 0
    state: int = 0

    async def prepare(self) -> None:
        async with self.client() as client:
            for tag in TAGS:
                answer = await client.put(f"/api/tags/{tag}", json={})
                assert answer.status_code == 201, answer.text

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=20)

    async def write(self, client: httpx.AsyncClient, steps: tuple[Step, ...], keyed: bool) -> None:
        """One more lot, step by step."""
        lot = len(self.allowed)
        self.allowed[lot] = {()}
        for step in steps:
            self.state += 1
            state = self.state
            request = step.request.format(lot=lot)
            body = None if step.body is None else step.body(lot, state)
            send = self._until_answered if keyed else self._send
            self._judge(lot, step, state, await send(client, request, body))

    async def blow(
        self, stop: asyncio.Event, ways: Mapping[str, tuple[Step, ...]] = WAYS, writers: int = 3
    ) -> None:
        """Writes lots in all ways, until told to stop."""

        async def writing(writer: int) -> None:
            async with self.client() as client:
                names = [*ways]
                place = writer
                while not stop.is_set():
                    keyed = place % (2 * len(names)) < len(names)
                    await self.write(client, ways[names[place % len(names)]], keyed)
                    place += 1

        async with asyncio.TaskGroup() as group:
            for writer in range(writers):
                group.create_task(writing(writer))

    async def reach(self, more: int) -> None:
        """Waits until so many further requests have been answered."""
        target = self.answered + more
        async with asyncio.timeout(PATIENCE):
            while self.answered < target:  # noqa: ASYNC110 - several of them count
                await asyncio.sleep(0.005)

    async def _until_answered(
        self, client: httpx.AsyncClient, request: str, body: Any
    ) -> httpx.Response | None:
        """By a key the same request may be sent until its outcome is known."""
        key = uuid.uuid4().hex
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await self._send(client, request, body, key)
                if answer is not None and answer.status_code < 500:
                    break
                await asyncio.sleep(0.02)
        if answer.is_success:
            self.kept.append((request, body, key, answer.content))
        return answer

    async def _send(
        self, client: httpx.AsyncClient, request: str, body: Any, key: str = ""
    ) -> httpx.Response | None:
        """None where nobody knows what became of it; refused requests have a status of 503."""
        method, _, url = request.partition(" ")
        options = {} if body is None else {"json": body}
        headers = {"idempotency-key": key} if key else {}
        try:
            answer = await client.request(method, url, headers=headers, **options)
        except httpx.ConnectError:
            await asyncio.sleep(0.02)
            return httpx.Response(503)
        except httpx.TransportError as error:
            self.codes[type(error).__name__] += 1
            return None
        if answer.is_success:
            self.answered += 1
            return answer
        code = answer.json()["code"]
        self.codes[code] += 1
        if answer.status_code >= 500 and (
            answer.status_code != 503 or not answer.headers.get("retry-after", "").isdigit()
        ):
            self.wrong.append(f"{request}: {answer.status_code} {answer.headers} {answer.text}")
        return None if code == "outcome_unknown" else answer

    def _judge(self, lot: int, step: Step, state: int, answer: httpx.Response | None) -> None:
        before = self.allowed[lot]
        if answer is not None and answer.status_code == 503:
            return
        applied = [step.applied(history, state) for history in before]
        done = {history for history in applied if history is not None}
        refused = {history for history in before if step.applied(history, state) is None}
        if answer is None:
            after = before | done
        elif answer.is_success:
            after = done | self._late(lot, before & done)
        else:
            after = refused
        if answer is None:
            self.doubtful[lot] = step, state
        elif not before & after:
            self.doubtful.pop(lot, None)
        if not after:
            self.wrong.append(f"lot {lot}: {step.request} in {before}: {answer and answer.text}")
        self.allowed[lot] = after

    def _late(self, lot: int, unchanged: set[History]) -> set[History]:
        """A commit in doubt may show after a request that found nothing to write.

        PostgreSQL whose log can't be synced panics with the commit written: a request that another
        backend answers until it is stopped doesn't see it, and what recovery replays does.
        """
        if lot not in self.doubtful:
            return set()
        step, state = self.doubtful[lot]
        late = {step.applied(history, state) for history in unchanged}
        return {history for history in late if history is not None}

    async def reckon(self, database: str) -> None:
        """Holds the rows and the feed against what was answered, and each answer to its repeat."""
        assert not self.wrong, self.wrong[:3]
        assert self.answered
        async with self.client() as client:
            for request, body, key, content in self.kept[-60:]:
                answer = await self._send(client, request, body, key)
                assert answer is not None, request
                assert answer.is_success, (request, answer.text)
                assert answer.headers["idempotency-replayed"] == "true"
                assert answer.content == content, request
        async with beside(database, *MODELS) as db:
            found = [row async for row in db.stream(Order, expand=["tags"])]
            lines = [row async for row in db.stream(Line)]
            changes = [change async for change in all_changes(db)]
        self._compare(found, lines, changes)

    def _compare(self, found: list[Any], lines: list[Any], changes: list[Any]) -> None:
        histories: dict[tuple[str, str], list[Event]] = {}
        lots: dict[tuple[str, str], int] = {}
        for change in changes:
            if change.model not in ("Order", "Line"):
                continue
            place = change.model, change.id
            if change.action == "create":
                lots[place] = change.data["lot"]
            event = (change.action,) if change.action == "delete" else (
                change.action, change.data["state"],
            )  # fmt: skip
            histories.setdefault(place, []).append(event)
        of_lots: dict[int, dict[tuple[str, str], History]] = {lot: {} for lot in self.allowed}
        for place, events in histories.items():
            of_lots[lots[place]][place] = tuple(events)
        for lot, records in of_lots.items():
            told = set(records.values()) or {()}
            assert len(told) == 1, f"half of lot {lot} is told of: {records}"
            assert told <= self.allowed[lot], (lot, told, self.allowed[lot])
            assert len(records) in (0, COUNT, COUNT + 1), f"half of lot {lot} was made"
        stored = {("Order", row.number): row.state for row in found}
        stored |= {("Line", str(row.id)): row.state for row in lines}
        left = {place: told[-1][1] for place, told in histories.items() if there(tuple(told))}
        assert stored == left, "the rows are not as the feed tells"
        for row in found:
            tags = [tag.name for tag in row.tags]
            own = int(row.number.partition(".")[2]) + 1
            assert tags in ([*TAGS[:own]], [*TAGS]), f"half of {row.number} is there"
