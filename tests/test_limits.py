"""Each limit is a setting; within it a request is answered, past it a clear 4xx or 503."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from abaft import Many, Me, Model, Ref, allow, field
from abaft.base import clock
from abaft.observe.events import LoadShed
from scenarios import Scenario, play, serving


class Node(Model):
    name: str = ""
    number: int = 0
    up: Ref[Node] | None = field(default=None, on_delete="set null")
    nodes: Many[Node] = field(back="up")

    @allow("read", "create", "update", "delete")
    def anybody(node, me: Me) -> bool:
        return True


def listed(query: str, code: str = "", status: int = 200) -> Scenario:
    has = [f'"code":"{code}"'] if code else ['"items"']
    return Scenario(f"GET /api/nodes?{query}", 400 if code else status, has=has)


JSON = {"content-type": "application/json"}
DEEP = "up.up.name=x"
# A setting, what is still within it, and what is past it.
LIMITS: list[tuple[str, int, Scenario, Scenario]] = [
    ("max_limit", 5, listed("limit=5"), listed("limit=6", "bad_value")),
    ("max_offset", 5, listed("offset=5"), listed("offset=6", "bad_value")),
    (
        "max_filters",
        2,
        listed("name=x&name=y"),
        listed("name=x&name=y&number=1", "too_many_parameters"),
    ),
    (
        "max_filters",
        0,
        listed("limit=1&offset=1&sort=name&count=exact"),
        listed("name=x", "too_many_parameters"),
    ),
    ("max_filter_depth", 2, listed("up.up.name=x"), listed("up.up.up.name=x", "filter_too_deep")),
    (
        "max_filter_depth",
        1,
        listed("nodes.name=x"),
        listed("nodes.nodes.name=x", "filter_too_deep"),
    ),
    ("max_filter_depth", 1, listed("sort=up.name"), listed("sort=up.up.name", "sort_too_deep")),
    ("max_in_values", 2, listed("name[in]=a,b"), listed("name[nin]=a,b,c", "too_many_values")),
    (
        "max_sort_fields",
        2,
        listed("sort=name,id"),
        listed("sort=name,id,number", "too_many_fields"),
    ),
    (
        "max_sort_fields",
        2,
        listed("expand=nodes(sort=name,id)"),
        listed("expand=nodes(sort=name,id,number)", "too_many_fields"),
    ),
    (
        "max_aggregates",
        2,
        listed("aggregate=count&group=name"),
        listed("aggregate=count&group=name,number", "too_many_aggregates"),
    ),
    ("max_expand_depth", 2, listed("expand=up.up"), listed("expand=up.up.up", "expand_too_deep")),
    (
        "max_expand_depth",
        1,
        listed("fields=up.name"),
        listed("fields=up.up.name", "expand_too_deep"),
    ),
    ("max_expand_paths", 1, listed("expand=up"), listed("expand=up,nodes", "too_many_relations")),
    (
        "max_expand_paths",
        1,
        listed("fields=up.name"),
        listed("fields=up.name,nodes.name", "too_many_relations"),
    ),
    (
        "max_url_bytes",
        30,
        listed("limit=1"),
        Scenario("GET /api/nodes?name=xxxxxxxxxxxxxxxxxxxx", 414, has=["uri_too_long"]),
    ),
    (
        "max_body_bytes",
        30,
        Scenario("POST /api/nodes", 201, json={"name": "x"}, changes=("create Node",)),
        Scenario("POST /api/nodes", 413, json={"name": "x" * 30}, has=["too_large"]),
    ),
]


@pytest.mark.parametrize(
    ("setting", "value", "within", "past"), LIMITS, ids=[f"{row[0]}-{row[1]}" for row in LIMITS]
)
async def test_dos_2_each_limit_is_a_setting(
    setting: str, value: int, within: Scenario, past: Scenario, tmp_path: Any
) -> None:
    # Limits are held before the database is asked, so one engine tells of all.
    async with serving(f"sqlite:///{tmp_path}/x.db", Node, settings={setting: value}) as api:
        await play(api, [within, past])


async def test_the_defaults_hold_on_every_engine(database_url: str) -> None:
    many = "&".join(f"number[ne]={n}" for n in range(51))
    rows = [
        listed("limit=1000"),
        listed("limit=1001", "bad_value"),
        listed("offset=100001", "bad_value"),
        listed(many, "too_many_parameters"),
        listed("up.up.up.up.up.name=x", "filter_too_deep"),
        listed("name[in]=" + ",".join("a" * 1000)),
        listed("number[in]=" + ",".join("1" * 1001), "too_many_values"),
        listed("expand=up.up.up.up.up", "expand_too_deep"),
        Scenario(f"GET /api/nodes?name={'x' * 8192}", 414),
        Scenario(f"GET /api/nodes/{'x' * 8192}", 414),
        Scenario(
            "POST /api/nodes",
            413,
            body=b" " * 1_048_577,
            headers=JSON,
            shows={"connection": "close"},
        ),
        Scenario(
            "POST /api/nodes", 413, body=b"{}", headers={**JSON, "content-length": "99999999999"}
        ),
    ]
    async with serving(database_url, Node) as api:
        await play(api, rows)


class Mark(Model, key="name", stamps=False):
    name: str
    code: str | None = field(default=None, unique=True)
    place: str | None = field(default=None, index=True)

    @allow("read", "create", "update", "delete")
    def anybody(mark, me: Me) -> bool:
        return True


async def test_val_3_a_text_too_long_for_an_index_is_no_defect(
    database_url: str, engine: str
) -> None:
    """PostgreSQL's indexes take some 2,700 bytes."""
    long = "".join(map(str, range(9_000)))
    fits = engine == "sqlite"
    async with serving(database_url, Mark) as api:
        await api.ask("POST /api/marks", json={"name": "a"})
        for number, member in enumerate(("name", "code", "place")):
            record = {"name": f"n{number}", member: long + str(number)}
            several = [
                record | {"name": f"m{number}"} if number else record,
                {"name": f"o{number}"},
            ]
            made = {"method": "POST", "path": "/marks", "body": several[0]}
            for request, body in (
                ("POST /api/marks", record),
                ("POST /api/marks?upsert=name", record),
                ("PATCH /api/marks/a", {member: long} if number else {}),
                ("PATCH /api/marks?name=a&limit=5", {member: long} if number else {"code": "x"}),
                ("POST /api/marks", several),
                ("POST /api/batch", {"operations": [made, made]}),
            ):
                answer = await api.ask(request, json=body)
                stored = answer.is_success or answer.status_code == 409
                assert stored if fits else stored or answer.status_code == 422, answer.text
                assert stored or "check" in answer.text
        assert (await api.ask("GET /api/marks", None)).status_code == 200
        for query in (f"name={long[:8_000]}", f"code={long[:8_000]}", f"place[ge]={long[:8_000]}"):
            assert (await api.ask(f"GET /api/marks?{query}")).status_code == 200


