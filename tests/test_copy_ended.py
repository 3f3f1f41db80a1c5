"""abaft copy that is ended, or written beside: it goes on, and both are the same in the end."""

import asyncio
import os
import random
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from abaft import Actor, App, Settings
from abaft.app import open_store
from abaft.cli.copy_ends import place, shown
from abaft.cli.target import find
from projects import clean_environment, command, run, said, write_app
from test_copy import SMALL, checksum, copy

MOST = 12
"""How often a copy is ended before it is let go on."""


def wide(tmp_path: Path, rows: int) -> tuple[str, str]:
    """An application, and a database with many records of it."""
    app = write_app(tmp_path, SMALL)
    lines = "".join(
        f"{key},{key % 7},{key + 1 if key < rows else ''}\n" for key in range(1, rows + 1)
    )
    (tmp_path / "items.csv").write_text(f"id,n,above\n{lines}")
    url = f"sqlite:///{tmp_path}/source.db"
    assert run("load", app, tmp_path / "items.csv", database=url).exit_code == 0
    return app, url


def started(app: str, source: str, target: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command("copy", app, source, target), env=clean_environment(), stderr=subprocess.PIPE
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


@pytest.mark.slow
@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGINT])
def test_dur_a_copy_that_is_ended_at_any_moment_goes_on(
    database_url: str, tmp_path: Path, ended_by: signal.Signals
) -> None:
    app, source = wide(tmp_path, 20_000)
    chance = random.Random(7)
    ended = 0
    while True:
        process = started(app, source, database_url)
        assert process.stderr is not None
        if ended < MOST:
            # The first falls before a quick machine can be done, the rest where it happens to be.
            time.sleep(chance.uniform(0.5, 2.5) if ended else 0.7)
        if process.poll() is None and ended < MOST:
            process.send_signal(ended_by)
        told = process.stderr.read().decode()
        process.stderr.close()
        if process.wait() == 0:
            break
        assert process.returncode in (-signal.SIGKILL, 130, -signal.SIGINT), told
        ended += 1
    assert ended > 0
    again = copy(source, database_url, app=app)
    assert "0 of 20,000 records" in said(again)
    assert checksum(copy(database_url, source, "--verify", app=app)) == checksum(again)
    assert feed_of(app, database_url) == feed_of(app, source)


@pytest.mark.slow
def test_what_is_written_while_it_is_copied_arrives(database_url: str, tmp_path: Path) -> None:
    app, source = wide(tmp_path, 30_000)
    process = started(app, source, database_url)

    async def write(running: App) -> int:
        item: Any = next(iter(running.schema.models.values())).cls
        db, done = running.db(Actor(system=True)), 0
        while process.poll() is None and done < 400:
            key = 29_000 - done * 2
            await db.create(item, n=done, above=key)
            await db.update(await db.get(item, key), n=-1, above=None)
            if done > 9 and not done % 9:
                await db.update(await db.get(item, key - 2), above=None)
                await db.delete(await db.get(item, key - 1))
            done += 1
            await asyncio.sleep(0.005)
        return done

    found = find(app).app
    written = asyncio.run(_within(found, source, write))
    assert written > 50
    assert process.stderr is not None
    told = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 0, told
    # What came once it had compared comes with the next run.
    made = checksum(copy(source, database_url, app=app))
    assert checksum(copy(source, database_url, "--verify", app=app)) == made
    assert feed_of(app, database_url) == feed_of(app, source)


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
