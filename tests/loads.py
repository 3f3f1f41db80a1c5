"""An application to load files into, and what loads them."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from abaft import Actor
from abaft.cli.target import find
from asking import asked, counted
from projects import run, write_app

MODELS = """
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from abaft import App, Many, Model, Ref, before, field, now

class City(Model, key="code", stamps=False, collection="cities"):
    code: str = field(max_length=3)
    name: str | None
    land: str | None = field(max_length=20)

class Shop(Model, key="code", stamps=False):
    code: str = field(max_length=3)
    city: Ref[City]
    second: Ref[City] | None
    rival: Ref[City] | None = field(constraint=False)
    opened: datetime | None
    money: Decimal = field(default=Decimal("1.50"), decimal_places=2)
    kind: Literal["big", "small"] = "small"
    secret: str | None = field(hidden=True)

class Worker(Model):
    name: str = field(unique=True, column="full_name", max_length=10)
    boss: Ref["Worker"] | None
    hours: int = field(default=8, ge=0, le=24)
    since: datetime = field(default=now)
    extra: dict | None

class Hour(Model, key=("city", "at"), stamps=False):
    city: Ref[City]
    at: datetime
    warmth: float | None

class Visit(Model, stamps=False):
    city: str
    at: datetime
    hour: Ref[Hour] | None = field(via=("city", "at"), constraint=False)

class Count(Model, stamps=False):
    id: int = field(key=True)
    n: int

    @before("create")
    async def odd_only(count, me, db):
        if count.n % 2 == 0:
            from abaft import Invalid
            raise Invalid("even numbers are not for us")

app = App(City, Shop, Worker, Hour, Visit, Count)
"""


class Loader:
    """A database, and files to load; the application is made anew each time, as by a command."""

    models = MODELS

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder

    def load(self, *arguments: str, **files: str) -> Result:
        """Writes each text to a file named like its collection, and loads them all."""
        paths = []
        for name, text in files.items():
            path = self.folder / f"{name}.csv"
            path.write_text(text, "utf-8")
            paths.append(str(path))
        app = write_app(self.folder, self.models)
        return run("load", app, *paths, *arguments, database=self.url)

    def export(self, *arguments: str | Path) -> str:
        """What the command prints."""
        app = write_app(self.folder, self.models)
        result = run("export", app, *arguments, database=self.url)
        assert result.exit_code == 0, result.output
        return result.stdout

    def sql(self, text: str) -> list[dict[str, Any]]:
        return asyncio.run(self._ask(lambda db: asked(db, text)))

    def changes(self) -> list[Any]:
        return asyncio.run(self._ask(lambda db: db.changes(limit=1000)))

    def once_stored(
        self, table: str, first: Callable[[], None], then: Callable[[], None], seconds: float
    ) -> None:
        """Calls `first`, and `then` as soon as somebody has stored rows of that table."""

        async def look(db: Any) -> None:
            first()
            # As one who only reads: a turn to write would come when the others are done.
            async with asyncio.timeout(seconds):
                while not await counted(db, self.url, table):  # noqa: ASYNC110 - another process stores them
                    await asyncio.sleep(0.002)
                then()

        asyncio.run(self._ask(look))

    async def _ask(self, question: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ABAFT_DATABASE", self.url)
            app = find(write_app(self.folder, self.models)).app
        await app.start()
        try:
            return await question(app.db(Actor(system=True)))
        finally:
            await app.stop()
