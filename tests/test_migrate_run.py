"""Migrations as they run: at once, cut short, edited, with data, and what they refuse."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from abaft import after, before
from abaft.migrate.files import MigrationError, sealed
from abaft.migrate.project import Options
from existing import fetch
from migrations import migrated, model, project_of, quiet, served, thing
from projects import clean_environment

HEAD = """
from abaft.migrate import Migration, Steps

migration = Migration(
    revision="{revision}",
    parent={parent},
    engine="{engine}",
    checksum="",
)

"""


NAMED = thing({"name": str})


def write(
    folder: Path,
    revision: str,
    engine: str,
    body: str,
    parent: str | None = None,
    seal: bool = True,
) -> Path:
    """A file of a person's own; `body` is its functions."""
    engine = {"mariadb": "mysql"}.get(engine, engine)
    head = HEAD.format(revision=revision, engine=engine, parent=repr(parent).replace("'", '"'))
    path = folder / "migrations" / f"{revision}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(sealed(head + body) if seal else head + body)
    return path


BOTH = """
def upgrade(do: Steps) -> None:
    {up}

def downgrade(do: Steps) -> None:
    {down}
"""


async def names(url: str) -> list[str]:
    found = await fetch(url, "select name from things order by name")
    return [row[0] for row in found]


@pytest.mark.sql
async def test_a_data_step_is_given_a_db(database_url: str, engine: str, tmp_path: Path) -> None:
    told: list[str] = []

    @before("update")
    async def shout(thing: Any) -> None:
        thing.name = thing.name.upper()

    @after("update")
    async def tell(thing: Any) -> None:
        told.append(thing.name)

    loud = thing({"name": str}, shout=shout, tell=tell)
    await migrated(database_url, tmp_path, NAMED)

    async def store(db: Any) -> None:
        await db.create(NAMED, name="a")
        await db.create(NAMED, name="b")

    await served(database_url, [NAMED], store)
    body = """
async def fill(db):
    models = {spec.name: spec.cls for spec in db._pipeline.schema.models.values()}
    for record in await db.list(models["Thing"]):
        await db.update(record, name=record.name + "!")

async def check(db):
    assert [row["n"] for row in await db.sql("select count(*) as n from things")] == [2]
"""
    up = "do.data(fill); do.data(check)"
    write(tmp_path, "0002_fill", engine, body + BOTH.format(up=up, down="pass"), "0001_next")
    assert await project_of(database_url, tmp_path, loud).apply(quiet) == ["0002_fill"]
    assert await names(database_url) == ["A!", "B!"]
    assert sorted(told) == ["A!", "B!"], "hooks run once it is durable"
    changes = await fetch(
        database_url, "select count(*) from abaft_changes where action = 'update'"
    )
    assert changes == [(2,)], "what a data step writes is in the feed"


@pytest.mark.sql
async def test_a_failing_step_leaves_all_as_it_was(
    database_url: str, engine: str, tmp_path: Path
) -> None:
    """DUR-3: a migration is whole or not at all."""
    await migrated(database_url, tmp_path, NAMED)
    body = """
async def fail(db):
    await db.sql("insert into extra values (1)")
    raise ValueError("on purpose")
"""
    up = 'do.sql("create table extra (n integer)"); do.data(fail)'
    write(tmp_path, "0002_extra", engine, body + BOTH.format(up=up, down="pass"), "0001_next")
    project = project_of(database_url, tmp_path, NAMED)
    rest = "the 1 steps before it are done" if engine == "mariadb" else "nothing of it was done"
    with pytest.raises(MigrationError, match=rf"0002_extra, step 2 of 2: .*on purpose; {rest}"):
        await project.apply(quiet)
    status = await project.status()
    if engine == "mariadb":
        assert [row.state for row in status.states] == ["applied", "stopped"]
        assert await fetch(database_url, "select * from extra") == []
        return
    with pytest.raises(Exception, match=r"extra"):
        await fetch(database_url, "select * from extra")
    assert [row.state for row in status.states] == ["applied", "pending"]
    assert not status.changed


