"""VAL-2 and DOS-2: odd bodies have the same result by each way to write; depth is no defect."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from abaft import App
from abaft.observe.events import RequestFailed
from apps.everything import running
from in_process import Answer, ask

JSON = (b"content-type", b"application/json")
OPERATORS = (b"content-type", b"application/vnd.abaft.operators+json")
RECORD = b'{"text": "a", "code": "ABC12", "anything": %s}'
BATCH = b'{"operations": [{"method": "POST", "path": "/kinds", "body": %s}]}'
# A way to write, and how a value of the field `anything` gets into it.
WAYS = {
    "POST": (b"POST", b"/api/kinds", JSON, RECORD),
    "PUT": (b"PUT", b"/api/kinds/{id}", JSON, RECORD),
    "PATCH": (b"PATCH", b"/api/kinds/{id}", JSON, b'{"anything": %s}'),
    "operators": (b"PATCH", b"/api/kinds/{id}", OPERATORS, b'{"anything": {"set": %s}}'),
    "many": (b"PATCH", b"/api/kinds?text=a&limit=5", JSON, b'{"anything": %s}'),
    "list": (b"POST", b"/api/kinds", JSON, b"[" + RECORD + b"]"),
    "batch": (b"POST", b"/api/batch", JSON, BATCH % RECORD),
}
ODD = {
    "twice": (b'{"a": 1, "a": 2}', 200),
    "NaN": (b'{"a": NaN}', 422),
    "infinite": (b'{"a": 1e400}', 422),
    "large": (b'{"a": 9223372036854775808}', 422),
    "surrogate": (b'{"a": "\\ud800"}', 400),
    "nul": (b'{"a": "\\u0000"}', 422),
    "not UTF-8": (b'{"a": "\xff"}', 400),
    "digits": (b'{"a": ' + b"1" * 5000 + b"}", 400),
}


def deep(levels: int, opens: bytes = b'{"a":', closes: bytes = b"}") -> bytes:
    return opens * levels + b"1" + closes * levels


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[App]:
    async with running(database_url) as made:
        yield made


async def send(app: App, way: str, value: bytes) -> Answer:
    """Writes the value by that way, to a record of its own where it takes one."""
    method, target, kind, body = WAYS[way]
    if b"{id}" in target:
        made = await ask(app, "POST", b"/api/kinds", [JSON], RECORD % b"{}")
        target = target.replace(b"{id}", made.json()["id"].encode())
    failed: list[RequestFailed] = []

    def note(event: object) -> None:
        if isinstance(event, RequestFailed):
            failed.append(event)

    app.observer.sinks.append(note)
    answer = await ask(app, method.decode(), target, [kind], body % value)
    app.observer.sinks.remove(note)
    if failed:
        raise AssertionError((way, value[:80], answer)) from failed[0].error
    return answer


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.slow
async def test_val_2_an_odd_value_has_one_result_by_each_way(app: App, way: str) -> None:
    wrong = []
    for name, (value, status) in ODD.items():
        answer = await send(app, way, value)
        found = 200 if answer.status == 201 else answer.status
        if found != status:
            wrong.append((name, answer.status, answer.body[:300]))
    assert not wrong


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.slow
async def test_dos_2_depth_is_refused_and_never_a_defect(app: App, way: str) -> None:
    for levels in (1000, 1020, 1100, 5000, 100_000):
        for value in (deep(levels), deep(levels, b'{"a":[', b"]}")):
            answer = await send(app, way, value)
            assert answer.status == 400, (levels, answer.body[:300])
            assert answer.json()["code"] == "invalid_json"
    for levels in (1, 20, 90, 200, 400, 700, 900, 990):
        for value in (deep(levels), deep(levels // 2, b'{"a":[', b"]}")):
            answer = await send(app, way, value)
            assert answer.status < 500, (levels, answer.body[:300])
