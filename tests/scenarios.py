"""Scenario tables: a request, who sends it, and all that must and must not come of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from abaft import Actor, App, Model, Settings, User
from abaft.observe.events import Event, RequestFailed

SYSTEM = Actor(system=True, label="system")
LINES = "application/x-ndjson"
PACKED = "application/msgpack"
ADMIN_TOKEN = "an admin token of more than 32 characters"
SECRET_KEY = "a secret key of more than 32 characters"


class ByHeader:
    """Believes whoever says who they are: `Test ID ROLE ROLE`."""

    async def authenticate(self, headers: Mapping[str, str]) -> Actor | None:
        scheme, *words = headers.get("authorization", "").split(" ")
        if scheme != "Test":
            return None
        return Actor(id=words[0] or None, roles=frozenset(words[1:]))


@dataclass
class Api:
    """An app in this process, a client of it, and people who ask."""

    app: App
    client: httpx.AsyncClient
    people: dict[str, str] = field(default_factory=dict)
    defects: list[RequestFailed] = field(default_factory=list)

    @property
    def db(self) -> Any:
        return self.app.db(SYSTEM)

    async def person(self, name: str, *roles: str) -> Any:
        """Stores a user of this name, who from now on may be an `actor`."""
        user = await self.db.create(User, name=name)
        self.people[name] = " ".join(["Test", str(user.id), *roles])
        return user

    def headers(self, actor: str | None) -> dict[str, str]:
        if actor is None:
            return {}
        if actor == "admin":
            return {"authorization": f"Bearer {ADMIN_TOKEN}"}
        return {"authorization": self.people[actor]}

    async def ask(
        self, request: str, actor: str | None = None, /, **options: Any
    ) -> httpx.Response:
        """`await api.ask("GET /api/posts", "ann")`."""
        method, _, url = request.partition(" ")
        headers = {**self.headers(actor), **options.pop("headers", {})}
        response = await self.client.request(method, url, headers=headers, **options)
        if self.defects:
            raise AssertionError(request) from self.defects[0].error
        return response

    async def items(self, url: str, actor: str | None = None, of: str | None = None) -> list[Any]:
        """A list's items, or of each the one member."""
        response = await self.ask(f"GET {url}", actor)
        assert response.status_code == 200, response.text
        items = response.json()["items"]
        return items if of is None else [item[of] for item in items]

    async def get(self, url: str, accept: str, **headers: str) -> httpx.Response:
        """What is there, in that form."""
        response = await self.ask(f"GET {url}", headers={"accept": accept, **headers})
        assert response.status_code == 200, response.text
        return response

    async def changes(self) -> list[str]:
        """The change feed as `action Model`, oldest first."""
        found: list[str] = []
        after = ""
        while batch := await self.db.changes(after, 500):
            found += [f"{change.action} {change.model}" for change in batch]
            after = batch[-1].position
        return found

    def note(self, event: Event) -> None:
        if isinstance(event, RequestFailed):
            self.defects.append(event)


@asynccontextmanager
async def serving(url: str, *models: type[Model], **options: Any) -> AsyncIterator[Api]:
    """The models on that database; `settings` are those that differ from the defaults.

    `people` are the names of users that there are.
    """
    people = options.pop("people", ())
    given = {"admin_token": ADMIN_TOKEN, "secret_key": SECRET_KEY} | options.pop("settings", {})
    options.setdefault("authenticators", [ByHeader()])
    app = App(*models, settings=Settings(database=url, **given), sinks=(), **options)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        api = Api(app, client)
        app.observer.sinks.append(api.note)
        await app.start()
        try:
            for name in people:
                await api.person(name)
            yield api
        finally:
            await app.stop()


def pointers(answer: httpx.Response) -> list[tuple[str, str]]:
    """Where a refusal sees faults, and the code of each."""
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


@dataclass(frozen=True)
class Scenario:
    """One row of a table. `has` and `lacks` are looked for in the body's text.

    `changes` are the change records that it makes, as `action Model`; a refusal makes none.
    """

    request: str
    status: int
    actor: str | None = None
    json: Any = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    has: Iterable[str] = ()
    lacks: Iterable[str] = ()
    shows: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[str, ...] = ()

    def options(self) -> dict[str, Any]:
        if self.body is not None:
            return {"content": self.body, "headers": self.headers}
        return (
            {"json": self.json, "headers": self.headers}
            if self.json is not None
            else {"headers": self.headers}
        )


async def play(api: Api, rows: Iterable[Scenario]) -> None:
    """Plays the rows one after the other, and tells of all that came out otherwise."""
    wrong: list[str] = []
    for row in rows:
        before = await api.changes()
        response = await api.ask(row.request, row.actor, **row.options())
        made = tuple((await api.changes())[len(before) :])
        wrong += [f"{row.request} by {row.actor}: {fault}" for fault in faults(row, response, made)]
    assert not wrong, "\n" + "\n".join(wrong)


def faults(row: Scenario, response: httpx.Response, made: tuple[str, ...]) -> Iterable[str]:
    text = response.text
    if response.status_code != row.status:
        yield f"{response.status_code}, not {row.status}: {text[:500]}"
        return
    yield from (f"lacks {part!r}: {text[:500]}" for part in row.has if part not in text)
    yield from (f"shows {part!r}: {text[:500]}" for part in row.lacks if part in text)
    for name, value in row.shows.items():
        if response.headers.get(name) != value:
            yield f"{name}: {response.headers.get(name)!r}, not {value!r}"
    if made != row.changes:
        yield f"made the changes {made}, not {row.changes}"
    if response.status_code >= 400:
        yield from not_a_problem(response)


def not_a_problem(response: httpx.Response) -> Iterable[str]:
    """In what a refusal isn't shaped as every refusal is (RFC 9457)."""
    if response.headers.get("content-type") != "application/problem+json":
        yield f"content-type is {response.headers.get('content-type')}"
        return
    if response.request.method == "HEAD":
        return
    body = response.json()
    if body.get("status") != response.status_code:
        yield "the status is another"
    if body.get("type") != f"urn:abaft:problem:{body.get('code')}":
        yield f"type {body.get('type')!r} isn't the code's"
    if not isinstance(body.get("title"), str) or not set(body) <= {
        "type", "title", "status", "code", "detail", "hint", "errors",
    }:  # fmt: skip
        yield f"members {sorted(body)}"
    for error in body.get("errors", ()):
        if set(error) != {"pointer", "code", "detail"}:
            yield f"an error has the members {sorted(error)}"
        elif not (error["pointer"] == "" or error["pointer"][0] in "/?"):
            yield f"pointer {error['pointer']!r}"
    if any(
        word in response.text for word in ("SELECT", "INSERT", "sqlite", "asyncpg", "Traceback")
    ):
        yield "tells of the database"
