"""Columns of existing tables that hold their values in other ways than abaft's own."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

import pytest
from pydantic import JsonValue

import stored_mariadb
from abaft import App, Model, Settings, by_database, field
from abaft.base.errors import ModelError
from abaft.plan.operators import operators_for
from existing import ddl, fetch, run
from scenarios import Api, serving

pytestmark = pytest.mark.sql

SQLITE = """
create table "Old Things" (
    "Id" integer primary key, "When" DATETIME, millis TIMESTAMP, iso DATETIME, mixed DATETIME,
    epoch INTEGER, "epoch ms" INTEGER, clock TIME, price NUMERIC(10,2), weight NUMERIC, loose,
    flag BOOLEAN, word NVARCHAR(20), twice INTEGER generated always as ("Id" * 2),
    made TEXT not null default 'made', day DATE
);
insert into "Old Things" ("Id", "When", millis, iso, mixed, epoch, "epoch ms", clock, price, weight,
    loose, flag, word, day) values
(1, '2009-01-01 00:00:00', '2009-01-01 00:00:00.000', '2009-01-01T00:00:00', '2009-01-01',
    1230768000, 1230768000000, '00:00:00', 0.99, 18, 'x', 1, 'b', '2009-01-01'),
(2, '2009-01-01 00:00:00.000001', '2009-01-01 00:00:00.500', '2009-01-01T00:00:01',
    '2009-01-01 00:00:00.5', 1230768001, 1230768000001, '10:30:00', 5, 18.5, 7, 0, 'B',
    '2009-01-02'),
(3, '2010-01-01 00:00:00', '2010-01-01 00:00:00.000', '2010-01-01T00:00:00.250000',
    '2010-01-01T00:00:00Z', -1, -1, '23:59:59.250000', -0.004, -2, x'6162', 1, 'é', '2010-01-01'),
(4, null, null, null, null, null, null, null, null, null, null, null, null, null);
"""


class OldThing(Model, table="Old Things", managed=False):
    id: int = field(key=True, column="Id", default=by_database)
    when: dt.datetime | None = field(column="When", stored="YYYY-MM-DD HH:MM:SS")
    millis: dt.datetime | None = field(stored="YYYY-MM-DD HH:MM:SS.SSS")
    iso: dt.datetime | None = field(stored="YYYY-MM-DDTHH:MM:SS")
    mixed: dt.datetime | None = field(stored="text")
    epoch: dt.datetime | None = field(stored="unix")
    epoch_ms: dt.datetime | None = field(column="epoch ms", stored="unix ms")
    clock: dt.time | None = field(stored="HH:MM:SS")
    price: Decimal | None = field(max_digits=10, decimal_places=2, stored="numeric")
    weight: float | None = field(stored="numeric")
    loose: str | None = field(stored="any")
    flag: bool | None
    word: str | None = field(max_length=20)
    twice: int | None = field(read_only=True, default=by_database)
    made: str = field(default=by_database)
    day: dt.date | None


POSTGRES = """
create type mood as enum ('sad', 'ok', 'happy');
create domain age as integer check (value > 0);
create schema past;
create table past."Old Things" (
    "Id" serial primary key, small smallint, four integer, born age, ratio real,
    amount numeric, huge numeric(30, 10), at timestamp, span interval,
    word varchar(20) COLLATION, fixed char(5), feeling mood, old json,
    tags text[], numbers integer[], feelings mood[], address inet,
    twice integer generated always as ("Id" * 2) stored,
    made timestamptz not null default '2020-01-01Z', day date
);
insert into past."Old Things" (small, four, born, ratio, amount, huge, at, span, word, fixed,
    feeling, old, tags, numbers, feelings, address, day) values
(1, 1, 1, 0.1, 1.5, 1.5, '2009-01-01', '1 day', 'b', 'b', 'sad', '{"b": 1, "a": [1]}', '{a,"b c"}',
    '{1,2}', '{sad,ok}', '10.0.0.1', '2009-01-01'),
(2, 2, 2, 0.25, 1.501, 12345678901234567890.0123456789, '2009-01-01 00:00:00.000001', '24:00:01',
    'B', 'B', 'ok', '[]', '{}', '{}', '{}', '9.0.0.0/8', '2009-01-02'),
(-3, -3, 3, -1e30, -1, -1, '1999-12-31 23:59:59.5', '-1 second', 'é', 'é', 'happy', '1',
    '{null,"\\""}', '{-5}', '{happy}', '::1', '2010-01-01'),
(null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
    null);
