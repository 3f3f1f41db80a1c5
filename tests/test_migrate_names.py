"""Migrations beside what others made, what was renamed, and what development has done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from abaft import Model, Ref
from abaft import field as column
from abaft.migrate.files import MigrationError
from abaft.migrate.project import Options
from existing import fetch
from existing import run as run_sql
from migrations import app_of, migrated, model, project_of, quiet, served, thing, titles

NAMED = thing({"name": str})


@pytest.mark.sql
async def test_what_others_have_made_is_let_be(
    database_url: str, engine: str, tmp_path: Path
) -> None:
    """A trigger, an index and a table of a person's own outlive a table that is copied."""
    sized = thing({"name": str, "size": int | None})
    await migrated(database_url, tmp_path, sized)
    body = {
        "sqlite": "begin insert into log values (new.name); end",
        "postgres": "for each row execute function note()",
        "mariadb": "for each row insert into log values (new.name)",
    }[engine]
    function = (
        "create function note() returns trigger language plpgsql as "
        "$$ begin insert into log values (new.name); return new; end $$"
    )
    made = ["create table log (name text)", "create index mine on things (size, id)"]
    made += [function] if engine == "postgres" else []
    for sql in (*made, f"create trigger noted after insert on things {body}"):
        await run_sql(database_url, sql)
    required = thing({"name": str, "size": int}, size=column(default=1))
    assert await migrated(database_url, tmp_path, required, source="database") == [
        "require things.size"
    ]
    await served(database_url, [required], lambda db: db.create(required, name="a"))
    assert await fetch(database_url, "select name from log") == [("a",)]
    sql = {
        "sqlite": "select count(*) from sqlite_master where name = 'mine'",
        "postgres": "select count(*) from pg_indexes where indexname = 'mine'",
        "mariadb": "select count(distinct index_name) from information_schema.statistics "
        "where index_name = 'mine'",
    }[engine]
    assert await fetch(database_url, sql) == [(1,)]
    found = await project_of(database_url, tmp_path, required).difference(
        Options(source="database")
    )
    assert found.plan.unknown == ("log",)
    assert not found.plan.changes


@pytest.mark.slow
@pytest.mark.everywhere
async def test_a_rename_is_never_dropped_and_made_anew(
    database_url: str, engine: str, tmp_path: Path
) -> None:
    key = "_id" if engine == "mongodb" else "id"
    await migrated(database_url, tmp_path, NAMED)
    titled = thing({"title": str})
    found = await project_of(database_url, tmp_path, titled).difference(Options())
    assert [question.gone for question in found.questions] == ["things.name"]
    assert "--rename things.name=things.title" in found.questions[0].text
    for wrong, told in (
        ("things.nam=title", "did you mean 'things.name'"),
        ("things.name=titel", "did you mean 'title'"),
        ("things.name", "write old=new"),
        (f"things.name={key}", "is there already"),
    ):
        with pytest.raises(MigrationError, match=told):
            await project_of(database_url, tmp_path, titled).difference(Options(rename=(wrong,)))
    dropped = Options(dropped=("things.name",))
    found = await project_of(database_url, tmp_path, titled).difference(dropped)
    assert not found.questions
    other = model("Item", {"name": str})
    found = await project_of(database_url, tmp_path, other).difference(Options())
    assert [question.gone for question in found.questions] == ["things"]


async def test_a_table_nobody_recorded_may_be_the_new_one(
    database_url: str, tmp_path: Path
) -> None:
    app = app_of(database_url, NAMED, mode="development")
    await app.start()
    await app.stop()
    other = model("Item", {"name": str})
    found = await project_of(database_url, tmp_path, other).difference(Options())
    assert [question.text for question in found.questions] == [
        "things is gone, and items is new: write --rename things=items where it is the same, "
        "or --dropped things where it isn't"
    ]


@pytest.mark.slow
@pytest.mark.everywhere
async def test_what_development_made_is_written_down_and_noted(
    database_url: str, tmp_path: Path
) -> None:
    """From the files, when the database has gone ahead of them; and it is noted as applied."""
    await migrated(database_url, tmp_path, NAMED)
    wider = thing({"name": str, "size": int | None}, name=column(search=True))
    app = app_of(database_url, wider, mode="development")
    await app.start()
    await app.stop()
    project = project_of(database_url, tmp_path, wider)
    status = await project.status()
    assert status.changed
    found = await project.difference(Options())
    assert found.source == "files"
    assert found.plan.changes[0].title.endswith(" things.size")
    project.write(found.plan, "size")
    assert await project.note_if_so() == ["0002_size"]
    assert not (await project.status()).changed
    assert await project.apply(quiet) == []
    fresh = project_of(database_url, tmp_path, wider)
    assert not (await fresh.difference(Options(source="files"))).plan.changes


