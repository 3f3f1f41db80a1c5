"""`abaft load`: records out of CSV, NDJSON and JSON, from files and pipes."""

from __future__ import annotations

import asyncio
import gc
import itertools
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from typer.core import TyperCommand

from abaft.app import App
from abaft.base import clock
from abaft.base.errors import nearest
from abaft.cli.console import err, fail
from abaft.cli.load_cells import Reading, find_zone
from abaft.cli.load_columns import Mapped
from abaft.cli.load_job import Choices, Loader, Outcome, Told
from abaft.cli.load_links import read_policies
from abaft.cli.load_open import LoadError, Waiting
from abaft.cli.load_report import report
from abaft.cli.load_source import Source, find_sources
from abaft.cli.target import find, parted
from abaft.model.expr import TRUE
from abaft.model.spec import LIVING, Model

QUIET = 10.0
"""Seconds between two lines of progress where there is no terminal."""
_BEHIND = "abaft.behind"
_OPTIONAL = ("--skip-bad", "--upsert", "--resume")


class WithOptional(TyperCommand):
    """A command some of whose options may be given without a value: `--upsert`, `--upsert=sku`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[_BEHIND] = [
            (option, word)
            for option, word in itertools.pairwise(args)
            if option in _OPTIONAL and not word.startswith("-")
        ]
        return super().parse_args(ctx, [f"{arg}=" if arg in _OPTIONAL else arg for arg in args])


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="[APP] [COLLECTION=]FILE…",
        help="The application, app.py if none is named. CSV, NDJSON or JSON, plain, .gz or .zip; "
        "a folder of such; COLLECTION=- is standard input. A file named like a collection needs "
        "no name.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(metavar="csv|ndjson|json", help="Where neither name nor content tells."),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[COLLECTION.]COLUMN=FIELD", help="A column or member by another name. Repeatable."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="[COLLECTION.]FIELD=VALUE",
        help="The same value for every row. Repeatable.",
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN", help="A column to pass over; '*': all that are no fields. Repeatable."
    ),
]
Null = Annotated[
    list[str] | None,
    typer.Option(metavar="WORD", help="A word that stands for null, like NA. Repeatable."),
]
Zone = Annotated[
    str | None, typer.Option(help="The zone of times that have none, like Europe/Berlin.")
]
Delimiter = Annotated[
    str | None, typer.Option(metavar="CHARACTER", help="Between cells; a tab for .tsv.")
]
Encoding = Annotated[
    str | None, typer.Option(help="UTF-8, or what a byte order mark tells, if not given.")
]
Raw = Annotated[
    bool,
    typer.Option("--raw", help="Keep the apostrophe in front of cells that look like formulas."),
]
MissingRefs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[RELATION=]null|create|reject",
        help="What becomes of a reference that leads nowhere: emptied, a record made of the key "
        "alone, or the row refused (the default).",
    ),
]
SkipBad = Annotated[
    str | None,
    typer.Option(
        "--skip-bad",
        metavar="[=FILE]",
        help="Store what can be; refused rows go to a file, in the input's format, with reasons.",
    ),
]
Upsert = Annotated[
    str | None,
    typer.Option(
        "--upsert",
        metavar="[=FIELD,…]",
        help="Change the records that are there already, by their key or by a unique field.",
    ),
]
Resume = Annotated[
    str | None,
    typer.Option(
        "--resume",
        metavar="[=NAME]",
        help="Store batch by batch and, run again, go on where it ended. Not all or nothing.",
    ),
]


def load(
    ctx: typer.Context,
    files: Files,
    format: Format = None,
    map: Map = None,
    set_: Set = None,
    ignore: Ignore = None,
    null: Null = None,
    zone: Zone = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    raw: Raw = False,
    missing_refs: MissingRefs = None,
    upsert: Upsert = None,
    skip_bad: SkipBad = None,
    resume: Resume = None,
) -> None:
    """Load records from CSV, NDJSON or JSON: all of them, or nothing where a row is refused.

    It stands above the rules, like whoever may run it. Files that others refer to are loaded
    first; each record leaves its change record. Exit code 0: stored (with --skip-bad: but for the
    refused rows); 1: nothing was stored, unless it is told that nobody knows, or with --resume not
    all; 2: the command is wrong.
    """
    target, files = parted(files)
    if not files:
        raise typer.BadParameter("name a file to load, or COLLECTION=FILE")
    found = find(target)
    with _command(ctx):
        delimiter = _delimiter(delimiter)
        _encoding(encoding)
        sources = find_sources(files, found.app.schema, format, delimiter, encoding)
        choices = Choices(
            policy=read_policies(missing_refs or (), found.app.schema),
            reading=Reading(frozenset(null or ()), find_zone(zone), raw),
            mapped=_mapped(_pairs("--map", map), _pairs("--set", set_), ignore or ()),
            skip_bad=skip_bad is not None,
            refused=Path(skip_bad) if skip_bad else None,
            upsert=_keys(upsert, [source.model for source in sources]),
            resume=resume,
        )
    outcomes: list[Outcome] = []
    try:
        asyncio.run(_load(found.app, sources, choices, outcomes))
    except (KeyboardInterrupt, asyncio.CancelledError):
        fail_interrupted(resume is not None)
    if any(outcome.failure for outcome in outcomes):
        raise typer.Exit(1)


@contextmanager
def _command(ctx: typer.Context) -> Iterator[None]:
    """What is wrong before a row is read is wrong with the command; exit code 2."""
    try:
        yield
    except LoadError as error:
        fail(str(error), _meant(ctx, str(error)), code=2)


def _meant(ctx: typer.Context, message: str) -> str:
    """What to write where the value of an option was taken for a file to load."""
    behind: list[tuple[str, str]] = ctx.meta[_BEHIND]
    return "; ".join(
        f"if {word} is meant for {option}, write {option}={word}"
        for option, word in behind
        if word in message
    )


def fail_interrupted(resumable: bool) -> None:
    """Says what an interrupted load leaves behind; the exit code is that of SIGINT."""
    kept = "run the same command to go on" if resumable else "nothing was stored"
    err.print(f"[bold red]✗[/] interrupted: {kept}")
    raise typer.Exit(130)


def _delimiter(written: str | None) -> str | None:
    delimiter = {"\\t": "\t", "tab": "\t"}.get(written or "", written)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise LoadError(f"--delimiter {written!r}: write one character, or tab")
    return delimiter


def _encoding(name: str | None) -> None:
    try:
        "".encode(name or "utf-8")
    except LookupError:
        raise LoadError(f"--encoding {name}: write one like utf-8, latin-1 or cp1252") from None


def _pairs(option: str, written: Iterable[str] | None) -> dict[str, str]:
    pairs = {}
    for text in written or ():
        split = text.rpartition if option == "--map" else text.partition
        old, equals, new = split("=")
        if not equals or not old:
            wanted = "COLUMN=FIELD" if option == "--map" else "FIELD=VALUE"
            raise LoadError(f"{option} {text}: write {wanted}")
        pairs[old] = new
    return pairs


def _mapped(
    renames: Mapping[str, str], constants: Mapping[str, str], ignored: Iterable[str]
) -> Callable[[Source], Mapped]:
    passed = frozenset(ignored)
    return lambda source: Mapped(_own(source, renames), passed, _own(source, constants))


def _own(source: Source, pairs: Mapping[str, str]) -> dict[str, str]:
    """Those that are for this file: all but those that name another's collection."""
    own = {}
    for old, new in pairs.items():
        collection, dot, name = old.partition(".")
        if not dot:
            own[old] = new
        elif collection == source.name:
            own[name] = new
    return own


