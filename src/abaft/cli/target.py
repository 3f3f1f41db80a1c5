"""The application that a command is about: `app.py`, `app.py:name`, `app:app` or a module."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from abaft.app import App
from abaft.base import settings
from abaft.base.errors import SetupError, nearest

USUAL = "app.py"
Application = Annotated[
    str,
    typer.Argument(
        metavar="APP",
        help="The application: [cyan]app.py[/] or [cyan]app:app[/].",
        show_default=True,
    ),
]


class NoApp(SetupError):
    """What was named is no application."""


@dataclass(frozen=True, slots=True)
class Target:
    """An application's place: `folder` goes on the import path."""

    folder: Path
    module: str
    attribute: str | None
    written: str

    @property
    def file(self) -> Path:
        return self.folder.joinpath(*self.module.split(".")).with_suffix(".py")


@dataclass(frozen=True, slots=True)
class Found:
    """An application that was imported; `name` is how uvicorn spells it."""

    app: App
    name: str
    folder: Path


def parse(written: str) -> Target:
    """What the words name, without looking whether it is there."""
    place, colon, attribute = written.rpartition(":")
    if not colon or not attribute.isidentifier():
        place, attribute = written, ""
    if place.endswith(".py") or "/" in place:
        path = Path(place).resolve()
        path = path if path.suffix == ".py" else path.with_suffix(".py")
        parts = [path.stem]
        folder = path.parent
        while (folder / "__init__.py").exists():
            parts.insert(0, folder.name)
            folder = folder.parent
        return Target(folder, ".".join(parts), attribute or None, written)
    return Target(Path.cwd(), place, attribute or None, written)


def parted(words: Sequence[str], most: int | None = None) -> tuple[str, list[str]]:
    """The application that the words begin with, app.py where none is named, and the rest.

    More than `most` words begin with one however it is spelled; with None the rest are files.
    """
    more = most is not None and len(words) > most
    named = bool(words) and (more or _is_named(words[0], files=most is None))
    return (words[0], [*words[1:]]) if named else (USUAL, [*words])


def _is_named(word: str, files: bool) -> bool:
    """Whether a word can only be an application, among collections or among files."""
    place, colon, attribute = word.rpartition(":")
    if "=" in word or Path(word).is_dir():
        return False
    if word.endswith(".py") or (colon and place and attribute.isidentifier()):
        return True
    return (files or os.sep in word) and not Path(word).exists() and parse(word).file.is_file()


def find(written: str) -> Found:
    """Imports the application, with the `.env` beside it read first.

    Raises NoApp, saying what to write, where there is none.
    """
    target = parse(written)
    _read_env(target)
    if str(target.folder) not in sys.path:
        sys.path.insert(0, str(target.folder))
    try:
        module = importlib.import_module(target.module)
    except ModuleNotFoundError as error:
        if error.name and (target.module + ".").startswith(error.name + "."):
            raise _missing(target) from None
        raise
    here = {name: value for name, value in vars(module).items() if isinstance(value, App)}
    name = target.attribute or ("app" if "app" in here or len(here) != 1 else next(iter(here)))
    if name not in here:
        raise _no_such(target, name, getattr(module, name, None), list(here))
    return Found(here[name], f"{target.module}:{name}", target.folder)


def _read_env(target: Target) -> None:
    for folder in (target.file.parent, Path.cwd()):
        path = folder / ".env"
        if path.is_file():
            settings.read_env_file(path)
            return


def _missing(target: Target) -> NoApp:
    folder = target.folder if target.folder != Path.cwd() else "this folder"
    return NoApp(
        f"there is no {target.file.name} in {folder}: name your application's file or module, "
        "like `abaft dev app.py` or `abaft dev app:app`; `abaft new NAME` makes one"
    )


def _no_such(target: Target, name: str, value: object, there: list[str]) -> NoApp:
    if value is not None:
        kind = type(value).__name__
        return NoApp(f"`{name}` in {target.file.name} is a {kind}: make it by `App(…)` of abaft")
    if there:
        return NoApp(
            f"{target.file.name} has no `{name}`: {nearest(name, there)} "
            f"Write {target.written.partition(':')[0]}:{there[0]}"
        )
    return NoApp(f"{target.file.name} makes no App: write `app = App(…)` in it")
