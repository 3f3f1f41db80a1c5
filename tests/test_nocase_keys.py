"""A key whose text is blind to case tells records apart as it is compared, on every engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from abaft import Many, Ref, field
from abaft.base.errors import SchemaMismatch
from apps.open import Open
from scenarios import Api, serving


class Word(Open, key="name", soft_delete=True, history=True):
    name: str = field(max_length=40, collate="nocase")
    rank: int = 0
    uses: Many[Use]


class Use(Open):
    word: Ref[Word]


class Part(Open, key=("word", "place"), stamps=False):
    word: str = field(max_length=40, collate="nocase")
    place: int
    note: str = ""


@pytest_asyncio.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Word, Use, Part) as api:
        yield api


async def ask(api: Api, method: str, path: str, body: Any = None) -> Any:
    return await api.client.request(method, f"/api/{path}", json=body)


async def made(api: Api, path: str, *bodies: Any) -> None:
    for body in bodies:
        answer = await ask(api, "POST", path, body)
        assert answer.status_code == 201, answer.text


async def taken(api: Api, path: str, body: Any, *pointers: str) -> None:
    answer = await ask(api, "POST", path, body)
    assert answer.status_code == 409, answer.text
    assert [problem["pointer"] for problem in answer.json()["errors"]] == [*pointers]


async def test_what_differs_by_case_alone_is_taken(api: Api) -> None:
    await made(api, "words", {"name": "new"}, {"name": "é"}, {"name": "É"})
    await taken(api, "words", {"name": "NEW"}, "/name")
    await taken(api, "words", [{"name": "a"}, {"name": "A"}], "/1/name")
    await taken(api, "words", [{"name": "b"}, {"name": "New"}], "/1/name")
    await made(api, "parts", {"word": "x", "place": 1}, {"word": "X", "place": 2})
    await taken(api, "parts", {"word": "X", "place": 1}, "/word", "/place")


async def test_so_is_the_key_of_what_lies_in_the_bin(api: Api) -> None:
    await made(api, "words", {"name": "new"})
    assert (await ask(api, "DELETE", "words/new")).status_code == 204
    await taken(api, "words", {"name": "new"}, "/name")
    await taken(api, "words", {"name": "NEW"}, "/name")


async def walked(api: Api, path: str) -> list[str]:
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await ask(api, "GET", f"{path}limit=2{cursor}")).json()
        found += [row["name"] for row in page["items"]]
        cursor = page["next"] and f"&cursor={page['next']}"
    return found


async def test_a_walk_loses_none(api: Api) -> None:
    names = ["b", "A", "c", "_", "Z", "é"]
    await made(api, "words", *({"name": name} for name in names))
    order = ["_", "A", "b", "c", "Z", "é"]
    assert await walked(api, "words?sort=name&") == order
    assert await walked(api, "words?sort=-name&") == order[::-1]
    assert await walked(api, "words?sort=rank&") == order
    assert await walked(api, "words?sort=-rank&") == order[::-1]


class Term(Open, key="name", table="terms", stamps=False):
    """A table that tells its names apart by their case."""

    name: str = field(max_length=40)
    rank: int | None = None
    label: str = field(max_length=40, unique=True)


class Seen(Open, key="name", table="terms", read_only=True):
    """The same table, as another program sees it."""

    name: str = field(max_length=40, collate="nocase", column="_id")
    rank: int | None
    label: str = field(max_length=40, unique=True, collate="nocase")


class SeenSql(Open, key="name", table="terms", read_only=True):
    name: str = field(max_length=40, collate="nocase")
    rank: int | None
    label: str = field(max_length=40, unique=True, collate="nocase")


async def test_a_walk_through_the_table_of_others_loses_none(
    database_url: str, engine: str
) -> None:
    names = ["new", "NEW", "New", "b", "nEW", "B"]
    async with serving(database_url, Term) as api:
        await made(api, "terms", *({"name": name, "label": name} for name in names))
    seen = Seen if engine == "mongodb" else SeenSql
    async with serving(database_url, seen) as api:
        path = f"{seen.__spec__.collection}?"
        order = ["B", "b", "NEW", "New", "nEW", "new"]
        for sort in ("", "sort=name&", "sort=rank&", "sort=rank,name&", "sort=label&"):
            assert await walked(api, path + sort) == order, sort
        for sort in ("sort=-name&", "sort=-rank&", "sort=-label&"):
            assert await walked(api, path + sort) == order[::-1], sort
        assert await walked(api, f"{path}name=bB&") == []
        assert await walked(api, f"{path}label=b&") == ["B", "b"]


async def test_a_read_finds_it_in_any_case_and_a_write_as_it_is_stored(api: Api) -> None:
    await made(api, "words", {"name": "new"})
    assert (await ask(api, "GET", "words/NEW")).json()["name"] == "new"
    assert (await ask(api, "PATCH", "words/NEW", {"rank": 1})).status_code == 404
    assert (await ask(api, "DELETE", "words/NEW")).status_code == 404
    assert (await ask(api, "PUT", "words/NEW", {"rank": 1})).status_code == 409
    assert (await ask(api, "POST", "uses", {"word": "NEW"})).status_code == 422
    answer = await ask(api, "POST", "words?upsert=name", {"name": "NEW", "rank": 2})
    assert (answer.status_code, answer.json()["name"]) == (200, "new")
    assert (await ask(api, "PATCH", "words/new", {"rank": 1})).status_code == 200


async def test_records_that_are_alike_by_now_are_told_at_the_start(database_url: str) -> None:
    def label(**more: Any) -> Any:
        class Label(Open, key="name"):
            name: str = field(max_length=40, **more)

        return Label

    async with serving(database_url, label()) as api:
        await made(api, "labels", {"name": "new"}, {"name": "NEW"})
    with pytest.raises(SchemaMismatch, match="is to be unique, and stored records share a value"):
        async with serving(database_url, label(collate="nocase")):
            pass
