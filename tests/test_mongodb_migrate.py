"""Migrations of one's own on MongoDB: commands, data steps, what is cut short, what is filled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import Int64
from pymongo import MongoClient
from pymongo.database import Database

from abaft import Ref, after, before
from abaft import field as column
from abaft.migrate.files import MigrationError
from abaft.migrate.project import Options
from conftest import chosen_engines
from migrations import app_of, migrated, model, project_of, quiet, served, thing, titles
from scenarios import SYSTEM
from servers.mongodb import MongoServer
from test_migrate_run import BOTH, WRONG, apply_in_process, disagreeing, write

NAMED = thing({"name": str})
SIZED = thing({"name": str, "size": int | None})


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if "mongodb" not in chosen_engines(request.config):
        pytest.skip("--engine leaves MongoDB out")
    server: MongoServer = request.getfixturevalue("mongodb")
    with server.database() as found:
        yield found


@pytest.fixture
def database(url: str) -> Iterator[Database[dict[str, Any]]]:
    """As another program sees it."""
    client: MongoClient[dict[str, Any]]
    with MongoClient(url, uuidRepresentation="standard") as client:
        yield client.get_default_database()


def names(database: Database[dict[str, Any]]) -> list[str]:
    return sorted(row["name"] for row in database.things.find())


async def _store(db: Any) -> None:
    await db.create(NAMED, name="a")
    await db.create(NAMED, name="b")


@pytest.mark.slow
@pytest.mark.everywhere
async def test_a_data_step_is_given_a_db(
    url: str, tmp_path: Path, database: Database[dict[str, Any]]
) -> None:
    told: list[str] = []

    @before("update")
    async def shout(thing: Any) -> None:
        thing.name = thing.name.upper()

    @after("update")
    async def tell(thing: Any) -> None:
        told.append(thing.name)

    loud = thing({"name": str}, shout=shout, tell=tell)
    await migrated(url, tmp_path, NAMED)
    await served(url, [NAMED], _store)
    body = """
async def fill(db):
    models = {spec.name: spec.cls for spec in db._pipeline.schema.models.values()}
    for record in await db.list(models["Thing"]):
        await db.update(record, name=record.name + "!")
    assert await db.count(models["Thing"]) == 2
"""
    both = BOTH.format(up="do.data(fill)", down="pass")
    write(tmp_path, "0002_fill", "mongodb", body + both, "0001_next")
    assert await project_of(url, tmp_path, loud).apply(quiet) == ["0002_fill"]
    assert names(database) == ["A!", "B!"]
    assert sorted(told) == ["A!", "B!"], "hooks run once it is durable"
    told_of = database.abaft_changes.count_documents({"action": "update"})
    assert told_of == 2, "what a data step writes is in the feed"


async def test_dur_3_a_failing_step_is_undone_and_those_before_it_stay(
    url: str, tmp_path: Path, database: Database[dict[str, Any]]
) -> None:
    await migrated(url, tmp_path, NAMED)
    await served(url, [NAMED], _store)
    body = """
from pathlib import Path

FINE = Path(__file__).parent.parent / "fine"

async def fail(db):
    models = {spec.name: spec.cls for spec in db._pipeline.schema.models.values()}
    for record in await db.list(models["Thing"]):
        await db.update(record, name="changed")
    if not FINE.exists():
        raise ValueError("on purpose")
"""
    up = 'do.command({"create": "extra"}); do.data(fail)'
    both = body + BOTH.format(up=up, down='do.command({"drop": "extra"}, destructive="extra")')
    write(tmp_path, "0002_extra", "mongodb", both, "0001_next")
    project = project_of(url, tmp_path, NAMED)
    told = r"0002_extra, step 2 of 2: .*on purpose; the 1 steps before it are done: mend"
    with pytest.raises(MigrationError, match=told):
        await project.apply(quiet)
    assert names(database) == ["a", "b"]
    assert "extra" in database.list_collection_names()
    status = await project.status()
    assert [row.state for row in status.states] == ["applied", "stopped"]
    assert status.states[1].detail == "step 1 of 2"
    (tmp_path / "fine").touch()
    await project.apply(quiet)
    assert names(database) == ["changed", "changed"]
    await project.roll_back(quiet, "0001_next", destructive=True)
    assert "extra" not in database.list_collection_names()


async def test_rec_1_of_several_at_once_one_does_it(
    url: str, tmp_path: Path, database: Database[dict[str, Any]]
) -> None:
    projects = [project_of(url, tmp_path, NAMED) for _ in range(4)]
    projects[0].write((await projects[0].difference(Options())).plan, "next")
    body = """
async def note(db):
    models = {spec.name: spec.cls for spec in db._pipeline.schema.models.values()}
    await db.create(models["Thing"], name="once")
"""
    both = BOTH.format(up="do.data(note)", down="pass")
    write(tmp_path, "0002_runs", "mongodb", body + both, "0001_next")
    done = await asyncio.gather(*(project.apply(quiet) for project in projects))
    assert sorted(name for row in done for name in row) == ["0001_next", "0002_runs"]
    assert names(database) == ["once"]


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
    do.command({"create": "first"})
    do.data(mark(2))
    do.command({"renameCollection": "first", "to": "second"})
    do.data(mark(3))

def downgrade(do):
    do.command({"drop": "second"}, destructive="second")
"""


