"""Functions of values: every engine gives what plain Python gives, at the edges as well."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abaft import App, Me, Model, allow, computed, field, length, when
from abaft.base.actor import SYSTEM
from scenarios import Api, serving

MOST = 2**63 - 1


class Values(Model, key="number", stamps=False):
    number: int
    a: int
    b: int
    c: Decimal = field(max_digits=18, decimal_places=2)
    d: Decimal = field(max_digits=18, decimal_places=4)
    f: float
    g: float
    text: str = ""
    more: str | None = None
    at: datetime = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)
    day: date = date(1, 1, 1)
    clock: time = time(0)

    @allow("read")
    def anybody(record, me: Me) -> bool:
        return True

    @computed
    def sum_ab(v) -> int:
        return v.a + v.b

    @computed
    def less_ab(v) -> int:
        return v.a - v.b

    @computed
    def times_ab(v) -> int:
        return v.a * v.b

    @computed
    def over_ab(v) -> float:
        return v.a / v.b

    @computed
    def minus_a(v) -> int:
        return -v.a

    @computed
    def size_a(v) -> int:
        return abs(v.a)

    @computed
    def sum_cd(v) -> Decimal:
        return v.c + v.d

    @computed
    def less_cd(v) -> Decimal:
        return v.c - v.d

    @computed
    def times_ca(v) -> Decimal:
        return v.c * v.a

    @computed
    def times_cd(v) -> Decimal:
        return v.c * v.d

    @computed
    def minus_c(v) -> Decimal:
        return -v.c

    @computed
    def sum_fg(v) -> float:
        return v.f + v.g

    @computed
    def times_fg(v) -> float:
        return v.f * v.g

    @computed
    def over_fg(v) -> float:
        return v.f / v.g

    @computed
    def mixed(v) -> float:
        return v.f * v.a + 1

    @computed
    def lowered(v) -> str:
        return v.text.lower()

    @computed
    def raised(v) -> str:
        return v.text.upper()

    @computed
    def bare(v) -> str:
        return v.text.strip()

    @computed
    def joined(v) -> str:
        return v.text + "|" + v.more

    @computed
    def long(v) -> int:
        return length(v.text)

    @computed
    def parts(v) -> int:
        return v.at.year * 10000 + v.at.month * 100 + v.at.day

    @computed
    def clock_parts(v) -> int:
        return v.clock.hour * 10000 + v.clock.minute * 100 + v.clock.second

    @computed
    def weekday(v) -> int:
        return v.at.isoweekday() * 10 + v.day.isoweekday()

    @computed
    def on(v) -> date:
        return v.at.date()

    @computed
    def chosen(v) -> str:
        return when((v.a > v.b) & (v.text != ""), v.text, "none")


whole = st.integers(-MOST - 1, MOST) | st.integers(-1000, 1000)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
real = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0)


def exact(places: int) -> st.SearchStrategy[Decimal]:
    units = st.integers(-(10**18) + 1, 10**18 - 1) | st.integers(-99999, 99999)
    return units.map(lambda value: Decimal(value).scaleb(-places))


rows = st.fixed_dictionaries(
    {
        "a": whole,
        "b": whole,
        "c": exact(2),
        "d": exact(4),
        "f": real,
        "g": real | st.just(0.0),
        "text": words,
        "more": st.none() | words,
        "at": st.datetimes(timezones=st.just(UTC)),
        "day": st.dates(),
        "clock": st.times(),
    }
)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Values) as api:
        yield api


async def held_against_python(app: App, values: list[dict[str, Any]]) -> None:
    db = app.db(SYSTEM)
    async with db.transaction() as inner:
        for record in await inner.list(Values, limit=1000):
            await inner.delete(record)
        for number, row in enumerate(values):
            await inner.create(Values, number=number, **row)
    for record in await db.list(Values):
        for name, found in Values.__spec__.computed.items():
            given = record.__dict__.pop(name)
            wanted = getattr(record, name)
            assert given == wanted, (name, record, given, wanted)
            assert wanted is None or found.field.kind.show(given) == found.field.kind.show(wanted)


EDGES: list[dict[str, Any]] = [
    {"a": MOST, "b": 1, "c": "9999999999999999.99", "d": "0.0001", "f": 1e308, "g": 1e308},
    {"a": -MOST - 1, "b": -1, "c": "-0.01", "d": "99999999999999.9999", "f": 1e-200, "g": 1e-200},
    {"a": 0, "b": 0, "c": "0.00", "d": "0.0000", "f": 0.0, "g": 0.0},
    {"a": 3037000500, "b": 3037000500, "c": "1.10", "d": "2.2222", "f": 1.5, "g": -0.0},
    {
        "a": -7,
        "b": 2,
        "c": "-1.10",
        "d": "2.2222",
        "f": 0.1,
        "g": 0.2,
        "text": " Äb ß🙂 ",
        "more": "",
    },
]


async def test_edges_are_as_in_python(api: Api) -> None:
    values = [{**row, "c": Decimal(row["c"]), "d": Decimal(row["d"])} for row in EDGES]
    await held_against_python(api.app, values)


@pytest.mark.slow
async def test_any_values_are_as_in_python(api: Api) -> None:
    import asyncio

    loop = asyncio.get_running_loop()

    def run() -> None:
        @settings(max_examples=40)
        @given(st.lists(rows, min_size=1, max_size=20))
        def check(values: list[dict[str, Any]]) -> None:
            future = asyncio.run_coroutine_threadsafe(held_against_python(api.app, values), loop)
            future.result(60)

        check()

    await asyncio.to_thread(run)
