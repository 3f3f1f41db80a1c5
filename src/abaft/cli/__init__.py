"""The `abaft` command: one file a verb."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from abaft.base.version import __version__
from abaft.cli import (
    accounts,
    copy,
    dev,
    export,
    inspect,
    load,
    matrix,
    migrate,
    new,
    query,
    routes,
    serve,
    shell,
)
from abaft.cli.console import clean_errors, out


class Verbs(TyperGroup):
    """The verbs; what a person can mend is told without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        with clean_errors():
            return super().invoke(ctx)


cli = typer.Typer(
    cls=Verbs,
    help="Declare models and who may touch them; abaft serves the whole backend.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)
for verb in (new.new, dev.dev, serve.serve, inspect.inspect):
    cli.command()(verb)
cli.command(cls=load.WithOptional)(load.load)
cli.add_typer(migrate.migrate, name="migrate")
cli.add_typer(accounts.accounts, name="accounts")
for last in (export.export, copy.copy, query.query, shell.shell, routes.routes, matrix.matrix):
    cli.command()(last)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"abaft {__version__}")
        raise typer.Exit


@cli.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Declare models and who may touch them; abaft serves the whole backend."""


def main() -> None:
    """The command's entry point."""
    cli()
