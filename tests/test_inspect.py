"""`abaft inspect`: models of the databases that people bring, which serve them unchanged."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import abaft
from conftest import fresh_database
from existing import ddl
from inspected import Walk, imported, make, models_of, written
from scenarios import serving
from shapes import SHAPES

pytestmark = pytest.mark.sql

GOLDEN = Path(__file__).parent / "golden" / "inspect"
CHECKS = (
    ["ruff", "format", "--isolated", "--diff"],
    ["ruff", "check", "--isolated", "--select", "E4,E7,E9,F,I,UP"],
    ["mypy", "--strict", "--follow-imports=silent", "--config-file="],
)
RENEW = "# Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_inspect.py -k golden"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["music", "wholesale", "films", "rentals", "odd"])
async def test_a_shape_is_served_unchanged(
    engine: str, name: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name not in SHAPES[engine]:
        pytest.skip(f"{name} is of another engine")
    await make(database_url, SHAPES[engine][name])
    before = await ddl(database_url)
    monkeypatch.setenv("ABAFT_DATABASE", database_url)
    module = imported(await written(database_url), tmp_path)
    async with serving(database_url, *models_of(module)) as api:
        await Walk(api, database_url).everything()
    assert await ddl(database_url) == before


@pytest.mark.parametrize("name", ["wholesale", "films", "rentals", "odd"])
async def test_what_it_writes_is_golden(
    engine: str, name: str, database_url: str, tmp_path: Path
) -> None:
    if name not in SHAPES[engine]:
        pytest.skip(f"{name} is of another engine")
    await make(database_url, SHAPES[engine][name])
    made = await written(database_url)
    text = f"{RENEW}\n{made}".replace(database_url, "sqlite:///test.db")
    text = text.replace(database_url.rpartition("/")[2], "NAME")
    place = GOLDEN / f"{engine}_{name}.txt"
    if os.environ.get("RENEW_GOLDEN"):
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, "utf-8")
    assert text == place.read_text("utf-8")


async def test_the_page_shows_what_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parent.parent / "docs" / "inspect.md"
    script, shown = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    monkeypatch.chdir(tmp_path)
    exec(script, {})  # noqa: S102
    made = await written("sqlite:///shop.db", "--open")
    assert made.partition("\n\n")[2] == shown


@pytest.mark.slow
async def test_what_it_writes_is_clean(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    for name, script in SHAPES[engine].items():
        with fresh_database(engine, request) as url:
            await make(url, script)
            for place, options in ((name, ()), (f"{name}_open", ("--open",))):
                (tmp_path / f"{place}.py").write_text(await written(url, *options), "utf-8")
    for command in CHECKS:
        done = await asyncio.to_thread(checked, [*command, str(tmp_path)], tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


def checked(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A tool in a folder of its own, where abaft is somebody else's package."""
    library = Path(abaft.__file__).parent.parent
    environment = {**os.environ, "MYPYPATH": str(library)}
    whole = [sys.executable, "-m", *command]
    return subprocess.run(whole, capture_output=True, text=True, cwd=folder, env=environment)
