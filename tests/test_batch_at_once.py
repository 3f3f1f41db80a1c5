"""New records of one collection are read, and written, all at once: as each by itself would be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

import orjson
import pytest

from abaft import Many, Me, Model, Ref, allow, computed, field
from abaft.store.postgres import PostgresStore
from scenarios import Api, serving


class Rack(Model, key="name", stamps=False, soft_delete=True):
    name: str
    secret: bool = False
    books: Many[Book] = field(back="shelf")

    @allow("read")
    def open_to_all(shelf, me: Me) -> bool:
        return shelf.secret == False  # noqa: E712

    @allow("create", "update", "delete")
    def anybody(shelf, me: Me) -> bool:
        return True


class Book(Model, key="code", stamps=False):
    """Of which a rule looks at its own values."""

    code: str
    title: str = field(collate="nocase")
    pages: int = 0
    shelf: Ref[Rack] | None = None
    after: Ref[Book] | None = None
    hidden: str = field(hidden=True, default="h")

    @computed
    def double(book) -> int:
        return book.pages * 2

    @allow("read")
    def not_long(book, me: Me) -> bool:
        return book.pages < 100

    @allow("create", "delete")
    def some(book, me: Me) -> bool:
        return book.pages >= 0


class Pair(Model, key="code", stamps=False):
    """Of which a rule looks at the others."""

    code: str
    shelf: Ref[Rack]

    @allow("read", "delete")
    def anybody(pair, me: Me) -> bool:
        return True

    @allow("create")
    def few(pair, me: Me) -> bool:
        return ~pair.shelf.books.any(lambda book: book.pages > 5)


class Thing(Model, key="code", stamps=False):
    """With a field of each kind."""

    code: str
    text: str | None
    real: float | None
    exact: Decimal | None = field(max_digits=9, decimal_places=2)
    yes: bool | None
    at: datetime | None
    on: date | None
    by: time | None
    lasts: timedelta | None
    raw: bytes | None
    data: dict[str, Any] | None
    one_of: Literal["a", "b"] | None
    number: Literal[1, 2] | None

    @allow("read", "create", "delete")
    def anybody(thing, me: Me) -> bool:
        return True


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Rack, Book, Pair, Thing) as api:
        for name, secret in (("low", False), ("back", True)):
            shelf = {"name": name, "secret": secret}
            assert (await api.ask("POST /api/racks", json=shelf)).status_code == 201
        yield api


async def sent(api: Api, path: str, bodies: Sequence[Any], turned: bool = False) -> Any:
    """The answer; `turned` round, the members of each operation are no sign of what follows."""
    rows = [{"method": "POST", "path": path, "body": body} for body in bodies]
    if turned:
        rows = [dict(reversed(row.items())) for row in rows]
    body = orjson.dumps({"operations": rows})
    headers = {"content-type": "application/json"}
    return await api.ask("POST /api/batch", content=body, headers=headers)


BOOKS = [
    {"code": "a/b", "title": 'Q"\\', "pages": 5, "shelf": "low"},
    {"code": "é", "title": "“ü”", "pages": 100, "shelf": None},
    {"code": "c", "title": "", "pages": 0, "shelf": "low"},
]
THINGS: list[dict[str, Any]] = [
    {
        "code": "1",
        "text": "ü\n",
        "real": -0.5,
        "exact": "2.50",
        "yes": True,
        "at": "2026-01-02T03:04:05.000006Z",
        "on": "2026-01-02",
        "by": "03:04:05",
        "lasts": "PT1.5S",
        "raw": "AP8=",
        "data": {"x": [1, None, "“"]},
        "one_of": "a",
        "number": 2,
    }
]
THINGS.append({**dict.fromkeys(THINGS[0]), "code": "2"})
THINGS.append({**THINGS[0], "code": "3", "data": {}, "real": 1e300, "exact": "7"})


@pytest.mark.parametrize(
    ("path", "bodies"),
    [("/books", BOOKS), ("/books?fields=code,double", BOOKS), ("/things", THINGS)],
)
async def test_the_answer_and_the_feed_are_those_of_any_other_way(
    api: Api, path: str, bodies: Sequence[Any]
) -> None:
    answers, feeds = [], []
    for turned in (False, True):
        before = len(await api.app.store.changes("", 1000))
        answers.append(await sent(api, path, bodies, turned))
        feeds.append((await api.app.store.changes("", 1000))[before:])
        for row in reversed(answers[-1].json()["results"]):
            gone = await api.ask(f"DELETE {row['headers']['location']}")
            assert gone.status_code in (204, 404)  # what nobody may see nobody deletes
        if path.startswith("/books"):
            await removed(api)
    assert answers[0].status_code == 200, answers[0].text
    assert answers[0].content == answers[1].content
    assert [(row.id, row.data) for row in feeds[0]] == [(row.id, row.data) for row in feeds[1]]
    assert [row.id for row in feeds[0]] == [quote(body["code"], safe="") for body in bodies]
    alone = await api.ask(f"POST /api{path}", json=bodies[0])
    row = answers[0].json()["results"][0]
    assert (alone.json(), alone.headers["etag"]) == (row["body"], row["headers"]["etag"])
    assert alone.headers["location"] == row["headers"]["location"]


async def removed(api: Api) -> None:
    """The books that only an administrator sees."""
    db = api.db
    for book in await db.list(Book):
        await db.delete(book)


REFUSED: list[tuple[str, list[dict[str, Any]], int, str]] = [
    ("/books", [{"code": "x", "title": "", "pages": n} for n in (1, -1, 2)], 403, "operation 1:"),
    ("/books", [{"code": c, "title": ""} for c in "xyx"], 409, "operation 2:"),
    (
        "/books",
        [{"code": c, "title": "", "shelf": s} for c, s in (("x", "low"), ("y", "back"))],
        422,
        "operation 1:",
    ),
    ("/books", [{"code": c, "title": t} for c, t in (("x", ""), ("y", 1))], 422, "operation 1:"),
    ("/nothing", [{"code": "x"}, {"code": "y"}], 404, "2 operations"),
    ("/books/x", [{"code": "x"}, {"code": "y"}], 405, "2 operations"),
    ("/books?fields=no", [{"code": c, "title": ""} for c in "xy"], 400, ""),
]


@pytest.mark.parametrize(("path", "bodies", "status", "told"), REFUSED)
async def test_authz_1_what_is_refused_is_told_as_ever_and_nothing_is_kept(
    api: Api, path: str, bodies: list[dict[str, Any]], status: int, told: str
) -> None:
    before = await api.app.store.changes("", 1000)
    ours, theirs = [await sent(api, path, bodies, turned) for turned in (False, True)]
    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content)
    assert (ours.status_code, ours.json()["detail"][: len(told)]) == (status, told)
    assert await api.app.store.changes("", 1000) == before


async def test_authz_1_a_rule_about_others_is_asked_of_each_in_turn(api: Api) -> None:
    many = [{"code": c, "title": "", "pages": 9, "shelf": "low"} for c in "xy"]
    assert (await sent(api, "/books", many)).status_code == 200
    answer = await sent(api, "/pairs", [{"code": c, "shelf": "low"} for c in "xy"])
    assert answer.status_code == 403


async def test_a_record_may_lead_to_one_before_it(api: Api) -> None:
    rows = [{"code": c, "title": "", "after": after} for c, after in (("x", None), ("y", "x"))]
    answer = await sent(api, "/books", rows)
    assert [row["body"]["after"] for row in answer.json()["results"]] == [None, "x"]


async def test_what_is_no_such_batch_goes_another_way(api: Api) -> None:
    book = {"code": "x", "title": "t"}
    post = {"method": "POST", "path": "/books", "body": book}
    for rows in (
        [post, {"method": "DELETE", "path": "/books/x"}],
        [post, {**post, "path": "/racks", "body": {"name": "new"}}],
        [{**post, "name": "one"}],
        [post, {**post, "body": {**book, "code": "y"}, "headers": {"prefer": "return=minimal"}}],
    ):
        answer = await api.ask("POST /api/batch", json={"operations": rows})
        assert answer.status_code == 200, answer.text
        await removed(api)
    apart = {"operations": [post, post], "atomic": False}
    answer = await api.ask("POST /api/batch", json=apart)
    assert [row["status"] for row in answer.json()["results"]] == [201, 409]


async def test_on_postgres_they_are_one_statement_where_no_rule_looks_further(api: Api) -> None:
    if not isinstance(api.app.store, PostgresStore):
        pytest.skip("PostgreSQL's own way")
    assert (await sent(api, "/books", BOOKS)).status_code == 200
    assert (await sent(api, "/things", THINGS)).status_code == 200
    pairs = [{"code": c, "shelf": "low"} for c in "xy"]
    assert (await sent(api, "/pairs", pairs)).status_code == 200
    ways = api.app.store._wholes._lanes_of_several
    assert [lane is not None for lane in ways.values()] == [True, True, False]
