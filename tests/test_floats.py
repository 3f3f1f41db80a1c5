"""A float is spelled the same, byte for byte, by every engine: stored, computed and aggregated."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from bson import Int64
from hypothesis import example, given, settings
from hypothesis import strategies as st

from abaft import Me, Model, allow, computed, field
from abaft.base.floats import spell
from abaft.model.functions import SUMMED
from asking import emptied
from conftest import fresh_database
from scenarios import Api, serving
from times import times


@st.composite
def midway(draw: st.DrawFn) -> float:
    """A float to which few digits lead that lie as near to the next one: 54 bits tell them."""
    fives = draw(st.integers(0, 23))
    odd = draw(st.integers(2**53 // 5**fives, 2**54 // 5**fives - 1)) | 1
    twos = draw(st.integers(fives, fives + 20))
    return float(odd * 5**fives * 2**twos) * draw(st.sampled_from([1, -1]))


FLOATS = st.floats(allow_nan=False, allow_infinity=False) | midway()
ODD = [2.0, -0.0, 1e22, 1e15, 1e16, 999999999999999.9, 1125899906842624.1, 1e-4, 1e-5, 1e-7, 1 / 3]
ODD += [
    67961971860734576.0,
    5e-324,
    1.7976931348623157e308,
    2.2250738585072014e-308,
    0.1 + 0.2,
    123456789012345.67,
]


INSERT = "insert into gauges (id, level, last) values"


class Gauge(Model, stamps=False):
    id: int = field(key=True)
    level: float
    last: float | None = None

    @computed
    def doubled(gauge) -> float:
        return gauge.level * 2.0

    @allow("read", "create", "update", "delete")
    def anybody(gauge, me: Me) -> bool:
        return True


@pytest.fixture(scope="module")
def api(request: pytest.FixtureRequest, engine: str) -> Iterator[tuple[Api, asyncio.Runner]]:
    with fresh_database(engine, request) as url, asyncio.Runner() as runner:
        context = serving(url, Gauge)
        yield runner.run(context.__aenter__()), runner
        runner.run(context.__aexit__(None, None, None))


@settings(max_examples=times(60))
@given(FLOATS)
@example(1e15)
def test_a_spelling_gives_the_float_back_in_the_fewest_digits(value: float) -> None:
    assert float(spell(value)) == value
    assert len(digits(spell(value))) <= 17
    if abs(value) < 2**53:
        assert digits(spell(value)) == digits(repr(value))


def digits(text: str) -> str:
    return text.partition("e")[0].strip("-").replace(".", "").strip("0")


@settings(max_examples=times(25))
@given(st.lists(FLOATS, min_size=1, max_size=30))
@example(ODD)
@example([-value for value in ODD])
@example([42192206510140304.0, 84384413020280608.0])  # midway with 15 digits, told by 16
@pytest.mark.slow
@pytest.mark.everywhere
def test_every_engine_spells_floats_so(
    api: tuple[Api, asyncio.Runner], values: list[float]
) -> None:
    api[1].run(spelled(api[0], values))


async def spelled(api: Api, values: list[float]) -> None:
    await emptied(api.db, "gauges")
    made = await api.ask("POST /api/gauges", json=[{"level": value} for value in values])
    assert made.status_code == 201, made.text
    keys = [item["id"] for item in made.json()["items"]]
    assert all(f'"level":{spell(value)},"last":null,' in made.text for value in values)
    for key, value in zip(keys, values, strict=True):
        shown = (await api.ask(f"GET /api/gauges/{key}")).text
        twice = json.loads(shown)["doubled"]
        ends = "null" if twice is None else spell(value * 2.0)
        assert shown == f'{{"id":{key},"level":{spell(value)},"last":null,"doubled":{ends}}}'
        query = f"id={key}&aggregate=sum(level),avg(level),min(level)"
        told = (await api.ask(f"GET /api/gauges?{query}")).text
        added = "null" if abs(value) >= SUMMED else spell(value)
        assert f'"sum_level":{added},"avg_level":{added},"min_level":{spell(value)}' in told


@pytest.mark.parametrize("written", ["1e999", "-1e999", "nan"])
def test_what_json_has_no_number_for_is_null(
    api: tuple[Api, asyncio.Runner], engine: str, written: str
) -> None:
    api[1].run(endless(api[0], engine, written))


async def endless(api: Api, engine: str, written: str) -> None:
    """abaft stores none; others who write to the same table may."""
    await emptied(api.db, "gauges")
    store: Any = api.app.pipeline.store
    if engine == "mongodb":
        value = float(written)
        await store.server.collection("gauges").insert_one(
            {"_id": Int64(7), "level": value, "last": value}
        )
    elif engine == "postgres":
        names = {"1e999": "Infinity", "-1e999": "-Infinity", "nan": "NaN"}
        await store.sql(f"{INSERT} (7, '{names[written]}', '{names[written]}')", [])
    elif engine == "mariadb" or written == "nan":
        return  # MariaDB refuses it, SQLite stores it as NULL
    else:
        text = {"1e999": "9e999", "-1e999": "-9e999"}[written]
        await store.sql(f"{INSERT} (7, {text}, {text})", [])
    shown = await api.ask("GET /api/gauges/7")
    assert shown.status_code == 200
    assert shown.json() == {"id": 7, "level": None, "last": None, "doubled": None}