"""


def old_things() -> type[Model]:
    class OldThing(Model, table="Old Things", schema="past", managed=False):
        id: int = field(key=True, column="Id", stored="integer", default=by_database)
        small: int | None = field(stored="smallint")
        four: int | None = field(stored="integer")
        born: int | None = field(stored="integer")
        ratio: float | None = field(stored="real")
        amount: Decimal | None = field(max_digits=18, decimal_places=2, stored="numeric")
        huge: Decimal | None = field(max_digits=30, decimal_places=10, stored="numeric")
        at: dt.datetime | None = field(stored="timestamp without time zone")
        span: dt.timedelta | None = field(stored="interval")
        word: str | None = field(max_length=20, stored="character varying")
        fixed: str | None = field(max_length=5, stored="character")
        feeling: Literal["sad", "ok", "happy"] | None = field(stored="mood")
        old: JsonValue | None = field(stored="json")
        tags: list[str | None] | None = field(stored="text[]")
        numbers: list[int] | None = field(stored="integer[]")
        feelings: list[Literal["sad", "ok", "happy"]] | None = field(stored="mood[]")
        address: str | None = field(stored="inet")
        twice: int | None = field(stored="integer", read_only=True, default=by_database)
        made: dt.datetime = field(default=by_database)
        day: dt.date | None

    return OldThing


SHOWN: dict[str, dict[str, list[Any]]] = {  # of records 1, 2 and 3
    "mariadb": stored_mariadb.SHOWN,
    "sqlite": {
        "when": ["2009-01-01T00:00:00Z", "2009-01-01T00:00:00.000001Z", "2010-01-01T00:00:00Z"],
        "millis": ["2009-01-01T00:00:00Z", "2009-01-01T00:00:00.500000Z", "2010-01-01T00:00:00Z"],
        "iso": ["2009-01-01T00:00:00Z", "2009-01-01T00:00:01Z", "2010-01-01T00:00:00.250000Z"],
        "mixed": ["2009-01-01T00:00:00Z", "2009-01-01T00:00:00.500000Z", "2010-01-01T00:00:00Z"],
        "epoch": ["2009-01-01T00:00:00Z", "2009-01-01T00:00:01Z", "1969-12-31T23:59:59Z"],
        "epoch_ms": [
            "2009-01-01T00:00:00Z",
            "2009-01-01T00:00:00.001000Z",
            "1969-12-31T23:59:59.999000Z",
        ],
        "clock": ["00:00:00", "10:30:00", "23:59:59.250000"],
        "price": ["0.99", "5.00", "0.00"],
        "weight": [18.0, 18.5, -2.0],
        "loose": ["x", "7", "ab"],
        "flag": [True, False, True],
        "word": ["b", "B", "é"],
        "twice": [2, 4, 6],
        "made": ["made"] * 3,
        "day": ["2009-01-01", "2009-01-02", "2010-01-01"],
    },
    "postgres": {
        "small": [1, 2, -3],
        "four": [1, 2, -3],
        "born": [1, 2, 3],
        "ratio": [0.1, 0.25, -1e30],
        "amount": ["1.50", "1.501", "-1.00"],
        "huge": ["1.5000000000", "12345678901234567890.0123456789", "-1.0000000000"],
        "at": [
            "2009-01-01T00:00:00Z",
            "2009-01-01T00:00:00.000001Z",
            "1999-12-31T23:59:59.500000Z",
        ],
        "span": ["PT86400S", "PT86401S", "-PT1S"],
        "word": ["b", "B", "é"],
        "fixed": ["b", "B", "é"],
        "feeling": ["sad", "ok", "happy"],
        "old": [{"a": [1], "b": 1}, [], 1],
        "tags": [["a", "b c"], [], [None, '"']],
        "numbers": [[1, 2], [], [-5]],
        "feelings": [["sad", "ok"], [], ["happy"]],
        "address": ["10.0.0.1/32", "9.0.0.0/8", "::1/128"],
        "twice": [2, 4, 6],
        "made": ["2020-01-01T00:00:00Z"] * 3,
        "day": ["2009-01-01", "2009-01-02", "2010-01-01"],
    },
}
UNORDERED = {"old", "tags", "numbers", "feelings"}
GIVEN: dict[str, dict[str, Any]] = {
    "mariadb": stored_mariadb.GIVEN,
    "sqlite": {
        "when": "2001-02-03T04:05:06.700000Z",
        "millis": "2001-02-03T04:05:06.789000Z",
        "iso": "2001-02-03T04:05:06Z",
        "mixed": "2001-02-03T04:05:06.000001Z",
        "epoch": "2001-02-03T04:05:06Z",
        "epoch_ms": "2001-02-03T04:05:06.007000Z",
        "clock": "04:05:06",
        "price": "12345678.91",
        "weight": 2.0,
        "loose": "07",
        "flag": False,
        "word": "\\ ' \" % :x",
        "made": "by hand",
        "day": "2001-02-03",
    },
    "postgres": {
        "small": -32768,
        "four": 2147483647,
        "born": 7,
        "ratio": 0.5,
        "amount": "12345678901234.56",
        "huge": "99999999999999999999.9999999999",
        "at": "2001-02-03T04:05:06.700000Z",
        "span": "PT90.500000S",
        "word": "\\ ' \" % :x",
        "fixed": "ab",
        "feeling": "happy",
        "old": {"x": "y"},
        "tags": ["a,b", '{"', "\\", None, ""],
        "numbers": [2147483647],
        "feelings": ["ok"],
        "address": "10.1.0.0/16",
        "made": "2001-02-03T04:05:06Z",
        "day": "2001-02-03",
    },
}


@pytest.fixture
async def place(engine: str, database_url: str) -> tuple[str, type[Model]]:
    if engine == "sqlite":
        await run(database_url, SQLITE)
        return database_url, OldThing
    if engine == "mariadb":
        await run(database_url, stored_mariadb.TABLE)
        return database_url, stored_mariadb.OldThing
    await run(database_url, POSTGRES.replace("COLLATION", await _collation(database_url)))
    return database_url, old_things()


async def _collation(url: str) -> str:
    found = await fetch(url, "select collname from pg_collation where collprovider = 'i' limit 1")
    return f'collate "{found[0][0]}"' if found else ""


async def walked(api: Api, sort: str) -> list[int]:
    """The ids of every record, page by page."""
    found: list[int] = []
    cursor = ""
    while True:
        url = f"GET /api/old_things?sort={sort}&limit=1&fields=id{cursor}"
        page = (await api.ask(url, "admin")).json()
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            return found
        assert len(found) < 20, f"{sort}: no end of {found}"
        cursor = f"&cursor={page['next']}"


def in_order(engine: str, name: str) -> list[int]:
    """The ids of records 1 to 3 by the field's value, as Python has it; the empty one is last."""

    def value(place: int) -> Any:
        shown = SHOWN[engine][name][place]
        if name in ("price", "amount", "huge"):
            return Decimal(shown)
        if str(shown).endswith("Z"):
            return dt.datetime.fromisoformat(shown)
        return {"PT86400S": 1, "PT86401S": 2, "-PT1S": 0}.get(str(shown), shown)

    return [place + 1 for place in sorted(range(3), key=value)]


