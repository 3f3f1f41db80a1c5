"""Each change of a model: its operations, applied on records, undone, and nothing left to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from abaft import Model
from existing import fetch
from migration_scenarios import SCENARIOS, SIZED, Models, Rows, Scenario
from migrations import app_of, migrated, project_of, quiet, served, thing, titles

GOLDEN = Path(__file__).parent / "golden" / "migrate"


def is_like(told: list[str], expected: list[str], engine: str) -> bool:
    """Whether the operations are those; of some only the beginning and the table is told."""
    if not expected:
        return True
    shown = [_short(title) for title in told if ".abaft_" not in title]
    wanted = [_short(title) for title in expected]
    if engine == "sqlite":
        # Which names keys have SQLite doesn't tell; and decimals are whole numbers there.
        others = ("change type of things.price", "rename key")
        wanted = [row for row in wanted if not row.startswith(others)]
    if engine == "mongodb":
        # It knows no checks, keys and digits, and what is searched is in the documents.
        others = ("check", "validator", "index", "search", "change type of things.price")
        shown, wanted = (
            [row for row in rows if not row.endswith(" key") and not any(o in row for o in others)]
            for rows in (shown, wanted)
        )
    if engine == "mariadb":
        # There an index may be of columns that the database computes, which have names of theirs.
        shown, wanted = ([row for row in rows if " index " not in row] for rows in (shown, wanted))
    return sorted(shown) == sorted(wanted)


def _short(title: str) -> str:
    words = title.split(" from ")[0].split()
    words = [{"collection": "table", "field": "column"}.get(word, word) for word in words]
    if words[1] in ("foreign", "key"):
        return f"{words[0]} key"
    if words[1] == "search":
        return f"{words[0]} search"
    if "_if_" in title:
        return title.partition("_if_")[0]
    return " ".join(words)


def shown(records: list[Any], rows: Rows) -> Rows:
    return [{name: getattr(record, name) for name in rows[0]} for record in records]


@pytest.mark.parametrize("case", SCENARIOS, ids=lambda case: case.name)
@pytest.mark.slow
@pytest.mark.everywhere
async def test_a_change_of_models(
    database_url: str, engine: str, tmp_path: Path, case: Scenario
) -> None:
    url, last = database_url, _of(case.new)
    await migrated(url, tmp_path, *case.old)

    async def store(db: Any) -> None:
        for row in case.stored:
            await db.create(_of(case.old), **row)

    async def all_of(cls: type[Model], db: Any) -> list[Any]:
        found = await db.list(cls)
        return sorted(found, key=lambda record: str(next(iter(_names(record)))))

    await served(url, case.old, store)
    told = await migrated(url, tmp_path, *case.new, **case.options)
    assert is_like(told, case.titles, engine), told
    left = await titles(url, tmp_path, *case.new)
    assert left == [], left
    found = await served(url, case.new, lambda db: all_of(last, db))
    assert shown(found, case.found) == case.found
    if not told:
        return
    await project_of(url, tmp_path, *case.old).roll_back(quiet, None, destructive=True)
    assert await titles(url, tmp_path, *case.old, source="database") == []
    back = case.stored if case.back is None else case.back
    found = await served(url, case.old, lambda db: all_of(_of(case.old), db))
    assert shown(found, back) == back
    await project_of(url, tmp_path, *case.new).apply(quiet, destructive=True)
    left = await titles(url, tmp_path, *case.new)
    assert left == [], left


def _of(models: Models) -> type[Model]:
    """The one whose records are looked at."""
    return next(row for row in models if row.__name__ in ("Thing", "Item"))


def _names(record: Any) -> list[Any]:
    return [getattr(record, name) for name in ("name", "title") if hasattr(record, name)]


@pytest.mark.sql
async def test_what_development_made_is_taken_up(database_url: str, tmp_path: Path) -> None:
    app = app_of(database_url, SIZED, mode="development")
    await app.start()
    await app.stop()
    assert await titles(database_url, tmp_path, SIZED) == []
    wider = thing({"name": str, "size": int, "note": str | None})
    assert await titles(database_url, tmp_path, wider) == ["add column things.note"]
    tables = await fetch(database_url, "select count(*) from things")
    assert tables == [(0,)]


def formatted(text: str) -> str:
    """The file as the formatter has it."""
    ruff = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length=100", "-"]
    return subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.everywhere
async def test_the_file_is_as_it_was(database_url: str, engine: str, tmp_path: Path) -> None:
    """Renewed by RENEW_GOLDEN=1 pytest tests/test_migrate_changes.py -k as_it_was"""
    [case] = [row for row in SCENARIOS if row.name == "all at once"]
    await migrated(database_url, tmp_path, *case.old)
    await migrated(database_url, tmp_path, *case.new, message="All at once", **case.options)
    text = (tmp_path / "migrations" / "0002_all_at_once.py").read_text("utf-8")
    assert engine != "mongodb" or formatted(text) == text
    golden = GOLDEN / f"{engine}.txt"
    if os.environ.get("RENEW_GOLDEN") == "1":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")
