"""Applications as they were and as they are, and the migrations between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from abaft import App, Me, Model, Settings, allow
from abaft.migrate.project import Options, Project
from scenarios import SECRET_KEY, SYSTEM


def model(name: str, annotations: dict[str, Any], /, **rest: Any) -> type[Model]:
    """A model as it is at some time of its life; `keywords` are those of its class."""
    kind: Any = type(Model)

    def anybody(record: Any, me: Me) -> bool:
        return True

    rule = allow("read", "create", "update", "delete")(anybody)
    keywords = rest.pop("keywords", {})
    body = {"__annotations__": annotations, "__module__": __name__, "anybody": rule, **rest}
    made: type[Model] = kind(name, (Model,), body, **keywords)
    return made


def thing(annotations: dict[str, Any], /, **rest: Any) -> type[Model]:
    return model("Thing", annotations, **rest)


def app_of(url: str, *models: type[Model], mode: Any = "production") -> App:
    return App(*models, settings=Settings(database=url, mode=mode, secret_key=SECRET_KEY), sinks=())


def project_of(url: str, folder: Path, *models: type[Model]) -> Project:
    return Project(app_of(url, *models).pipeline, folder / "migrations")


def quiet(_: str) -> None:
    """What is told is looked at elsewhere."""


async def migrated(
    url: str, folder: Path, *models: type[Model], message: str = "next", **options: Any
) -> list[str]:
    """Brings the database to the models by a file; the changes, in words."""
    project = project_of(url, folder, *models)
    found = await project.difference(Options(**options))
    assert not found.questions, found.questions
    if found.plan.changes:
        project.write(found.plan, message)
        await project.apply(quiet, destructive=True)
    return [change.title for change in found.plan.changes]


async def titles(url: str, folder: Path, *models: type[Model], **options: Any) -> list[str]:
    """What differs, in words."""
    found = await project_of(url, folder, *models).difference(Options(**options))
    return [change.title for change in found.plan.changes]


async def served(url: str, models: Sequence[type[Model]], use: Any) -> Any:
    """What `use` gives of a Db, of the application as production starts it."""
    app = app_of(url, *models)
    await app.start()
    try:
        return await use(app.db(SYSTEM))
    finally:
        await app.stop()
