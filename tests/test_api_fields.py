"""Every kind of field: what goes in comes out the same, filtered, sorted and stored, everywhere."""

from __future__ import annotations

from base64 import b64encode
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel

from abaft import Email, Invalid, Me, Model, Ref, Url, allow, field
from apps.open import Open
from scenarios import Api, Scenario, play, serving


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    street: str
    number: int = 1


class Thing(Model):
    text: str | None = None
    whole: int | None = None
    real: float | None = None
    price: Decimal | None = field(default=None, max_digits=12, decimal_places=3)
    yes: bool | None = None
    at: datetime | None = None
    day: date | None = None
    clock: time | None = None
    span: timedelta | None = None
    uid: UUID | None = None
    raw: bytes | None = None
    colour: Colour | None = None
    size: Literal["s", "m", "l"] | None = None
    level: Literal[1, 2, 3] | None = None
    meta: dict[str, Any] | None = None
    parts: list[Any] | None = None
    place: Place | None = None
    email: Email | None = None
    url: Url | None = None

    @allow("read", "create", "update", "delete")
    def all_(thing, me: Me) -> bool:
        return True


ID = "01890a5d-ac96-774b-bcce-b302099a8057"
LONGEST = timedelta(days=90_000_000)

# field, what is sent, what comes back (… the same)
SAME = ...
VALUES: list[tuple[str, Any, Any]] = [
    ("text", "", SAME),
    ("text", "trailing  ", SAME),
    ("text", "  leading\t\n", SAME),
    ("text", "😀 e\u0301 é \u200d\U0010ffff \ufffd", SAME),
    ("text", "quote ' \" \\ %s $1 :x ? {} \x01\x7f\u2028", SAME),
    ("text", "null", SAME),
    ("whole", 2**63 - 1, SAME),
    ("whole", -(2**63), SAME),
    ("whole", 0, SAME),
    ("real", 0.1 + 0.2, SAME),
    ("real", -0.0, 0.0),
    ("real", 5e-324, SAME),
    ("real", 1.7976931348623157e308, SAME),
    ("real", 1e22, SAME),
    ("real", 3, 3.0),
    ("price", "123456789.125", SAME),
    ("price", "-0.001", SAME),
    ("price", "1", "1.000"),
    ("price", "-0", "0.000"),
    ("price", 12.5, "12.500"),
    ("price", "999999999.999", SAME),
    ("yes", True, SAME),
    ("yes", False, SAME),
    ("at", "2013-01-31T10:00:00Z", SAME),
    ("at", "2013-01-31T10:00:00.000001Z", SAME),
    ("at", "2013-01-31T10:00:00.500000+02:00", "2013-01-31T08:00:00.500000Z"),
    ("at", "0001-01-01T00:00:00Z", SAME),
    ("at", "9999-12-31T23:59:59.999999Z", SAME),
    ("day", "0001-01-01", SAME),
    ("day", "9999-12-31", SAME),
    ("day", "2024-02-29", SAME),
    ("clock", "00:00:00", SAME),
    ("clock", "23:59:59.999999", SAME),
    ("span", "PT90S", SAME),
    ("span", "PT0.000001S", SAME),
    ("span", "-PT0.500000S", SAME),
    ("span", "P1DT1H", "PT90000S"),
    ("span", "P90000000D", f"PT{LONGEST.days * 86_400}S"),
    ("uid", ID, SAME),
    ("uid", ID.upper(), ID),
    ("raw", "", SAME),
    ("raw", b64encode(bytes(range(256))).decode(), SAME),
    ("colour", "red", SAME),
    ("size", "m", SAME),
    ("level", 3, SAME),
    ("meta", {}, SAME),
    ("meta", {"b": [1, {"c": None}], "a": "😀", "": True, "nested": {"x": 1.5}}, SAME),
    (
        "meta",
        {"big": 2**63 - 1, "tiny": 1e-7, "huge": 1e22, "zero": 0.0, "q'\"\\": "\\u0000"},
        SAME,
    ),
    ("parts", [], SAME),
    ("parts", [1, "two", None, [3], {"four": 4}, False], SAME),
    ("place", {"street": "Main", "number": 5}, SAME),
    ("place", {"street": "Main"}, {"street": "Main", "number": 1}),
    ("email", "Ann@Example.org", "Ann@example.org"),
    ("url", "https://example.org/a?b=c#d", SAME),
    *[(name, None, SAME) for name in Thing.__annotations__],
]


@pytest.fixture
async def api(database_url: str) -> Any:
    async with serving(database_url, Thing) as api:
        yield api


