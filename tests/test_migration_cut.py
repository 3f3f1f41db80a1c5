"""A migration is whole or not at all, wherever it is cut, and is done once (DUR-3, REC-1)."""

from __future__ import annotations

import asyncio
import os
import signal
from tempfile import TemporaryFile
from typing import Any

import pytest

from existing import fetch, run
from servers.process import PATIENCE, TESTS
from servers.warm import Warm

pytestmark = pytest.mark.slow

ROWS = 3
SQLITE = "select type, name, sql from sqlite_master order by type, name"
POSTGRES = (
    "select table_name, column_name, data_type, is_nullable from information_schema.columns "
    "where table_schema = current_schema() order by 1, 2",
    "select indexdef from pg_indexes where schemaname = current_schema() order by 1",
    "select conname, pg_get_constraintdef(oid) from pg_constraint order by 1, 2",
)


@pytest.fixture(autouse=True)
def can_undo(engine: str) -> None:
    if engine in ("mariadb", "mongodb"):
        pytest.skip("each statement stands by itself there: test_migrate_run cuts between them")


async def shape(database: str) -> list[Any]:
    """All tables, columns, indexes and constraints, and all notes."""
    asked = (SQLITE,) if database.startswith("sqlite") else POSTGRES
    notes = await fetch(database, "select * from notes order by id")
    return [*[await fetch(database, sql) for sql in asked], notes]


class Started:
    """An application that starts on that database, to be killed at a step."""

    def __init__(self, database: str, form: str, step: int = 0) -> None:
        self.output = TemporaryFile()  # noqa: SIM115 - closed when it has ended
        path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
        self.process = Warm(
            "apps.migrating",
            [database, form, str(step)],
            env={**os.environ, "PYTHONPATH": path},
            cwd=str(TESTS),
            output=self.output.fileno(),
        )

    async def end(self) -> int | None:
        """How many statements it has carried out; None where it was killed."""
        status = await asyncio.to_thread(self.process.wait, PATIENCE)
        with self.output:
            self.output.seek(0)
            said = self.output.read()
        assert status in (0, -signal.SIGKILL), said
        return int(said) if status == 0 else None


async def with_notes(database: str) -> None:
    assert await Started(database, "old").end()
    ids = [f"01980000-0000-7000-8000-{number:012d}" for number in range(ROWS)]
    rows = ", ".join(f"('{one}', 'note {number}')" for number, one in enumerate(ids))
    await run(database, f"insert into notes (id, text) values {rows}")


async def check_notes(database: str) -> None:
    """Each is there, in the order of the keys, with what was added."""
    rows = await fetch(database, "select text, rank, slug, shelf from notes order by position")
    assert rows == [(f"note {number}", 7, None, None) for number in range(ROWS)]


async def test_dur_3_rec_1_a_migration_that_is_killed_at_each_step(database_url: str) -> None:
    await with_notes(database_url)
    old = await shape(database_url)
    killed = 0
    while (done := await Started(database_url, "new", killed + 1).end()) is None:
        killed += 1
        found = await shape(database_url)
        if found != old:
            break  # it was done, and something after it was cut
        assert killed < 100
    assert killed > 5
    again = await Started(database_url, "new").end()
    assert again == 0, "what was done is done again"
    assert done is None or done > 5
    assert await shape(database_url) != old
    await check_notes(database_url)


async def test_rec_1_of_those_that_begin_together_one_migrates(database_url: str) -> None:
    await with_notes(database_url)
    begun = [Started(database_url, "new") for _ in range(4)]
    done = await asyncio.gather(*(one.end() for one in begun))
    assert sorted(done)[:3] == [0, 0, 0]
    assert max(done) > 5
    await check_notes(database_url)
