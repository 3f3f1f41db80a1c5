"""`abaft matrix`: who may do what, tried for real on an empty database of its own."""

from __future__ import annotations

import asyncio
import difflib
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from abaft.app import App
from abaft.auth.user import User
from abaft.base.errors import SetupError
from abaft.cli.console import done, fail
from abaft.cli.target import USUAL, Application, find
from abaft.testing.matrix import Matrix
from abaft.testing.matrix import matrix as tried

Samples = Annotated[
    Path | None,
    typer.Option(
        help='A JSON file of values that samples need: [cyan]{"Post": {"published": true}}[/].',
        dir_okay=False,
        exists=True,
    ),
]
Check = Annotated[
    Path | None,
    typer.Option(help="Fail unless it is as this file has it.", dir_okay=False, exists=True),
]
Database = Annotated[
    str,
    typer.Option(help="An empty database to try on; without it one of SQLite that is gone after."),
]


def matrix(
    app: Application = USUAL,
    check: Check = None,
    samples: Samples = None,
    database: Database = "",
) -> None:
    """Print who may do what: models, actions, and everybody whom the rules tell apart."""
    found = find(app).app
    given = _samples(found, samples)
    with tempfile.TemporaryDirectory() as folder:
        url = database or f"sqlite:///{folder}/matrix.db"
        made = asyncio.run(_tried(found, url, given))
    if made.leaks:
        fail(
            "another tenant may do what it may not",
            "; ".join(made.leaks) + ': say tenant="shared" of what is for all',
        )
    if check is None:
        typer.echo(str(made), nl=False)
        return
    text = check.read_text(encoding="utf-8")
    if text != str(made):
        typer.echo("\n".join(_differences(text, str(made), check.name)))
        fail(
            f"{check} has something else",
            "where the change is meant, `abaft matrix APP` prints the new one",
        )
    done(f"{len(made.rows)} rows are as {check} has them")


def _differences(before: str, now: str, name: str) -> list[str]:
    return list(
        difflib.unified_diff(before.splitlines(), now.splitlines(), name, "now", lineterm="", n=99)
    )


def _samples(app: App, path: Path | None) -> dict[Any, Mapping[str, Any]]:
    """The samples of a file, by their models."""
    if path is None:
        return {}
    try:
        given = orjson.loads(path.read_bytes())
        return {app.schema.models[name].cls: dict(row) for name, row in given.items()}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise SetupError(f"{path} names no samples of models: {error}") from None


async def _tried(app: App, url: str, samples: Mapping[Any, Mapping[str, Any]]) -> Matrix:
    """The matrix of an app of the same models, with nothing else of theirs in it."""
    schema = app.schema
    models = [
        row.cls for row in schema.models.values() if not (row.own or row.internal) and row.cls
    ]
    if app.accounts is None:  # who is given User has them; what refers to it brings it without
        models = [model for model in models if not issubclass(model, User)]
    tenant = schema.models[schema.tenant].cls if schema.tenant else None
    quiet: dict[str, Any] = {
        "smtp": "",
        "throttle_storage": "memory://",
        "replicas": "",
    }  # nothing of it leaves this process
    settings = replace(app.settings_, mode="development", database=url, **quiet)
    other = App(*models, settings=settings, tenant=tenant, sinks=())
    await other.start()
    try:
        return await tried(other, samples=samples)
    finally:
        await other.stop()