WORDS = ",".join(f"nama{number:x}" for number in range(900))
SWOLLEN = {
    name: ("GET", f"/api/nodes?{name}={WORDS}", None)
    for name in (
        *("fields", "sort", "expand", "scope", "search=a&highlight", "aggregate=count&group"),
        *("group=name&aggregate", "filter=name in", "number[in]", "cursor"),
    )
} | {
    "options": ("GET", f"/api/nodes?expand=nodes(fields={WORDS})", None),
    "orders": ("GET", f"/api/nodes?expand=nodes(sort={WORDS})", None),
    "paths": ("GET", "/api/nodes?fields=" + ",".join(f"up.q{n}" for n in range(900)), None),
    "parameters": ("GET", "/api/nodes?" + "&".join(f"q{n}=1" for n in range(900)), None),
    "members": ("POST", "/api/nodes", {f"q{number}": 1 for number in range(20_000)}),
    "records": ("POST", "/api/nodes", [{"q": 1}] * 1_000),
    "nested": ("POST", "/api/nodes", {"nodes": [{"q": 1}] * 900}),
    "operators": ("PATCH", "/api/nodes?limit=5", {f"q{number}": 1 for number in range(9_000)}),
    "headers": (
        "POST", "/api/batch",
        {
            "operations": [
                {"method": "GET", "path": "/nodes", "headers": {f"h{n}": "x" for n in range(900)}}
            ] * 20
        },
    ),
    "operations": ("POST", "/api/batch", {"operations": [{"method": "X", "q": 1}] * 100}),
}  # fmt: skip


@pytest.mark.parametrize("name", SWOLLEN)
async def test_dos_2_a_refusal_is_never_large(name: str, tmp_path: Any) -> None:
    """Of many wrong things a hundred are told."""
    method, url, body = SWOLLEN[name]
    async with serving(f"sqlite:///{tmp_path}/x.db", Node) as api:
        answer = await api.ask(f"{method} {url}", **({} if body is None else {"json": body}))
        assert answer.is_client_error, answer.text[:500]
        assert len(answer.content) < 20_000
        assert len(answer.json().get("errors", ())) <= 100


