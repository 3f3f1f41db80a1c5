"""A list's JSON is, byte for byte, that of its records read one by one: whoever has made it."""

from __future__ import annotations

import enum
import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import cycle
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import JsonValue

from abaft import Many, Me, Model, Ref, Url, allow, computed, field
from scenarios import LINES, Api, serving


class Colour(enum.Enum):
    RED = 're"d'
    NONE = ""


class Open(Model, abstract=True):
    @allow("read", "create")
    def anybody(record, me: Me) -> bool:
        return True


class Place(Open, key="code", stamps=False):
    code: str
    name: str | None
    since: datetime | None
    things: Many[Thing] = field(back="place")


class Thing(Open, key="number", stamps=False):
    number: int
    text: str
    line: str | None = field(max_length=80)
    whole: int | None
    real: float
    price: Decimal = field(max_digits=18, decimal_places=2)
    rate: Decimal | None = field(max_digits=18, decimal_places=17)
    flag: bool
    flag2: bool | None
    at: datetime
    at2: datetime | None
    day: date
    clock: time | None
    span: timedelta
    token: UUID | None
    raw: bytes
    colour: Colour
    level: Literal[1, 2, 30] | None
    link: Url | None
    bag: JsonValue | None
    place: Ref[Place] | None

    @computed
    def loud(thing) -> str:
        return thing.text + "!"


TEXTS = [
    "",
    "plain",
    "\x01\x1b\x1f\x7f\b\f\n\r\t/\\\"'",
    "\\u001F \\\\u001B",
    "\u2028\u2029\ufeff\U0001f600e\u0301 ",
    "“closing” äß\ud7ff\ue000\uffff\U0010ffff",
]
VALUES: dict[str, list[Any]] = {
    "whole": [None, 0, -(2**63), 2**63 - 1],
    "real": [0.0, -0.0, 0.1 + 0.2, 1e15, 1e22, 5e-324, -1.7976931348623157e308, 2.0**63, 1e-7],
    "price": [Decimal("0"), Decimal("-0.01"), Decimal("9999999999999999.99"), Decimal("1.5")],
    "rate": [None, Decimal("1e-17"), Decimal("-9")],
    "flag": [True, False],
    "flag2": [None, False, True],
    "at": [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(999, 12, 31, 23, 59, 59, 999999, UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
        datetime(2013, 1, 31, 10, microsecond=100, tzinfo=UTC),
    ],
    "at2": [None, datetime(1969, 12, 31, 23, 59, 59, 1, UTC)],
    "day": [date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29)],
    "clock": [None, time(), time(23, 59, 59, 999999), time(1, 2, 3, 40)],
    "span": [timedelta(), timedelta(microseconds=-1), timedelta(days=99_999, seconds=1)],
    "token": [None, UUID(int=0), UUID(int=2**128 - 1)],
    "raw": [b"", b"\x00\xff" * 40],
    "colour": list(Colour),
    "level": [None, 1, 30],
    "link": [None, "https://example.org/?a=b&c=%22"],
    "bag": [None, [], {"b": 1, "a": [1.5, None, "\\u001F\x1f"]}, "text", 0],
    "place": [None, "a", "b"],
}


def things(count: int) -> list[dict[str, Any]]:
    """Values of each kind, each beside others each time."""
    drawn = random.Random(7)
    letters = "".join(TEXTS)
    texts = TEXTS + ["".join(drawn.choices(letters, k=drawn.randrange(40))) for _ in range(20)]
    values = {name: cycle(some) for name, some in VALUES.items()}
    return [
        {name: next(some) for name, some in values.items()}
        | {"number": number, "text": texts[number % len(texts)]}
        | {"line": texts[number % 7] if number % 3 else None}
        for number in range(count)
    ]


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Place, Thing) as api:
        await api.db.create(Place, code="a", name='"\x1b', since=datetime(2024, 1, 1, tzinfo=UTC))
        await api.db.create(Place, code="b", name=None, since=None)
        await api.db.create_many([Thing(**values) for values in things(60)])
        yield api


ASKED = ("", "expand=place", "fields=bag,at2,place,flag2", "expand=place&fields=text,place.since")


@pytest.mark.parametrize("asked", ASKED)
async def test_a_list_is_what_its_records_are(api: Api, asked: str) -> None:
    """More than once: what is asked for again may come from the database in another form."""
    singly = [(await api.ask(f"GET /api/things/{number}?{asked}")).text for number in range(60)]
    for _ in range(3):
        listed = await api.ask(f"GET /api/things?{asked}&limit=60&sort=number")
        assert listed.text == f'{{"items":[{",".join(singly)}],"next":null}}'
    lines = await api.get(f"/api/things?{asked}&limit=60&sort=number", LINES)
    assert lines.text == "".join(f"{text}\n" for text in singly)
    whole = await api.get(f"/api/things?{asked}&sort=number", LINES)
    assert whole.text == lines.text


async def test_a_list_is_the_same_within_a_batch(api: Api) -> None:
    alone = await api.ask("GET /api/things?expand=place&limit=60&sort=number")
    path = "/things?expand=place&limit=60&sort=number"
    body = {"operations": [{"method": "GET", "path": path}, {"method": "GET", "path": path}]}
    batch = await api.ask("POST /api/batch", json=body)
    assert [row["body"] for row in batch.json()["results"]] == [alone.json()] * 2


async def test_a_program_is_given_what_was_stored(api: Api) -> None:
    for wanted, found in zip(things(60), await api.db.list(Thing, sort="number"), strict=True):
        assert (found.text, found.real, found.at, found.bag, found.raw) == tuple(
            wanted[name] for name in ("text", "real", "at", "bag", "raw")
        )
