"""VAL-3: a record that breaks several unique rules is told all of them, alike on every engine."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from abaft import Many, Ref, Unique, field
from apps.open import Open
from loads import Loader
from projects import said
from scenarios import Api, serving

ALL = [("/slug", "slug is taken"), ("/handle", "handle is taken")]
PAIR = [(f"/{name}", "site and number are together taken") for name in ("site", "number")]
SHOWN = ("/title", "title is taken")


class Shelf(Open, key="name"):
    name: str = field(max_length=40)
    pages: Many[Page]


class Page(
    Open,
    soft_delete=True,
    unique=[("site", "number"), Unique("title", where=lambda page: page.shown & (page.rank > 1))],
):
    slug: str = field(unique=True, max_length=40)
    handle: str | None = field(default=None, collate="nocase", unique=True, max_length=40)
    site: str = field(default="main", max_length=40)
    number: int | None = None
    title: str = field(default="", max_length=40)
    shown: bool = False
    rank: int = 2
    shelf: Ref[Shelf] | None = None


class Seat(Open, key=("row", "place"), stamps=False):
    row: int
    place: int
    code: str = field(unique=True, max_length=20)
    label: str = field(unique=True, max_length=20)


OLD = {"slug": "a", "handle": "Ann", "site": "s", "number": 1, "title": "T", "shown": True}
OTHER = {"slug": "b", "handle": "ben", "site": "s", "number": 2, "title": "U", "shown": True}
CREATES: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "one": ({"slug": "a"}, ALL[:1]),
    "all": (OLD, [*ALL, *PAIR, SHOWN]),
    "case": ({"slug": "a", "handle": "aNN"}, ALL),
    "the last two": ({**OLD, "slug": "x", "handle": "y"}, [*PAIR, SHOWN]),
    "of several records": ({**OLD, "slug": "b", "number": 2}, [*ALL, *PAIR, SHOWN]),
    "null is never the same": ({"slug": "a", "site": "s", "handle": None}, ALL[:1]),
    "not under the condition": ({"slug": "a", "title": "T", "shown": False}, ALL[:1]),
    "nor half under it": ({"slug": "a", "title": "T", "shown": True, "rank": 1}, ALL[:1]),
}


@pytest_asyncio.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Shelf, Page, Seat) as api:
        yield api


def told(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 409, answer.text
    body = answer.json()
    assert body["code"] == "taken"
    assert {problem["code"] for problem in body["errors"]} == {"taken"}
    return [(problem["pointer"], problem["detail"]) for problem in body["errors"]]


async def make(api: Api, *bodies: dict[str, Any]) -> list[dict[str, Any]]:
    made = [await api.ask("POST /api/pages", json=body) for body in bodies]
    assert {answer.status_code for answer in made} == {201}
    return [answer.json() for answer in made]


@pytest.mark.parametrize("case", CREATES)
async def test_val_3_a_new_record_is_told_all_that_is_taken(api: Api, case: str) -> None:
    await make(api, OLD, OTHER)
    body, expected = CREATES[case]
    before = await api.changes()
    answer = await api.ask("POST /api/pages", json=body)
    assert told(answer) == expected
    assert answer.json()["detail"] == "; ".join(dict.fromkeys(text for _, text in expected))
    listed = await api.ask("POST /api/pages", json=[{"slug": "new"}, body])
    assert told(listed) == [(f"/1{pointer}", text) for pointer, text in expected]
    operation = {"method": "POST", "path": "/pages", "body": body}
    batch = await api.ask("POST /api/batch", json={"operations": [operation]})
    assert told(batch) == [(f"/operations/0/body{place}", text) for place, text in expected]
    nested = await api.ask("POST /api/shelfs", json={"name": "n", "pages": [body]})
    assert told(nested) == [(f"/pages/0{pointer}", text) for pointer, text in expected]
    assert await api.changes() == before


async def test_val_3_a_changed_record_is_told_all_that_is_taken(api: Api) -> None:
    first, second = await make(api, OLD, {**OTHER, "shown": False, "rank": 1})
    url = f"/api/pages/{second['id']}"
    both = {"slug": "a", "handle": "ANN"}
    assert told(await api.ask(f"PATCH {url}", json=both)) == ALL
    assert told(await api.ask(f"PATCH {url}", json={**both, "number": 1})) == [*ALL, *PAIR]
    assert told(await api.ask(f"PUT {url}", json=OLD)) == [*ALL, *PAIR, SHOWN]
    # What isn't given is as it is stored, and what is reckoned as it will be.
    shown = {"slug": "a", "title": "T", "shown": True}
    assert told(await api.ask(f"PATCH {url}", json=shown)) == ALL[:1]
    reckoned = {**{name: {"set": value} for name, value in shown.items()}, "rank": {"increment": 1}}
    reckoned["number"] = {"increment": -1}
    operators = {"content-type": "application/vnd.abaft.operators+json"}
    answer = await api.ask(f"PATCH {url}", json=reckoned, headers=operators)
    assert told(answer) == [ALL[0], *PAIR, SHOWN]
    found = await api.ask("PATCH /api/pages?slug=b&limit=5", json=both)
    assert [text.partition(": ")[2] for _, text in told(found)] == [text for _, text in ALL]
    # Its own values are in nobody's way.
    assert (await api.ask(f"PUT {url}", json=OTHER)).status_code == 200
    assert (await api.ask(f"PATCH /api/pages/{first['id']}", json=OLD)).status_code == 200


async def test_val_3_what_was_deleted_is_in_nobodys_way(api: Api) -> None:
    first, second = await make(api, OLD, {"slug": "c", "handle": "cat"})
    await api.ask(f"DELETE /api/pages/{second['id']}")
    assert told(await api.ask("POST /api/pages", json={"slug": "a", "handle": "cat"})) == ALL[:1]
    await api.ask(f"DELETE /api/pages/{first['id']}")
    await make(api, OLD)
    assert told(await api.ask(f"POST /api/pages/{first['id']}/restore")) == [*ALL, *PAIR, SHOWN]


async def test_val_3_the_key_is_told_with_the_rest(api: Api) -> None:
    seat = {"row": 1, "place": 2, "code": "c", "label": "l"}
    assert (await api.ask("POST /api/seats", json=seat)).status_code == 201
    key = [(f"/{name}", "row and place are together taken") for name in ("row", "place")]
    rest = [("/code", "code is taken"), ("/label", "label is taken")]
    assert told(await api.ask("POST /api/seats", json=seat)) == [*key, *rest]
    assert told(await api.ask("POST /api/seats", json={**seat, "code": "d"})) == [*key, rest[1]]
    assert told(await api.ask("POST /api/seats", json={**seat, "row": 9})) == rest
    body = {"code": "c", "label": "l"}
    assert told(await api.ask("PUT /api/seats/9,9", json=body)) == rest
    assert told(await api.ask("POST /api/seats?upsert=row,place", json={**seat, "row": 2})) == rest


@pytest.mark.parametrize("request_of", ["PUT /api/seats/1,2", "POST /api/seats?upsert=row,place"])
@pytest.mark.slow
@pytest.mark.everywhere
async def test_val_3_raced_writes_of_one_record_all_take_place(api: Api, request_of: str) -> None:
    """Who comes second finds all its values taken: by the record that is meant."""
    seat = {"row": 1, "place": 2, "code": "c", "label": "l"}
    answers = await asyncio.gather(*(api.ask(request_of, json=seat) for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == [200] * 29 + [201]


LOADED = """
from abaft import App, Model, Unique, field

