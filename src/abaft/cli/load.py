"""`abaft load`: records out of CSV files."""

from __future__ import annotations

import asyncio
import csv
import gc
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from abaft.app import App
from abaft.cli.console import err
from abaft.cli.load_job import Choices, Outcome, load_file
from abaft.cli.load_links import read_policies
from abaft.cli.load_report import report
from abaft.cli.load_source import LoadError, Source, find_sources
from abaft.cli.target import find

Application = Annotated[str, typer.Argument(metavar="APP", help="The application, like app.py.")]
Files = Annotated[
    list[str],
    typer.Argument(
        metavar="[COLLECTION=]FILE",
        help="CSV files, plain, .zip or .gz; a file named like a collection needs no name.",
    ),
]
Null = Annotated[
    list[str] | None, typer.Option(metavar="WORD", help="A word that stands for null, like NA.")
]
MissingRefs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[RELATION=]null|create|reject",
        help="What becomes of a reference that leads nowhere: emptied, a record made of the key "
        "alone, or the row rejected (the default).",
    ),
]
Rename = Annotated[
    list[str] | None,
    typer.Option(metavar="[COLLECTION.]COLUMN=FIELD", help="A column by another name."),
]
Partial = Annotated[
    bool, typer.Option(help="Load the rows that can be, not a whole file or nothing.")
]
Rejects = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Where to write rejected rows, as CSV.")
]
Delimiter = Annotated[
    str | None, typer.Option(metavar="CHARACTER", help="Between cells; a tab for .tsv.")
]


def load(
    app: Application,
    files: Files,
    null: Null = None,
    missing_refs: MissingRefs = None,
    rename: Rename = None,
    partial: Partial = False,
    rejects: Rejects = None,
    delimiter: Delimiter = None,
) -> None:
    """Load records from CSV files, each whole or not at all, above the rules.

    Files that others refer to are loaded first. Each record leaves its change record.
    """
    found = find(app)
    sources = find_sources(files, found.app.schema)
    if delimiter is not None and len(delimiter) != 1:
        raise LoadError(f"--delimiter {delimiter!r}: write one character")
    with ExitStack() as stack:
        choices = Choices(
            policy=read_policies(missing_refs or (), found.app.schema),
            rejects=stack.enter_context(_rejects(rejects)),
            nulls=frozenset(null or ()),
            renames=_renames(rename or []),
            partial=partial,
            delimiter=delimiter,
        )
        outcomes = asyncio.run(_load_all(found.app, sources, choices))
    if rejects is not None and any(outcome.rejected for outcome in outcomes):
        err.print(f"  the rejected rows are in {rejects}", soft_wrap=True)
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(1)


def _renames(written: list[str]) -> dict[str, str]:
    renames = {}
    for text in written:
        old, equals, new = text.partition("=")
        if not equals or not old:
            raise LoadError(f"--rename {text}: write COLUMN=FIELD")
        renames[old] = new
    return renames


async def _load_all(app: App, sources: list[Source], choices: Choices) -> list[Outcome]:
    """The files' outcomes, up to the first that failed."""
    # Millions of values come and go in no circles: looking for some costs a tenth of the time.
    gc.disable()
    outcomes: list[Outcome] = []
    await app.start()
    try:
        with _progress() as progress:
            for source in sources:
                task = progress.add_task(source.name, total=None, rows="")
                outcome = await load_file(app.pipeline, source, choices, _teller(progress, task))
                progress.remove_task(task)
                report(outcome)
                outcomes.append(outcome)
                if outcome.failed:
                    break
    finally:
        await app.stop()
    return outcomes


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:12}"),
        BarColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    )


def _teller(progress: Progress, task: Any) -> Callable[[int, int, int], None]:
    def told(position: int, size: int, rows: int) -> None:
        progress.update(task, completed=position, total=size or None, rows=f"{rows:,} rows")

    return told


@contextmanager
def _rejects(path: Path | None) -> Any:
    """Writes rejected rows as CSV: file, line, reason, then the row's cells."""
    opened: list[IO[str]] = []
    writer: Any = None

    def reject(source: Source, line: int, reason: str, cells: list[str]) -> None:
        nonlocal writer
        if path is None:
            return
        if writer is None:
            opened.append(path.open("w", encoding="utf-8", errors="replace", newline=""))
            writer = csv.writer(opened[0])
            writer.writerow(["file", "line", "reason", "row"])
        writer.writerow([source.path.name, line, reason, *cells])

    try:
        yield reject
    finally:
        for file in opened:
            file.close()
