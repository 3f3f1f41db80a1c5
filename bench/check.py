"""Before anything is timed: do both servers give the answer that the data calls for?"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from bench import data
from bench.scenarios import PAGE, SCENARIOS, Draw, Request, Scenario, Side, draws

SAMPLES = 25
Json = dict[str, Any]


class Wrong(SystemExit):
    """A server answered something else than the data calls for."""


def check(side: Side, port: int, scenarios: tuple[Scenario, ...] = SCENARIOS) -> None:
    """Ask for samples of each scenario; raises `Wrong` at the first answer that differs.

    Both servers are held against the same expectation, worked out from the rows in Python, so
    two right answers are also equal to each other.
    """
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for scenario in scenarios:
        for draw in islice(draws(seed=len(scenario.name)), SAMPLES):
            _compare(client, scenario, side, draw)
    client.close()


def _compare(
    client: http.client.HTTPConnection, scenario: Scenario, side: Side, draw: Draw
) -> None:
    request = scenario.request(side, draw)
    status, answer = _ask(client, request)
    if scenario.name in _MANY:
        _several(client, side, request, status, answer)
        return
    expected = _EXPECTED[scenario.name](draw)
    if status != (201 if scenario.name == "insert" else 200):
        raise Wrong(f"{side}, {scenario.name}: {request.path} gave {status}: {answer}")
    got = _page(answer) if "items" in expected else _record(answer)
    if scenario.name == "insert":
        _same(side, request, _record(_read_back(client, side, answer["id"])), got)
        got = {name: got[name] for name in expected}
    _same(side, request, got, expected)
    if scenario.name == "update":
        _put_back(client, scenario, side, draw)


def _several(
    client: http.client.HTTPConnection, side: Side, request: Request, status: int, answer: Any
) -> None:
    """All that was sent is answered, in order, and the last of it can be read."""
    if status not in (200, 201):
        raise Wrong(f"{side}: {request.path} gave {status}: {answer}")
    sent = json.loads(request.body)
    if isinstance(sent, dict):
        posts = sent.get("posts") or [row["body"] for row in sent["operations"]]
    else:
        posts = sent
    made = answer if isinstance(answer, list) else answer.get("posts")
    made = [row["body"] for row in answer["results"]] if made is None else made
    for post, row in zip(posts, made, strict=True):
        expected = {name.removesuffix("_id"): value for name, value in post.items()}
        got = _record(row)
        _same(side, request, {name: got[name] for name in expected}, expected)
    last = _record(made[-1])
    _same(side, request, _record(_read_back(client, side, last["id"])), last)


def _same(side: Side, request: Request, got: Json, expected: Json) -> None:
    if got != expected:
        raise Wrong(
            f"{side}: {request.method} {request.path} answered\n  {got}\ninstead of\n  {expected}"
        )


def _ask(client: http.client.HTTPConnection, request: Request) -> tuple[int, Any]:
    headers = dict(request.headers) | ({"Content-Type": "application/json"} if request.body else {})
    client.request(request.method, request.path, request.body or None, headers)
    response = client.getresponse()
    return response.status, json.loads(response.read())


def _read_back(client: http.client.HTTPConnection, side: Side, key: str) -> Any:
    path = f"/api/posts/{key}" if side == "abaft" else f"/posts/{key}"
    return _ask(client, Request("GET", path))[1]


def _put_back(
    client: http.client.HTTPConnection, scenario: Scenario, side: Side, draw: Draw
) -> None:
    """Undo an update, so that the next sample finds the rows as they were made."""
    views = data.posts()[draw.post].views
    before = Draw(draw.post, draw.author, draw.before, views)
    _ask(client, scenario.request(side, before))


def _page(answer: Any) -> Json:
    """A page from either server: one wraps every list in an object, the other only some."""
    whole = answer if isinstance(answer, dict) else {"items": answer}
    page: Json = {"items": [_record(item) for item in whole["items"]]}
    return page | ({"count": whole["count"]} if "count" in whole else {})


def _record(answer: Json) -> Json:
    """A record from either server, with the names and types of neither."""
    record = {name.removesuffix("_id"): value for name, value in answer.items()}
    moment = datetime.fromisoformat(record["created"])
    # Without an offset it is UTC: SQLite keeps none for SQLAlchemy to give back.
    record["created"] = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return record


def _expect(post: data.Post) -> Json:
    return {
        "id": str(post.id),
        "title": post.title,
        "body": post.body,
        "views": post.views,
        "published": post.published,
        "author": str(post.author),
        "created": post.created,
    }


def _joined(draw: Draw) -> Json:
    people = {str(a.id): {"id": str(a.id), "name": a.name, "email": a.email} for a in _AUTHORS}
    items = [_expect(post) for post in data.posts()[draw.before - PAGE : draw.before]]
    return {"items": [item | {"author": people[item["author"]]} for item in reversed(items)]}


def _count(draw: Draw) -> Json:
    mine = [post for post in data.posts() if post.author == data.author_id(draw.author)]
    return {"items": [_expect(post) for post in mine[::-1][:PAGE]], "count": len(mine)}


def _rule(draw: Draw) -> Json:
    me = data.author_id(draw.author)
    before = reversed(data.notes()[: draw.before])
    seen = (note for note in before if note.published or note.author == me)
    return {"items": [_expect(note) for note in islice(seen, PAGE)]}


def _insert(draw: Draw) -> Json:
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == "insert")
    sent: Json = json.loads(scenario.request("abaft", draw).body)
    return sent


def _update(draw: Draw) -> Json:
    return _expect(data.posts()[draw.post]) | {"views": draw.views}


_MANY = ("nested", "batch")
_AUTHORS = tuple(data.authors())
_EXPECTED: dict[str, Callable[[Draw], Json]] = {
    "read": lambda draw: _expect(data.posts()[draw.post]),
    "joined": _joined,
    "count": _count,
    "rule": _rule,
    "update": _update,
    "insert": _insert,
}