class Page(
    Model, key="id", stamps=False,
    unique=[("site", "number"), Unique("title", where=lambda page: page.shown)],
):
    id: int
    slug: str = field(unique=True)
    handle: str | None = field(unique=True, collate="nocase")
    site: str = "main"
    number: int | None
    title: str = ""
    shown: bool = False

app = App(Page)
"""
HEAD = "id,slug,handle,site,number,title,shown\n"
GOOD = HEAD + "1,a,Ann,s,1,T,true\n2,b,Ben,s,2,U,true\n"
BAD = {
    "3,a,ANN,x,1,,false": "slug: slug is taken; handle: handle is taken",
    "1,c,,s,2,T,false": "id: id is taken; site: site and number are together taken; "
    "number: site and number are together taken",
    "4,d,,,,U,true": "title: title is taken",
}


class Pages(Loader):
    models = LOADED


def test_val_3_a_load_tells_of_each_row_all_that_is_taken(
    database_url: str, tmp_path: Path
) -> None:
    loader = Pages(database_url, tmp_path)
    assert loader.load(pages=GOOD).exit_code == 0
    refused = tmp_path / "refused.csv"
    rows = [*BAD, "5,e,eve,s,5,V,true", "6,e,EVE,s,6,V,true"]
    result = loader.load(f"--skip-bad={refused}", pages=HEAD + "\n".join(rows))
    assert result.exit_code == 0, result.output
    with refused.open(newline="") as file:
        found = {",".join(row[1:]): row[0].partition(": ")[2] for row in list(csv.reader(file))[1:]}
    within = "slug: slug is taken; handle: handle is taken; title: title is taken"
    assert found == {**BAD, rows[-1]: within}
    assert len(loader.sql("select 1 as one from pages")) == 3


def test_val_3_a_load_of_changes_tells_all_that_is_taken(database_url: str, tmp_path: Path) -> None:
    loader = Pages(database_url, tmp_path)
    assert loader.load(pages=GOOD).exit_code == 0
    result = loader.load("--upsert=id", pages="id,slug,handle,number\n2,a,ann,1\n")
    assert result.exit_code == 1
    assert "line 2: slug: slug is taken; handle: handle is taken; site: site and" in said(result)
