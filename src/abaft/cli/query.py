"""`abaft query`: what a collection holds, asked for in the filter language."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlencode

import typer

from abaft.api.parse import Page, Parser
from abaft.app import App
from abaft.auth.tenants import HEADER
from abaft.base.actor import SYSTEM, Actor
from abaft.base.errors import SetupError, nearest
from abaft.cli.console import note
from abaft.cli.load_source import find_model
from abaft.cli.query_show import FORMATS, show
from abaft.cli.target import find, parted
from abaft.guard.sign import Signer
from abaft.model.spec import Model, Schema
from abaft.plan.types import Pick, ReadIntent

WHOLE = 10**11 - 1
Words = Annotated[
    list[str],
    typer.Argument(
        metavar="[APP] COLLECTION [FILTER]",
        help="The application, app.py if none is named; the collection or model; the condition, "
        "like [cyan]'rating > 3 and author.name = \"Ann\"'[/].",
    ),
]
Sort = Annotated[str | None, typer.Option(metavar="FIELD,-FIELD,…", help="The order.")]
Fields = Annotated[str | None, typer.Option(metavar="FIELD,…", help="Show these alone.")]
Expand = Annotated[
    str | None, typer.Option(metavar="RELATION,…", help="Records in the place of keys.")
]
Limit = Annotated[int, typer.Option(min=0, help="At most as many; 0: all.")]
Count = Annotated[bool, typer.Option("--count", help="Tell how many there are, and no more.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="|".join(FORMATS),
        help="A table on a terminal, JSON elsewhere, if not given.",
    ),
]
As = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="USER",
        help="Ask under the rules as the user with this key, or as [cyan]anonymous[/]; "
        "above all rules if not given.",
    ),
]
Tenant = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="With --as: within this tenant, if they are in several."),
]
Roles = Annotated[list[str] | None, typer.Option("--role", help="A role of that user's.")]


def query(
    words: Words,
    sort: Sort = None,
    fields: Fields = None,
    expand: Expand = None,
    limit: Limit = 30,
    count: Count = False,
    format_: Format = None,
    as_: As = None,
    role: Roles = None,
    tenant: Tenant = None,
) -> None:
    """Ask a collection in the filter language, and show what it answers.

    Fields, orders and relations are named as in a URL: `--sort -created,title --expand author`.
    """
    target, name, text = _parted(words)
    chosen = format_ or ("table" if sys.stdout.isatty() else "json")
    if chosen not in FORMATS:
        raise SetupError(f"--format {chosen}: {nearest(chosen, FORMATS)}")
    app = find(target).app
    model = _model(name, app.schema)
    asked = {"filter": text, "sort": sort, "fields": fields, "expand": expand}
    given = {name: value for name, value in asked.items() if value is not None}
    given["limit"] = str(limit or WHOLE)
    parser = Parser(app.schema, app.settings_, Signer((b"",)))
    page = parser.page(model, urlencode(given).encode(), WHOLE)
    actor = _actor(as_, role or [], tenant)
    try:
        asyncio.run(_answer(app, page, actor, tenant, "count" if count else chosen))
    except BrokenPipeError:
        # Whoever read has enough; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None


def _parted(words: list[str]) -> tuple[str, str, str | None]:
    """The application, the collection and the condition."""
    target, rest = parted(words, 2)
    if not 1 <= len(rest) <= 2:
        raise SetupError("name a collection, and put the condition in quotes, as one word")
    return target, rest[0], rest[1] if len(rest) == 2 else None


def _model(name: str, schema: Schema) -> Model:
    model = find_model(name, schema)
    if model is None:
        raise SetupError(f"there is no collection {name!r}: {nearest(name, schema.collections)}")
    return model


def _actor(user: str | None, roles: list[str], tenant: str | None) -> Actor:
    if user is None:
        for name, given in (("role", roles), ("tenant", tenant)):
            if given:
                raise SetupError(f"--{name} goes with --as: above the rules there are none")
        return SYSTEM
    return Actor(None if user == "anonymous" else user, frozenset(roles))


async def _placed(app: App, actor: Actor, tenant: str | None) -> Actor:
    """The actor within their tenant, as a request of theirs would be. Raises Forbidden."""
    places = app.records.tenants
    if places is None:
        return replace(actor, tenant=tenant) if tenant else actor
    return await places.placed(actor, {HEADER: tenant or ""})


async def _answer(app: App, page: Page, actor: Actor, tenant: str | None, chosen: str) -> None:
    await app.start()
    try:
        actor = await _placed(app, actor, tenant)
        if chosen == "count":
            print(await _count(app, page, actor))
            return
        answer = app.pipeline.stream(page.intent, actor)
        more = await show(answer, app.schema, page.limit, chosen)
        if more:
            note(f"there are more: --limit shows more than {page.limit}, --limit 0 all")
    finally:
        await app.stop()


async def _count(app: App, page: Page, actor: Actor) -> int:
    shape = replace(page.intent.shape, kind="count", sort=(), pick=Pick())
    answer = await app.pipeline.read(ReadIntent(shape, page.intent.values), actor)
    return int(answer.rows[0][0])