@pytest.mark.slow
async def test_every_value_comes_back_by_each_way(api: Api) -> None:
    for name, given, expected in VALUES:
        expected = given if expected is SAME else expected
        made = await api.ask("POST /api/things", json={name: given})
        assert made.status_code == 201, (name, given, made.text)
        url = made.headers["location"]
        patched = await api.ask(f"PATCH {url}", json={name: given})
        put = await api.ask(f"PUT {url}", json={name: given})
        read = await api.ask(f"GET {url}")
        for answer in (made, patched, put, read):
            shown = answer.json()[name]
            assert shown == expected, (name, given, answer.text)
            assert type(shown) is type(expected) or isinstance(shown, (int, float))
        assert put.headers["etag"] == read.headers["etag"]
        listed = await api.items(f"/api/things?id={read.json()['id']}", of=name)
        assert listed == [expected]


async def test_every_value_is_found_by_itself_and_typed_for_programs(api: Api) -> None:
    for name, given, _ in VALUES:
        if given is None or name in ("meta", "parts", "place"):
            continue
        made = (await api.ask("POST /api/things", json={name: given})).json()
        shown = made[name]
        text = str(shown).lower() if isinstance(shown, bool) else str(shown)
        for operator in ("", "[in]"):
            spelled = f'"{text.replace(chr(34), chr(34) * 2)}"' if operator else text
            found = await api.client.get(
                "/api/things", params={name + operator: spelled, "id": made["id"]}
            )
            assert [item["id"] for item in found.json()["items"]] == [made["id"]], (name, given)
        record = await api.db.get(Thing, made["id"])
        value = getattr(record, name)
        again = await api.db.create(Thing(**{name: value}))
        assert getattr(again, name) == value
        assert await api.db.count(Thing, is_value(name, value)) >= 2, (name, given)


def is_value(name: str, value: Any) -> Any:
    return lambda thing: getattr(thing, name) == value


