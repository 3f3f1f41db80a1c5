"""`abaft migrate`: the database follows the models, by files that are looked over."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from abaft.cli.console import done, note, out
from abaft.cli.target import USUAL, Application, find
from abaft.migrate.files import FOLDER, MigrationError, sealed
from abaft.migrate.plan import Plan
from abaft.migrate.project import Difference, From, Options, Project
from abaft.migrate.renames import Question

BEHIND, WRONG = 3, 4
"""Exit codes for CI: something is yet to be done; files and database don't agree."""

migrate = typer.Typer(
    help="Bring a database up to the models, by files that are looked over.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
Folder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where the files are; `migrations` beside the application."),
]
Message = Annotated[
    str, typer.Option("--message", "-m", metavar="TEXT", help="What changes, in a few words.")
]
Rename = Annotated[
    list[str] | None,
    typer.Option(metavar="OLD=NEW", help="A table, or TABLE.OLD=NEW, has another name now."),
]
Dropped = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A table, or TABLE.COLUMN, is gone for good."),
]
Check = Annotated[bool, typer.Option(help="Write nothing; exit code 3 where something differs.")]
Compared = Annotated[
    From,
    typer.Option(
        "--from",
        help="What the models are compared with: the database as it is, or what the files make "
        "of an empty one.",
    ),
]
Empty = Annotated[bool, typer.Option(help="A file without steps, for a data step of your own.")]
Online = Annotated[bool, typer.Option(help="In the forms that hold up others as little as can be.")]
Destructive = Annotated[
    bool, typer.Option("--allow-destructive", help="Also where data may be lost.")
]


def project(app: str, folder: Path | None) -> Project:
    """The application's migrations."""
    found = find(app)
    return Project(found.app.pipeline, folder or found.folder / FOLDER)


@migrate.command()
def diff(
    app: Application = USUAL,
    message: Message = "",
    rename: Rename = None,
    dropped: Dropped = None,
    check: Check = False,
    source: Compared = "auto",
    empty: Empty = False,
    online: Online = True,
    folder: Folder = None,
) -> None:
    """Write a migration for what differs between the models and the database.

    Like: abaft migrate diff app.py -m "Posts have a rank". Nothing is changed in the database.
    """
    here = project(app, folder)
    if empty:
        _written(here, Plan(), message)
        return
    options = Options(tuple(rename or ()), tuple(dropped or ()), source, online)
    found = asyncio.run(here.difference(options))
    if check:
        _show(found.plan)
        raise typer.Exit(BEHIND if found.plan.changes else 0)
    if not found.plan.changes and source == "auto" and not here.files():
        # What development made is written down for others, who begin with nothing.
        options = replace(options, source="files")
        found = asyncio.run(here.difference(options))
    if on_terminal():
        found = _asked(here, options, found)
    _show(found.plan)
    if found.questions:
        raise MigrationError("; ".join(question.text for question in found.questions))
    if found.plan.changes:
        _write(here, found, message)
    else:
        compared = "the files make" if found.source == "files" else "the database has"
        done(f"no differences: the models are what {compared}")


def _write(here: Project, found: Difference, message: str) -> None:
    """Writes the file; in development the database may be as it says already."""
    _written(here, found.plan, message)
    if found.source == "files" and not here.pipeline.settings.production:
        noted = asyncio.run(here.note_if_so())
        if noted:
            done(f"the database is so already: {', '.join(noted)} noted as applied")


def on_terminal() -> bool:
    """Whether a person is there to be asked."""
    return sys.stdin.isatty()


def _show(plan: Plan) -> None:
    if plan.unknown:
        note(f"tables of no model are left as they are: {', '.join(plan.unknown)}")
    for change in plan.changes:
        out.print(change.title, markup=False, soft_wrap=True)
    sys.stdout.flush()
    for step in plan.up:
        if step.destructive:
            note(f"may lose data: {step.destructive}")
    for warning in plan.warnings:
        note(warning)


def _asked(here: Project, options: Options, found: Difference) -> Difference:
    """The difference once a person has said what is a rename."""
    while found.questions:
        question = found.questions[0]
        answer = _answer(question)
        if answer is None:
            options = replace(options, dropped=(*options.dropped, question.gone))
        else:
            options = replace(options, rename=(*options.rename, f"{question.gone}={answer}"))
        found = asyncio.run(here.difference(options))
    return found


def _answer(question: Question) -> str | None:
    for name in question.come:
        if typer.confirm(f"Is {name} what was {question.gone}?", err=True):
            return name
    return None


def _written(here: Project, plan: Plan, message: str) -> None:
    if not message:
        raise MigrationError('say what changes: -m "Posts have a rank"')
    path = here.write(plan, message)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    done(f"{shown} is written: look it over, then `abaft migrate apply`")


@migrate.command()
def apply(
    app: Application = USUAL,
    to: Annotated[
        str | None, typer.Option(metavar="REVISION", help="Up to this one, and no further.")
    ] = None,
    allow_destructive: Destructive = False,
    note_only: Annotated[
        bool,
        typer.Option(help="Only note them as applied: the database is as the models say already."),
    ] = False,
    folder: Folder = None,
) -> None:
    """Run the migrations that wait, in order, each whole or not at all."""
    here = project(app, folder)
    if note_only:
        noted = asyncio.run(here.note())
        done(f"noted as applied: {', '.join(noted) or 'none, for none waits'}")
        return
    applied = asyncio.run(here.apply(done, to, allow_destructive))
    if not applied:
        done("no migration waits")


@migrate.command()
def rollback(
    app: Application = USUAL,
    to: Annotated[
        str | None,
        typer.Option(metavar="REVISION", help="What came after this one; `base`: all of them."),
    ] = None,
    allow_destructive: Destructive = False,
    folder: Folder = None,
) -> None:
    """Undo the last migration, or all after a revision."""
    undone = asyncio.run(project(app, folder).roll_back(done, to, allow_destructive))
    if not undone:
        done("nothing is applied that would be undone")


@migrate.command()
def status(app: Application = USUAL, folder: Folder = None) -> None:
    """Show which migrations are applied, pending, missing or edited.

    The exit code is 0 where all are applied, 3 where some wait, and 4 where files and database
    don't agree.
    """
    here = project(app, folder)
    found = asyncio.run(here.status())
    for row in found.states:
        said = " ".join(part for part in (row.state, row.at, row.detail) if part)
        out.print(f"{row.revision}  {said}", markup=False, soft_wrap=True)
    sys.stdout.flush()
    if not found.states:
        note(f"there are no migrations in {here.folder}: `abaft migrate diff` writes them")
    if found.changed:
        note("the tables have been changed since by something else than these files")
    if found.of("missing", "edited"):
        raise typer.Exit(WRONG)
    if found.of("pending", "unsealed", "stopped"):
        raise typer.Exit(BEHIND)


@migrate.command()
def seal(files: Annotated[list[Path], typer.Argument(metavar="FILE…")]) -> None:
    """Write the checksum of migrations anew, after a change of your own."""
    for path in _there(files):
        path.write_text(sealed(path.read_text("utf-8")), "utf-8")
        done(f"{path} has its checksum")


def _there(files: Sequence[Path]) -> list[Path]:
    """The files by their paths, or by their revisions in `migrations`."""
    found, faults = [], []
    for path in files:
        inside = Path(FOLDER) / f"{path.name.removesuffix('.py')}.py"
        if path.is_file() or inside.is_file():
            found.append(path if path.is_file() else inside)
        else:
            faults.append(f"there is no file {path}")
    if faults:
        raise MigrationError("; ".join(faults))
    return found