@pytest.mark.sql
@pytest.mark.slow
@pytest.mark.everywhere
async def test_of_several_at_once_one_does_it(
    database_url: str, engine: str, tmp_path: Path
) -> None:
    """REC-1: instances that start together migrate once."""
    projects = [project_of(database_url, tmp_path, NAMED) for _ in range(4)]
    projects[0].write((await projects[0].difference(Options())).plan, "next")
    body = 'async def note(db):\n    await db.sql("insert into runs values (1)")\n'
    up = 'do.sql("create table runs (n integer)"); do.data(note)'
    write(tmp_path, "0002_runs", engine, body + BOTH.format(up=up, down="pass"), "0001_next")
    done = await asyncio.gather(*(project.apply(quiet) for project in projects))
    assert sorted(name for names in done for name in names) == ["0001_next", "0002_runs"]
    assert await fetch(database_url, "select n from runs") == [(1,)]


KILLED = """
import os, signal
from pathlib import Path

MARK = Path(__file__).parent.parent / "steps"

def mark(number):
    async def step(db):
        with MARK.open("a") as file:
            file.write(f"{number} ")
        if int((MARK.parent / "kill").read_text()) == number:
            os.kill(os.getpid(), signal.SIGKILL)
    return step

def upgrade(do):
    do.data(mark(1))
    do.sql("create table first (n integer)")
    do.data(mark(2))
    do.sql("create table second (n integer)")
    do.data(mark(3))

def downgrade(do):
    do.sql("drop table first", destructive="first")
    do.sql("drop table second", destructive="second")
"""
ALONE = """
def upgrade(do):
    do.sql("create table first (n integer)")
    do.data(mark(1))
    do.sql("create index concurrently ix on first (n)", alone=True,
        first="drop index concurrently if exists ix")
    do.data(mark(2))
    do.sql("create table second (n integer)")
    do.data(mark(3))
"""


@pytest.mark.sql
@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True], ids=["together", "alone"])
async def test_rec_1_one_that_is_killed_at_any_step_is_old_or_goes_on(
    database_url: str, engine: str, tmp_path: Path, alone: bool
) -> None:
    if alone and engine != "postgres":
        pytest.skip("all steps are of one transaction here")
    (tmp_path / "app.py").write_text("from abaft import App\napp = App(sinks=())\n")
    body = KILLED + (ALONE if alone else "")
    write(tmp_path, "0001_killed", engine, body)
    for number in (1, 2, 3):
        (tmp_path / "kill").write_text(str(number))
        assert apply_in_process(tmp_path, database_url) == -9
        there = await _tables(database_url)
        assert there & {"first", "second"} == _left(engine, number, alone)
    (tmp_path / "kill").write_text("0")
    assert apply_in_process(tmp_path, database_url) == 0
    assert {"first", "second"} <= await _tables(database_url)
    steps = (tmp_path / "steps").read_text().split()
    again = "1 1 2 2 3 2 3" if alone else "1 1 2 1 2 3 1 2 3"
    again = "1 1 2 2 3 3" if engine == "mariadb" else again
    assert steps == again.split()
    assert apply_in_process(tmp_path, database_url) == 0
    assert (tmp_path / "steps").read_text().split() == steps


def _left(engine: str, number: int, alone: bool) -> set[str]:
    """The tables that are there once a try was killed at a step."""
    if engine == "mariadb":
        return set(["first", "second"][: number - 1])
    return {"first"} if alone and number > 1 else set()


def apply_in_process(folder: Path, url: str) -> int:
    ended = subprocess.run(
        [sys.executable, "-m", "abaft.cli", "migrate", "apply", "app.py"],
        cwd=folder,
        env=clean_environment(ABAFT_DATABASE=url),
        capture_output=True,
        check=False,
    )
    assert ended.returncode in (0, -9), ended.stderr.decode()
    return ended.returncode