@pytest.mark.slow
async def test_values_are_shown_filtered_and_sorted(
    engine: str, place: tuple[str, type[Model]]
) -> None:
    url, model = place
    before = await ddl(url)
    async with serving(url, model) as api:
        items = await api.items("/api/old_things?sort=id", "admin")
        for name, values in SHOWN[engine].items():
            assert [item[name] for item in items[:3]] == values, name
            if name in UNORDERED:
                continue
            for value in values:
                if value == "1.501":
                    continue  # more places than a client may give
                spelt = quote(str(value).lower() if isinstance(value, bool) else str(value))
                same = [i + 1 for i, other in enumerate(values) if other == value]
                ids = await api.items(f"/api/old_things?{name}={spelt}&sort=id", "admin", of="id")
                assert [i for i in ids if i != 4] == same, f"{name}={value}"
                if name not in ("flag",):
                    below = await api.items(f"/api/old_things?{name}[lt]={spelt}", "admin", of="id")
                    order = in_order(engine, name)
                    least = order.index(same[0]) if len(same) == 1 else 0
                    assert {i for i in below if i != 4} == {*order[:least]}, f"{name}<{value}"
                listed = await api.items(
                    f"/api/old_things?{name}[in]={spelt}&sort=id", "admin", of="id"
                )
                assert [i for i in listed if i != 4] == same, f"{name} in {value}"
            ids = await walked(api, f"{name},id")
            assert [i for i in ids if i != 4] == in_order(engine, name), name
            assert sorted(ids) == [1, 2, 3, 4]
            assert sorted(await walked(api, f"-{name}")) == [1, 2, 3, 4]
    assert await ddl(url) == before


