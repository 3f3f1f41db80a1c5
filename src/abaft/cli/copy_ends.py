"""The two databases of a copy: opened, and held against the models."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from abaft.app import App, bring_up, open_store
from abaft.base.digest import fingerprint
from abaft.base.errors import SetupError
from abaft.cli.copy_order import copied
from abaft.model.spec import Schema
from abaft.pipeline import Pipeline
from abaft.store.base import Lost, Store

_PORTS = {"postgresql": 5432, "postgres": 5432, "mysql": 3306, "mariadb": 3306, "mongodb": 27017}
_HERE = {"127.0.0.1", "::1", "", None}
_LARGE = 2**31 - 1


class CopyError(SetupError):
    """What can't be copied as it was asked: told before a record moves."""


@dataclass(frozen=True, slots=True, eq=False)
class End:
    """One of the two databases."""

    url: str
    store: Store
    pipeline: Pipeline

    @property
    def shown(self) -> str:
        return shown(self.url)

    @property
    def schema(self) -> Schema:
        return self.pipeline.schema


def shown(url: str) -> str:
    """The URL without its password."""
    return re.sub(r"(//[^:/@]*):[^/]*@", r"\1:…@", url)


def place(url: str) -> str:
    """What tells a database from others, however its URL is spelled."""
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme == "sqlite":
        return f"sqlite:{os.path.realpath(url.partition(':///')[2])}"
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(scheme)
        host = "localhost" if parts.hostname in _HERE else parts.hostname
    except ValueError:  # several hosts, as MongoDB's URLs may have
        return shown(url)
    query = dict(parse_qsl(parts.query))
    socket = query.get("unix_socket") or (query.get("host") if not parts.hostname else None)
    kind = {"postgres": "postgresql", "mariadb": "mysql"}.get(scheme, scheme)
    return f"{kind}:{socket or host}:{port}{parts.path.rstrip('/')}"


def check(source: str, target: str, verify: bool) -> None:
    """Raises CopyError for URLs that can't be copied between."""
    for url in (source, target):
        if "://" not in url:
            raise CopyError(
                f"{shown(url)!r} is no database's URL: write sqlite:///FILE, "
                "postgresql://USER@HOST/NAME, mysql://USER@HOST/NAME or mongodb://HOST/NAME"
            )
        if url.startswith("sqlite") and not url.partition(":///")[2]:
            raise CopyError(f"{url} names no file: write sqlite:///FILE")
    if place(source) == place(target):
        raise CopyError(f"{shown(source)} and {shown(target)} are the same database")
    for url in (source, target) if verify else (source,):
        path = url.partition(":///")[2]
        if url.startswith("sqlite") and not Path(path).is_file():
            raise CopyError(f"there is no file {path}")


def make_end(app: App, url: str) -> End:
    """A database of the application's models. Raises CopyError where it can't hold them."""
    settings = replace(
        app.settings_,
        database=url,
        max_answer_bytes=_LARGE,
        max_in_values=10**6,
        max_expand_items=_LARGE,
    )
    try:
        store = open_store(settings, app)
    except SetupError as error:
        raise CopyError(f"{shown(url)}: {error}") from error
    return End(url, store, Pipeline(app.schema, settings, store, app.observer))


@asynccontextmanager
async def opened(end: End, make: bool) -> AsyncIterator[None]:
    """The database while it is open; with `make`, what its tables lack is made.

    Raises Lost where it can't be reached, and CopyError where it isn't as the models say.
    """
    try:
        await end.store.open()
    except Lost as error:
        raise Lost(f"{end.shown} can't be reached: {error}") from error
    except SetupError as error:
        raise CopyError(f"{end.shown}: {error}") from error
    try:
        try:
            _, differences = await bring_up(end.store, make)
        except SetupError as error:
            raise CopyError(f"{end.shown}: {error}") from error
        if differences:
            lines = "".join(f"\n  - {difference}" for difference in differences)
            hint = "" if make else "\n  start the application on it once, or bring it up to them"
            raise CopyError(f"{end.shown} and the models differ:{lines}{hint}")
        yield
    finally:
        await end.store.close()


def models_of(schema: Schema) -> str:
    """A digest of what the models store."""
    told = [
        (
            model.name,
            model.place,
            model.key,
            [(row.name, row.column, row.kind.name, row.nullable) for row in model.fields.values()],
        )
        for model in copied(schema)
    ]
    return fingerprint(repr(told))
