"""VAL-2: no way in takes an infinity or NaN, none is made inside, and no way out shows one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from math import inf, nan
from pathlib import Path
from typing import Any

import ormsgpack
import pytest

from abaft import Invalid, Many, Ref, before, field
from apps.open import Open
from asking import emptied
from each import each
from loads import Loader
from projects import said
from scenarios import LINES, PACKED, Api, serving

JSON = {"content-type": "application/json"}
OPERATORS = {"content-type": "application/vnd.abaft.operators+json"}
LARGEST = 1.7976931348623157e308


class Shelf(Open, key="code", stamps=False, collection="shelves"):
    code: str
    gauges: Many[Gauge] = field(back="shelf")


class Gauge(Open, key="code", stamps=False):
    code: str
    level: float = 0.0
    money: Decimal | None = field(default=None, max_digits=12, decimal_places=2)
    whole: int | None = None
    more: dict[str, Any] | None = None
    shelf: Ref[Shelf] | None = None


class Tuned(Open, key="code", stamps=False, collection="tuned"):
    code: str
    level: float

    @before("create", "update")
    async def louder(tuned) -> None:
        tuned.level *= 10


MODELS = (Shelf, Gauge, Tuned)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS) as api:
        await api.db.create(Gauge, code="a", level=1.5)
        yield api


# A member of a record as it is written: JSON has no spelling of its own for the last ones.
MEMBERS = [
    *(f'"level": {text}' for text in ("1e999", "-1e999", "NaN", "Infinity", "-Infinity")),
    *(f'"level": "{text}"' for text in ("Infinity", "nan", "1e999")),
    *(f'"money": {text}' for text in ("1e999", '"1e999"', '"NaN"', '"sNaN"', '"-Infinity"')),
    *(f'"whole": {text}' for text in ("1e999", "NaN", '"Infinity"')),
    *(f'"more": {{"a": [{text}]}}' for text in ("1e999", "NaN", "-Infinity")),
]
BATCH = '{"operations": [{"method": "%s", "path": "%s", "body": %s}]}'
# A way to write, and the body that a member gets into.
WAYS = {
    "post": ("POST /api/gauges", JSON, '{"code": "b", %s}'),
    "put": ("PUT /api/gauges/b", JSON, "{%s}"),
    "put again": ("PUT /api/gauges/a", JSON, "{%s}"),
    "patch": ("PATCH /api/gauges/a", JSON, "{%s}"),
    "many": ("PATCH /api/gauges?code=a&limit=5", JSON, "{%s}"),
    "list": ("POST /api/gauges", JSON, '[{"code": "b"}, {"code": "c", %s}]'),
    "upsert": ("POST /api/gauges?upsert=code", JSON, '{"code": "a", %s}'),
    "list of upserts": ("POST /api/gauges?upsert=code", JSON, '[{"code": "a", %s}]'),
    "nested": ("POST /api/shelves", JSON, '{"code": "a", "gauges": [{"code": "b", %s}]}'),
    "batch": ("POST /api/batch", JSON, BATCH % ("POST", "/gauges", '{"code": "b", %s}')),
    "batch of a patch": ("POST /api/batch", JSON, BATCH % ("PATCH", "/gauges/a", "{%s}")),
}


async def stored(api: Api) -> Any:
    return [(await api.items(f"/api/{name}")) for name in ("shelves", "gauges", "tuned")]


@each("way", WAYS)
async def test_val_2_no_body_brings_one_in(api: Api, way: str) -> None:
    request, headers, body = WAYS[way]
    before_, changes, wrong = await stored(api), await api.changes(), []
    for member in MEMBERS:
        answer = await api.ask(request, content=body % member, headers=headers)
        name = member.split('"')[1]
        pointers = [error["pointer"] for error in answer.json().get("errors", ())]
        if answer.status_code != 422 or not any(f"/{name}" in found for found in pointers):
            wrong.append((member, answer.status_code, answer.text))
    assert not wrong, "\n".join(map(str, wrong))
    assert (await stored(api), await api.changes()) == (before_, changes)


@pytest.mark.parametrize("operator", ["set", "increment", "min", "max"])
async def test_val_2_no_operator_brings_one_in(api: Api, operator: str) -> None:
    before_, wrong = await stored(api), []
    for member in MEMBERS:
        name, _, text = member.partition(": ")
        body = f'{{{name}: {{"{operator}": {text}}}}}'
        answer = await api.ask("PATCH /api/gauges/a", content=body, headers=OPERATORS)
        if answer.status_code != 422:
            wrong.append((body, answer.status_code, answer.text))
    assert not wrong, "\n".join(map(str, wrong))
    assert await stored(api) == before_


async def test_val_2_none_is_reckoned(api: Api) -> None:
    """The sum of two floats, and what a hook makes of one."""
    await api.db.create(Gauge, code="b", level=LARGEST)
    await api.db.create(Tuned, code="a", level=1.0)
    before_ = await stored(api)
    for request, body, headers in (
        ("PATCH /api/gauges/b", {"level": {"increment": LARGEST}}, OPERATORS),
        ("PATCH /api/gauges?level[gt]=2&limit=5", {"level": {"increment": LARGEST}}, OPERATORS),
        ("PATCH /api/tuned/a", {"level": LARGEST}, {}),
        ("POST /api/tuned", {"code": "b", "level": -LARGEST}, {}),
        ("POST /api/tuned", [{"code": "b", "level": -LARGEST}], {}),
    ):
        answer = await api.ask(request, json=body, headers=headers)
        assert answer.status_code == 422, (request, answer.text)
        assert "/level" in answer.text
    assert await stored(api) == before_


Write = Callable[[Any, dict[str, Any]], Awaitable[Any]]
CALLS: dict[str, Write] = {
    "create": lambda db, values: db.create(Gauge, code="b", **values),
    "record": lambda db, values: db.create(Gauge(code="b", **values)),
    "upsert": lambda db, values: db.upsert(Gauge, on="code", code="a", **values),
    "many": lambda db, values: db.create_many([Gauge(code="b"), Gauge(code="c", **values)]),
    "where": lambda db, values: db.update_where(
        Gauge, lambda gauge: gauge.code == "a", limit=5, **values
    ),
}
VALUES: list[dict[str, Any]] = [
    *({"level": value} for value in (inf, -inf, nan)),
    *({"money": Decimal(text)} for text in ("Infinity", "-Infinity", "NaN", "sNaN")),
    *({"whole": value} for value in (inf, nan)),
    *({"more": {"a": [value]}} for value in (inf, -inf, nan)),
]


@pytest.mark.parametrize("call", CALLS)
async def test_val_2_no_call_brings_one_in(api: Api, call: str) -> None:
    before_ = await stored(api)
    for values in VALUES:
        with pytest.raises(Invalid) as refused:
            await CALLS[call](api.db, values)
        [name] = values
        assert f"/{name}" in str(refused.value.errors), (values, refused.value)
    assert await stored(api) == before_


async def test_val_2_no_update_brings_one_in(api: Api) -> None:
    record, before_ = await api.db.get(Gauge, "a"), await stored(api)
    for values in VALUES:
        with pytest.raises(Invalid):
            await api.db.update(record, **values)
    assert await stored(api) == before_


QUERIES = [
    *(f"level={text}" for text in ("1e999", "-1e999", "nan", "inf", "Infinity")),
    *(f"level[gt]={text}" for text in ("1e999", "NaN", "-inf")),
    *(f"money={text}" for text in ("1e999", "NaN", "sNaN", "Infinity")),
    *(f"whole={text}" for text in ("1e999", "nan", "inf")),
    *(f"filter=level {text}" for text in ("> 1e999", "= nan", "< infinity", "in (1, 1e999)")),
    "filter=money = 1e999999",
    "aggregate=sum(level)&having=sum(level) > 1e999",
]


@each("query", QUERIES)
async def test_val_2_no_query_asks_for_one(api: Api, query: str) -> None:
    answer = await api.ask(f"GET /api/gauges?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith("?")


MODULE = """
from decimal import Decimal