async def test_values_come_back_as_they_were_given(
    engine: str, place: tuple[str, type[Model]]
) -> None:
    (url, model), given = place, GIVEN[engine]
    async with serving(url, model) as api:
        made = await api.ask("POST /api/old_things", "admin", json=given)
        record = made.json()
        assert made.status_code == 201, record
        assert {name: record[name] for name in given} == given
        # MariaDB makes no column of a number that it has yet to give.
        assert record["twice"] == record["small" if engine == "mariadb" else "id"] * 2
        for name in given.keys() - UNORDERED:
            spelt = quote(str(given[name]).lower() if name == "flag" else str(given[name]))
            ids = await api.items(f"/api/old_things?{name}={spelt}", "admin", of="id")
            assert record["id"] in ids, name
        bare = (await api.ask("POST /api/old_things", "admin", json={})).json()
        assert bare["made"] in ("made", "2020-01-01T00:00:00Z")
        path = f"/api/old_things/{bare['id']}"
        changed = await api.ask(f"PATCH {path}", "admin", json=given)
        assert {name: changed.json()[name] for name in given} == given
        assert (await api.ask(f"GET {path}", "admin")).json() == changed.json()
        refused = await api.ask("POST /api/old_things", "admin", json={"twice": 5})
        assert refused.status_code == 422
        assert (await api.ask(f"DELETE {path}", "admin")).status_code == 204
        # PUT without a value that the database fills in leaves it as it is.
        whole = {name: value for name, value in given.items() if name != "made"}
        put = await api.ask(f"PUT /api/old_things/{record['id']}", "admin", json=whole)
        assert put.json()["made"] == given["made"]


async def test_val_values_that_their_column_cannot_hold_are_refused(
    engine: str, place: tuple[str, type[Model]]
) -> None:
    url, model = place
    wrong: dict[str, Any] = {
        "sqlite": {"price": "123456789.00", "word": "x" * 21, "when": "yesterday"},
        "postgres": {
            "small": 32768,
            "four": 2147483648,
            "ratio": 1e39,
            "word": "x" * 21,
            "feeling": "glad",
        },
        "mariadb": {
            "small": 32768,
            "four": 2147483648,
            "ratio": 1e39,
            "word": "x" * 21,
            "feeling": "glad",
        },
    }[engine]
    async with serving(url, model) as api:
        refused = await api.ask("POST /api/old_things", "admin", json=wrong)
        assert refused.status_code == 422
        assert {problem["pointer"][1:] for problem in refused.json()["errors"]} == {*wrong}
        if engine != "sqlite":
            lates: dict[str, list[Any]] = {
                "postgres": [{"address": "nowhere"}, {"numbers": [2**40]}, {"born": -1}],
                "mariadb": [{"address": "nowhere"}, {"word": "😀"}, {"four": -100}],
            }
            for late in lates[engine]:
                refused = await api.ask("POST /api/old_things", "admin", json=late)
                assert refused.status_code == 422, refused.text
            far = await api.ask("GET /api/old_things?four=99999999999", "admin")
            assert far.json()["items"] == []
            assert (await api.ask("GET /api/old_things?ratio=1e39", "admin")).status_code == 400


async def test_operators_keep_to_what_a_column_holds(
    engine: str, place: tuple[str, type[Model]]
) -> None:
    url, model = place
    media = {"content-type": "application/vnd.abaft.operators+json"}
    async with serving(url, model) as api:
        spec = api.app.schema.models[model.__name__]
        rows = {name: operators_for(spec, name) for name in GIVEN[engine]}
        assert {name for name, found in rows.items() if found} == (
            {
                "sqlite": {"day"},
                "postgres": {"small", "four", "born", "made", "day"},
                "mariadb": {"small", "four", "made", "day"},
            }[engine]
        )
        for name, found in rows.items():
            for row in found:
                for key in (1, 4):
                    operand = 1 if row.name == "increment" else GIVEN[engine][name]
                    body = {name: {row.name: operand}}
                    path = f"PATCH /api/old_things/{key}"
                    answer = await api.ask(path, "admin", json=body, headers=media)
                    assert answer.status_code == 200, (body, answer.text)
        over = {"small": {"increment": 32767}, "four": {"increment": 2**31 - 1}}
        told = ["/small/increment", "/four/increment"] if engine != "sqlite" else []
        if told:
            path = "PATCH /api/old_things/2"
            answer = await api.ask(path, "admin", json=over, headers=media)
            assert [row["pointer"] for row in answer.json()["errors"]] == told, answer.text
            # What the database itself holds to.
            body = {"born": {"increment": -7}} if engine == "postgres" else {"four": {"min": -100}}
            answer = await api.ask(path, "admin", json=body, headers=media)
            assert (answer.status_code, answer.json()["code"]) == (422, "check")


def test_a_form_of_storage_is_refused_where_it_is_not_known() -> None:
    class Managed(Model):
        size: int = field(stored="integer")

    class Wrong(Model, managed=False):
        id: int = field(key=True)
        at: dt.datetime = field(stored="by moonlight")

    for model, said in ((Managed, "managed=False"), (Wrong, "by moonlight")):
        with pytest.raises(ModelError, match=said):
            App(model, settings=Settings(database="sqlite:///x.db"))
        with pytest.raises(ModelError, match=said):
            App(model, settings=Settings(database="postgresql://nowhere/x"))
        with pytest.raises(ModelError, match=said):
            App(model, settings=Settings(database="mysql://nowhere/x"))
