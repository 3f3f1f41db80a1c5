"""abaft copy that is ended, or written beside: it goes on, and both are the same in the end."""

import asyncio
import os
import random
import re
import signal
import subprocess
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from abaft import Actor, App, Settings
from abaft.app import open_store
from abaft.cli.copy_ends import End, make_end, opened, place, shown
from abaft.cli.copy_state import Notes
from abaft.cli.target import find
from projects import PATIENCE, clean_environment, command, run, said, write_app
from test_copy import SMALL, checksum, copy, plant

MOST = 12
"""How often a copy is ended before it is let go on."""


WRITERS, CHANGED = 4, 5_000
"""Who writes beside a copy, and how many of the first records they change."""
KEPT = SMALL.replace("stamps=False", "stamps=False, history=True")


def wide(tmp_path: Path, rows: int, url: str, text: str = SMALL) -> str:
    """An application, and many records of it in a database."""
    app = write_app(tmp_path, text)
    lines = "".join(f"{key},{key % 7},{key // 2 or ''}\n" for key in range(1, rows + 1))
    (tmp_path / "items.csv").write_text(f"id,n,above\n{lines}")
    assert run("load", app, tmp_path / "items.csv", database=url).exit_code == 0
    return app


def started(app: str, source: str, target: str, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command("copy", app, source, target, *options),
        env=clean_environment(),
        stderr=subprocess.PIPE,
    )


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
        process = started(app, source, target)
        while process.poll() is None and await come_so_far(end) == begun:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(rest)
        if process.poll() is None:
            process.send_signal(by)
    return outcome_of(process)


def outcome_of(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    assert process.stderr is not None
    told = process.stderr.read().decode()
    process.stderr.close()
    return process.wait(), told


@pytest.mark.slow
@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGINT])
def test_dur_a_copy_that_is_ended_at_any_moment_goes_on(
    database_url: str, tmp_path: Path, ended_by: signal.Signals
) -> None:
    source = f"sqlite:///{tmp_path}/source.db"
    app = wide(tmp_path, 20_000, source)
    chance = random.Random(7)
    for ended in range(MOST):
        # The first falls before a quick machine can be done, the rest where it happens to be.
        rest = chance.uniform(0, 0.2) if ended else 0
        code, told = asyncio.run(ended_in_its_midst(app, source, database_url, ended_by, rest))
        if code == 0:
            break
        assert code in (-signal.SIGKILL, 130, -signal.SIGINT), told
    assert ended > 0
    checksum(copy(source, database_url, app=app))
    again = copy(source, database_url, app=app)
    assert "0 of 20,000 records" in said(again)
    assert checksum(copy(database_url, source, "--verify", app=app)) == checksum(again)
    assert feed_of(app, database_url) == feed_of(app, source)


async def write_on(process: subprocess.Popen[bytes], running: App) -> int:
    """Writes as fast as it can as long as the process runs; how often.

    Records lead to others that have just been made, so that none can be followed alone.
    """
    [model] = running.schema.collections.values()
    item: Any = model.cls
    db, until = running.db(Actor(system=True)), time.monotonic() + PATIENCE

    async def one(worker: int) -> int:
        done, before = 0, None
        while process.poll() is None and time.monotonic() < until:
            made = await db.create(item, id=10**6 * worker + done, n=done, above=before)
            old = await db.get(item, (done * WRITERS + worker) % CHANGED + 1)
            old = await db.update(old, n=-done, above=made)
            if done % 3 == 2:
                await db.update(old, above=None)
                await db.delete(made)
            else:
                before = made
            done += 1
        return done

    return sum(await asyncio.gather(*(one(worker + 1) for worker in range(WRITERS))))


def beside_writers(app: str, source: str, target: str, *options: str) -> tuple[int, str]:
    """What the command says while others write to the source without a pause."""
    process = started(app, source, target, *options)
    written = asyncio.run(_within(find(app).app, source, partial(write_on, process)))
    assert process.poll() is not None, "it didn't come to its end"
    assert written > 10
    return outcome_of(process)


@pytest.fixture(params=["from sqlite", "to sqlite"])
def way(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> tuple[str, str]:
    """Two databases: SQLite and one of each engine, this way and that."""
    here = f"sqlite:///{tmp_path}/source.db"
    return (here, database_url) if request.param == "from sqlite" else (database_url, here)


@pytest.mark.slow
def test_what_is_written_while_it_is_copied_arrives(way: tuple[str, str], tmp_path: Path) -> None:
    source, target = way
    app = wide(tmp_path, 8_000, source, KEPT)
    code, told = beside_writers(app, source, target)
    assert code == 0, told
    # What came later comes with the next run.
    made = checksum(copy(source, target, app=app))
    assert checksum(copy(source, target, "--verify", app=app)) == made
    assert feed_of(app, target) == feed_of(app, source)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--verify",)])
def test_a_planted_difference_is_found_while_others_write(
    way: tuple[str, str], tmp_path: Path, options: tuple[str, ...]
) -> None:
    source, target = way
    app = wide(tmp_path, 8_000, source, KEPT)
    checksum(copy(source, target, app=app))
    asyncio.run(plant(app, target, "update", {"n": [99], "id": [CHANGED + 17]}))
    code, told = beside_writers(app, source, target, *options)
    assert code == 1
    assert re.findall("(different|missing|too many): (.*)", told) == [
        ("different", str(CHANGED + 17))
    ]


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
