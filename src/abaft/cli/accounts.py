"""`abaft accounts`: what an administrator looks after on the machine itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abaft.cli.console import done, fail
from abaft.cli.target import USUAL, Application, find

if TYPE_CHECKING:
    from abaft.auth.trail import Checked

accounts = typer.Typer(help="Look after accounts.", no_args_is_help=True)


@accounts.command()
def audit(app: Application = USUAL) -> None:
    """Check that the audit trail is as it was written; fails where it isn't."""
    found = _with(app, lambda kept: kept.trail.check())
    if found.broken is not None:
        fail(
            f"event {found.broken} isn't as it was written, or is gone",
            f"a copy of the database shows what it was; events {found.since + 1} to"
            f" {found.broken - 1} are as they should be",
        )
    done(f"events {found.since + 1} to {found.last} are as they were written")


@accounts.command()
def renew(
    app: Application = USUAL,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Make another key for what is kept, where its secret key is lost: second factors end."""
    if not yes:
        typer.confirm("Second factors of all accounts end. Is the secret key lost?", abort=True)
    _with(app, _renewed, lost=True)
    done("second factors and codes that were out are worth nothing; the trail begins anew")


async def _renewed(kept: Any) -> Checked:
    await kept.vault.renew()
    await kept.trail.begin_anew()
    return await kept.trail.check()  # type: ignore[no-any-return]


def _with(app: str, work: Callable[[Any], Awaitable[Checked]], *, lost: bool = False) -> Checked:
    found = find(app).app
    if found.accounts is None:
        fail("this app has no accounts", "give User, or a model built on it, to App")
    kept = found.accounts.context

    async def opened() -> Checked:
        await found.store.open()
        try:
            if not lost:
                await kept.vault.open()
            return await work(kept)
        finally:
            await found.store.close()

    return asyncio.run(opened())
