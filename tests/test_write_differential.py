"""The same writes on several engines: the same answers, the same records, the same changes (VAL-4).

What was found is kept as examples of the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asking import emptied
from differential.actions import MODELS, Action, actions, seeds
from scenarios import Api, serving
from times import times

STEPS = 10
"""Actions to one world."""
TABLES = ("bids", "notes", "cards", "teams", "marks")
SHOWN = ("location", "content-type", "etag", "allow")

pytestmark = [pytest.mark.slow, pytest.mark.everywhere, pytest.mark.usefixtures("patience")]
thorough = settings(
    max_examples=times(60), print_blob=True, suppress_health_check=[*HealthCheck], deadline=None
)


class Engine:
    """An app on one engine, on a loop of its own that waits between requests."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        opening = self.stack.enter_async_context(serving(url, *MODELS))
        self.api: Api = self.runner.run(opening)
        self.after = ""
        schema = self.api.app.schema
        links = [
            model.table
            for model in schema.models.values()
            if model.internal and "card" in model.table
        ]
        self.tables = [*links, *(model.__spec__.table for model in reversed(MODELS))]

    def close(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def empty(self) -> None:
        self.runner.run(self._empty())

    async def _empty(self) -> None:
        """Cards hold each other, and links hold cards: links first, then from the leaves."""
        await emptied(self.api.db, *self.tables)

    def do(self, action: Action) -> Any:
        """What is answered, as far as it must be the same anywhere."""
        return self.runner.run(self._do(action))

    async def _do(self, action: Action) -> Any:
        path, headers = action.path, dict(action.headers)
        if action.matched is not None:
            read = await self.api.ask(f"GET /api/{action.matched}")
            headers["if-match"] = read.headers.get("etag", '"none"')
        if action.version is not None:
            found = (await self.api.ask(f"GET /api/{path}")).json().get("items", [])
            number = found[action.version]["version"] if action.version < len(found) else 0
            path = f"{path}/{number}/restore"
        body = {} if action.body is None else {"json": action.body}
        answer = await self.api.ask(f"{action.method} /api/{path}", headers=headers, **body)
        return told(answer)

    def state(self) -> Any:
        return self.runner.run(self._state())

    async def _state(self) -> Any:
        """All records, the versions of cards, and what the change feed says since last time."""
        found: dict[str, Any] = {}
        for path in (*TABLES, "cards?deleted=only", "teams?expand=cards.marks,notes.card"):
            sign = "&" if "?" in path else "?"
            answer = await self.api.ask(f"GET /api/{path}{sign}limit=1000")
            found[path] = (answer.text, answer.headers.get("etag"))
        found["changes"] = []
        while batch := await self.api.db.changes(self.after, 500):
            self.after = batch[-1].position
            found["changes"] += [
                (change.action, change.model, change.id, change.data) for change in batch
            ]
        return found


def told(answer: httpx.Response) -> Any:
    """Status, headers and body."""
    headers = {name: answer.headers.get(name) for name in SHOWN}
    return answer.status_code, headers, answer.text


@pytest.fixture(scope="module")
def engines(module_database_urls: dict[str, str]) -> Iterator[list[Engine]]:
    opened = [Engine(name, url) for name, url in module_database_urls.items()]
    yield opened
    for engine in opened:
        engine.close()


def hold_together(engines: list[Engine], steps: list[Action]) -> list[Any]:
    """Plays the steps everywhere; the answers, and at the end what is stored."""
    for engine in engines:
        engine.empty()
    states = [engine.state() for engine in engines]
    for action in [*seeds(), *steps]:
        answers = {engine.name: engine.do(action) for engine in engines}
        assert alike(answers), differing(action, answers)
    states = {engine.name: engine.state() for engine in engines}
    for part in next(iter(states.values())):
        parts = {name: state[part] for name, state in states.items()}
        assert alike(parts), differing(part, parts)


def alike(answers: dict[str, Any]) -> bool:
    first = next(iter(answers.values()))
    return all(answer == first for answer in answers.values())


def differing(what: Any, answers: dict[str, Any]) -> str:
    return "\n".join([str(what), *(f"{name}: {answer}" for name, answer in answers.items())])


@thorough
@given(steps=st.lists(actions, min_size=STEPS, max_size=STEPS))
def test_val_4_engines_write_alike(engines: list[Engine], steps: list[Action]) -> None:
    hold_together(engines, steps)
