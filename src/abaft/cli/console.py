"""What the commands say: results on stdout, all else on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from abaft.base.errors import Fault, SetupError
from abaft.store.base import StoreError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def fail(message: str, hint: str = "", code: int = 1) -> NoReturn:
    """Says what is wrong and what to do about it, and leaves."""
    err.print(f"[bold red]✗[/] {escape(message)}", soft_wrap=True)
    if hint:
        err.print(f"  {escape(hint)}", style="cyan", soft_wrap=True)
    raise typer.Exit(code)


def note(message: str) -> None:
    """Something worth knowing that stops nothing."""
    err.print(f"[yellow]![/] {escape(message)}", soft_wrap=True)


def done(message: str) -> None:
    err.print(f"[green]✓[/] {escape(message)}", soft_wrap=True)


@contextmanager
def clean_errors() -> Iterator[None]:
    """What a person can mend is told without a traceback."""
    try:
        yield
    except SetupError as error:
        fail(str(error))
    except Fault as fault:
        fail(fault.detail or fault.title, fault.hint or "")
    except StoreError as error:
        fail(f"the database: {str(error) or type(error).__name__}")
