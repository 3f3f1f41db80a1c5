"""`abaft inspect`: models of a database that is there already."""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import Annotated
from urllib.parse import urlsplit

import typer

from abaft.base.errors import SetupError, nearest
from abaft.base.extras import engine_of, needs
from abaft.cli.console import note
from abaft.cli.inspect_models import Draft, plan
from abaft.cli.inspect_write import write
from abaft.store.description import Description

Url = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="The database: [cyan]sqlite:///FILE[/], [cyan]postgresql://…[/], [cyan]mysql://…[/] "
        "or [cyan]mongodb://…[/]",
    ),
]
Tables = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Only this table or view; * stands for any letters."),
]
Exclude = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Not this table or view, or those like it.")
]
Schema = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="PostgreSQL: only this schema; all of them by default."),
]
Sample = Annotated[
    int,
    typer.Option(metavar="N", min=1, help="MongoDB: how many documents of each are looked at."),
]
Open = Annotated[bool, typer.Option("--open", help="With a rule by which everybody may read.")]


class NothingFound(SetupError):
    """There is nothing to make models of."""


def inspect(
    url: Url,
    tables: Tables = None,
    exclude: Exclude = None,
    schema: Schema = None,
    sample: Sample = 1000,
    is_open: Open = False,
) -> None:
    """Write models of an existing database, which then serve it as it is.

    Like: abaft inspect sqlite:///shop.db > models.py, then abaft dev models.py. Nothing in the
    database is changed. Nobody but an administrator may use the models until rules say so.
    """
    found = _selected(_describe(url, schema or [], sample), tables or ["*"], exclude or [])
    module = plan(found)
    if not module.drafts:
        raise NothingFound(f"{_shown(url)} has no table that models could be made of")
    for said in module.notes:
        note(said)
    for draft in module.drafts:
        _tell(draft)
    database = url if found.engine == "sqlite" else None
    print(write(module, _shown(url), database, is_open), end="")


def _tell(draft: Draft) -> None:
    for said in draft.notes:
        note(f"{draft.table.place}: {said}")


def _describe(url: str, schemas: list[str], sample: int) -> Description:
    """What the database has. Raises Lost where it can't be read."""
    match engine_of(url):
        case "sqlite":
            from abaft.store import sqlite_inspect

            return sqlite_inspect.inspect(url)
        case "postgres":
            with needs("postgres"):
                from abaft.store import postgres_inspect

            return asyncio.run(postgres_inspect.inspect(url, schemas))
        case "mysql":
            with needs("mysql"):
                from abaft.store import mysql_inspect

            return asyncio.run(mysql_inspect.inspect(url, schemas))
    with needs("mongo"):
        from abaft.store.mongo import inspect as mongo_inspect

    return asyncio.run(mongo_inspect.inspect(url, sample))


def _selected(found: Description, wanted: list[str], unwanted: list[str]) -> Description:
    """The tables that are asked for, by their names or with their schemas before them."""
    known = [table.place for table in found.tables]
    for pattern in wanted:
        if pattern != "*" and not any(_fits(place, [pattern]) for place in known):
            raise NothingFound(f"--tables {pattern}: there is none: {nearest(pattern, known)}")
    kept = tuple(
        table
        for table in found.tables
        if _fits(table.place, wanted) and not _fits(table.place, unwanted)
    )
    return Description(found.engine, kept, found.notes)


def _fits(place: str, patterns: list[str]) -> bool:
    names = (place, place.rpartition(".")[2])
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _shown(url: str) -> str:
    """The database by its name, without who may enter it."""
    parts = urlsplit(url)
    return parts.path.rpartition("/")[2] or url.partition(":")[0]
