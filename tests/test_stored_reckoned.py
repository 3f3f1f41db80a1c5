"""What is reckoned of columns that hold their values in other ways than abaft's own."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from abaft import Model
from scenarios import Api, serving
from test_stored import place  # noqa: F401

pytestmark = pytest.mark.sql

AGGREGATES: dict[str, dict[str, Any]] = {
    "mariadb": {
        "sum(small)": 0,
        "max(four)": 2,
        "max(ratio)": 0.25,
        "max(at)": "2009-01-01T00:00:00.000001Z",
        "min(word)": "B",
        "max(word)": "é",
        "max(other)": "é",
        "min(fixed)": "B",
        "max(feeling)": "sad",
        "max(address)": "ff::",
        "max(huge)": "12345678901234567890.0123456789",
    },
    "sqlite": {
        "sum(price)": "5.99",
        "max(price)": "5.00",
        "avg(weight)": 11.5,
        "min(when)": "2009-01-01T00:00:00Z",
        "max(when)": "2010-01-01T00:00:00Z",
        "max(millis)": "2010-01-01T00:00:00Z",
        "max(iso)": "2010-01-01T00:00:00.250000Z",
        "max(mixed)": "2010-01-01T00:00:00Z",
        "min(epoch)": "1969-12-31T23:59:59Z",
        "max(epoch_ms)": "2009-01-01T00:00:00.001000Z",
        "max(clock)": "23:59:59.250000",
        "max(loose)": "x",
        "max(word)": "é",
        "min(word)": "B",
    },
    "postgres": {
        "sum(small)": 0,
        "max(four)": 2,
        "avg(born)": 2.0,
        "max(ratio)": 0.25,
        "max(at)": "2009-01-01T00:00:00.000001Z",
        "max(span)": "PT86401S",
        "min(word)": "B",
        "max(word)": "é",
        "max(fixed)": "é",
        "max(feeling)": "sad",
        "max(address)": "::1/128",
        "max(amount)": "1.501",
    },
}
GROUPS: dict[str, dict[str, list[Any]]] = {
    "mariadb": {
        "year(at)": [[1999, 1], [2009, 2], [None, 1]],
        "feeling": [["happy", 1], ["ok", 1], ["sad", 1], [None, 1]],
        "word": [["B", 1], ["b", 1], ["é", 1], [None, 1]],
        "fixed": [["B", 1], ["b", 1], ["é", 1], [None, 1]],
        "lower(word)": [["b", 2], ["é", 1], [None, 1]],
        "ratio": [[-1e30, 1], [0.1, 1], [0.25, 1], [None, 1]],
        "flag": [[False, 1], [True, 2], [None, 1]],
    },
    "sqlite": {
        "year(when)": [[2009, 2], [2010, 1], [None, 1]],
        "year(mixed)": [[2009, 2], [2010, 1], [None, 1]],
        "date(epoch_ms)": [["1969-12-31", 1], ["2009-01-01", 2], [None, 1]],
        "hour(clock)": [[0, 1], [10, 1], [23, 1], [None, 1]],
        "flag": [[False, 1], [True, 2], [None, 1]],
        "price": [["0.00", 1], ["0.99", 1], ["5.00", 1], [None, 1]],
        "loose": [["7", 1], ["ab", 1], ["x", 1], [None, 1]],
        "mixed": [
            ["2009-01-01T00:00:00Z", 1],
            ["2009-01-01T00:00:00.500000Z", 1],
            ["2010-01-01T00:00:00Z", 1],
            [None, 1],
        ],
    },
    "postgres": {
        "year(at)": [[1999, 1], [2009, 2], [None, 1]],
        "feeling": [["happy", 1], ["ok", 1], ["sad", 1], [None, 1]],
        "fixed": [["B", 1], ["b", 1], ["é", 1], [None, 1]],
        "lower(word)": [["b", 2], ["é", 1], [None, 1]],
        "ratio": [[-1e30, 1], [0.1, 1], [0.25, 1], [None, 1]],
        "address": [["10.0.0.1/32", 1], ["9.0.0.0/8", 1], ["::1/128", 1], [None, 1]],
        "span": [["-PT1S", 1], ["PT86400S", 1], ["PT86401S", 1], [None, 1]],
    },
}
FILTERS: dict[str, dict[str, list[int]]] = {
    "mariadb": {
        "year(at) = 2009": [1, 2],
        "small + four = 4": [2],
        "word = fixed": [1, 2, 3, 4],
        "word = 'B'": [2],
        "other != 'b'": [2, 3, 4],
        "lower(word) = 'b'": [1, 2],
        "small = four": [1, 2, 3, 4],
        "ratio = 0.1": [1],
        "length(fixed) = 1": [1, 2, 3],
        "stamp > at": [2],
    },
    "sqlite": {
        "year(when) = 2009 and price > 0.5": [1, 2],
        "price + price = 1.98": [1],
        "weight * 2 = 37": [2],
        "when < iso": [2, 3],
        "mixed = when": [1, 3, 4],
        "epoch_ms > epoch": [3],
        "lower(word) = 'b'": [1, 2],
        "millis >= mixed": [1, 2, 3],
    },
    "postgres": {
        "year(at) = 2009": [1, 2],
        "small + four = 4": [2],
        "four + four = 2": [1],
        "word = fixed": [1, 2, 3, 4],
        "lower(word) = 'b'": [1, 2],
        "small = born": [1, 2, 4],
        "ratio = 0.1": [1],
        "length(fixed) = 1": [1, 2, 3],
    },
}


async def got(api: Api, path: str) -> Any:
    response = await api.ask(f"GET {path}", "admin")
    assert response.status_code == 200, f"{path}: {response.text}"
    return response.json()["items"]


async def test_aggregates_groups_and_functions(
    engine: str,
    place: tuple[str, type[Model]],  # noqa: F811
) -> None:
    url, model = place
    async with serving(url, model) as api:
        for asked, wanted in AGGREGATES[engine].items():
            [group] = await got(api, f"/api/old_things?aggregate=x:{quote(asked)}")
            assert group == {"x": wanted}, asked
        for asked, rows in GROUPS[engine].items():
            path = f"/api/old_things?group=g:{quote(asked)}&aggregate=n:count&sort=g"
            groups = await got(api, path)
            assert [[group["g"], group["n"]] for group in groups] == rows, asked
            for value, _ in rows:
                if value is None or isinstance(value, bool):
                    continue
                spelt = quote(f"g = {value!r}" if isinstance(value, str) else f"g = {value}")
                [group] = await got(api, f"{path}&having={spelt}")
                assert group["g"] == value
        for asked, ids in FILTERS[engine].items():
            items = await got(api, f"/api/old_things?filter={quote(asked)}&sort=id&fields=id")
            assert [item["id"] for item in items] == ids, asked


OPERATORS = {"content-type": "application/vnd.abaft.operators+json"}


async def test_val_operators_of_a_patch_are_for_integers_alone(
    engine: str,
    place: tuple[str, type[Model]],  # noqa: F811
) -> None:
    url, model = place
    others: dict[str, Any] = {
        "sqlite": {"price": {"increment": 1}, "when": {"max": "2020-01-01T00:00:00Z"}},
        "postgres": {
            "amount": {"increment": 1},
            "at": {"min": "2020-01-01T00:00:00Z"},
            "tags": {"append": ["x"]},
        },
        "mariadb": {"huge": {"increment": 1}, "at": {"min": "2020-01-01T00:00:00Z"}},
    }[engine]
    async with serving(url, model) as api:
        refused = await api.ask("PATCH /api/old_things/1", "admin", headers=OPERATORS, json=others)
        assert refused.status_code == 422
        pointers = {problem["pointer"].split("/")[1] for problem in refused.json()["errors"]}
        assert pointers == {*others}
        if engine != "sqlite":
            most = 2**31 - 2
            for step, status in ((most, 200), (1, 422)):
                changed = await api.ask(
                    "PATCH /api/old_things/1",
                    "admin",
                    headers=OPERATORS,
                    json={"four": {"increment": step}},
                )
                assert changed.status_code == status, changed.text
            assert (await got(api, "/api/old_things?id=1"))[0]["four"] == 2**31 - 1