async def test_dos_2_a_body_without_a_length_is_counted_while_it_comes(database_url: str) -> None:
    taken = 0

    async def chunks() -> Any:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b" " * 1000

    async with serving(database_url, Node, settings={"max_body_bytes": 5000}) as api:
        answer = await api.client.post("/api/nodes", content=chunks(), headers=JSON)
        assert answer.status_code == 413


async def test_an_expanded_relation_shows_so_many_and_its_keys_all(database_url: str) -> None:
    async with serving(database_url, Node, settings={"max_expand_items": 3}) as api:
        top = await api.db.create(Node, name="top")
        for number in range(5):
            await api.db.create(Node, number=number, up=top)
        shown = (await api.items("/api/nodes?name=top&expand=nodes"))[0]["nodes"]
        assert [node["number"] for node in shown] == [0, 1, 2]


async def test_the_usual_page(database_url: str) -> None:
    async with serving(database_url, Node, settings={"default_limit": 2}) as api:
        for _ in range(3):
            await api.db.create(Node)
        assert len(await api.items("/api/nodes")) == 2
    async with serving(database_url, Node, settings={"max_limit": 1}) as api:
        assert len(await api.items("/api/nodes")) == 1


SLOW = (
    "insert into nodes (id, name, number, up, created, updated) "
    "with recursive c(n) as (select 1 union all select n + 1 from c where n < 1000) "
    "select {id}, 'x', n, t.id, t.created, t.updated "
    "from c, (select 0 as half union all select 1) d, nodes t where t.name = 'top'"
)


async def test_dos_4_a_query_past_its_time_is_stopped(database_url: str, engine: str) -> None:
    async with serving(database_url, Node, settings={"query_timeout": 0.1}) as api:
        await api.db.create(Node, name="top")
        if engine == "mongodb":
            nodes = api.app.store.server.collection("nodes")
            top = await nodes.find_one({})
            few = [{**top, "_id": uuid4(), "name": "x", "up": top["_id"]} for _ in range(2000)]
            await nodes.insert_many(few)
        else:
            made = "gen_random_uuid()" if engine == "postgres" else "'x' || n || half"
            await api.db.sql(SLOW.format(id=made))
        # Each of 2,000 nodes leads to 2,000, and each of those to 2,000 more; none has the name.
        answer = await api.ask("GET /api/nodes?up.nodes.up.nodes.name[contains]=nobody&limit=1")
        assert answer.status_code == 422
        assert answer.json()["code"] == "query_timeout"
        assert (await api.ask("GET /api/nodes?limit=1")).status_code == 200


def counted(**given: Any) -> dict[str, Any]:
    """Settings by which this machine's own requests are counted too."""
    return {"rate_exempt_addresses": "", **given}


async def test_dos_2_requests_a_minute(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "unix_ms", lambda: 600_000)
    async with serving(database_url, Node, settings=counted(requests_per_minute=3)) as api:
        codes = [(await api.ask("GET /api/nodes")).status_code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]
        refused = await api.ask("GET /api/nodes")
        assert refused.headers["retry-after"] == "60"
        assert refused.json()["code"] == "too_many_requests"
        monkeypatch.setattr(clock, "unix_ms", lambda: 660_000)
        assert (await api.ask("GET /api/nodes")).status_code == 200


async def test_load_1_past_the_queue_limit_requests_are_shed(database_url: str) -> None:
    async with serving(database_url, Node, settings={"queue_limit": 2}) as api:
        events: list[Any] = []
        api.app.observer.sinks.append(events.append)
        release, under_way = asyncio.Event(), asyncio.Semaphore(0)
        store, read = api.app.store, api.app.store.read

        async def waiting(compiled: Any, values: Any) -> Any:
            under_way.release()
            await release.wait()
            return await read(compiled, values)

        store.read = waiting
        tasks = [asyncio.create_task(api.ask("GET /api/nodes")) for _ in range(2)]
        for _ in tasks:
            await under_way.acquire()
        shed = await api.ask("GET /api/nodes")
        assert (shed.status_code, shed.json()["code"]) == (503, "overloaded")
        assert int(shed.headers["retry-after"]) >= 1
        assert any(isinstance(event, LoadShed) for event in events)
        release.set()
        assert [answer.status_code for answer in await asyncio.gather(*tasks)] == [200, 200]
        assert (await api.ask("GET /api/nodes")).status_code == 200