class Owner(Model):
    name: str = "o"


@pytest.mark.slow
@pytest.mark.everywhere
async def test_the_online_forms_of_postgresql(
    database_url: str, engine: str, tmp_path: Path
) -> None:
    if engine != "postgres":
        pytest.skip("SQLite has one writer")
    await migrated(database_url, tmp_path, Owner, thing({"name": str, "size": int | None}))
    new = thing(
        {"name": str, "size": int, "owner": Ref[Owner] | None},
        name=column(index=True),
        size=column(default=1),
    )
    project = project_of(database_url, tmp_path, Owner, new)
    text = project.write((await project.difference(Options())).plan, "online").read_text()
    text = re.sub(r'"\n\s+"', "", text)
    for form in (
        "CREATE INDEX CONCURRENTLY ix_things_name",
        'first="DROP INDEX CONCURRENTLY IF EXISTS ix_things_name"',
        "CHECK (size IS NOT NULL) NOT VALID",
        "VALIDATE CONSTRAINT nn_things_size",
        "ALTER COLUMN size SET NOT NULL",
        "ON DELETE SET NULL NOT VALID" if "SET NULL" in text else "NOT VALID",
        "VALIDATE CONSTRAINT fk_things_owner",
    ):
        assert form in text, form
    await project.apply(quiet, destructive=True)
    assert await titles(database_url, tmp_path, Owner, new) == []
    project = project_of(
        database_url, tmp_path, Owner, thing({"name": str}, name=column(unique=True))
    )
    plain = await project.difference(Options(online=False, dropped=("things.size", "things.owner")))
    assert not any(step.alone for step in plain.plan.up)


@pytest.mark.sql
@pytest.mark.slow
@pytest.mark.everywhere
async def test_tables_of_others_are_led_to_and_never_changed(
    database_url: str, engine: str, tmp_path: Path
) -> None:
    kind = {"sqlite": "text", "postgres": 'text collate "C"'}.get(
        engine, "varchar(99) character set utf8mb4 collate utf8mb4_nopad_bin"
    )
    create = f'create table "Old Place" ("The Code" {kind} primary key, more int)'
    await run_sql(database_url, create if engine != "mariadb" else create.replace('"', "`"))
    old = model(
        "Old",
        {"code": str},
        code=column(column="The Code", max_length=99),
        keywords={"table": "Old Place", "key": "code", "stamps": False, "managed": False},
    )
    odd = {"table": 'Odd "Things"'}
    first = thing({"old": Ref[old], "name": str}, name=column(column="the Name"), keywords=odd)
    told = await migrated(database_url, tmp_path, old, first)
    assert [row for row in told if "Old" in row] == []
    assert await titles(database_url, tmp_path, old, first) == []

    async def store(db: Any) -> None:
        await db.sql("""insert into "Old Place" values ('x', 1)""")
        await db.create(first, old="x", name="a")

    await served(database_url, [old, first], store)
    second = thing(
        {"old": Ref[old], "title": str | None, "size": int},
        title=column(column='the "Title"', index=True),
        size=column(default=2),
        keywords=odd,
    )
    renamed = ('Odd "Things".the Name=the "Title"',)
    told = await migrated(database_url, tmp_path, old, second, rename=renamed)
    assert 'rename column Odd "Things".the Name to the "Title"' in told
    assert await titles(database_url, tmp_path, old, second) == []
    [row] = await served(database_url, [old, second], lambda db: db.list(second))
    assert (row.title, row.size) == ("a", 2)
    assert await titles(database_url, tmp_path, old, second, source="database") == []
    await project_of(database_url, tmp_path, old, first).roll_back(quiet, None, destructive=True)
    assert await titles(database_url, tmp_path, old, first, source="database") == []
    query = 'select * from "Old Place"'
    query = query if engine != "mariadb" else query.replace('"', "`")
    assert await fetch(database_url, query) == [("x", 1)]


async def test_another_key_is_for_a_person(database_url: str, engine: str, tmp_path: Path) -> None:
    documents = engine == "mongodb"
    old, new = ("_id: binData", "_id: string") if documents else ("id", "name")
    await migrated(database_url, tmp_path, NAMED)
    keyed = thing({"name": str}, keywords={"key": "name"})
    with pytest.raises(
        MigrationError, match=rf"things has the key \({old}\), and the model \({new}\)"
    ):
        await titles(database_url, tmp_path, keyed)
