"""abaft migrate: what it says, its exit codes, and what dev and serve do about migrations."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from abaft.cli import migrate as verbs
from abaft.cli.serve import check_database
from abaft.cli.target import find
from migrations import app_of, served, thing
from projects import clean_environment, run, said, write_app

FIRST = """
from abaft import App, Me, Model, allow, field

class Thing(Model):
    name: str

    @allow("read", "create")
    def everyone(thing, me: Me) -> bool:
        return True

app = App(Thing, sinks=())
"""
SECOND = FIRST.replace(
    "    name: str\n", "    name: str = field(index=True)\n    size: int | None\n"
)
LESS = FIRST.replace("    name: str\n", "    title: str\n")
PRODUCTION = {
    "ABAFT_MODE": "production",
    "ABAFT_SECRET_KEY": "k3y-of-tests-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2,
}


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setenv("ABAFT_DATABASE", database_url)
    monkeypatch.chdir(tmp_path)
    return database_url


COLUMN = {"mongodb": "field"}
TABLE = {"mongodb": "collection"}


@pytest.mark.slow
@pytest.mark.everywhere
def test_from_nothing_to_the_second_and_back(database: str, engine: str, tmp_path: Path) -> None:
    table, column = TABLE.get(engine, "table"), COLUMN.get(engine, "column")
    first, second = write_app(tmp_path, FIRST), write_app(tmp_path, SECOND)
    status = run("migrate", "status", first)
    assert status.exit_code == 0
    assert "there are no migrations in" in said(status)
    assert run("migrate", "diff", first, "--check").exit_code == verbs.BEHIND
    assert not (tmp_path / "migrations").exists()
    made = run("migrate", "diff", first, "-m", "First things!")
    assert made.exit_code == 0, said(made)
    assert f"add {table} things" in said(made)
    assert (tmp_path / "migrations" / "0001_first_things.py").is_file()
    waits = run("migrate", "status", first)
    assert waits.exit_code == verbs.BEHIND
    assert "0001_first_things pending" in said(waits)
    assert "0001_first_things is applied" in said(run("migrate", "apply", first))
    assert "no migration waits" in said(run("migrate", "apply", first))
    assert run("migrate", "status", first).exit_code == 0
    same = run("migrate", "diff", first, "--check")
    assert same.exit_code == 0
    assert "no differences" in said(run("migrate", "diff", first, "-m", "none"))
    assert run("migrate", "diff", second, "-m", "size").exit_code == 0
    assert run("migrate", "diff", second, "--check").exit_code == 0, "the file has it already"
    assert run("migrate", "diff", second, "--check", "--from", "database").exit_code == verbs.BEHIND
    assert run("migrate", "apply", second).exit_code == 0
    refused = run("migrate", "rollback", second)
    assert refused.exit_code == 1
    assert f"0002_size: the {column} things.size and what is in it" in said(refused)
    assert run("migrate", "rollback", second, "--allow-destructive").exit_code == 0
    assert run("migrate", "diff", first, "--check", "--from", "database").exit_code == 0
    undone = run("migrate", "rollback", first, "--to", "base", "--allow-destructive")
    assert "0001_first_things is undone" in said(undone)
    assert "nothing is applied" in said(run("migrate", "rollback", first))


def test_a_rename_must_be_said(database: str, engine: str, tmp_path: Path) -> None:
    first, less = write_app(tmp_path, FIRST), write_app(tmp_path, LESS)
    run("migrate", "diff", first, "-m", "first")
    run("migrate", "apply", first)
    asked = run("migrate", "diff", less, "-m", "title")
    assert asked.exit_code == 1
    assert "--rename things.name=things.title" in said(asked)
    assert len([*(tmp_path / "migrations").glob("*.py")]) == 1
    renamed = run("migrate", "diff", less, "-m", "title", "--rename", "things.name=title")
    assert renamed.exit_code == 0
    column = COLUMN.get(engine, "column")
    assert f"rename {column} things.name to title" in said(renamed)


@pytest.mark.parametrize(("answer", "expected"), [("y", "rename"), ("n", "drop")])
def test_on_a_terminal_it_asks(
    database: str,
    engine: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    expected: str,
) -> None:
    first, less = write_app(tmp_path, FIRST), write_app(tmp_path, LESS)
    run("migrate", "diff", first, "-m", "first")
    run("migrate", "apply", first)
    asked: list[str] = []

    def confirm(text: str, **_: object) -> bool:
        asked.append(text)
        return answer == "y"

    monkeypatch.setattr(verbs.typer, "confirm", confirm)
    monkeypatch.setattr(verbs, "on_terminal", lambda: True)
    made = run("migrate", "diff", less, "-m", "title")
    assert made.exit_code == 0, said(made)
    assert asked == ["Is things.title what was things.name?"]
    assert f"{expected} {COLUMN.get(engine, 'column')}" in said(made)


def test_what_is_wrong_is_told_with_what_to_write(database: str, tmp_path: Path) -> None:
    app = write_app(tmp_path, FIRST)
    for words, code, told in (
        (["diff", app], 1, '-m "Posts have a rank"'),
        (["diff", app, "-m", "!?"], 1, "letters or digits are needed"),
        (["diff", app, "-m", "x", "--rename", "a"], 1, "write old=new"),
        (["diff", app, "-m", "x", "--dropped", "nix"], 1, "there is no such table or column"),
        (["diff", app, "-m", "x", "--from", "moon"], 2, "moon"),
        (["apply", app, "--to", "0009_x"], 1, "there is no migration 0009_x"),
        (["rollback", app, "--to", "0009_x"], 1, "there is no migration 0009_x"),
        (["seal", "0009_x"], 1, "there is no file 0009_x"),
    ):
        found = run("migrate", *words)
        assert found.exit_code == code, said(found)
        assert told in said(found)


UPDATE = "do.sql(\"update things set name = 'x'\")"
UPDATE_DOCUMENTS = """do.command(
        {"update": "things", "updates": [{"q": {}, "u": {"$set": {"name": "x"}}, "multi": True}]}
    )"""


def test_a_file_of_ones_own_is_sealed(database: str, engine: str, tmp_path: Path) -> None:
    update = UPDATE_DOCUMENTS if engine == "mongodb" else UPDATE
    app = write_app(tmp_path, FIRST)
    run("migrate", "diff", app, "-m", "first")
    assert run("migrate", "diff", app, "-m", "Fill it", "--empty").exit_code == 0
    path = tmp_path / "migrations" / "0002_fill_it.py"
    text = path.read_text().replace('    """Nothing changes."""', f"    {update}", 1)
    path.write_text(text)
    refused = run("migrate", "apply", app)
    assert refused.exit_code == 1
    assert "abaft migrate seal" in said(refused)
    assert "0002_fill_it unsealed" in said(run("migrate", "status", app))
    assert run("migrate", "seal", "0002_fill_it").exit_code == 0
    assert run("migrate", "apply", app).exit_code == 0
    path.unlink()
    gone = run("migrate", "status", app)
    assert gone.exit_code == verbs.WRONG
    assert "0002_fill_it missing" in said(gone)


async def test_a_database_that_is_so_already_is_noted(
    database: str, engine: str, tmp_path: Path
) -> None:
    column = COLUMN.get(engine, "column")
    model = thing({"name": str})
    app = app_of(database, model, mode="development")
    await app.start()
    await app.stop()
    written = write_app(tmp_path, FIRST)

    def commands() -> None:
        assert (
            run("migrate", "diff", written, "-m", "x", "--from", "files", **PRODUCTION).exit_code
            == 0
        )
        noted = run("migrate", "apply", written, "--note-only")
        assert "noted as applied: 0001_x" in said(noted)
        assert run("migrate", "status", written).exit_code == 0
        other = run("migrate", "apply", write_app(tmp_path, SECOND), "--note-only")
        assert f"the database isn't as the models say: add {column} things.size" in said(other)

    await asyncio.to_thread(commands)
    await served(database, [model], lambda db: db.create(model, name="a"))


def test_production_is_not_served_while_migrations_wait(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("migrate", "diff", write_app(tmp_path, FIRST), "-m", "first")
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    app = write_app(tmp_path, FIRST)
    name = f"{Path(app).stem}:app"
    refused = run("serve", app)
    assert refused.exit_code == 1
    assert f"migrations wait: 0001_first; run `abaft migrate apply {name}`" in said(refused)
    monkeypatch.setenv("ABAFT_SCHEMA_CHECK", "warn")
    asyncio.run(check_database(find(write_app(tmp_path, FIRST))))
    monkeypatch.delenv("ABAFT_SCHEMA_CHECK")
    run("migrate", "apply", app)
    asyncio.run(check_database(find(write_app(tmp_path, FIRST))))
    behind = run("serve", write_app(tmp_path, SECOND))
    assert behind.exit_code == 1
    missing = ("things.size", "ADD COLUMN", "change validator of things: size")
    assert any(text in said(behind) for text in missing)
    assert "abaft migrate diff" in said(behind)


@pytest.mark.slow
@pytest.mark.everywhere
def test_development_runs_what_is_safe(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = write_app(tmp_path, FIRST), write_app(tmp_path, SECOND)
    run("migrate", "diff", first, "-m", "first")
    asyncio.run(check_database(find(first)))
    assert "0001_first is applied" in capsys.readouterr().err
    asyncio.run(check_database(find(second)))
    told = capsys.readouterr().err
    assert "the database was brought up to the models" in told
    assert "ADD COLUMN size" in told or "change validator of things: size" in told
    made = run("migrate", "diff", second, "-m", "size")
    assert "0002_size noted as applied" in said(made), "the database was so already"
    less = write_app(tmp_path, LESS)
    run(
        "migrate",
        "diff",
        less,
        "-m",
        "less",
        "--dropped",
        "things.name",
        "--dropped",
        "things.size",
    )
    refused = run("serve", less)
    assert refused.exit_code == 1
    assert "migrations wait that may lose data: 0003_less" in said(refused)
    assert "--allow-destructive" in said(refused)


def test_a_server_starts_without_alembic(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FIRST)
    code = (
        "import sys; from abaft.cli.target import find; from abaft.cli.serve import check_database;"
        "import asyncio; asyncio.run(check_database(find('app.py')));"
        "assert not {'alembic', 'greenlet', 'abaft.migrate.autogenerate'} & {*sys.modules}"
    )
    for _ in range(2):
        ended = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=clean_environment(ABAFT_DATABASE=f"sqlite:///{tmp_path}/x.db"),
            capture_output=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr.decode()