def _keys(written: str | None, models: list[Model]) -> Callable[[Model], tuple[str, ...] | None]:
    """The fields by which each model's stored records are known."""
    if written is None:
        return lambda model: None
    fields = tuple(name.strip() for name in written.split(",")) if written else ()
    if fields:
        for model in models:
            _check_key(model, fields)
    return lambda model: fields or model.key


def _check_key(model: Model, fields: tuple[str, ...]) -> None:
    known = [model.key, *(row.fields for row in model.unique_sets() if row.where in (TRUE, LIVING))]
    for name in fields:
        if name not in model.fields:
            hint = nearest(name, model.fields)
            raise LoadError(
                f"--upsert={','.join(fields)}: {model.name} has no field {name!r}: {hint}"
            )
    if not any(set(fields) == set(key) for key in known):
        choices = "; ".join(dict.fromkeys(",".join(key) for key in known))
        raise LoadError(
            f"--upsert={','.join(fields)}: {model.name} may have several records with the same "
            f"{' and '.join(fields)}. What tells one: {choices}"
        )


async def _load(app: App, sources: list[Source], choices: Choices, outcomes: list[Outcome]) -> None:
    task = asyncio.current_task()
    signal.signal(signal.SIGINT, lambda *_: _interrupt(task))
    # Millions of values come and go in no circles: looking for some costs a tenth of the time.
    gc.disable()
    await app.start()
    try:
        with tempfile.TemporaryDirectory(prefix="abaft-load-") as folder, _progress() as told:
            sources = [_rereadable(source, Path(folder)) for source in sources]
            outcomes += await Loader(app.pipeline, sources, choices, told).run()
    finally:
        gc.enable()
        await app.stop()
    for outcome in outcomes:
        report(outcome)


def _interrupt(task: asyncio.Task[None] | None) -> None:
    """Ends the load where it can be undone: at its next wait for the database.

    A pipe that says nothing holds the loop, so there it is ended at once. Anywhere else an error
    out of nowhere could hit asyncio itself, which then never learns that a step is done.
    """
    if Waiting.now:
        raise KeyboardInterrupt
    if task is not None:
        task.get_loop().call_soon_threadsafe(task.cancel)


def _rereadable(source: Source, folder: Path) -> Source:
    """A source whose records refer to each other is read twice."""
    model = source.model
    targets = [one.target for one in model.one.values()]
    targets += [many.target for many in model.many.values() if many.writable]
    return source.kept(folder) if model.name in targets else source


@contextmanager
def _progress() -> Any:
    """A bar for each file on a terminal, a line now and then elsewhere."""
    if not err.is_terminal:
        yield _lines()
        return
    columns = BarColumn(), TextColumn("{task.fields[rows]}"), TimeElapsedColumn()
    with Progress(
        TextColumn("{task.description:12}"), *columns, console=err, transient=True
    ) as bars:
        tasks: dict[str, Any] = {}

        def told(source: Source, position: int, size: int, rows: int) -> None:
            if source.file not in tasks:
                tasks[source.file] = bars.add_task(source.name, total=None, rows="")
            shown = f"{rows:,} rows"
            bars.update(tasks[source.file], completed=position, total=size or None, rows=shown)

        yield told


def _lines() -> Told:
    last = clock.monotonic()

    def told(source: Source, position: int, size: int, rows: int) -> None:
        nonlocal last
        if clock.monotonic() - last > QUIET:
            last = clock.monotonic()
            part = f" ({position / size:.0%})" if size else ""
            err.print(f"  {source.name}: {rows:,} rows{part}")

    return told
