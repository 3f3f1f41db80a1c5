"""References in batches: a batch comes to the same as its operations one by one (hypothesis)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conftest import fresh_database
from scenarios import Api, serving
from test_batch import Count, Hooked, Page, Word, op
from times import times

MODELS = (Count, Hooked, Page, Word)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["page", "count", "child", "move", "next", "drop", "hook", "read"]),
        st.integers(0, 9),
    ),
    max_size=8,
)


class Sides:
    """The same models twice: one is sent batches, the other single requests."""

    def __init__(self, urls: list[str]) -> None:
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        entering = [self.stack.enter_async_context(serving(url, *MODELS)) for url in urls]
        self.batches, self.singles = [self.runner.run(entered) for entered in entering]

    def close(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()


@pytest.fixture(scope="module")
def sides(module_database_url: str, engine: str, request: pytest.FixtureRequest) -> Iterator[Sides]:
    # Of one engine: SQLite gives the number of what was deleted last to what comes next.
    with fresh_database(engine, request) as url:
        both = Sides([module_database_url, url])
        yield both
        both.close()


def spelled(steps: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """The steps as operations; a number tells which one before it is referred to."""
    rows: list[dict[str, Any]] = []
    for place, (kind, number) in enumerate(steps):
        name, other = f"o{place}", f"o{number % max(place, 1)}"
        key, reference = f"{{{other}.id}}", {"$ref": f"{other}.id"}
        match kind:
            case "page":
                row = op("POST /pages?fields=id,title", {"title": f"t{number}"})
            case "count":
                row = op("POST /counts", {"n": number * 6})
            case "child":
                row = op("POST /pages?fields=id", {"title": name, "parent": reference})
            case "move":
                row = op(f"PATCH /pages/{key}?fields=id,title", {"title": f"moved {name}"})
            case "next":
                row = op("POST /counts", {"after": reference})
            case "drop":
                row = op(f"DELETE /counts/{key}")
            case "hook":
                row = op("POST /hookeds", {"name": f"h{number}"})
            case _:
                row = op(f"GET /pages/{key}?fields=id,title")
        rows.append({**row, "name": name})
    return rows


async def one_by_one(api: Api, rows: list[dict[str, Any]]) -> list[Any] | None:
    """The answers of single requests, with the keys put in; None as soon as one is refused."""
    keys: dict[str, Any] = {}
    found = []
    for row in rows:
        path, body = row["path"], row.get("body", {})
        for name, key in keys.items():
            path = path.replace(f"{{{name}.id}}", str(key))
        for member, value in body.items():
            if isinstance(value, dict):
                body = {**body, member: keys.get(value["$ref"].partition(".")[0], value)}
        if "{" in path or any(isinstance(value, dict) for value in body.values()):
            return None
        sent = {"json": body} if row["method"] in ("POST", "PATCH") else {}
        answer = await api.ask(f"{row['method']} /api{path}", **sent)
        if answer.status_code >= 400:
            return None
        shown = answer.json() if answer.content else None
        if shown and "id" in shown:
            keys[row["name"]] = shown["id"]
        found.append((answer.status_code, shown))
    return found


def numbered(found: list[Any]) -> list[Any]:
    """The answers with each key by the order in which it came up."""
    seen: dict[Any, int] = {None: -1}

    def put(shown: Any) -> Any:
        keys = ("id", "after", "parent")
        return shown and {
            name: seen.setdefault(value, len(seen)) if name in keys else value
            for name, value in shown.items()
        }

    return [(status, put(shown)) for status, shown in found]


async def compare(sides: Sides, steps: list[tuple[str, int]]) -> None:
    for side in (sides.batches, sides.singles):
        for collection, last in (("pages", "-id"), ("counts", "-id"), ("hookeds", "name")):
            # What refers to others goes before them.
            url = f"/api/{collection}?all=true&limit=1000&sort={last}"
            assert (await side.ask(f"DELETE {url}")).status_code == 200
    rows = spelled(steps)
    single = await one_by_one(sides.singles, rows)
    answer = await sides.batches.ask("POST /api/batch", json={"operations": rows})
    if single is None:
        assert 400 <= answer.status_code < 500, answer.text
        for collection in ("pages", "counts", "hookeds"):
            assert await sides.batches.items(f"/api/{collection}") == []
        return
    assert answer.status_code == 200, answer.text
    found = [(row["status"], row["body"]) for row in answer.json()["results"]]
    assert numbered(found) == numbered(single)


@settings(max_examples=times(150), suppress_health_check=[*HealthCheck])
@given(steps=STEPS)
@example(steps=[("count", 1), ("next", 0), ("next", 1), ("drop", 2)])
@example(steps=[("page", 1), ("child", 0), ("move", 1), ("read", 0), ("hook", 1)])
@example(steps=[("page", 1), ("count", 0), ("move", 1)])
@pytest.mark.slow
def test_references_come_to_the_same_as_single_requests(
    sides: Sides, steps: list[tuple[str, int]]
) -> None:
    sides.runner.run(compare(sides, steps))
