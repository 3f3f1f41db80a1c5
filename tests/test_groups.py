"""Groups of records: `aggregate`, `group` and `having`, under the same rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from abaft import Me, Model, Ref, User, allow, field
from each import each
from scenarios import Api, serving


class Carrier(Model, key="code", stamps=False):
    code: str
    name: str = ""

    @allow("read")
    def anybody(carrier, me: Me) -> bool:
        return True


class Flight(Model, key="number", stamps=False):
    number: int
    carrier: Ref[Carrier] | None = None
    distance: int
    delay: float | None = None
    price: Decimal = field(max_digits=10, decimal_places=2)
    left: datetime
    secret: bool = False
    cost: int = 1

    @allow("read")
    def open_ones(flight, me: Me) -> bool:
        return (flight.secret == False) | me.has_role("staff")  # noqa: E712

    @allow("read", fields=["cost"])
    def staff(flight, me: Me) -> bool:
        return me.has_role("staff") | (flight.carrier.code == "AA")


ROWS: list[tuple[str | None, int, float | None, str, int, bool]] = [
    ("AA", 100, 1.5, "10.00", 1, False),
    ("AA", 200, None, "20.50", 1, False),
    ("BB", 300, -2.0, "30.25", 2, False),
    ("BB", 2**62, 4.0, "1.00", 12, False),
    (None, 50, None, "0.10", 12, False),
    ("AA", 9000, 9.0, "99.00", 1, True),
]


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Carrier, Flight, User) as api:
        for code in ("AA", "BB"):
            await api.db.create(Carrier, code=code, name=code.lower())
        for number, (carrier, distance, delay, price, month, secret) in enumerate(ROWS):
            left = datetime(2013, month, 28, 23, 30, tzinfo=UTC)
            values: dict[str, Any] = {"carrier": carrier, "distance": distance, "delay": delay}
            values |= {"price": Decimal(price), "left": left, "secret": secret}
            await api.db.create(Flight, number=number, **values)
        await api.person("staff", "staff")
        yield api


async def items(api: Api, query: str, actor: str | None = None) -> list[dict[str, Any]]:
    answer = await api.ask(f"GET /api/flights?{query}", actor)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_the_whole_list_is_one_group(api: Api) -> None:
    query = "aggregate=count,sum(price),avg(delay),min(distance),max(left),distinct(carrier)"
    assert await items(api, query) == [
        {
            "count": 5,
            "sum_price": "61.85",
            "avg_delay": pytest.approx(3.5 / 3),
            "min_distance": 50,
            "max_left": "2013-12-28T23:30:00Z",
            "distinct_carrier": 2,
        }
    ]


async def test_groups_by_values_of_fields_and_functions(api: Api) -> None:
    query = "group=carrier,month(left)&aggregate=count,n:count(delay),sum(distance)"
    assert await items(api, query) == [
        {"carrier": "AA", "month_left": 1, "count": 2, "n": 1, "sum_distance": 300},
        {"carrier": "BB", "month_left": 2, "count": 1, "n": 1, "sum_distance": 300},
        {"carrier": "BB", "month_left": 12, "count": 1, "n": 1, "sum_distance": 2**62},
        {"carrier": None, "month_left": 12, "count": 1, "n": 0, "sum_distance": 50},
    ]
    by_name = await items(api, "group=carrier.name&aggregate=count&sort=-count")
    assert by_name == [
        {"carrier_name": "bb", "count": 2},
        {"carrier_name": "aa", "count": 2},
        {"carrier_name": None, "count": 1},
    ]


async def test_having_holds_groups_to_a_condition(api: Api) -> None:
    query = "group=carrier&aggregate=count,km:sum(distance)"
    assert [row["carrier"] for row in await items(api, f"{query}&having=count > 1")] == ["AA", "BB"]
    assert [row["carrier"] for row in await items(api, f"{query}&having=km < 100")] == [None]
    written = f"{query}&having=sum(distance) > 100 and not (carrier = 'BB')"
    assert [row["carrier"] for row in await items(api, written)] == ["AA"]
    assert await items(api, f"{query}&having=count > 1&carrier=AA&distance[gt]=100") == []


async def test_groups_are_sorted_and_paged(api: Api) -> None:
    query = "group=carrier,month(left)&aggregate=count,sum(distance)&sort=-sum_distance&limit=1"
    seen, cursor = [], ""
    while True:
        answer = await api.ask(f"GET /api/flights?{query}{cursor}&count=exact")
        body = answer.json()
        assert body["count"] == 4, answer.text
        seen += [(row["carrier"], row["sum_distance"]) for row in body["items"]]
        if body["next"] is None:
            break
        cursor = f"&cursor={body['next']}"
    assert [row[0] for row in seen] == ["BB", "BB", "AA", None]
    other = await api.ask(f"GET /api/flights?group=carrier&aggregate=count{cursor}")
    assert other.status_code == 400


async def test_a_sum_beyond_its_kind_is_null(api: Api) -> None:
    await api.db.create(
        Flight, number=90, distance=2**62, price=Decimal(1), left=datetime(2013, 1, 1, tzinfo=UTC)
    )
    assert (await items(api, "aggregate=sum(distance)")) == [{"sum_distance": None}]


@pytest.mark.parametrize("large", [1.7976931348623157e308, -1.7976931348623157e308, 1e290])
async def test_a_sum_of_a_float_that_is_too_large_is_null(api: Api, large: float) -> None:
    left = datetime(2013, 1, 1, tzinfo=UTC)
    for number in (90, 91):
        values: dict[str, Any] = {"distance": 1, "price": Decimal(1), "left": left, "delay": large}
        await api.db.create(Flight, number=number, **values)
    found = await items(api, "aggregate=sum(delay),avg(delay),max(delay),min(delay)")
    assert found == [
        {
            "sum_delay": None,
            "avg_delay": None,
            "max_delay": max(large, 4.0),
            "min_delay": min(large, -2.0),
        }
    ]
    assert await items(api, "aggregate=sum(delay)&having=sum(delay) > 1") == []
    sizes = await items(api, "filter=abs(delay) > 10 and -delay != 0&sort=number")
    assert [row["number"] for row in sizes] == [90, 91]


async def test_no_records_make_one_empty_group_or_none(api: Api) -> None:
    empty = await items(api, "aggregate=count,sum(distance),avg(price)&number=77")
    assert empty == [{"count": 0, "sum_distance": None, "avg_price": None}]
    assert await items(api, "group=carrier&aggregate=count&number=77") == []


async def test_authz_2_groups_are_of_what_may_be_read(api: Api) -> None:
    public = await items(api, "group=carrier&aggregate=count,sum(cost)")
    assert public == [
        {"carrier": "AA", "count": 2, "sum_cost": 2},
        {"carrier": "BB", "count": 2, "sum_cost": None},
        {"carrier": None, "count": 1, "sum_cost": None},
    ]
    staff = await items(api, "group=carrier&aggregate=count,sum(cost)&having=count > 2", "staff")
    assert staff == [{"carrier": "AA", "count": 3, "sum_cost": 3}]


@each(
    ("query", "code"),
    [
        ("group=carrier", "no_aggregate"),
        ("aggregate=", "bad_value"),
        ("aggregate=summ(price)", "unknown_aggregate"),
        ("aggregate=sum", "kinds_differ"),
        ("aggregate=sum(carrier)", "kinds_differ"),
        ("aggregate=max(secret)", "kinds_differ"),
        ("aggregate=sum(prise)", "unknown_field"),
        ("aggregate=sum(distance),sum(distance)", "repeated_name"),
        ("aggregate=count&group=carrier&sort=distance", "unknown_field"),
        ("aggregate=count&having=sum(price) > 1", "unknown_field"),
        ("aggregate=count&having=count >", "filter_syntax"),
        ("aggregate=count&fields=carrier", "not_of_groups"),
        ("aggregate=count&expand=carrier", "not_of_groups"),
        ("having=count>1", "no_aggregate"),
        ("aggregate=sum(distance", "unknown_aggregate"),
        ("aggregate=count&group=month(carrier)", "kinds_differ"),
        ("aggregate=" + ",".join(f"a{i}:count" for i in range(30)), "too_many_aggregates"),
    ],
)
async def test_what_is_wrong_is_told(api: Api, query: str, code: str) -> None:
    answer = await api.ask(f"GET /api/flights?{query}")
    assert answer.status_code == 400, answer.text
    assert code in {problem["code"] for problem in answer.json()["errors"]}, answer.text


@pytest.mark.slow
@pytest.mark.everywhere
async def test_authz_2_the_planner_is_not_asked_of_what_is_hidden(api: Api, engine: str) -> None:
    rows = [
        {"number": 1000 + n, "distance": 5, "price": Decimal(1), "secret": True} for n in range(300)
    ]
    async with api.db.transaction() as db:
        for row in rows:
            await db.create(Flight, left=datetime(2020, 1, 1, tzinfo=UTC), **row)
    if engine == "postgres":
        await api.db.sql("analyze flights")

    async def estimated(query: str, actor: str | None = None) -> int:
        answer = await api.ask(f"GET /api/flights?count=estimated&limit=1&{query}", actor)
        assert answer.json()["counted"] == "estimated"
        return int(answer.json()["count"])

    assert await estimated("distance=5") == 0
    assert await estimated("distance=100") == 1
    carriers = await api.ask("GET /api/carriers?count=estimated")
    assert carriers.json()["counted"] == "estimated"
