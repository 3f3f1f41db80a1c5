"""`abaft copy`: all records from one database to another, of whatever engines."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from abaft.app import App
from abaft.base import clock
from abaft.cli.console import done, err, fail, note
from abaft.cli.copy_ends import CopyError, End, check, make_end, opened, place, shown
from abaft.cli.copy_job import Copy, Outcome, Told
from abaft.cli.copy_state import Notes
from abaft.cli.copy_verify import NAMED, Compared, Comparing, checksum
from abaft.cli.copy_write import Refused
from abaft.cli.target import find, parted

QUIET = 10.0
"""Seconds between two lines of progress where there is no terminal."""

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="[APP] FROM TO",
        help="The application, app.py if none is named; the URL of the database to copy from, and "
        "that of the one to fill: [cyan]sqlite:///FILE[/], [cyan]postgresql://…[/], "
        "[cyan]mysql://…[/] or [cyan]mongodb://…[/]",
    ),
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Copy nothing: only hold the two against each other.")
]


def copy(words: Words, verify: Verify = False) -> None:
    """Copy all records of the models from one database to another, and prove that they are there.

    What the models lack there is made; records there must be none, but those of a copy that was
    ended, which goes on by the same command. Exit code 0: both have the same; 1: they differ, or
    it didn't come to its end; 2: the command is wrong, and nothing was copied.
    """
    target, urls = parted(words, 2)
    if len(urls) != 2:
        raise typer.BadParameter("name the database to copy from and the one to fill")
    try:
        check(urls[0], urls[1], verify)
        app = find(target).app
        ends = [make_end(app, url) for url in urls]
        same = asyncio.run(_copy(app, ends[0], ends[1], verify))
    except CopyError as error:
        fail(str(error), code=2)
    except Refused as error:
        fail(f"stopped, for {shown(urls[1])} doesn't take a record: {error}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        kept = "" if verify else ": run the same command to go on"
        err.print(f"[bold red]✗[/] interrupted{kept}")
        raise typer.Exit(130) from None
    if not same:
        raise typer.Exit(1)


async def _copy(app: App, source: End, target: End, verify: bool) -> bool:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    before = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(task.cancel))  # type: ignore[union-attr]
    # Millions of values come and go in no circles: looking for some costs a tenth of the time.
    gc.disable()
    try:
        async with opened(source, make=False), opened(target, make=not verify):
            _tell_limits(app, target)
            with _progress() as told:
                begun = clock.monotonic()
                if verify:
                    outcome = await _verify(source, target, told)
                else:
                    outcome = await Copy(source, target, told).run()
                seconds = clock.monotonic() - begun
    finally:
        gc.enable()
        signal.signal(signal.SIGINT, before)
    return _report(source, target, outcome, seconds, verify)


async def _verify(source: End, target: End, told: Told) -> Outcome:
    """Holds them against each other; what came to the source since it was copied is set aside."""
    notes = Notes(target.store)
    state = await notes.state()
    copied = state is not None and state.source == place(source.url)
    since = (await notes.told()).position if copied else None
    comparing = Comparing(source, target, lambda name, count: told(name, count, 0))
    async with source.store.snapshot() as rows:
        return Outcome(compared=await comparing.run(rows, since))


def _tell_limits(app: App, target: End) -> None:
    for limit in getattr(target.store, "limits", ()):
        note(limit)
    passed = [model.collection for model in app.schema.models.values() if model.read_only]
    if passed:
        note(f"left out, for they are only read: {', '.join(passed)}")


def _report(source: End, target: End, outcome: Outcome, seconds: float, verify: bool) -> bool:
    differing = [row for row in outcome.compared if not row.same]
    for row in outcome.compared:
        _tell(row)
    total = sum(row.counts[0] for row in outcome.compared if not row.versions)
    meanwhile = sum(row.meanwhile for row in outcome.compared)
    if meanwhile:
        note(
            f"{meanwhile:,} records or versions not compared, for {source.shown} has changed them "
            "since it was copied: they come with the next run"
        )
    if verify and meanwhile and not differing:
        err.print(f"[bold red]✗[/] {escape(target.shown)} is behind {escape(source.shown)}")
        return False
    if differing:
        err.print(
            f"[bold red]✗[/] {escape(source.shown)} and {escape(target.shown)} differ in "
            f"{', '.join(row.name for row in differing)}",
            soft_wrap=True,
        )
        return False
    rate = f", {outcome.stored / seconds:,.0f} rows/s" if outcome.stored and seconds > 0.1 else ""
    what = f"{total:,} records are the same in both"
    if not verify:
        of = f" of {total:,}" if outcome.stored != total else ""
        what = f"{outcome.stored:,}{of} records copied, all the same in both"
    done(f"{what}  {seconds:.1f} s{rate}")
    if outcome.changes:
        err.print(f"  [dim]with {outcome.changes:,} changes that were made meanwhile[/]")
    err.print(f"  sha256 {checksum(outcome.compared)}", soft_wrap=True)
    return True


def _tell(row: Compared) -> None:
    if row.same:
        besides = f"  {row.meanwhile:,} of them not compared" if row.meanwhile else ""
        err.print(
            f"  {row.name}  {row.counts[0]:,}  [dim]sha256 {row.digests[0][:16]}…[/]{besides}"
        )
        return
    err.print(
        f"  [red]{row.name}[/]  {row.counts[0]:,} and {row.counts[1]:,}; sha256 "
        f"{row.digests[0][:16]}… and {row.digests[1][:16]}…"
    )
    for what, keys in (
        ("different", row.changed),
        ("missing", row.lacking),
        ("too many", row.more),
    ):
        if keys:
            more = ", …" if len(keys) > NAMED else ""
            err.print(f"    {what}: {escape(', '.join(keys[:NAMED]))}{more}", soft_wrap=True)


@contextmanager
def _progress() -> Iterator[Told]:
    """A bar for each model on a terminal, a line now and then elsewhere."""
    if not err.is_terminal:
        yield _lines()
        return
    columns = BarColumn(), TextColumn("{task.fields[rows]}"), TimeElapsedColumn()
    with Progress(
        TextColumn("{task.description:14}"), *columns, console=err, transient=True
    ) as bars:
        tasks: dict[str, Any] = {}

        def told(name: str, count: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=None, rows="")
            of = f" of {total:,}" if total else ""
            bars.update(tasks[name], completed=count, total=total or None, rows=f"{count:,}{of}")

        yield told


def _lines() -> Told:
    last = clock.monotonic()

    def told(name: str, count: int, total: int) -> None:
        nonlocal last
        if clock.monotonic() - last > QUIET:
            last = clock.monotonic()
            part = f" of {total:,} ({count / total:.0%})" if total else ""
            err.print(f"  {name}: {count:,}{part}")

    return told
