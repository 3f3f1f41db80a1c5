"""abaft copy that is ended, or written beside: it goes on, and both are the same in the end."""

import asyncio
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from abaft import Actor, App, Settings
from abaft.app import open_store
from abaft.cli.copy_ends import End, make_end, opened, place, shown
from abaft.cli.copy_read import Reader
from abaft.cli.copy_state import Notes
from abaft.cli.target import find
from conftest import engines_of, fresh_database
from projects import PATIENCE, clean_environment, run, said, write_app
from servers.warm import Warm
from test_copy import SMALL, checksum, copy, plant

MOST = 8
"""How often a copy is ended before it is let go on."""
BY = signal.SIGKILL, signal.SIGINT
WRITERS, CHANGED = 4, 5_000
"""Who writes beside a copy, and how many of the first records they change."""
SNAPPED = 3_000
NEW = count(10**6)
"""Keys of records that are made beside a copy."""
KEPT = SMALL.replace("stamps=False", "stamps=False, history=True")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "way" in metafunc.fixturenames:
        marked = metafunc.definition.get_closest_marker
        engines = engines_of(metafunc.config, metafunc.module, marked)
        ways = dict.fromkeys(way for one in engines for way in (("sqlite", one), (one, "sqlite")))
        metafunc.parametrize("way", ways, indirect=True, ids=["-".join(way) for way in ways])