ASCENDING: dict[str, list[Any]] = {
    "text": ["", " ", "A", "B", "a", "a ", "aa", "é", "\uffff", "😀"],
    "whole": [-(2**63), -1, 0, 9, 10, 2**63 - 1],
    "real": [-1e300, -1.5, 0.0, 5e-324, 2.0, 10.0, 1e22],
    "price": ["-10.000", "-9.999", "0.000", "0.001", "9.000", "10.000"],
    "yes": [False, True],
    "at": ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z",
           "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000001Z", "9999-12-31T00:00:00Z"],
    "day": ["0001-01-01", "0999-12-31", "2024-02-29", "9999-12-31"],
    "clock": ["00:00:00", "00:00:00.000001", "12:00:00", "23:59:59.999999"],
    "span": ["-PT10S", "-PT9.500000S", "PT0S", "PT9S", "PT10S"],
    "uid": ["00000000-0000-0000-0000-000000000000", ID, "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "size": ["l", "m", "s"],
    "level": [1, 2, 3],
    "email": ["A@example.org", "a@example.org"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.everywhere
async def test_each_kind_has_one_order(api: Api) -> None:
    for name, values in ASCENDING.items():
        for value in [*values[::2], *values[1::2], None, None]:
            await api.ask("POST /api/things", json={name: value, "url": f"https://{name}.org"})
        of_them = f"/api/things?url=https://{name}.org/&limit=1000&fields={name}"
        up = await api.items(f"{of_them}&sort={name}", of=name)
        down = await api.items(f"{of_them}&sort=-{name}", of=name)
        assert up == [*values, None, None], name
        assert down == [None, None, *reversed(values)], name
        for place in {0, len(values) // 2, len(values) - 1}:
            value = values[place]
            spelled = str(value).lower() if isinstance(value, bool) else str(value)
            for operator, expected in {
                "gt": values[place + 1 :], "ge": values[place:], "lt": values[:place],
                "le": values[: place + 1], "eq": [value],
                "ne": [*values[:place], *values[place + 1 :], None, None],
            }.items():  # fmt: skip
                params = {"url": f"https://{name}.org/", f"{name}[{operator}]": spelled}
                params |= {"sort": name, "limit": "1000", "fields": name}
                found = (await api.client.get("/api/things", params=params)).json()["items"]
                assert [item[name] for item in found] == expected, (name, operator, value)


def refused(name: str, value: Any, code: str) -> Scenario:
    return Scenario(
        "POST /api/things", 422, json={name: value}, has=[f'"pointer":"/{name}', f'"code":"{code}"']
    )


REFUSED = [
    refused("text", 1, "type"),
    refused("text", "a\0b", "nul_character"),
    refused("whole", 2**63, "less_than_equal"),
    refused("whole", 10**400, "less_than_equal"),
    refused("whole", 1.5, "type"),
    refused("whole", "1", "type"),
    refused("whole", True, "type"),
    refused("real", "1", "type"),
    refused("real", True, "type"),
    refused("price", "1.0001", "format"),
    refused("price", "1234567890.5", "format"),
    refused("price", "NaN", "format"),
    refused("price", "Infinity", "format"),
    refused("price", "1e999999", "format"),
    refused("yes", 1, "type"),
    refused("yes", "true", "type"),
    refused("at", "2013-01-31T10:00:00", "format"),
    refused("at", "0001-01-01T00:00:00+01:00", "datetime_range"),
    refused("at", 1, "type"),
    refused("at", "2013-02-30T10:00:00Z", "format"),
    refused("day", "2023-02-29", "format"),
    refused("clock", "10:00:00Z", "format"),
    refused("clock", "25:00:00", "format"),
    refused("span", "P999999999D", "format"),
    refused("span", "soon", "format"),
    refused("uid", "1", "format"),
    refused("raw", "not base64!", "format"),
    refused("raw", "QUI", "format"),
    refused("colour", "green", "enum"),
    refused("size", "xl", "literal_error"),
    refused("level", True, "type"),
    refused("level", 1.5, "type"),
    refused("meta", [], "type"),
    refused("meta", {"a": "\0"}, "nul_character"),
    refused("meta", {"\0": 1}, "nul_character"),
    refused("parts", {}, "type"),
    refused("place", {"number": "five"}, "required"),
    refused("email", "nobody", "format"),
    refused("url", "not a url", "url_parsing"),
]


async def test_every_wrong_value_is_refused_and_named(api: Api) -> None:
    await play(api, REFUSED)


async def test_filters_refuse_what_a_body_refuses(api: Api) -> None:
    rows = [
        ("whole", "9223372036854775808"), ("whole", "1.0"), ("whole", "\u0661"), ("whole", ""),
        ("real", "nan"), ("real", "1e999"), ("real", "1_0"), ("price", "1.0001"),
        ("price", "\u0661"), ("price", "1e9999999"), ("yes", "1"), ("at", "2013-01-31T10:00:00"),
        ("day", "2013-02-30"), ("clock", "10:00:00Z"), ("span", "soon"), ("uid", "1"),
        ("raw", "!"), ("colour", "green"), ("level", "4"), ("text", "%00"),
    ]  # fmt: skip
    await play(
        api,
        [
            Scenario(f"GET /api/things?{name}={text}", 400, has=['"bad_value"', f'"?{name}"'])
            for name, text in rows
        ],
    )


async def test_a_decimal_of_places_alone_can_be_zero(database_url: str) -> None:
    class Share(Model):
        part: Decimal = field(max_digits=4, decimal_places=4, default=Decimal("0"))

        @allow("read", "create")
        def anybody(share) -> bool:
            return True

    async with serving(database_url, Share) as api:
        for given, shown in (
            ({}, "0.0000"),
            ({"part": "0"}, "0.0000"),
            ({"part": "0.5"}, "0.5000"),
        ):
            assert (await api.ask("POST /api/shares", json=given)).json()["part"] == shown
        assert (await api.ask("POST /api/shares", json={"part": "1"})).status_code == 422


class Tag(Open, key="name", stamps=False):
    name: str = field(max_length=9, min_length=0)
    wider: Ref[Tag] | None = None


class Pair(Open, key=("one", "other"), stamps=False):
    one: str
    other: str


async def test_val_2_the_empty_text_is_no_key(database_url: str) -> None:
    """No URL would reach the record. In a key of several fields it has a place."""

    told = ["string_too_short", "at least 1 character"]
    inner = {"operations": [{"method": "POST", "path": "/tags", "body": {"name": ""}}]}
    rows = [
        Scenario("POST /api/tags", 422, json={"name": ""}, has=[*told, '"/name"']),
        Scenario("POST /api/tags", 422, json=[{"name": "a"}, {"name": ""}], has=['"/1/name"']),
        Scenario("POST /api/tags?upsert=name", 422, json={"name": ""}, has=told),
        Scenario("POST /api/tags", 422, json={"name": "b", "wider": {"name": ""}}, has=told),
        Scenario("POST /api/tags", 422, json={"name": "b", "wider": ""}, has=["no_such_record"]),
        Scenario("POST /api/batch", 422, json=inner, has=["/operations/0/body/name", *told]),
        Scenario("POST /api/tags", 201, json={"name": " "}, changes=("create Tag",)),
        Scenario("POST /api/pairs", 201, json={"one": "", "other": ""}, changes=("create Pair",)),
        Scenario("GET /api/pairs/,", 200, has=['"one":""']),
    ]
    async with serving(database_url, Tag, Pair) as api:
        await play(api, rows)
        with pytest.raises(Invalid):
            await api.db.create(Tag, name="")


@pytest.mark.sql
async def test_the_empty_text_is_a_key_in_an_existing_table(database_url: str) -> None:
    class Made(Open, key="name", table="tags", stamps=False):
        name: str

    class Tag(Open, key="name", managed=False, table="tags", stamps=False):
        name: str

    async with serving(database_url, Made):
        pass
    async with serving(database_url, Tag) as api:
        assert (await api.ask("POST /api/tags", json={"name": ""})).status_code == 201
        assert await api.items("/api/tags", of="name") == [""]
