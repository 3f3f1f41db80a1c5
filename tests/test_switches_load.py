"""Loads into models with switches: in the file's order, each row a version."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from abaft import Actor
from abaft.cli.target import find
from projects import run, write_app

MODELS = """
from abaft import App, Model

class Card(Model, key="name", stamps=False, ordered="list", history=True, soft_delete=True):
    name: str
    list: str = "todo"
    votes: int = 0

app = App(Card)
"""


@pytest.mark.parametrize("options", [[], ["--upsert=name"]])
def test_rows_keep_their_order_and_have_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, options: list[str]
) -> None:
    monkeypatch.setenv("ABAFT_DATABASE", database_url)
    target = write_app(tmp_path, MODELS)
    file = tmp_path / "cards.csv"
    file.write_text("name,list,votes\nc,todo,1\na,done,2\nb,todo,3\n")
    result = run("load", target, str(file), *options)
    assert result.exit_code == 0, result.output
    app = find(target).app

    async def look() -> Any:
        await app.start()
        db = app.db(Actor(system=True))
        rows = [row.name for row in await db.list(app.schema.models["Card"].cls)]
        versions = await db.history(await db.get(app.schema.models["Card"].cls, "b"))
        await app.stop()
        return rows, [version.action for version in versions]

    assert asyncio.run(look()) == (["a", "c", "b"], ["create"])
