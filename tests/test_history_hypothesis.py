"""Whatever is written, each version shows what was read at that time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abaft import Many, Ref, field
from apps.open import Open
from scenarios import Api, serving
from times import times

pytestmark = pytest.mark.slow


class Mark(Open, key="name", stamps=False):
    name: str


class Group(Open, key="name", stamps=False):
    name: str


class Thing(Open, history=True, soft_delete=True):
    text: str | None = field(default="", collate="nocase")
    whole: int | None = None
    real: float | None = None
    money: Decimal | None = field(default=None, max_digits=12, decimal_places=2)
    yes: bool | None = None
    at: datetime | None = None
    day: date | None = None
    clock: time | None = None
    span: timedelta | None = None
    blob: bytes | None = None
    any: dict[str, Any] | None = None
    team: Ref[Group] | None = field(default=None, on_delete="set null")
    marks: Many[Mark]


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
NAMES = ("a", "b", "c")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.none() | WORDS,
    "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
    "real": st.none() | st.sampled_from([0.0, -1.5, 7.0, 1e-9, 1e300, 0.1]),
    "money": st.none() | st.decimals(-1000, 1000, places=2).map(str),
    "yes": st.none() | st.booleans(),
    "at": st.none() | st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat()),
    "day": st.none() | st.dates().map(str),
    "clock": st.none() | st.sampled_from(["10:30:00", "23:59:59.999999"]),
    "span": st.none() | st.sampled_from(["PT90S", "-PT0.5S", "PT0S"]),
    "blob": st.none() | st.sampled_from(["", "AAEC", "/w=="]),
    "any": st.none() | st.dictionaries(WORDS, st.integers(0, 9) | WORDS | st.none(), max_size=2),
    "team": st.none() | st.sampled_from(NAMES),
    "marks": st.lists(st.sampled_from(NAMES), unique=True),
}
changes = st.fixed_dictionaries({}, optional=VALUES)
steps = st.lists(
    st.tuples(st.just("patch"), changes)
    | st.tuples(st.sampled_from(["delete", "restore", "unmark", "ungroup", "back"]), st.just({})),
    min_size=1,
    max_size=8,
)
slow = settings(max_examples=times(30), suppress_health_check=list(HealthCheck))


class World:
    """An app that outlives the examples."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.api: Api = self.run(self.stack.enter_async_context(serving(url, Mark, Group, Thing)))

    def run(self, task: Any) -> Any:
        return self.loop.run_until_complete(task)

    def close(self) -> None:
        self.run(self.stack.aclose())
        self.loop.close()


@pytest.fixture(scope="module")
def world(module_database_url: str) -> Iterator[World]:
    made = World(module_database_url)
    yield made
    made.close()


async def live(api: Api, first: dict[str, Any], following: list[tuple[str, Any]]) -> None:
    for name in NAMES:
        for collection in ("marks", "groups"):
            await api.ask(f"PUT /api/{collection}/{name}", json={})
    made = await api.ask("POST /api/things", json=first)
    assert made.status_code == 201, made.text
    url = f"/api/things/{made.json()['id']}"
    read: dict[int, Any] = {}
    times: list[tuple[datetime, Any]] = []

    async def look() -> None:
        shown = (await api.ask(f"GET {url}?deleted=with")).json()
        read[(await api.items(f"{url}/history"))[0]["version"]] = shown
        times.append((datetime.now(UTC), shown))

    await look()
    for action, values in following:
        await act(api, url, action, values, min(read))
        await look()
    versions = await api.items(f"{url}/history?limit=1000")
    assert {version["version"] for version in versions} == set(read)
    for number, shown in read.items():
        for actor in (None, "admin"):
            answer = await api.ask(f"GET {url}/history/{number}", actor)
            assert answer.status_code == 200
            # What a version's relation led to may be gone.
            if actor == "admin" or shown["marks"] == answer.json()["marks"]:
                assert answer.json() == shown
    for at, shown in times:
        answer = await api.ask(f"GET {url}?as_of={at:%Y-%m-%dT%H:%M:%S.%fZ}", "admin")
        assert answer.json() == shown


async def act(api: Api, url: str, action: str, values: dict[str, Any], first: int) -> None:
    answer: httpx.Response | None = None
    match action:
        case "patch":
            answer = await api.ask(f"PATCH {url}", json=values)
        case "delete":
            answer = await api.ask(f"DELETE {url}")
        case "restore":
            answer = await api.ask(f"POST {url}/restore")
        case "back":
            answer = await api.ask(f"POST {url}/history/{first}/restore")
        case "unmark" | "ungroup":
            answer = await api.ask(f"DELETE /api/{action.removeprefix('un')}s/a")
    assert answer is not None
    assert answer.status_code in (200, 204, 404, 422), answer.text


@pytest.mark.slow
@slow
@given(first=changes, following=steps)
def test_every_version_is_what_was_read_then(world: World, first: Any, following: Any) -> None:
    world.run(live(world.api, first, following))