async def _tables(url: str) -> set[str]:
    sql = {
        "sqlite": "select name from sqlite_master",
        "mysql": "select table_name from information_schema.tables where table_schema = database()",
    }.get(url.partition(":")[0], "select tablename::text from pg_tables")
    return {row[0] for row in await fetch(url, sql)}


async def test_what_may_be_lost_is_listed_and_needs_to_be_allowed(
    database_url: str, tmp_path: Path
) -> None:
    wide = thing({"name": str, "size": int, "note": str | None})
    await migrated(database_url, tmp_path, wide, model("Other", {"name": str}))
    project = project_of(database_url, tmp_path, NAMED)
    found = await project.difference(Options())
    project.write(found.plan, "less")
    with pytest.raises(MigrationError) as raised:
        await project.apply(quiet)
    told = str(raised.value)
    assert "--allow-destructive" in told
    for lost in ("things.size", "things.note", " others"):
        assert lost in told
    await project.apply(quiet, destructive=True)
    with pytest.raises(MigrationError, match="no migration 0009_no"):
        await project.roll_back(quiet, "0009_no")


WRONG = {
    "edited": "was edited since it was applied",
    "missing": "its file is missing",
    "unsealed": "was edited since it was made.*abaft migrate seal",
    "two follow one": "both follow 0001_next",
    "no parent": "follows 0007_none, which isn't there",
    "another name": "says that it is",
    "another engine": "is for oracle",
    "no python": "can't be read",
    "no head": "has no `migration = Migration",
    "no function": "has no function upgrade",
    "a function that fails": "0002_more.py, upgrade: ZeroDivisionError",
    "in between": "0002_more before it isn't",
}


async def disagreeing(url: str, folder: Path, engine: str, case: str) -> None:
    """Makes files and database disagree."""
    path = folder / "migrations" / "0001_next.py"
    body = BOTH.format(up="pass", down="pass")
    more = ("0002_more", engine, body, "0001_next")
    match case:
        case "edited":
            path.write_text(sealed(path.read_text().replace("next.", "other.")))
        case "missing":
            path.unlink()
        case "unsealed":
            file = write(folder, *more)
            file.write_text(file.read_text() + "# more\n")
        case "two follow one":
            write(folder, *more)
            write(folder, "0003_other", engine, body, "0001_next")
        case "no parent":
            write(folder, "0002_more", engine, body, "0007_none")
        case "another name":
            write(folder, *more).rename(path.with_name("0002_less.py"))
        case "another engine":
            write(folder, "0002_more", "oracle", body, "0001_next")
        case "no python":
            write(folder, "0002_more", engine, "def (", "0001_next")
        case "no head":
            (folder / "migrations" / "0002_more.py").write_text("x = 1\n")
        case "no function":
            write(folder, "0002_more", engine, "", "0001_next")
        case "a function that fails":
            write(folder, "0002_more", engine, BOTH.format(up="1 / 0", down="pass"), "0001_next")
        case "in between":
            write(folder, "0002_last", engine, body, "0001_next")
            await project_of(url, folder, NAMED).apply(quiet)
            last = folder / "migrations" / "0002_last.py"
            text = last.read_text()
            write(folder, *more)
            last.write_text(text.replace('parent="0001_next"', 'parent="0002_more"'))


@pytest.mark.sql
@pytest.mark.parametrize("case", WRONG)
async def test_files_and_database_that_do_not_agree(
    database_url: str, engine: str, tmp_path: Path, case: str
) -> None:
    await migrated(database_url, tmp_path, NAMED)
    await disagreeing(database_url, tmp_path, engine, case)
    with pytest.raises(MigrationError, match=WRONG[case]):
        await project_of(database_url, tmp_path, NAMED).apply(quiet)
    assert await names(database_url) == []