@pytest.mark.slow
async def test_rec_1_one_that_is_killed_at_any_step_goes_on(
    url: str, tmp_path: Path, database: Database[dict[str, Any]]
) -> None:
    (tmp_path / "app.py").write_text("from abaft import App\napp = App(sinks=())\n")
    write(tmp_path, "0001_killed", "mongodb", KILLED)
    left = [set(), {"first"}, {"second"}]
    for number in (1, 2, 3):
        (tmp_path / "kill").write_text(str(number))
        # Whoever is next waits until the turn of the one that was killed is over.
        database.abaft_state.delete_one({"_id": "upgrade"})
        assert apply_in_process(tmp_path, url) == -9
        assert {*database.list_collection_names()} & {"first", "second"} == left[number - 1]
    (tmp_path / "kill").write_text("0")
    database.abaft_state.delete_one({"_id": "upgrade"})
    assert apply_in_process(tmp_path, url) == 0
    assert (tmp_path / "steps").read_text().split() == ["1", "1", "2", "2", "3", "3"]


@pytest.mark.parametrize("case", WRONG)
async def test_files_and_database_that_do_not_agree(
    url: str, tmp_path: Path, database: Database[dict[str, Any]], case: str
) -> None:
    await migrated(url, tmp_path, NAMED)
    await disagreeing(url, tmp_path, "mongodb", case)
    with pytest.raises(MigrationError, match=WRONG[case]):
        await project_of(url, tmp_path, NAMED).apply(quiet)
    assert names(database) == []


async def test_sql_and_a_wrong_command_say_what_to_write(url: str, tmp_path: Path) -> None:
    await migrated(url, tmp_path, NAMED)
    for up, told in (
        ('do.sql("drop table things")', r"do\.sql\(\) is for SQL databases: write do\.command"),
        ('do.command({"nonsense": "things"})', "nonsense"),
        ('do.command({"update": "things", "updates": [{"q": {}, "u": {"$x": 1}}]})', r"\$x"),
    ):
        write(tmp_path, "0002_x", "mongodb", BOTH.format(up=up, down="pass"), "0001_next")
        with pytest.raises(MigrationError, match=told):
            await project_of(url, tmp_path, NAMED).apply(quiet)


async def test_what_others_have_made_is_let_be(
    url: str, tmp_path: Path, database: Database[dict[str, Any]]
) -> None:
    await migrated(url, tmp_path, SIZED)
    database.log.insert_one({"x": 1})
    database.things.create_index("size", name="mine")
    required = thing({"name": str, "size": int}, size=column(default=1))
    told = await migrated(url, tmp_path, required, source="database")
    assert told == ["require things.size"]
    assert "mine" in database.things.index_information()
    found = await project_of(url, tmp_path, required).difference(Options(source="database"))
    assert found.plan.unknown == ("log",)
    assert not found.plan.changes
    assert database.log.count_documents({}) == 1


async def test_what_development_made_is_taken_up(
    url: str, tmp_path: Path, database: Database[dict[str, Any]]
) -> None:
    app = app_of(url, SIZED, mode="development")
    await app.start()
    await app.stop()
    assert await titles(url, tmp_path, SIZED) == []
    wider = thing({"name": str, "size": int | None, "note": str | None})
    assert await titles(url, tmp_path, wider) == ["add field things.note"]
    assert database.things.count_documents({}) == 0


@pytest.mark.slow
@pytest.mark.everywhere
async def test_fail_5_what_old_code_writes_has_the_fields_of_newer_code(
    url: str, tmp_path: Path, database: Database[dict[str, Any]]
) -> None:
    """Old code is served while a field comes, its collection is renamed, and the field goes."""
    await migrated(url, tmp_path, NAMED)
    new = thing({"name": str, "size": int, "far": float | None}, size=column(default=3))
    old = app_of(url, NAMED)
    await old.start()
    try:
        db = old.db(SYSTEM)
        await db.create(NAMED, name="before")
        await migrated(url, tmp_path, new)
        made = await db.create(NAMED, name="after")
        await db.update(made, name="later")
    finally:
        await old.stop()
    sizes = {row["name"]: (row["size"], row["far"]) for row in database.things.find()}
    assert sizes == {"before": (3, None), "later": (3, None)}
    assert database.abaft_state.find_one({"_id": "writer"})["fills"] == {
        "things": {"size": Int64(3), "far": None}
    }
    item = model("Item", {"name": str, "size": int, "far": float | None}, size=column(default=3))
    await migrated(url, tmp_path, item, rename=("things=items",))
    fills = database.abaft_state.find_one({"_id": "writer"})["fills"]
    assert fills == {"items": {"size": Int64(3), "far": None}}
    less = model("Item", {"name": str})
    await migrated(url, tmp_path, less, dropped=("items.size", "items.far"))
    fills = database.abaft_state.find_one({"_id": "writer"})["fills"]
    assert not fills.get("items")
    await project_of(url, tmp_path, item).roll_back(quiet, "0003_next", destructive=True)
    fills = database.abaft_state.find_one({"_id": "writer"})["fills"]
    assert fills["items"]["size"] == 0, "what was lost comes back as nothing"
    found = await served(url, [item], lambda db: db.list(item))
    assert [row.size for row in found] == [0, 0]


async def test_a_part_of_a_key_has_its_name_for_good(url: str, tmp_path: Path) -> None:
    owner = model("Owner", {"name": str}, keywords={"key": "name"})
    one = thing({"of": Ref[owner], "at": int}, keywords={"key": ("of", "at")})
    two = thing({"of": Ref[owner], "place": int}, keywords={"key": ("of", "place")})
    await migrated(url, tmp_path, owner, one)
    told = r"things has the key \(of, at\), and the model \(of, place\)"
    with pytest.raises(MigrationError, match=told):
        await titles(url, tmp_path, owner, two, rename=("things.at=place",))
