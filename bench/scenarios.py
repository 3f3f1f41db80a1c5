"""What is asked: eight scenarios, each a random draw turned into one request for either server."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from bench import data

Side = Literal["abaft", "peer"]
Engine = Literal["sqlite", "postgres", "mariadb", "mongodb"]
SIDES: tuple[Side, ...] = ("abaft", "peer")
ENGINES: tuple[Engine, ...] = ("sqlite", "postgres", "mariadb", "mongodb")
PAGE = 20
BATCH = 100
NESTED = 20


@dataclass(frozen=True, slots=True)
class Draw:
    """The random part of one request: a post, an author and a moment, by number."""

    post: int
    author: int
    before: int
    views: int

    @property
    def moment(self) -> str:
        """The moment as RFC 3339, in UTC."""
        return stamp(data.created(self.before))


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, without what depends on where it is sent."""

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=())

    def raw(self, host: str) -> bytes:
        """The bytes on the wire."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of request, how each server spells it, and the ratio to reach on each engine.

    `prepared` requests are made for a round: enough that a cache of answers would gain little.
    """

    name: str
    title: str
    abaft: Callable[[Draw], Request]
    peer: Callable[[Draw], Request]
    target: dict[Engine, float]
    prepared: int = 20_000

    def request(self, side: Side, draw: Draw) -> Request:
        """The request for one server."""
        return self.abaft(draw) if side == "abaft" else self.peer(draw)


def stamp(moment: datetime) -> str:
    """A moment as RFC 3339 with microseconds and Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def draws(seed: int) -> Iterator[Draw]:
    """Draws without end, the same for the same seed."""
    choose = random.Random(seed)
    while True:
        yield Draw(
            post=choose.randrange(data.POSTS),
            author=choose.randrange(data.AUTHORS),
            # Late enough that each page is full, under the rule as well.
            before=choose.randrange(data.POSTS // 50, data.POSTS),
            views=choose.randrange(1_000_000),
        )


def _bearer(draw: Draw) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Bearer user-{draw.author}"),)


def _bare(draw: Draw, number: int = 0) -> dict[str, Any]:
    return {
        "title": f"Seen abaft the beam, number {draw.views}",
        "body": "A light on the quarter, bearing steady, “closing”. " * 6,
        "views": draw.views + number,
        "published": draw.views % 2 == 0,
    }


def _new(draw: Draw, author: str) -> bytes:
    return _json(_bare(draw) | {author: str(data.author_id(draw.author))})


def _many(draw: Draw, author: str) -> list[dict[str, Any]]:
    key = str(data.author_id(draw.author))
    return [_bare(draw, number) | {author: key} for number in range(BATCH)]


def _operations(draw: Draw) -> bytes:
    rows = [{"method": "POST", "path": "/posts", "body": row} for row in _many(draw, "author")]
    return _json({"operations": rows})


def _nested(draw: Draw) -> bytes:
    posts = [_bare(draw, number) for number in range(NESTED)]
    name = f"Author {draw.views}"
    return _json({"name": name, "email": f"{draw.views}@example.org", "posts": posts})


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _changed(draw: Draw) -> bytes:
    return json.dumps({"views": draw.views}).encode()


_NEWEST = f"sort=-created&limit={PAGE}"
# Brackets are sent escaped, as browsers and HTTP clients send them.
_BEFORE = "created%5Blt%5D"

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        name="read",
        title="Single read",
        abaft=lambda d: Request("GET", f"/api/posts/{data.post_id(d.post)}"),
        peer=lambda d: Request("GET", f"/posts/{data.post_id(d.post)}"),
        target={"sqlite": 12, "postgres": 10, "mariadb": 4, "mongodb": 4},
    ),
    Scenario(
        name="joined",
        title="List of 20 joined",
        abaft=lambda d: Request("GET", f"/api/posts?{_NEWEST}&expand=author&{_BEFORE}={d.moment}"),
        peer=lambda d: Request("GET", f"/posts?limit={PAGE}&created_before={d.moment}"),
        target={"sqlite": 8, "postgres": 6, "mariadb": 4, "mongodb": 4},
    ),
    Scenario(
        name="count",
        title="Filtered list with count",
        abaft=lambda d: Request(
            "GET", f"/api/posts?author={data.author_id(d.author)}&{_NEWEST}&count=exact"
        ),
        peer=lambda d: Request("GET", f"/authors/{data.author_id(d.author)}/posts?limit={PAGE}"),
        target={"sqlite": 8, "postgres": 6, "mariadb": 4, "mongodb": 4},
    ),
    Scenario(
        name="rule",
        title="List under a rule",
        abaft=lambda d: Request(
            "GET", f"/api/notes?{_NEWEST}&{_BEFORE}={d.moment}", headers=_bearer(d)
        ),
        peer=lambda d: Request(
            "GET", f"/notes?limit={PAGE}&created_before={d.moment}", headers=_bearer(d)
        ),
        target={"sqlite": 8, "postgres": 6, "mariadb": 4, "mongodb": 4},
    ),
    # Writes come last: what they leave behind must not weigh on the reads.
    Scenario(
        name="update",
        title="Durable update",
        abaft=lambda d: Request("PATCH", f"/api/posts/{data.post_id(d.post)}", _changed(d)),
        peer=lambda d: Request("PATCH", f"/posts/{data.post_id(d.post)}", _changed(d)),
        target={"sqlite": 10, "postgres": 4, "mariadb": 3, "mongodb": 3},
    ),
    Scenario(
        name="insert",
        title="Durable insert",
        abaft=lambda d: Request("POST", "/api/posts", _new(d, "author")),
        peer=lambda d: Request("POST", "/posts", _new(d, "author_id")),
        target={"sqlite": 10, "postgres": 4, "mariadb": 3, "mongodb": 3},
    ),
    Scenario(
        name="nested",
        title="Nested 1 + 20",
        abaft=lambda d: Request("POST", "/api/authors?expand=posts", _nested(d)),
        peer=lambda d: Request("POST", "/authors", _nested(d)),
        target={"sqlite": 4, "postgres": 3, "mariadb": 3, "mongodb": 3},
        prepared=1_000,
    ),
    Scenario(
        name="batch",
        title="Batch of 100",
        abaft=lambda d: Request("POST", "/api/batch", _operations(d)),
        peer=lambda d: Request("POST", "/batch", _json(_many(d, "author_id"))),
        target={"sqlite": 4, "postgres": 3, "mariadb": 3, "mongodb": 3},
        prepared=200,
    ),
)
