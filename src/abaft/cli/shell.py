"""`abaft shell`: Python with the application at hand, and `await` at the prompt."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from abaft.app import App
from abaft.base.actor import SYSTEM, Actor
from abaft.base.version import __version__
from abaft.cli.console import note
from abaft.cli.shell_console import Console
from abaft.cli.target import USUAL, Application, find
from abaft.db import Database
from abaft.model.declare import Model

Code = Annotated[
    str | None, typer.Option("--command", "-c", metavar="CODE", help="Run this, and leave.")
]
Plain = Annotated[bool, typer.Option("--plain", help="Python's own prompt, also beside IPython.")]


def shell(app: Application = USUAL, command: Code = None, plain: Plain = False) -> None:
    """Open Python with the models, `db` and `app` ready, and `await` at the prompt.

    `db` stands above all rules; `me_as(user, "editor")` is the data as that user may see it.
    IPython is used where it is installed.
    """
    found = find(app).app
    with asyncio.Runner() as runner, _started(found, runner):
        console = Console(names(found), runner)
        if command is not None:
            raise typer.Exit(console.run(command))
        if not sys.stdin.isatty():
            raise typer.Exit(console.run(sys.stdin.read()))
        if plain or not _ipython(found, runner):
            console.interact(banner(found), exitmsg="")


@contextmanager
def _started(app: App, runner: asyncio.Runner) -> Iterator[None]:
    runner.run(app.start())
    try:
        yield
    finally:
        runner.run(app.stop())


def names(app: App) -> dict[str, Any]:
    """What the shell knows from the start."""

    def me_as(user: Model | str | None = None, *roles: str) -> Database:
        """The data under the rules, as this user: a record, its key, or None for nobody."""
        key = user.__key__[0] if isinstance(user, Model) else user
        return app.db(Actor(None if key is None else str(key), frozenset(roles)))

    models = {name: model.cls for name, model in app.schema.models.items() if model.cls is not None}
    return {**models, "app": app, "db": app.db(SYSTEM), "me_as": me_as, "__name__": "__console__"}


def banner(app: App) -> str:
    """What the shell says first."""
    models = ", ".join(model.name for model in app.schema.collections.values())
    return (
        f"abaft {__version__} on {app.store.capabilities.name}: {models}\n"
        "`db` stands above the rules, `me_as(user)` keeps them: "
        'await db.list(Model, "field > 3")'
    )


def _ipython(app: App, runner: asyncio.Runner) -> bool:
    """Whether IPython was there, and has been left again."""
    try:
        from IPython.terminal.interactiveshell import TerminalInteractiveShell
    except ImportError:
        note("IPython isn't installed, so this is Python's own prompt: pip install 'abaft[shell]'")
        return False
    make: Any = TerminalInteractiveShell.instance
    ipython = make(user_ns=names(app), banner1=banner(app) + "\n")
    ipython.loop_runner = runner.run
    ipython.show_banner()
    ipython.mainloop()
    return True