from abaft import App, Model, field

class Gauge(Model, key="code", stamps=False):
    code: str
    level: float | None
    money: Decimal | None = field(max_digits=12, decimal_places=2)
    whole: int | None
    more: dict | None

app = App(Gauge)
"""


class Gauges(Loader):
    models = MODULE


def files() -> dict[str, str]:
    """Texts of files of one row, by the file's name and what is in it."""
    made = {}
    for name in ("level", "money", "whole"):
        for text in ("inf", "-Infinity", "nan", "NaN", "1e999", "-1e999"):
            made[f"gauges.csv {name} {text}"] = f"code,{name}\nKEY,{text}\n"
    made["gauges.csv more"] = 'code,more\nKEY,"{""a"": 1e999}"\n'
    for number, member in enumerate(MEMBERS):
        made[f"gauges.ndjson {number}"] = f'{{"code": "KEY", {member}}}\n'
        made[f"gauges.json {number}"] = f'[{{"code": "KEY", {member}}}]\n'
    return made


@pytest.mark.slow
def test_val_2_no_file_brings_one_in(database_url: str, tmp_path: Path) -> None:
    loader, wrong = Gauges(database_url, tmp_path), []
    for number, (name, text) in enumerate(files().items()):
        path = tmp_path / name.split()[0]
        path.write_text(text.replace("KEY", f"k{number}"))
        result = loader.load(str(path))
        if result.exit_code != 1 or "line " not in said(result) or "Traceback" in result.output:
            wrong.append((text, said(result)))
    assert not wrong, "\n".join(map(str, wrong))
    assert loader.sql("select count(*) as n from gauges") == [{"n": 0}]


FORMS = {
    "application/json": lambda body: [(row["level"]) for row in body.json()["items"]],
    LINES: lambda body: [None if '"level":null' in line else line for line in body.text.split()],
    PACKED: lambda body: [row["level"] for row in ormsgpack.unpackb(body.content)["items"]],
    "text/csv": lambda body: [row.split(",")[1] or None for row in body.text.splitlines()[1:]],
}


@pytest.mark.parametrize("accept", FORMS)
async def test_val_2_what_others_wrote_is_null_in_every_form(
    api: Api, engine: str, accept: str
) -> None:
    """abaft stores none; who writes to the same table by other means may."""
    if engine == "mariadb":
        pytest.skip("its columns hold none")
    spelled = ["9e999", "-9e999"]
    if engine != "sqlite":
        spelled = ["'Infinity'", "'-Infinity'", "'NaN'"]
    await emptied(api.db, "gauges")
    for number, text in enumerate(spelled):
        if engine == "mongodb":
            store: Any = api.app.pipeline.store
            others = dict.fromkeys(("money", "whole", "more", "shelf"))
            row = {"_id": str(number), "level": float(text.strip("'")), **others}
            await store.server.collection("gauges").insert_one(row)
        else:
            await api.db.sql(f"insert into gauges (code, level) values ('{number}', {text})")
    answer = await api.get("/api/gauges?fields=code,level", accept)
    assert FORMS[accept](answer) == [None] * len(spelled)
    for number in range(len(spelled)):
        assert (await api.ask(f"GET /api/gauges/{number}")).json()["level"] is None