@pytest.fixture
def way(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Two empty databases: SQLite and one of each engine, this way and that."""
    with ExitStack() as stack:
        one, other = (stack.enter_context(fresh_database(name, request)) for name in request.param)
        yield one, other


def wide(tmp_path: Path, rows: int, url: str) -> str:
    """An application, and many records of it in a database, each of which leads to the next."""
    app = write_app(tmp_path, SMALL)
    lines = "".join(
        f"{key},{key % 7},{key + 1 if key < rows else ''}\n" for key in range(1, rows + 1)
    )
    (tmp_path / "items.csv").write_text(f"id,n,above\n{lines}")
    assert run("load", app, tmp_path / "items.csv", database=url).exit_code == 0
    return app


def kept(tmp_path: Path, url: str) -> str:
    """The same, with its history from then on: a load of such is long."""
    wide(tmp_path, 6_000, url)
    app = write_app(tmp_path, KEPT)
    # An app that is started on it brings the database up.
    assert run("export", app, "items", database=url).exit_code == 0
    return app


class Copying:
    """The command in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self._output = TemporaryFile()  # noqa: SIM115 - closed by outcome()
        self._process = Warm(
            "abaft.cli",
            ["copy", *arguments],
            env=clean_environment(),
            cwd=os.getcwd(),
            output=self._output.fileno(),
        )

    def goes_on(self) -> bool:
        return self._process.poll() is None

    def end(self, by: signal.Signals) -> None:
        if self.goes_on():
            os.kill(self._process.pid, by)

    def outcome(self) -> tuple[int, str]:
        """The exit status, and all that it said."""
        with self._output:
            status = self._process.wait(PATIENCE)
            self._output.seek(0)
            return status, self._output.read().decode()


def feed_of(app: str, url: str) -> list[Any]:
    async def go() -> list[Any]:
        found = find(app).app
        store = open_store(replace(found.settings_, database=url), found)
        await store.open()
        try:
            changes = await store.changes("", 10**6)
        finally:
            await store.close()
        return [(row.at, row.actor, row.model, row.id, row.action, row.data) for row in changes]

    return asyncio.run(go())


async def come_so_far(end: End) -> Any:
    """All that tells how far the copy into a database has come."""
    notes = Notes(end.store)
    [item] = end.schema.collections.values()
    return await notes.state(), await notes.told(), await notes.stage(item)


async def ended_in_its_midst(
    app: str, source: str, target: str, by: signal.Signals, rest: float
) -> tuple[int, str]:
    """Starts a copy, and ends it a while after it has come further than where it began."""
    end = make_end(find(app).app, target)
    async with opened(end, make=True):
        begun = await come_so_far(end)
        copying = Copying(app, source, target)
        while copying.goes_on() and await come_so_far(end) == begun:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(rest)
        copying.end(by)
    return copying.outcome()


@pytest.mark.slow
def test_dur_a_copy_that_is_ended_at_any_moment_goes_on(database_url: str, tmp_path: Path) -> None:
    source = f"sqlite:///{tmp_path}/source.db"
    app = wide(tmp_path, 20_000, source)
    chance = random.Random(7)
    for ended in range(MOST):
        # The first falls before a quick machine can be done, the rest where it happens to be.
        rest, by = chance.uniform(0, 0.2) if ended else 0, BY[ended % len(BY)]
        code, told = asyncio.run(ended_in_its_midst(app, source, database_url, by, rest))
        if code == 0 or "sha256 " in told:
            break
        assert code in (-signal.SIGKILL, 130), told
    assert ended > 0
    checksum(copy(source, database_url, app=app))
    again = copy(source, database_url, app=app)
    assert "0 of 20,000 records" in said(again)
    assert checksum(copy(database_url, source, "--verify", app=app)) == checksum(again)
    assert feed_of(app, database_url) == feed_of(app, source)


async def left_in_haste(store: Any, reader: Reader, turns: int) -> None:
    """Reads a snapshot, is cancelled twice after so many turns of the loop, and leaves it."""
    async with store.snapshot() as rows:
        task = asyncio.ensure_future(reader.count(rows))
        for _ in range(2):
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait({task})
    assert task.cancelled() or task.result() == SNAPPED


def test_dur_a_snapshot_can_be_left_at_any_moment(database_url: str, tmp_path: Path) -> None:
    end = make_end(find(wide(tmp_path, SNAPPED, database_url)).app, database_url)
    reader = Reader(end.pipeline, *end.schema.collections.values())

    async def go() -> int:
        async with opened(end, make=True):
            for turns in (1, 2, 3, 5, 8, 40, 300):
                await left_in_haste(end.store, reader, turns)
            async with end.store.snapshot() as rows:
                return await reader.count(rows)

    assert asyncio.run(go()) == SNAPPED


async def write_on(arguments: tuple[str, ...], running: App) -> Copying:
    """Copies, and writes as long as that goes on.

    Records lead to others that have just been made, so that none can be followed alone.
    """
    [model] = running.schema.collections.values()
    item: Any = model.cls
    db, until = running.db(Actor(system=True)), time.monotonic() + PATIENCE
    copying = Copying(*arguments)

    async def one(worker: int) -> int:
        done, before = 0, None
        while copying.goes_on() and time.monotonic() < until:
            made = await db.create(item, id=next(NEW), n=done, above=before)
            old = await db.get(item, (done * WRITERS + worker) % CHANGED + 1)
            old = await db.update(old, n=-done, above=made)
            if done % 3 == 2:
                await db.update(old, above=None)
                await db.delete(made)
            else:
                before = made
            done += 1
            await asyncio.sleep(0.01)
        return done

    written = await asyncio.gather(*(one(worker) for worker in range(WRITERS)))
    assert not copying.goes_on(), "it didn't come to its end"
    assert min(written) > 0
    return copying


def beside_writers(app: str, source: str, target: str, *options: str) -> tuple[int, str]:
    """What the command says while others write to the source all the time."""
    arguments = app, source, target, *options
    copying: Copying = asyncio.run(_within(find(app).app, source, partial(write_on, arguments)))
    return copying.outcome()


@pytest.mark.slow
def test_what_is_written_while_it_is_copied_arrives(way: tuple[str, str], tmp_path: Path) -> None:
    source, target = way
    app = kept(tmp_path, source)
    code, told = beside_writers(app, source, target)
    assert code == 0, told
    # What came later comes with the next run.
    made = checksum(copy(source, target, app=app))
    assert checksum(copy(source, target, "--verify", app=app)) == made
    assert feed_of(app, target) == feed_of(app, source)


@pytest.mark.slow
def test_a_planted_difference_is_found_while_others_write(
    database_url: str, tmp_path: Path
) -> None:
    target = f"sqlite:///{tmp_path}/target.db"
    app = kept(tmp_path, database_url)
    checksum(copy(database_url, target, app=app))
    asyncio.run(plant(app, target, "update", {"n": [99], "id": [CHANGED + 17]}))
    for options in (["--verify"], []):
        code, told = beside_writers(app, database_url, target, *options)
        found = re.findall("(different|missing|too many): (.*)", told)
        assert (code, found) == (1, [("different", str(CHANGED + 17))]), told


async def _within(app: App, url: str, work: Any) -> Any:
    models = [model.cls for model in app.schema.collections.values() if model.cls is not None]
    running = App(*models, settings=Settings(database=url), sinks=[])
    await running.start()
    try:
        return await work(running)
    finally:
        await running.stop()


def test_places_are_told_apart_however_they_are_spelled() -> None:
    same = [
        ("sqlite:///a.db", f"sqlite:///{os.getcwd()}/x/../a.db"),
        ("postgresql://u:p@localhost/x", "postgres://127.0.0.1:5432/x"),
        ("mysql://u@h/x?unix_socket=/a", "mariadb://h/x?unix_socket=/a"),
        ("mongodb://localhost/x", "mongodb://a:b@127.0.0.1:27017/x"),
    ]
    assert [place(one) == place(other) for one, other in same] == [True] * len(same)
    others = [
        ("sqlite:///a.db", "sqlite:///b.db"),
        ("postgresql://h/x", "postgresql://h/y"),
        ("postgresql://h/x", "mysql://h/x"),
        ("postgresql://h:1/x", "postgresql://h:2/x"),
    ]
    assert [place(one) == place(other) for one, other in others] == [False] * len(others)
    assert shown("postgresql://ann:s:e@crt@h/x") == "postgresql://ann:…@h/x"
