"""Uniqueness among some of a model's records: a partial unique index, on every engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import pytest
import pytest_asyncio

from abaft import App, Model, Ref, Settings, Unique, User, field, one_of
from abaft.base.errors import ModelError, RuleError, SetupError
from apps.open import Open
from scenarios import Api, Scenario, play, serving


class Page(
    Open,
    unique=[
        Unique("slug", where=lambda page: page.published),
        Unique("site", "title", where=lambda page: one_of(page.state, ["new", "it's"])),
        Unique("price", where=lambda page: (page.price > Decimal("1.50")) & (page.until != None)),  # noqa: E711
    ],
):
    slug: str = field(max_length=40)
    site: str = "main"
    title: str = field(default="", collate="nocase")
    state: Literal["new", "it's", "old"] = "old"
    price: Decimal = field(default=Decimal(0), max_digits=8, decimal_places=2)
    until: datetime | None = None
    published: bool = False


@pytest_asyncio.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Page) as api:
        yield api


TAKEN: list[Scenario] = [
    Scenario("POST /api/pages", 201, json={"slug": "a"}, changes=("create Page",)),
    Scenario("POST /api/pages", 201, json={"slug": "a"}, changes=("create Page",)),
    Scenario(
        "POST /api/pages", 201, json={"slug": "a", "published": True}, changes=("create Page",)
    ),
    Scenario(
        "POST /api/pages",
        409,
        json={"slug": "a", "published": True},
        has=['"pointer":"/slug"', "slug is taken"],
        lacks=["published", "uq_"],
    ),
    Scenario(
        "POST /api/pages",
        201,
        json={"slug": "b", "title": "Sea", "state": "it's"},
        changes=("create Page",),
    ),
    Scenario("POST /api/pages", 201, json={"slug": "b", "title": "SEA"}, changes=("create Page",)),
    Scenario(
        "POST /api/pages",
        409,
        json={"slug": "b", "title": "SEA", "state": "new"},
        has=["/site", "/title", "are together taken"],
    ),
]


@pytest.mark.asyncio
async def test_only_records_under_the_condition_are_held_apart(api: Api) -> None:
    await play(api, TAKEN)
    second = (await api.items("/api/pages?slug=a&published=false"))[0]
    answer = await api.ask(f"PATCH /api/pages/{second['id']}", json={"published": True})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (409, "/slug")
    first = (await api.items("/api/pages?slug=a&published=true"))[0]
    await api.ask(f"PATCH /api/pages/{first['id']}", json={"published": False})
    answer = await api.ask(f"PATCH /api/pages/{second['id']}", json={"published": True})
    assert answer.status_code == 200


@pytest.mark.asyncio
async def test_values_of_every_kind_stand_in_the_condition(api: Api) -> None:
    until = datetime(2026, 1, 1, tzinfo=UTC)

    async def make(price: str, until: datetime | None) -> int:
        body = {"slug": "x", "price": price, "until": until and until.isoformat()}
        return (await api.ask("POST /api/pages", json=body)).status_code

    assert [await make("1.50", until), await make("1.50", until)] == [201, 201]
    assert [await make("1.51", None), await make("1.51", until)] == [201, 201]
    assert await make("1.51", until) == 409


@pytest.mark.asyncio
async def test_val_3_of_many_at_once_one_is_stored(api: Api) -> None:
    body = {"slug": "raced", "published": True}
    answers = await asyncio.gather(*(api.ask("POST /api/pages", json=body) for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 29


def declared(**options: Any) -> type[Model]:
    class Thing(Open, **options):
        name: str
        owner: Ref[User] | None = None

    return Thing


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "a relation": (
        Unique("name", where=lambda thing: thing.owner.name == "x"),
        RuleError,
        "own fields",
    ),
    "nothing asked": (Unique("name", where=lambda thing: True), ModelError, "depends on"),
    "no field": (Unique("nam", where=lambda thing: thing.name == "x"), ModelError, "'name'"),
    "no fields": (Unique(where=lambda thing: thing.name == "x"), ModelError, "name fields"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_condition_that_no_index_can_hold_stops_the_start(case: str) -> None:
    unique, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        App(declared(unique=[unique]), database="sqlite:///unused.db")


def versions() -> list[type[Model]]:
    """The same model, ever differently unique."""
    kinds: list[Any] = [
        ("name",),
        Unique("name", where=lambda thing: thing.name > "m"),
        Unique("name", where=lambda thing: thing.name > "z"),
        Unique("name"),
    ]
    return [declared(unique=[kind], table="things") for kind in kinds]


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.everywhere
async def test_an_upgrade_puts_another_condition_in_the_place_of_the_old(
    database_url: str,
) -> None:
    async def start(model: type[Model]) -> None:
        settings = Settings(
            database=database_url,
            mode="production",
            secret_key="0123456789abcdefghijklmnopqrstuvwxyz" * 2,
        )
        app = App(model, settings=settings, sinks=())
        await app.start()
        await app.stop()

    async def again(model: type[Model]) -> list[int]:
        async with serving(database_url, model) as api:
            bodies = [{"name": name} for name in ("a", "a", "p", "p", "zz", "zz")]
            answers = [await api.ask("POST /api/things", json=body) for body in bodies]
            for row in await api.items("/api/things"):
                await api.ask(f"DELETE /api/things/{row['id']}")
        return [answer.status_code for answer in answers]

    everywhere, from_m, from_z, plain = versions()
    assert await again(everywhere) == [201, 409, 201, 409, 201, 409]
    with pytest.raises(SetupError, match="uq_things_name_if_"):
        await start(from_m)
    assert await again(from_m) == [201, 201, 201, 409, 201, 409]
    assert await again(from_z) == [201, 201, 201, 201, 201, 409]
    await start(from_z)
    assert await again(plain) == [201, 409, 201, 409, 201, 409]
