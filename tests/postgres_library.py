"""A PostgreSQL store of shelves and books, and what tests do to it, by short names."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from uuid import UUID

import orjson
import pytest

from abaft import Model, Ref, Settings, check, field
from abaft.base import clock
from abaft.base.actor import SYSTEM
from abaft.base.ids import uuid7
from abaft.model import expr as e
from abaft.model.build import build
from abaft.model.kinds import Uuid
from abaft.plan.access import Access
from abaft.plan.change import Change
from abaft.plan.read import plan_read
from abaft.plan.types import ReadShape, Sort, WriteShape
from abaft.plan.write import plan_write
from abaft.store.postgres import PostgresStore, Read
from abaft.store.postgres_batch import read_lane
from abaft.store.sql.read import ReadStatement
from abaft.store.sql.statement import Bind, Statement
from servers.postgres import PostgresServer


class Shelf(Model):
    name: str = field(max_length=40, unique=True)


class Book(Model):
    title: str
    pages: int = 1
    day: date | None = None
    shelf: Ref[Shelf]

    @check
    def some_pages(book) -> bool:
        return book.pages > 0


SCHEMA = build([Shelf, Book])


class Library:
    """A store with what these tests do to it, by short names."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.store = PostgresStore(SCHEMA, url, self.settings)
        key = e.Compare("eq", e.Column("id"), e.Param("key.id", Uuid()))
        pages = (Sort(("pages",), True), Sort(("id",)))
        self.one = self._read(ReadShape("Book", "one", key))
        self.page = self._read(ReadShape("Book", "page", e.TRUE, pages))
        self.days = self._read(ReadShape("Book", "page", e.TRUE, (Sort(("day",)), Sort(("id",)))))
        self.put_shelf = self._write("Shelf", "create", "id", "name", "created", "updated")
        book = ("title", "pages", "day", "shelf", "created", "updated")
        self.put_book = self._write("Book", "create", "id", *book)
        self.turn = self._write("Book", "update", "pages", "updated")
        self.match = self._write("Book", "update", "pages", "updated", match=True)
        self.drop = self._write("Shelf", "delete")

    def _read(self, shape: ReadShape) -> Read:
        plan = plan_read(SCHEMA, self.settings, Access(SCHEMA, SYSTEM), shape)
        return self.store.compile_read(plan)

    def _write(self, model: str, action: Any, *assigned: str, match: bool = False) -> Any:
        shape = WriteShape(model, action, assigned, match=match)
        return self.store.compile_write(
            plan_write(SCHEMA, self.settings, Access(SCHEMA, SYSTEM), shape)
        )

    def crafted(self, sql: str, *names: str) -> Read:
        """A read by SQL text; like all compiled ones it begins with SELECT."""
        statement = Statement(sql, tuple(Bind(name, None) for name in names))
        return Read(
            ReadStatement(statement, (), False), read_lane(self.store._line, statement), None
        )

    def shelf(self, name: str) -> tuple[Any, dict[str, Any]]:
        id_ = uuid7()
        return self.put_shelf, values("Shelf", id_, "create", id=id_, name=name)

    def book(self, shelf: UUID, pages: int = 1, **more: Any) -> tuple[Any, dict[str, Any]]:
        id_ = uuid7()
        given = {"id": id_, "title": "t", "pages": pages, "day": None, "shelf": shelf, **more}
        return self.put_book, values("Book", id_, "create", **given)

    async def add_shelf(self, name: str) -> UUID:
        compiled, bound = self.shelf(name)
        assert await self.store.write(compiled, bound)
        found: UUID = bound["set.id"]
        return found

    async def add_book(self, shelf: UUID, pages: int = 1, **more: Any) -> UUID:
        compiled, bound = self.book(shelf, pages, **more)
        assert await self.store.write(compiled, bound)
        found: UUID = bound["set.id"]
        return found

    async def get(self, id_: UUID) -> Any:
        rows = await self.store.read(self.one, {"key.id": id_})
        return orjson.loads(rows[0][0]) if rows else None

    async def feed(self) -> list[Change]:
        return await self.store.changes("", 10_000)


def values(model: str, id_: UUID, action: str, **fields: Any) -> dict[str, Any]:
    """What a write of these fields is bound to, its change record with it."""
    now = clock.now()
    change = {"at": now, "actor": "me", "model": model, "record": str(id_), "action": action}
    stamps = {"created": now, "updated": now, **fields}
    return {
        **{f"set.{name}": value for name, value in stamps.items()},
        **{f"change.{name}": value for name, value in change.items()},
        "change.data": "{}",
        "key.id": id_,
    }


@asynccontextmanager
async def library(url: str, **settings: Any) -> AsyncIterator[Library]:
    """An open store whose tables are there."""
    made = Library(url, **settings)
    await made.store.open()
    try:
        assert (await made.store.upgrade(True))[1] == []
        yield made
    finally:
        await made.store.close()


def fresh_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database, unless --engine leaves PostgreSQL out."""
    engines = request.config.getoption("engines")
    if engines and "postgres" not in engines:
        pytest.skip("--engine leaves PostgreSQL out")
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as found:
        yield found


async def outcomes(*work: Any) -> list[Any]:
    """What each gives or raises."""
    return await asyncio.gather(*work, return_exceptions=True)
