"""PostgreSQL behind PgBouncer in transaction mode: few connections for many, and nothing lost."""

import asyncio
import itertools
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from abaft import App, Conflict, NotFound
from abaft.base.actor import SYSTEM
from abaft.base.errors import SetupError
from apps.ledger import MODELS, Entry, Label
from conftest import chosen_engines, opened
from servers.pgbouncer import PgBouncer
from servers.postgres import PrivatePostgres
from servers.process import AppProcess
from servers.storm import Storm, prepare, reckon
from servers.ways import Lots
from times import times

pytestmark = pytest.mark.slow
SIZE = 3


@dataclass
class Pooled:
    """A server with a pooler before it."""

    server: PrivatePostgres
    bouncer: PgBouncer


@pytest.fixture(scope="module")
def refused(request: pytest.FixtureRequest) -> Iterator[Pooled]:
    """One whose role lacks what the pooler doesn't hand on."""
    if "postgres" not in chosen_engines(request.config):
        pytest.skip("--engine leaves PostgreSQL out")
    with ExitStack() as stack:
        server = stack.enter_context(opened(PrivatePostgres))
        yield Pooled(server, stack.enter_context(opened(lambda: PgBouncer(server, SIZE))))


async def start(url: str) -> App:
    app = App(*MODELS, database=url, sinks=())
    await app.start()
    return app


@pytest.fixture(scope="module")
def pooled(refused: Pooled) -> Pooled:
    """What the first start says was done."""
    with refused.server.database() as url, pytest.raises(SetupError) as told:
        asyncio.run(start(refused.bouncer.before(url)))
    text = str(told.value)
    lines = re.findall(r"^ALTER ROLE \"abaft\" SET \w+ = '\w+';$", text, re.MULTILINE)
    names = [line.split()[4] for line in lines]
    assert names == [
        "idle_in_transaction_session_timeout",
        "jit",
        "lock_timeout",
        "statement_timeout",
    ], text
    for line in lines:
        refused.server.execute(line)
    refused.bouncer.restart()
    return refused


@pytest.fixture
def database(pooled: Pooled) -> Iterator[str]:
    """The URL of a new database through the pooler."""
    with pooled.server.database() as url:
        yield pooled.bouncer.before(url)


async def test_what_the_pooler_keeps_from_the_server_is_told_with_what_to_run(
    pooled: Pooled, database: str
) -> None:
    app = await start(database)
    await app.stop()


async def test_many_workers_share_few_connections_and_no_write_is_lost(
    pooled: Pooled, database: str
) -> None:
    storm, stop, most = Storm(writers=6), asyncio.Event(), 0
    with AppProcess(database) as one, AppProcess(database) as other:
        await prepare(one.url, storm.writers)
        blowing = asyncio.create_task(storm.blow([one.url, other.url], stop))
        for target in range(0, times(300), 20):
            await storm.reach(target)
            count = await asyncio.to_thread(pooled.bouncer.connections, pooled.server, database)
            most = max(most, count)
        stop.set()
        await blowing
    assert not storm.refused, storm.codes
    assert not storm.unknown, storm.codes
    assert most == SIZE
    await reckon(storm, database)


async def test_lots_are_written_in_every_way(pooled: Pooled, database: str) -> None:
    with AppProcess(database, app="apps.ways:app", probe="/api/tags?limit=1") as server:
        lots, stop = Lots(server.url), asyncio.Event()
        await lots.prepare()
        blowing = asyncio.create_task(lots.blow(stop))
        await lots.reach(times(150))
        stop.set()
        await blowing
        await lots.reckon(database)


async def test_transactions_steps_streams_and_snapshots(pooled: Pooled, database: str) -> None:
    app = await start(database)
    try:
        db = app.db(SYSTEM)
        await db.create_many([Label(name=name) for name in "abc"])
        async with db.transaction() as inside:
            await inside.create(Entry, writer=1, n=1, text="x", labels=["a", "b"])
            with pytest.raises(Conflict):
                await inside.create(Entry, writer=1, n=1, text="again")
            await inside.create(Entry, writer=1, n=2, text="y")
        with pytest.raises(NotFound):  # noqa: PT012
            async with db.transaction() as inside:
                await inside.create(Entry, writer=9, n=9, text="never")
                await inside.get(Label, "none")
        found = [entry.n async for entry in db.stream(Entry, sort="n")]
        assert found == [1, 2]
        assert [change.action for change in await db.changes()] == ["create"] * 5
        assert (await db.sql("select count(*) as n from counters"))[0]["n"] == 0
    finally:
        await app.stop()


async def test_statements_are_known_on_whatever_connection_they_come(
    pooled: Pooled, database: str
) -> None:
    """Each client's statements are prepared on each of the server's connections."""
    apps = [await start(database) for _ in range(3)]
    try:
        numbers = itertools.count()

        async def work(app: App) -> None:
            db: Any = app.db(SYSTEM)
            for _ in range(times(25)):
                n = next(numbers)
                await db.create(Entry, writer=5, n=n, text="x")
                await db.list(Entry, "writer = 5", sort="-n", limit=n % 7 + 1)
                async with db.transaction() as inside:
                    await inside.count(Entry)

        await asyncio.gather(*(work(app) for app in apps for _ in range(4)))
        assert await apps[0].db(SYSTEM).count(Entry) == next(numbers)
    finally:
        for app in apps:
            await app.stop()
