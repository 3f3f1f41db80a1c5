"""VAL-3: of fifty equal writes at once one takes place; the others are told of which field."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from abaft import Many, Ref, Unique, before, field
from apps.open import Open
from scenarios import Api, serving

pytestmark = pytest.mark.slow

COUNT = 50


class Tag(Open, key="name", stamps=False):
    name: str


class Cell(Open, key=("row", "column"), stamps=False):
    row: int
    column: int
    text: str = ""


class Account(
    Open,
    soft_delete=True,
    unique=[("first", "last"), Unique("nick", where=lambda account: account.public)],
):
    email: str | None = field(default=None, unique=True, collate="nocase")
    first: str | None = None
    last: str | None = None
    nick: str | None = None
    public: bool = False
    team: Ref[Team] | None = field(default=None, on_delete="cascade")
    tags: Many[Tag]


class Team(Open, key="name", stamps=False):
    name: str
    lead: Ref[Account] | None = field(default=None, unique=True)
    members: Many[Account] = field(back="team")


class Hooked(Open, history=True, ordered=True, stamps=False):
    """A write of several statements, with a hook."""

    id: int = field(key=True)
    name: str = field(unique=True)

    @before("create", "update")
    async def trim(hooked) -> None:
        hooked.name = hooked.name.strip()


MODELS = (Tag, Cell, Account, Team, Hooked)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS, settings={"connections": 10}) as api:
        yield api


@dataclass(frozen=True)
class Way:
    """A request, its body by its number, where the refusals point, and how many rows there are."""

    request: str
    body: Callable[[int], Any]
    pointers: tuple[str, ...]
    count: str = "accounts"
    rows: int = 1
    wins: int = 201
    others: int = 409


def operation(path: str, body: Any) -> list[dict[str, Any]]:
    return [{"method": "POST", "path": path, "body": body}]


SAME = {"email": "a@b"}
BATCH: dict[str, Any] = {"operations": operation("/tags", {"name": "t"})}
WAYS: dict[str, Way] = {
    "unique": Way("POST /api/accounts", lambda n: SAME, ("/email",)),
    "nocase": Way(
        "POST /api/accounts", lambda n: {"email": ("a@b", "A@B", "a@B")[n % 3]}, ("/email",)
    ),
    "together": Way(
        "POST /api/accounts", lambda n: {"first": "a", "last": "b"}, ("/first", "/last")
    ),
    "condition": Way("POST /api/accounts", lambda n: {"nick": "a", "public": True}, ("/nick",)),
    "links": Way(
        "POST /api/accounts", lambda n: {**SAME, "tags": ["sea", "sun"]}, ("/email",)
    ),
    "key": Way("POST /api/tags", lambda n: {"name": "t"}, ("/name",), "tags?name=t"),
    "keys": Way("POST /api/cells", lambda n: {"row": 1, "column": 2}, ("/column", "/row"), "cells"),
    "relation": Way(
        "POST /api/teams", lambda n: {"name": f"t{n}", "lead": "{lead}"}, ("/lead",), "teams"
    ),
    "hooks": Way("POST /api/hookeds", lambda n: {"name": " a" + " " * n}, ("/name",), "hookeds"),
    "list": Way(
        "POST /api/accounts", lambda n: [{"email": f"{n}@x"}, SAME], ("/1/email",), rows=2
    ),
    "list of hooks": Way(
        "POST /api/hookeds", lambda n: [{"name": f"{n}"}, {"name": "a "}], ("/1/name",),
        "hookeds", 2,
    ),
    "nested one": Way(
        "POST /api/teams", lambda n: {"name": f"t{n}", "lead": SAME}, ("/lead/email",), "teams"
    ),
    "nested many": Way(
        "POST /api/teams",
        lambda n: {"name": f"t{n}", "members": [{"email": f"{n}@x"}, SAME]},
        ("/members/1/email",), rows=2,
    ),
    "nest": Way(
        "POST /api/teams", lambda n: {"name": "t", "members": [{"email": f"{n}@x"}]}, ("/name",)
    ),
    "batch": Way(
        "POST /api/batch",
        lambda n: {"operations": operation("/accounts", {}) + operation("/accounts", SAME)},
        ("/operations/1/body/email",), rows=2, wins=200,
    ),
    "upsert": Way(
        "POST /api/accounts?upsert=email", lambda n: {**SAME, "nick": f"{n}"}, (), others=200
    ),
    "upsert of several unique values": Way(
        "POST /api/accounts?upsert=email",
        lambda n: {**SAME, "first": "a", "last": "b", "nick": "c", "public": True},
        (), others=200,
    ),
    "several": Way(
        "POST /api/accounts",
        lambda n: {**SAME, "first": "a", "last": "b", "nick": "c", "public": True},
        ("/email", "/first", "/last", "/nick"),
    ),
    "upsert of hooks": Way(
        "POST /api/hookeds?upsert=name", lambda n: {"name": "a"}, (), "hookeds", others=200
    ),
    "list of upserts": Way(
        "POST /api/cells?upsert=row,column",
        lambda n: [{"row": 1, "column": c, "text": f"{n}"} for c in (1, 2)],
        (), "cells", 2, others=200,
    ),
    # Of these half come from the other end: what one holds the other waits for.
    "opposite upserts": Way(
        "POST /api/cells?upsert=row,column",
        lambda n: [{"row": 1, "column": c, "text": f"{n}"} for c in (1, 2, 3)][:: (-1) ** n],
        (), "cells", 3, others=200,
    ),
    "opposite upserts of hooks": Way(
        "POST /api/hookeds?upsert=name", lambda n: [{"name": "a"}, {"name": "b"}][:: (-1) ** n],
        (), "hookeds", 2, others=200,
    ),
    "batch of opposite upserts": Way(
        "POST /api/batch",
        lambda n: {
            "operations": [
                *operation("/accounts?upsert=email", {"email": "a@b", "nick": f"{n}"}),
                *operation("/accounts?upsert=email", {"email": "b@b", "nick": f"{n}"}),
            ][:: (-1) ** n]
        },
        (), rows=2, wins=200, others=200,
    ),
    "batch of opposite models": Way(
        "POST /api/batch",
        lambda n: {
            "operations": [
                *operation("/accounts?upsert=email", SAME),
                *operation("/cells?upsert=row,column", {"row": 1, "column": 2, "text": f"{n}"}),
            ][:: (-1) ** n]
        },
        (), "cells", wins=200, others=200,
    ),
    "put": Way(
        "PUT /api/cells/1,2", lambda n: {"text": f"{n}"}, (), "cells", others=200
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
async def test_val_3_of_fifty_at_once_one_is_made(api: Api, name: str) -> None:
    way = WAYS[name]
    for tag in ("sea", "sun"):
        await api.db.create(Tag, name=tag)
    lead = str((await api.db.create(Account)).id) if name == "relation" else ""

    def body(n: int) -> Any:
        made = way.body(n)
        return {**made, "lead": lead} if lead else made

    answers = await asyncio.gather(*(api.ask(way.request, json=body(n)) for n in range(COUNT)))
    codes = Counter(answer.status_code for answer in answers)
    expected = Counter([way.wins, *[way.others] * (COUNT - 1)])
    assert codes == expected, (codes, [a.text for a in answers if a.status_code not in expected])
    for answer in answers:
        if answer.status_code == 409:
            told = answer.json()
            assert told["code"] == "taken", told
            assert tuple(sorted(error["pointer"] for error in told["errors"])) == way.pointers
    mark = "&" if "?" in way.count else "?"
    counted = (await api.ask(f"GET /api/{way.count}{mark}count=exact")).json()["count"]
    assert counted == way.rows
    creates = [row for row in await api.changes() if row.startswith("create ")]
    stored = [(await api.ask(f"GET /api/{kind}?count=exact")).json()["count"] for kind in KINDS]
    assert len([row for row in creates if not row.endswith(".tags")]) == sum(stored)


KINDS = ("tags", "cells", "accounts", "teams", "hookeds")


async def test_val_3_of_many_changes_and_restores_to_one_value_one_is_made(api: Api) -> None:
    made = [await api.db.create(Account) for _ in range(20)]
    for request in ("PATCH /api/accounts/{}", "POST /api/accounts/{}/restore"):
        options = {"json": SAME} if "PATCH" in request else {}
        answers = await asyncio.gather(
            *(api.ask(request.format(account.id), **options) for account in made)
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
        told = [answer.json()["errors"] for answer in answers if answer.status_code == 409]
        assert {error["pointer"] for errors in told for error in errors} == {"/email"}
        for account in await api.db.list(Account):
            await api.db.delete(account)
            if account.email is None:
                restored = await api.db.restore(account)
                await api.db.update(restored, email="a@b")
                await api.db.delete(restored)
        assert await api.db.count(Account, deleted="only") == 20


async def test_val_3_of_fifty_equal_ties_one_is_made(api: Api) -> None:
    """To be tied to what it is tied to already is no conflict."""
    await api.db.create(Tag, name="sea")
    account = await api.db.create(Account)
    operators = {"content-type": "application/vnd.abaft.operators+json"}
    for body, headers in (({"tags": ["sea"]}, {}), ({"tags": {"append": ["sea"]}}, operators)):
        url = f"PATCH /api/accounts/{account.id}"
        answers = await asyncio.gather(
            *(api.ask(url, json=body, headers=headers) for _ in range(COUNT))
        )
        assert Counter(answer.status_code for answer in answers) == {200: COUNT}, answers[0].text
        assert (await api.ask(f"GET /api/accounts/{account.id}")).json()["tags"] == ["sea"]
        await api.db.update(account, tags=[])


OPPOSITE: dict[str, tuple[str, Callable[[list[str]], Any]]] = {
    "batch": (
        "POST /api/batch",
        lambda keys: {
            "operations": [
                {"method": "PATCH", "path": f"/accounts/{key}", "body": {"first": key}}
                for key in keys
            ]
        },
    ),
    "batch of unique values": (
        "POST /api/batch",
        lambda keys: {
            "operations": [
                {"method": "PATCH", "path": f"/accounts/{key}", "body": {"email": f"{key}@b"}}
                for key in keys
            ]
        },
    ),
    "batch of reads as well": (
        "POST /api/batch",
        lambda keys: {
            "operations": [
                {"method": method, "path": f"/accounts/{key}", **body}
                for key in keys
                for method, body in (("GET", {}), ("PATCH", {"body": {"first": key}}))
            ]
        },
    ),
    "filter": ("PATCH /api/accounts?all=true&limit=9&sort={}nick", lambda keys: {"first": "x"}),
    "nested": (
        "PATCH /api/teams/t",
        lambda keys: {"members": {"update": [{"id": key, "first": "y"} for key in keys]}},
    ),
}


@pytest.mark.parametrize("name", OPPOSITE)
async def test_dur_3_changes_in_opposite_orders_all_take_place(api: Api, name: str) -> None:
    await api.db.create(Team, name="t")
    keys = [str((await api.db.create(Account, nick=f"{n}", team="t")).id) for n in range(4)]
    request, body = OPPOSITE[name]
    answers = await asyncio.gather(
        *(
            api.ask(request.format("-" if n % 2 else ""), json=body(keys[:: (-1) ** n]))
            for n in range(COUNT)
        )
    )
    codes = Counter(answer.status_code for answer in answers)
    assert codes == {200: COUNT}, [a.text for a in answers if a.status_code != 200][:3]
    if name == "filter":
        nicks = [[row["nick"] for row in answer.json()["items"]] for answer in answers]
        assert nicks == [[*"0123"][:: (-1) ** n] for n in range(COUNT)]
