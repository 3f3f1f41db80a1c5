"""`abaft load`, that is cut: all of its files or nothing of them (DUR-2, DUR-3)."""

from __future__ import annotations

import asyncio
import csv
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from apps.ways import MODELS, Order
from servers.process import TESTS
from servers.storm import all_changes, beside
from servers.strace import SYNCS, WRITES, need_strace, run_failing
from test_faults_sqlite import check_integrity

pytestmark = pytest.mark.slow

ORDERS, LINES = 40, 3_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Orders, tied to tags, and their lines."""
    orders = [(f"{n}", 1, n, "a,b") for n in range(ORDERS)]
    lines = [(n % ORDERS, n, 1, 1) for n in range(LINES)]
    for name, head, rows in (
        ("tags", ("name",), [("a",), ("b",)]),
        ("orders", ("number", "lot", "state", "tags"), orders),
        ("lines", ("order", "n", "lot", "state"), lines),
    ):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([head, *rows])
    return tmp_path


def command(folder: Path, *more: str) -> list[str]:
    files = [str(folder / f"{name}.csv") for name in ("tags", "orders", "lines")]
    return [sys.executable, "-m", "abaft.cli", "load", str(TESTS / "apps/ways.py"), *files, *more]


def given(database: str) -> dict[str, str]:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "ABAFT_DATABASE": database, "PYTHONPATH": path}


async def stored(database: str) -> Counter[str]:
    """How many records there are, each of which the feed tells of once."""
    async with beside(database, *MODELS) as db:
        changes = [change async for change in all_changes(db)]
        found = Counter({model.__name__: await db.count(model) for model in MODELS})
        orders = [order async for order in db.stream(Order, expand=["tags"])]
    assert {change.action for change in changes} <= {"create"}
    places = [(change.model, change.id) for change in changes]
    assert len(places) == len(set(places))
    assert Counter(model for model, _ in places) == +found
    assert all(len(order.tags) == 2 for order in orders)
    return +found


ALL = Counter({"Tag": 2, "Order": ORDERS, "Line": LINES})
NONE: Counter[str] = Counter()


@pytest.mark.parametrize(("calls", "error"), [(SYNCS, "EIO"), (WRITES, "ENOSPC")])
async def test_dur_2_dur_3_a_disk_that_fails_under_a_load(
    folder: Path, calls: str, error: str
) -> None:
    need_strace()
    path = folder / "test.db"
    database = f"sqlite:///{path}"
    assert await stored(database) == NONE  # the tables are there
    refused = 0
    for when in (1, 2, 5, 40, 350, 9_999):
        ended = run_failing(
            command(folder), calls, error, str(when), Path(f"{path}-wal"), given(database)
        )
        check_integrity(path)
        found = await stored(database)
        if ended == 0:
            assert found == ALL
            break
        refused += 1
        # Of a commit that fails nobody knows whether it took place.
        assert found in (NONE, ALL), (when, found)
        if found == ALL:
            break
    assert refused >= 1
    assert found == ALL


@pytest.mark.parametrize("more", [(), ("--resume",)])
async def test_dur_3_rec_1_a_load_that_is_killed(
    folder: Path, database_url: str, more: tuple[str, ...]
) -> None:
    """Nothing is left of it, or with `--resume` what the next one goes on from."""
    assert await stored(database_url) == NONE
    for _ in range(4):
        ended = await asyncio.to_thread(
            run_for, random.uniform(0.8, 1.6), command(folder, *more), given(database_url)
        )
        found = await stored(database_url)
        assert ended is None or (ended, found) == (0, ALL)
        assert more or found in (NONE, ALL)
        if found == ALL:
            return
    assert await asyncio.to_thread(run_for, 60, command(folder, *more), given(database_url)) == 0
    assert await stored(database_url) == ALL


def run_for(seconds: float, command: list[str], env: dict[str, str]) -> int | None:
    """What the command ends with; None where it is killed because it takes longer."""
    process = subprocess.Popen(command, env=env)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
