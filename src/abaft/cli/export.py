"""`abaft export`: records as CSV, NDJSON or JSON, which `abaft load` reads back."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from abaft.app import App
from abaft.base import clock
from abaft.base.errors import SetupError, nearest
from abaft.cli.console import err, note
from abaft.cli.export_read import Asked, wanted
from abaft.cli.export_write import format_of, write_all, write_file
from abaft.cli.load_rows import FORMATS, Format
from abaft.cli.load_source import find_model
from abaft.cli.target import find, parted
from abaft.model.spec import Model, Schema
from abaft.pipeline import Pipeline

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[APP] [COLLECTION]",
        help="The application, app.py if none is named; the collection or model.",
    ),
]
FormatName = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="csv|ndjson|json", help="By the file's name; ndjson if nothing tells."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Standard output if none; .gz is packed."),
]
All = Annotated[
    Path | None,
    typer.Option(
        "--all", metavar="FOLDER", help="Every collection, a file each, all of one moment."
    ),
]
Where = Annotated[
    str | None,
    typer.Option(metavar="CONDITION", help='In the filter language: "age >= 18 and not gone".'),
]
Filter = Annotated[
    list[str] | None,
    typer.Option(metavar="FIELD[OP]=VALUE", help="As in a URL: 'age[ge]=18'. Repeatable."),
]
Fields = Annotated[str | None, typer.Option(metavar="FIELD,…", help="These alone.")]
Expand = Annotated[
    str | None, typer.Option(metavar="RELATION,…", help="Whole records in the place of keys.")
]
Sort = Annotated[
    str | None, typer.Option(metavar="FIELD,-FIELD,…", help="By the key if not given.")
]
Limit = Annotated[int | None, typer.Option(min=0, help="At most as many records.")]
Raw = Annotated[
    bool,
    typer.Option("--raw", help="CSV without the apostrophe before cells that look like formulas."),
]
Hidden = Annotated[
    bool, typer.Option("--hidden", help="Hidden fields too, such as passwords' hashes.")
]
Deleted = Annotated[
    bool, typer.Option("--deleted", help="Records too that were softly deleted; --all has them.")
]


def export(
    words: Words = None,
    format: FormatName = None,
    output: Output = None,
    all_: All = None,
    where: Where = None,
    filter: Filter = None,
    fields: Fields = None,
    expand: Expand = None,
    sort: Sort = None,
    limit: Limit = None,
    raw: Raw = False,
    hidden: Hidden = False,
    deleted: Deleted = False,
) -> None:
    """Export records as CSV, NDJSON or JSON, in bounded memory; `abaft load` reads them back.

    It stands above the rules, like whoever may run it. Cells of CSV that a spreadsheet would take
    for a formula get an apostrophe in front, which `abaft load` takes away again.
    """
    chosen = _format(format, output)
    asked = Asked(
        where=where,
        filters=tuple(filter or ()),
        fields=_names(fields),
        expand=_names(expand) or (),
        sort=_names(sort) or (),
        limit=limit,
        hidden=hidden,
        deleted=deleted,
    )
    target, rest = parted(words or (), 1 if all_ is None else 0)
    if len(rest) != (1 if all_ is None else 0):
        raise SetupError("name one collection, or a folder for everything: --all FOLDER")
    if all_ is not None and (asked != Asked(hidden=hidden) or output is not None):
        raise SetupError("--all goes with --format, --raw and --hidden alone")
    found = find(target).app
    try:
        if all_ is not None:
            asyncio.run(_export_all(found, all_, chosen, raw, hidden))
        else:
            model = _model(rest[0], found.schema)
            asyncio.run(_export(found, model, asked, chosen, output, raw))
    except KeyboardInterrupt:
        err.print("[bold red]✗[/] interrupted: nothing was written")
        raise typer.Exit(130) from None
    except BrokenPipeError:
        # Whoever read has enough; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None


def _format(written: str | None, output: Path | None) -> Format:
    if written is None:
        return format_of(output) or "ndjson"
    for name in FORMATS:
        if written == name:
            return name
    raise SetupError(f"--format {written}: {nearest(written, FORMATS)}")


def _names(written: str | None) -> tuple[str, ...] | None:
    return None if written is None else tuple(name.strip() for name in written.split(","))


def _model(name: str, schema: Schema) -> Model:
    model = find_model(name, schema)
    if model is None:
        known = nearest(name, schema.collections)
        raise SetupError(f"there is no collection {name!r}: {known}")
    return model


def _unlimited(app: App) -> Pipeline:
    """A driver with the limits of a file, not of a request: what was asked for is whole."""
    settings = replace(
        app.settings_,
        max_expand_items=2**31,
        max_expand_depth=16,
        max_expand_records=2**1000,
        max_in_values=10**6,
    )
    return Pipeline(app.schema, settings, app.store, app.observer)


async def _export(
    app: App, model: Model, asked: Asked, format: Format, output: Path | None, raw: bool
) -> None:
    begun = clock.monotonic()
    await app.start()
    try:
        # Statements are made for the server that is there.
        reading = wanted(_unlimited(app), model, asked)
        async with app.store.snapshot() as rows:
            with _progress(output is not None) as told:
                count = await write_file(reading, rows, output, format, raw, told)
    finally:
        await app.stop()
    if output is not None:
        _done(f"{model.collection}  {count:,} records in {output}", begun)
    _left_out([model] if not asked.hidden and asked.fields is None else [])


async def _export_all(app: App, folder: Path, format: Format, raw: bool, hidden: bool) -> None:
    begun = clock.monotonic()
    pipeline = _unlimited(app)
    models = [model for model in app.schema.collections.values() if not model.read_only]
    await app.start()
    try:
        every = Asked(hidden=hidden, deleted=True)
        readings = [wanted(pipeline, model, every) for model in models]
        async with app.store.snapshot() as rows:
            with _progress(True) as told:
                counts = await write_all(readings, rows, folder, format, raw, told)
    finally:
        await app.stop()
    for name, count in counts.items():
        err.print(f"  {name}  {count:,} records")
    _done(f"{sum(counts.values()):,} records in {folder}", begun)
    _left_out([] if hidden else models)


def _done(text: str, begun: float) -> None:
    seconds = clock.monotonic() - begun
    err.print(f"[green]✓[/] {text}  [dim]{seconds:.1f} s[/]", soft_wrap=True)


def _left_out(models: Iterable[Model]) -> None:
    hidden = [
        f"{model.collection}.{field.name}"
        for model in models
        for field in model.fields.values()
        if field.hidden
    ]
    if hidden:
        note(f"left out, for they are hidden: {', '.join(hidden)}; --hidden has them written")


@contextmanager
def _progress(shown: bool) -> Any:
    """Counts records on a terminal; elsewhere nothing is said before the end."""
    if not (shown and err.is_terminal):
        yield _silent
        return
    columns = TextColumn("{task.description:12}"), TextColumn("{task.completed:,.0f} records")
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def told(name: str, count: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=None)
            bars.update(tasks[name], completed=count)

        yield told


def _silent(name: str, count: int) -> None:
    """Says nothing."""
