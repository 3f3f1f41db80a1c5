"""`abaft inspect mongodb://…`: models of what other programs store, which serve it as it is."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from bson import DBRef, Decimal128, Int64, ObjectId, Regex
from pymongo import MongoClient
from pymongo.database import Database

from abaft import App, Many, Me, Model, Ref, Settings, allow, field
from abaft.base.errors import ModelError, SchemaMismatch
from conftest import chosen_engines
from each import each
from inspected import imported, models_of, written
from scenarios import SECRET_KEY, Api, serving
from servers.mongodb import MongoServer
from test_inspect import CHECKS, checked

GOLDEN = Path(__file__).parent / "golden" / "inspect" / "mongodb_shop.txt"
RENEW = "# Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_mongodb_inspect.py -k golden"
Shop = Database[dict[str, Any]]


def oid(number: int) -> ObjectId:
    return ObjectId(f"{number:024x}")


def moment(day: int, micros: int = 0) -> dt.datetime:
    return dt.datetime(2020, 1, day, 10, 30, 0, micros, tzinfo=dt.UTC)


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if "mongodb" not in chosen_engines(request.config):
        pytest.skip("--engine leaves MongoDB out")
    server: MongoServer = request.getfixturevalue("mongodb")
    with server.database() as found:
        yield found


@pytest.fixture
def shop(url: str) -> Iterator[Shop]:
    """What a program has stored that knows nothing of abaft."""
    client: MongoClient[dict[str, Any]]
    with MongoClient(url, uuidRepresentation="standard") as client:
        database = client.get_default_database()
        fill(database)
        yield database


def fill(shop: Shop) -> None:
    fill_orders(shop)
    shop.customers.insert_many(
        {"_id": oid(n), "name": name, "tier": tier, "mail": f"{name}@x.org"}
        for n, name, tier in ((1, "Ann", "gold"), (2, "Ben", None), (3, "Cat", 7))
    )
    shop.customers.create_index("mail", unique=True)
    shop.create_collection(
        "staff",
        validator={
            "$jsonSchema": {
                "bsonType": "object",
                "required": ["name", "level", "role"],
                "properties": {
                    "name": {"bsonType": "string", "maxLength": 40},
                    "level": {"bsonType": ["int", "long"]},
                    "role": {"enum": ["boss", "clerk"], "bsonType": "string"},
                    "left": {"bsonType": ["date", "null"]},
                },
            }
        },
    )
    shop.staff.insert_one({"_id": oid(9), "name": "Eve", "level": 3, "role": "boss", "boss": None})
    shop.odd.insert_many(
        [
            {"_id": "a", "pattern": Regex("x"), "mixed": 1, "deep": [1], "$price": 1, "a.b": 2},
            {"_id": "b", "pattern": Regex("y"), "mixed": "one", "deep": {"x": float("nan")}},
            {"_id": "c", "pattern": Regex("z"), "mixed": oid(5), "deep": None},
        ]
    )
    shop.pairs.insert_one({"_id": {"a": 1, "b": 2}, "x": 1})
    shop.create_collection("empty")


def fill_orders(shop: Shop) -> None:
    shop.orders.insert_many(
        [
            {
                "_id": n,
                "customerId": oid(1 + n % 3),
                "placed": moment(n),
                "total": Decimal128(f"{n}.50"),
                "weight": n if n % 2 else n + 0.5,
                "count": n if n < 9 else Int64(2**40),
                "paid": n % 2 == 0,
                "lines": [{"sku": "a", "at": moment(n)}],
                "address": {"city": "Ulm", "zip": n},
                "token": UUID(int=n),
                "blob": b"\x00\xff",
                "class": "x",
                "Ship Via": "dhl",
                "seen by": DBRef("customers", oid(1)),
                "note": "n",
            }
            | ({"refund": None} if n < 4 else {"refund": n * 1.5})
            for n in range(1, 11)
        ]
    )
    shop.orders.update_one({"_id": 3}, {"$unset": {"note": ""}})


async def test_what_it_writes_is_golden(url: str, shop: Shop) -> None:
    text = f"{RENEW}\n{await written(url, '--open')}".replace(url.rpartition("/")[2], "NAME")
    if os.environ.get("RENEW_GOLDEN"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")


@pytest.fixture
async def api(url: str, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ABAFT_DATABASE", url)
    module = imported(await written(url, "--open"), tmp_path)
    async with serving(url, *models_of(module)) as found:
        yield found


async def got(api: Api, path: str) -> Any:
    answer = await api.ask(f"GET {path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


ORDER = {
    "id": 2,
    "customer": str(oid(3)),
    "placed": "2020-01-02T10:30:00Z",
    "total": "2.50",
    "weight": 2.5,
    "count": 2,
    "paid": True,
    "lines": [{"at": "2020-01-02T10:30:00Z", "sku": "a"}],
    "address": {"zip": 2, "city": "Ulm"},
    "token": str(UUID(int=2)),
    "blob": "AP8=",
    "class_": "x",
    "ship_via": "dhl",
    "seen_by": {"$id": str(oid(1)), "$ref": "customers"},
    "note": "n",
    "refund": None,
}


async def test_documents_are_served_as_they_are(api: Api, shop: Shop) -> None:
    before = {name: list(shop[name].find()) for name in ("customers", "orders", "staff")}
    assert await got(api, "/api/orders/2") == ORDER
    found = await got(api, "/api/orders?expand=customer&fields=id,customer&limit=1")
    customer = {"id": str(oid(2)), "name": "Ben", "tier": None, "mail": "Ben@x.org"}
    assert found["items"] == [{"id": 1, "customer": customer}]
    found = await got(api, f"/api/customers/{oid(3)}?expand=orders&fields=name,tier,orders")
    assert (found["name"], found["tier"]) == ("Cat", "7")
    assert [row["id"] for row in found["orders"]] == [2, 5, 8]
    [eve] = (await got(api, "/api/staffs"))["items"]
    assert (eve["level"], eve["role"], eve["left"]) == (3, "boss", None)
    odd = (await got(api, "/api/odds"))["items"]
    assert [row["mixed"] for row in odd] == ["1", "one", str(oid(5))]
    assert [row["deep"] for row in odd] == [[1], {"x": None}, None]
    assert {name: list(shop[name].find()) for name in before} == before


FILTERS = {
    "customer=000000000000000000000003": [2, 5, 8],
    "customer=zz": [],
    "customer.name=Ann": [3, 6, 9],
    "customer.name[in]=Ann,Ben&sort=-id": [10, 9, 7, 6, 4, 3, 1],
    "placed[ge]=2020-01-09T10:30:00Z": [9, 10],
    "placed=2020-01-09T10:30:00Z": [9],
    "placed=2020-01-09T10:30:00.000001Z": [],
    "total[gt]=8.5": [9, 10],
    "total=3.50": [3],
    "weight[lt]=3": [1, 2],
    "weight=3": [3],
    "count[gt]=100": [9, 10],
    "paid=false&id[le]=3": [1, 3],
    "refund[isnull]=true": [1, 2, 3],
    "note[isnull]=true": [3],
    "token=00000000-0000-0000-0000-000000000004": [4],
    "sort=-placed&limit=2": [10, 9],
    "sort=refund,-id&limit=3": [4, 5, 6],
    "sort=customer.name,id&limit=4": [3, 6, 9, 1],
    "id[in]=3,99,1": [1, 3],
    "class_[contains]=x&limit=1": [1],
}


@each("query", FILTERS)
async def test_filters_and_orders(api: Api, query: str) -> None:
    found = await got(api, f"/api/orders?fields=id&{query}")
    assert [row["id"] for row in found["items"]] == FILTERS[query]


async def test_cursors_walk_all_of_it_and_groups_add_it_up(api: Api) -> None:
    for order in ("placed", "-total", "customer.name,-id", "-count"):
        seen, path = [], f"/api/orders?fields=id&limit=3&sort={order}"
        page = await got(api, path)
        while True:
            seen += [row["id"] for row in page["items"]]
            if page["next"] is None:
                break
            page = await got(api, f"{path}&cursor={page['next']}")
        assert sorted(seen) == [*range(1, 11)], order
    found = await got(api, "/api/orders?group=customer&aggregate=sum(total),count&sort=customer")
    assert [row["sum_total"] for row in found["items"]] == ["19.50", "24.00", "16.50"], found
    assert (await got(api, "/api/orders?limit=1&count=exact"))["count"] == 10


async def test_nothing_is_written(api: Api) -> None:
    for ask in ("POST /api/orders", "PATCH /api/orders/1", "DELETE /api/orders/1"):
        answer = await api.ask(ask, json={} if ask[0] == "P" else None)
        assert answer.status_code == 405, answer.text


class Closed(Model, abstract=True):
    @allow("read")
    def everybody(record, me: Me) -> bool:
        return True


def refused(url: str, *models: type[Model]) -> str:
    given = Settings(database=url, mode="production", secret_key=SECRET_KEY)
    with pytest.raises(ModelError) as raised:
        App(*models, settings=given, sinks=())
    return str(raised.value)


def test_what_it_cannot_read_is_refused_by_field(url: str) -> None:
    class Writes(Closed, table="orders", managed=False):
        id: int = field(column="_id", key=True)

    class Dates(Closed, table="orders", read_only=True):
        id: int = field(column="_id", key=True)
        placed: dt.date = field(stored="date")

    class Wrong(Closed, table="orders", read_only=True):
        id: int = field(column="_id", key=True)
        weight: int = field(stored="int|string")

    class Keyed(Closed, table="orders", read_only=True):
        id: str = field(column="_id", key=True, stored="date")

    class Elsewhere(Closed, table="orders", read_only=True):
        number: int = field(key=True)

    class Target(Closed, table="customers", read_only=True):
        id: str = field(column="_id", key=True, stored="objectId")

    class Leads(Closed, table="orders", read_only=True):
        id: int = field(column="_id", key=True)
        customer: Ref[Target] = field(column="customerId", stored="string")

    class Own(Closed):
        customer: Ref[Target]

    class Linked(Closed, table="orders", read_only=True):
        id: int = field(column="_id", key=True)
        others: Many[Target]

    assert "Writes: a collection of other programs is only read: read_only=True" in refused(
        url, Writes
    )
    assert "Dates.placed: no type of BSON is read as date" in refused(url, Dates)
    assert "Wrong.weight: 'string' isn't read as integer" in refused(url, Wrong)
    assert "Keyed.id: no key is found that is stored as date" in refused(url, Keyed)
    assert 'Elsewhere: its key is one field with column="_id"' in refused(url, Elsewhere)
    assert "Leads.customer: it is stored as string" in refused(url, Target, Leads)
    assert "Own.customer: the key of Target is stored as objectId" in refused(url, Target, Own)
    assert "Linked.others: no link is made" in refused(url, Target, Linked)


async def test_a_document_unlike_the_model_stops_the_start(url: str, shop: Shop) -> None:
    class Order(Closed, table="orders", read_only=True):
        id: int = field(column="_id", key=True, stored="int|long")
        weight: int = field(stored="int|long")
        note: str

    class Gone(Closed, table="gone", read_only=True):
        id: int = field(column="_id", key=True)

    with pytest.raises(SchemaMismatch) as raised:
        async with serving(url, Order, Gone):
            pass
    told = str(raised.value)
    assert "orders: the weight of the document 2 is no int or long, as Order.weight says" in told
    assert "orders: the note of the document 3 is no string" in told
    assert "gone isn't there, which Gone reads" in told


async def test_what_comes_later_and_is_unlike_is_null(url: str, shop: Shop) -> None:
    class Order(Closed, table="orders", read_only=True):
        id: int = field(column="_id", key=True, stored="int|long")
        count: int | None = field(stored="int|long|double")
        total: Decimal | None = field(max_digits=9, decimal_places=2)

    async with serving(url, Order) as api:
        shop.orders.update_one({"_id": 1}, {"$set": {"count": "many", "total": Decimal128("NaN")}})
        shop.orders.update_one({"_id": 2}, {"$set": {"count": 1.5, "total": Decimal128("1.005")}})
        found = (await got(api, "/api/orders?limit=2"))["items"]
        assert [(row["count"], row["total"]) for row in found] == [(None, None), (None, None)]


@pytest.mark.slow
async def test_what_it_writes_is_clean(url: str, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "closed.py").write_text(await written(url), "utf-8")
    (tmp_path / "open.py").write_text(await written(url, "--open"), "utf-8")
    for command in CHECKS:
        done = await asyncio.to_thread(checked, [*command, str(tmp_path)], tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


async def test_of_many_documents_some_are_looked_at(url: str) -> None:
    client: MongoClient[dict[str, Any]]
    with MongoClient(url) as client:
        client.get_default_database().many.insert_many({"n": n} for n in range(300))
        text = await written(url, "--sample", "50")
    assert "# int in all 50 looked at, of about 300." in text
