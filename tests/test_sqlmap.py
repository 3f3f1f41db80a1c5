"""INJ-1: sqlmap at its utmost finds no way into a statement, and the one that was planted.

The suite runs a slice; `script/attack` runs all.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import httpx
import pytest

from servers.process import AppProcess
from servers.sqlmap import Target, attack, need_sqlmap

pytestmark = [pytest.mark.slow, pytest.mark.sql]

PLANTED = Target("/hole?name=tea*")
SLICE = {
    "values of a list": Target("/api/items?name=tea*&price[ge]=1*"),
    "sort": Target("/api/items?sort=name*"),
    "group": Target("/api/items?aggregate=count&group=price*"),
    # A client may well say `and` and `or` there, which sqlmap can't tell from a hole: without B.
    "filter": Target("/api/items?filter=name%20=%20%27tea*%27", techniques="EUSTQ"),
}
REST = {
    "group and sum": Target("/api/items?aggregate=sum(price*)&group=price*"),
    "search": Target("/api/items?search=tea*"),
    "expand": Target("/api/items?expand=shop*"),
    # A refusal that names what was sent keeps sqlmap busy comparing, for minutes: without B.
    "fields": Target("/api/items?fields=name*", techniques="EUSTQ"),
    "key": Target("/api/items/tea*"),
    "name of a parameter": Target("/api/items?price*=3"),
    "page": Target("/api/items?limit=1*&count=exact*"),
    "options of an expand": Target("/api/shops?expand=items(sort=name*;limit=2*)"),
    "filter in an expand": Target(
        "/api/shops?expand=items(filter=name%20=%20%27tea*%27)", techniques="EUSTQ"
    ),
    "having": Target("/api/items?aggregate=count&group=price&having=count%20>%200*"),
    "headers": Target(
        "/api/items/tea",
        headers=["if-none-match: x*", "prefer: x*", "accept: x*", "authorization: x*"],
    ),
    "body": Target("/api/items", "POST", '{"name": "tea*", "price": "1*", "data": {"a*": "b*"}}'),
    "key of idempotency": Target(
        "/api/items", "POST", '{"name": "tea"}', headers=["idempotency-key: x*"]
    ),
    "upsert": Target("/api/items?upsert=name*", "POST", '{"name": "tea*"}'),
    "patch": Target("/api/items/tea", "PATCH", '{"price": "3*", "shop": "s*"}'),
    "patch of many": Target("/api/items?name=tea*&limit=5*", "PATCH", '{"price": 3}'),
    "batch": Target(
        "/api/batch", "POST", '{"operations": [{"method": "GET*", "path": "/items/tea*"}]}'
    ),
}
TARGETS = SLICE | (REST if os.environ.get("ABAFT_ATTACK") else {})


@pytest.fixture(scope="module")
def base(module_database_url: str) -> Iterator[str]:
    need_sqlmap()
    with AppProcess(module_database_url, app="apps.hole:app", probe="/api/items") as server:
        asyncio.run(stock(server.url))
        yield server.url


async def stock(base: str) -> None:
    async with httpx.AsyncClient(base_url=base) as client:
        for path, body in (("shops/s", {}), ("items/tea", {"shop": "s", "price": 3})):
            answer = await client.put(f"/api/{path}", json=body)
            assert answer.status_code == 201, answer.text


def test_inj_1_a_planted_hole_is_found(base: str, engine: str) -> None:
    assert attack(base, engine, PLANTED)


@pytest.mark.parametrize("kind", TARGETS)
def test_inj_1_nothing_gets_into_a_statement(base: str, engine: str, kind: str) -> None:
    assert not attack(base, engine, TARGETS[kind])
