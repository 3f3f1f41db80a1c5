"""Writes that wait together on MariaDB, and statements that its connections have prepared."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from abaft import Me, Model, allow, field
from abaft.store.mysql_pool import Connection, Pool
from abaft.store.sql.mysql_literals import Listed
from scenarios import Api, serving

OPERATORS = {"Content-Type": "application/vnd.abaft.operators+json"}


class Box(Model, stamps=False, key="number"):
    number: int = field(default=0)
    label: str = field(max_length=20, unique=True)
    n: int = 0

    @allow("read", "create", "update", "delete")
    def anybody(box, me: Me) -> bool:
        return True


@pytest.fixture
async def api(mariadb_url: str) -> AsyncIterator[Api]:
    async with serving(mariadb_url, Box) as api:
        yield api


@pytest.fixture
async def connection(mariadb_url: str) -> AsyncIterator[Connection]:
    pool = Pool(mariadb_url, 1, 30.0, {})
    async with pool.hold(asyncio.get_running_loop().time() + 30) as connection:
        yield connection
    await pool.close(1.0)


async def made(api: Api, number: int, label: str) -> int:
    answer = await api.ask("POST /api/boxes", json={"number": number, "label": label})
    return int(answer.status_code)


async def test_a_write_that_is_refused_leaves_those_beside_it_alone(api: Api) -> None:
    labels = ["taken" if number % 10 == 3 else f"box {number}" for number in range(60)]
    statuses = await asyncio.gather(*(made(api, n, label) for n, label in enumerate(labels)))
    refused = [n for n, status in enumerate(statuses) if status != 201]
    assert {statuses[n] for n in refused} == {409}
    assert len(refused) == 5
    count = (await api.ask("GET /api/boxes?aggregate=count")).json()["items"]
    assert count == [{"count": 55}]
    told = await api.app.pipeline.store.changes("", 200)
    assert sorted(int(change.id) for change in told) == sorted({*range(60)} - {*refused})


async def test_writes_of_one_record_are_all_done(api: Api) -> None:
    assert await made(api, 1, "one") == 201
    patch = {"n": {"increment": 1}}
    asked = (api.ask("PATCH /api/boxes/1", json=patch, headers=OPERATORS) for _ in range(50))
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
    assert (await api.ask("GET /api/boxes/1")).json()["n"] == 50


async def test_who_waits_for_a_lock_holds_up_nobody(api: Api, connection: Connection) -> None:
    assert await made(api, 1, "one") == 201
    await connection.run("START TRANSACTION; UPDATE boxes SET n = 7 WHERE number = 1")
    held = [
        asyncio.create_task(api.ask("PATCH /api/boxes/1", json={"label": f"held {n}"}))
        for n in range(3)
    ]
    await asyncio.sleep(0.01)
    started = time.monotonic()
    statuses = await asyncio.gather(*(made(api, n, f"box {n}") for n in range(10, 40)))
    assert {*statuses} == {201}
    assert time.monotonic() - started < 3
    assert not any(task.done() for task in held)
    await connection.run("COMMIT")
    assert {(await task).status_code for task in held} == {200}
    assert (await api.ask("GET /api/boxes/1")).json()["n"] == 7


async def kept(connection: Connection) -> int:
    [[_, count]] = await connection.rows("SHOW SESSION STATUS LIKE 'Com_prepare_sql'")
    return int(count)


async def test_what_is_asked_for_again_is_prepared(connection: Connection) -> None:
    sql = "SELECT ?, 'a?'"
    before = await kept(connection)
    for values in [("x", 0), ("it's \\", 0), (None, 0), (-5, 1), (2**63 - 1, 1)]:
        text = await connection.spelled(sql, values[:1])
        assert text.startswith("EXECUTE") == (values[0] != "x")
        [row] = await connection.rows(text)
        assert row[0] == values[0]
    assert await kept(connection) == before + 1


async def test_what_cannot_be_prepared_goes_as_text(connection: Connection) -> None:
    listed = Listed((1, 2))
    for sql, values in (("SELECT ? FROM nowhere", [0]), ("EXPLAIN SELECT ?", [1])):
        for _ in range(3):
            assert not (await connection.spelled(sql, values)).startswith("EXECUTE")
    for number in range(3):
        text = await connection.spelled("SELECT ? WHERE 1 IN ?", [number, listed])
        assert await connection.rows(text) == [(number,)]


async def test_a_connection_keeps_the_statements_that_were_used_last(
    connection: Connection,
) -> None:
    async def asked(number: int) -> Any:
        text = await connection.spelled(f"SELECT {number} + ?", [1])
        assert (await connection.rows(text))[0][0] == number + 1
        return text

    for number in range(150):
        for _ in range(2):
            await asked(number)
        await asked(0)
    before = await kept(connection)
    assert (await asked(0)).startswith("EXECUTE abaft_1 ")
    assert (await asked(149)).startswith("EXECUTE")
    assert await kept(connection) == before
    await asked(1)
    assert await kept(connection) == before + 1
