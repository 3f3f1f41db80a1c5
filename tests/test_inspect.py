"""`abaft inspect`: models of the databases that people bring, which serve them unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from existing import ddl
from inspected import Walk, imported, make, models_of, written
from scenarios import serving
from shapes import SHAPES

EVERY = [(engine, name) for engine, shapes in SHAPES.items() for name in shapes]


@pytest.mark.parametrize("name", ["music", "wholesale", "films", "odd"])
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
