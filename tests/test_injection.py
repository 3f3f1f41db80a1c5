"""INJ-1 to INJ-3: no string is more than a value, wherever it stands, and on any engine.

Neither time nor luck is looked at: a record that no rule opens is never seen, a value finds what
another one would that nothing has, and engines which run other statements answer the same.
Strings take turns at the places; a slow test puts each at every one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import count
from typing import Any

import orjson
import pytest
from fastapi import Response
from pymongo import AsyncMongoClient

from abaft import Db, Many, Me, Model, Ref, User, allow, field
from in_process import Answer, ask
from injections import (
    BYTES,
    HEADERS,
    HIDDEN,
    NAMES,
    NEUTRAL,
    PATHS,
    STRINGS,
    VALUES,
    Sent,
    filled,
    header_of,
    name_in,
    path_of,
    value_of,
)
from scenarios import Api, serving

JSON = ((b"host", b"test"), (b"content-type", b"application/json"))
TOLD = (b"Traceback", b"sqlite3", b"asyncpg", b"pymysql", b"pymongo", b"syntax error", b"psycopg")


class Shop(Model, key="name", stamps=False):
    name: str
    items: Many[Item] = field(back="shop")

    @allow("read", "create", "update", "delete")
    def everyone(shop, me: Me) -> bool:
        return True


class Item(Model, key="name", stamps=False, history=True):
    name: str = field(search=True, max_length=200)
    price: int = 0
    data: dict[str, Any] | None = None
    sealed: bool = False
    shop: Ref[Shop] | None = None

    @allow("read", "create", "update", "delete")
    def unless_sealed(item, me: Me) -> bool:
        return ~item.sealed


def plant(api: Api, engine: str, url: str) -> None:
    """A hole such as the library must never have: what a client sends becomes the query."""

    @api.app.get("/hole")
    async def hole(name: str, db: Db) -> Response:
        if engine == "mongodb":
            async with AsyncMongoClient[dict[str, Any]](url) as client:
                try:
                    asked = json.loads(name)
                except ValueError:
                    asked = name
                found = client.get_default_database()["items"].find({"_id": asked})
                return Response(repr([row async for row in found]))
        rows = await db.as_system().sql(f"select name from items where name = '{name}'")
        return Response(repr(rows))


@pytest.fixture
async def apis(database_urls: dict[str, str]) -> AsyncIterator[dict[str, Api]]:
    """An app on each engine, all with the same records."""
    async with AsyncExitStack() as stack:
        made = {}
        for engine, url in database_urls.items():
            settings = {"rate_exempt_addresses": "0.0.0.0/0", "requests_per_minute": 1_000_000}
            api = await stack.enter_async_context(
                serving(url, User, Shop, Item, settings=settings, authenticators=[])
            )
            plant(api, engine, url)
            await api.db.create(Shop, name="port")
            for name, price in ("tea", 3), ("cup", 5):
                await api.db.create(Item, name=name, price=price, shop="port", data={"a": 1})
            hidden = {"name": HIDDEN.decode(), "sealed": True, "data": {"b": HIDDEN.decode()}}
            await api.db.create(Item, **hidden)
            made[engine] = api
        yield made


async def stored(api: Api) -> list[Any]:
    """All there is, as the server sees it."""
    found = await api.db.list(Item, sort="name")
    return [(item.name, item.price, item.data, item.sealed) for item in found]


SHOWN = "it shows what no rule opens"


def wrong(answer: Answer, sent: bytes) -> str:
    """What an answer shows that it must not; "" where there is nothing."""
    if answer.status >= 500:
        return "a defect"
    if HIDDEN in answer.body and HIDDEN not in sent:
        return SHOWN
    return next((f"it tells {word!r}" for word in TOLD if word in answer.body), "")


def items(answer: Answer) -> list[Any]:
    return list(answer.json()["items"]) if answer.status == 200 else []


async def same(apis: dict[str, Api], method: str, sent: Sent, body: bytes = b"") -> Answer:
    """What all engines answer. Fails where one shows too much, or another answers otherwise."""
    answers = {}
    for engine, api in apis.items():
        answer = await ask(api.app, method, sent.target, sent.headers, body)
        assert not wrong(answer, sent.target + body), (engine, sent, body, answer)
        answers[engine] = answer
    first, *others = answers.values()
    for other in others:
        assert (other.status, other.body) == (first.status, first.body), (sent, body, answers)
    return first


async def unchanged(apis: dict[str, Api], before: dict[str, Any]) -> None:
    for engine, api in apis.items():
        assert await stored(api) == before[engine], engine


def in_turns(step: int) -> pytest.MarkDecorator:
    """A place has one string of so many, the next place the next ones; slowly it has all."""
    return pytest.mark.parametrize("step", [step, pytest.param(1, marks=pytest.mark.slow)])


PLACES: dict[str, tuple[Callable[[Any, bytes], Sent], Sequence[Any]]] = {
    "value of": (value_of, VALUES),
    "name in": (name_in, [*NAMES]),
    "path of": (path_of, [*PATHS]),
    "header": (header_of, HEADERS),
}
READ = {
    f"{kind} {named.decode() if isinstance(named, bytes) else named}": partial(make, named)
    for kind, (make, names) in PLACES.items()
    for named in names
}


@in_turns(9)
async def test_inj_1_inj_2_inj_3_no_string_of_a_request_is_more_than_a_value(
    apis: dict[str, Api], step: int, subtests: pytest.Subtests
) -> None:
    before = {engine: await stored(api) for engine, api in apis.items()}
    for turn, (place, make) in enumerate(READ.items()):
        with subtests.test(place=place):
            await same(apis, "GET", make(NEUTRAL))
            for text in BYTES[turn % step :: step]:
                answer = await same(apis, "GET", make(text))
                if place in EXACT:
                    assert items(answer) == [], (text, answer)
                if place in NAMED and text not in KNOWN:
                    assert answer.status == 400, (text, answer)
    await unchanged(apis, before)


EXACT = {f"value of {name}" for name in ("name", "name[in]", "shop", "shop.name")}
"""Places where nothing is found, as no record has any of the strings."""
NAMED = {
    *(f"name in {kind}" for kind in ("sort", "sort downwards", "sort by a relation's", "fields")),
    *(f"name in {kind}" for kind in ("an operator", "expand", "expand of an expand", "group")),
}
KNOWN = {b"*", b"items.name"}
"""Of the strings these are names somewhere."""


async def test_inj_1_a_planted_hole_is_found(apis: dict[str, Api]) -> None:
    for engine, api in apis.items():
        found = []
        for text in BYTES:
            sent = value_of("name", text).target.replace(b"/api/items", b"/hole")
            try:
                found.append(wrong(await ask(api.app, "GET", sent), sent))
            except Exception:  # whatever a driver raises: it is a 500
                found.append("a defect")
            if SHOWN in found and "a defect" in found:
                break
        else:
            pytest.fail(f"{engine}: {found}")


def operation(path: Any, method: str = "GET") -> Any:
    """A batch of one."""
    return {"operations": [{"method": method, "path": path}]}


NINE = {"price": 9}
ITEMS, BATCH = "POST /api/items", "POST /api/batch"
BODIES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "a number": (ITEMS, lambda text: {"name": "x", "price": text}),
    "a member": (ITEMS, lambda text: {"name": "x", text: 1}),
    "a reference": (ITEMS, lambda text: {"name": "x", "shop": text}),
    "an object for text": (ITEMS, lambda text: {"name": {text: ""}}),
    "an object for a key": (ITEMS, lambda text: {"name": "x", "shop": {f"${text}": ""}}),
    "a link": ("POST /api/shops", lambda text: {"name": "x", "items": {"link": [text]}}),
    "a method": (BATCH, lambda text: operation("/items", text)),
    "a path": (BATCH, operation),
    "a path below": (BATCH, lambda text: operation(f"/items/{text}")),
    "a $ref": (BATCH, lambda text: operation({"$ref": text})),
    "a key to upsert by": ("POST /api/items?upsert={}", lambda text: {"name": "x", "price": "x"}),
    "what is patched": ("PATCH /api/items/{}", lambda text: NINE),
    "what is deleted": ("DELETE /api/items/{}", lambda text: None),
    "which are patched": ("PATCH /api/items?name={}&limit=5", lambda text: NINE),
    "which are deleted": ("DELETE /api/items?name={}&limit=5", lambda text: None),
    "a patch's member": ("PATCH /api/items/tea", lambda text: {text: 9}),
    "a version to restore": ("POST /api/items/tea/history/{}/restore", lambda text: None),
}


@in_turns(7)
async def test_inj_1_inj_3_no_string_of_a_body_writes_what_it_was_not_meant_to(
    apis: dict[str, Api], step: int, subtests: pytest.Subtests
) -> None:
    before = {engine: await stored(api) for engine, api in apis.items()}
    for turn, (place, (request, make)) in enumerate(BODIES.items()):
        method, _, path = request.partition(" ")
        with subtests.test(place=place):
            for text in STRINGS[turn % step :: step]:
                sent = Sent(filled(path, text.encode()), JSON)
                made = make(text)
                body = b"" if made is None else orjson.dumps(made)
                answer = await same(apis, method, sent, body)
                assert answer.status != 201, (place, text, answer)
            await unchanged(apis, before)


@in_turns(5)
async def test_inj_1_inj_3_a_string_is_read_back_as_it_was_written(
    apis: dict[str, Api], step: int, subtests: pytest.Subtests
) -> None:
    before = {engine: await stored(api) for engine, api in apis.items()}
    for number, text in enumerate(STRINGS[::step]):
        with subtests.test(text=text):
            record = {"name": f"x{number}", "data": {text: [text], "a": {text: text}}}
            sent = Sent(b"/api/items", JSON)
            answer = await same(apis, "POST", sent, orjson.dumps(record))
            assert answer.status == (422 if "\0" in text else 201), answer
            if answer.status == 201:
                assert answer.json()["data"] == record["data"]
                path = f"/api/items/x{number}".encode()
                again = await same(apis, "GET", Sent(path))
                assert again.json()["data"] == record["data"]
                assert (await same(apis, "DELETE", Sent(path, JSON))).status == 204
            await same(apis, "POST", sent, orjson.dumps({"name": text}))
            await same(apis, "DELETE", Sent(filled("/api/items/{}", text.encode()), JSON))
    await unchanged(apis, before)


OBJECTS: list[Any] = [{"$ne": None}, {"$gt": ""}, {"$regex": ".*"}, ["a"], {"a.b": 1}, None, 1]
ADDRESSES = (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" for number in count())
"""Each request has its own, so that none is refused for those before it."""


@in_turns(16)
async def test_inj_1_inj_3_no_string_opens_an_account(
    apis: dict[str, Api], step: int, subtests: pytest.Subtests
) -> None:
    """Each endpoint of accounts, each member of its body, alone and all together."""
    document = next(iter(apis.values())).app.openapi()
    for path, methods in document["paths"].items():
        if not path.startswith("/api/auth/"):
            continue
        for turn, (method, described) in enumerate(methods.items(), len(path)):
            with subtests.test(request=f"{method} {path}"):
                for members in members_of(document, described):
                    for value in [*STRINGS[turn % step :: step], *OBJECTS]:
                        body = orjson.dumps(dict.fromkeys(members, value))
                        await asked(apis, method.upper(), path, value, body)
    for api in apis.values():
        assert not await api.db.list(User)


async def asked(apis: dict[str, Api], method: str, path: str, value: Any, body: bytes) -> None:
    text = value.encode() if isinstance(value, str) else NEUTRAL
    target = filled(path.replace("{id}", "{}"), text)
    statuses = set()
    for engine, api in apis.items():
        answer = await ask(api.app, method, target, JSON, body, client=next(ADDRESSES))
        assert not wrong(answer, body), (engine, target, body, answer)
        statuses.add(answer.status)
    assert len(statuses) == 1, (target, body, statuses)


def members_of(document: dict[str, Any], operation: dict[str, Any]) -> list[list[str]]:
    """The members that the body of a request takes: all of them, and each alone."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = next(iter(content.values()), {}).get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    names = list(schema.get("properties", {}))
    return [names, *([name] for name in names if len(names) > 1)]
