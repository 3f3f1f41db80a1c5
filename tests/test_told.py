"""What users are told of their mistakes: each of them, where it is, and what to write instead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from abaft import App, Many, Me, Model, Ref, allow, field
from abaft.base.errors import RuleError
from apps.open import Open
from each import each
from scenarios import Api, serving


class Person(Open, key="handle", stamps=False):
    handle: str
    secret: bool = False


class Spy(Model, key="handle", stamps=False):
    handle: str

    @allow("read")
    def nobody_else(spy, me: Me) -> bool:
        return spy.handle == "known"


class Tag(Open, key="name", stamps=False):
    name: str


class Post(Open, stamps=False, history=True, ordered=True):
    id: int = field(key=True)
    title: str = "x"
    rating: int = 0
    author: Ref[Person] | None = None
    editor: Ref[Person] | None = None
    spy: Ref[Spy] | None = None
    tags: Many[Tag]
    notes: Many[Note] = field(back="post")


class Note(Open, stamps=False):
    text: str
    post: Ref[Post] | None = None


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Person, Spy, Tag, Post, Note) as api:
        system = api.db.as_system()
        await system.create(Person, handle="ann")
        await system.create(Spy, handle="hidden")
        await system.create(Spy, handle="known")
        await system.create(Tag, name="sea")
        yield api


def pointers(answer: Any) -> list[str]:
    return [problem["pointer"] for problem in answer.json().get("errors", [])]


BODIES: list[tuple[str, Any, list[str], str]] = [
    ("POST /api/posts", {"author": "x", "tags": ["y"]}, ["/author", "/tags"], "no_such_record"),
    (
        "POST /api/posts",
        {"author": "x", "editor": "y", "tags": ["sea"]},
        ["/author", "/editor"],
        "",
    ),
    ("POST /api/posts", {"spy": "hidden", "tags": ["y"]}, ["/spy", "/tags"], "no such Spy"),
    ("POST /api/posts", {"spy": "none", "tags": ["y"]}, ["/spy", "/tags"], "no such Spy"),
    ("POST /api/posts", {"author": "ann", "tags": ["sea", "y"]}, ["/tags"], "no such Tag"),
    ("PATCH /api/posts/1", {"author": "x", "tags": ["y"]}, ["/author", "/tags"], ""),
    ("POST /api/posts", {"notes": 3}, ["/notes"], "leads back here: a POST takes a list"),
    ("PUT /api/posts/1", {"notes": []}, ["/notes"], "with PUT a relation takes keys alone"),
    ("PATCH /api/posts/1", {"notes": None}, ["/notes"], "what is to be done"),
    ("POST /api/posts/1/move", {"first": True}, ["/first"], "known: after, before, to"),
    ("POST /api/batch", {"operation": []}, ["/operations", "/operation"], "mean 'operations'?"),
    (
        "POST /api/batch",
        {"operations": [{"method": "GET", "path": "/tags", "boddy": 1}]},
        ["/operations/0/boddy"],
        "did you mean 'body'?",
    ),
]


@pytest.mark.parametrize(("asked", "body", "where", "told"), BODIES)
async def test_all_that_is_wrong_with_a_body(
    api: Api, asked: str, body: Any, where: list[str], told: str
) -> None:
    await api.db.as_system().create(Post, id=1)
    answer = await api.ask(asked, json=body)
    assert answer.status_code == 422, answer.text
    assert sorted(pointers(answer)) == sorted(where), answer.text
    assert told in answer.text


async def test_authz_2_a_hidden_record_is_as_one_that_isnt_there(api: Api) -> None:
    """Beside another relation that leads nowhere, too."""
    told = []
    for key in ("hidden", "none"):
        answer = await api.ask("POST /api/posts", json={"spy": key, "author": "x", "tags": ["y"]})
        told.append(answer.text)
    assert told[0] == told[1]
    assert '"/spy"' in told[0]


QUERIES: list[tuple[str, list[str], str]] = [
    ("GET /api/posts?sort=foo&limit=x&offset=y", ["?sort", "?limit", "?offset"], ""),
    ("PATCH /api/posts?filter=rating >&limit=x&dry_run=y", ["?filter", "?limit", "?dry_run"], ""),
    ("GET /api/posts/1?foo=1&bar=2", ["?foo", "?bar"], ""),
    ("GET /api/posts/1/history?foo=1&bar=2", ["?foo", "?bar"], ""),
    ("GET /api/posts?filter=rating>1&filter=rating<9", ["?filter"], "join the conditions by `and`"),
    ("GET /api/posts?sort=title&sort=rating", ["?sort"], "give it once, with commas between"),
    ("DELETE /api/posts?rating=1&limit=3&fields=title", ["?fields"], "a delete shows keys alone"),
    ("GET /api/posts?aggregate=", ["?aggregate"], "aggregate should be like count,sum(price)"),
    ("GET /api/posts?aggregate=foo(rating)", ["?aggregate"], "no aggregate 'foo': known"),
    ("GET /api/posts?aggregate=sum(rating", ["?aggregate"], "an aggregate of one value"),
    (
        "GET /api/posts?aggregate=count&group=title&having=sum(rating) > 1",
        ["?having"],
        "having knows the groups' members",
    ),
]


@each(("asked", "where", "told"), QUERIES)
async def test_all_that_is_wrong_with_a_query(
    api: Api, asked: str, where: list[str], told: str
) -> None:
    answer = await api.ask(asked, json={} if asked.startswith("PATCH") else None)
    assert answer.status_code == 400, answer.text
    assert sorted(pointers(answer)) == sorted(where), answer.text
    assert told in answer.json()["detail"]


async def test_a_version_that_isnt_there(api: Api) -> None:
    await api.db.as_system().create(Post, id=1)
    answer = await api.ask("GET /api/posts/1/history/999")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "there is no such Post, or no such version of it"
    other = await api.ask("GET /api/posts/2/history/999")
    assert other.json()["detail"] == answer.json()["detail"]


async def test_an_empty_body(api: Api) -> None:
    answer = await api.ask(
        "POST /api/tags", content=b"", headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["detail"] == "the body is empty: it should be JSON"


@pytest.mark.parametrize("compared", [lambda person, me: person.handle == me.id, "handle"])
def test_rules_tell_what_me_is_compared_with(compared: Any) -> None:
    rule = compared if callable(compared) else lambda person, me: person.handle == me

    class Closed(Model):
        handle: str

        @allow("read")
        def own(closed, me: Me) -> bool:
            return rule(closed, me)

    with pytest.raises(RuleError, match=r"post\.author == me, or user == me"):
        App(Closed)
