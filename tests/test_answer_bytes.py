"""DOS-2, DOS-4: an answer that is made as a whole has a bound; a stream has none."""

from __future__ import annotations

import tracemalloc

import orjson
import pytest

from abaft import Many, Me, Model, Ref, allow, field
from scenarios import serving

MOST = 1_000_000


class Shelf(Model, collection="shelves", key="name", stamps=False):
    name: str
    books: Many[Book] = field(back="shelf")

    @allow("read")
    def everyone(shelf, me: Me) -> bool:
        return True


class Book(Model, key="number", stamps=False):
    number: int
    text: str
    shelf: Ref[Shelf]

    @allow("read", "create")
    def everyone(book, me: Me) -> bool:
        return True


SMALL_ENOUGH = [
    "/api/books?limit=8",
    "/api/books?limit=8&sort=-text",
    "/api/books?limit=1000&fields=number",
    "/api/books?limit=8&expand=shelf",
    "/api/books/1",
    "/api/shelves?expand=books(limit=8)",
    "/api/shelves/a?expand=books(fields=number)",
]
TOO_LARGE = [
    "/api/books?limit=10",
    "/api/books?limit=1000&sort=-text,number",
    "/api/books?limit=20&fields=text&filter=length(text) > 5",
    "/api/shelves?expand=books",
    "/api/shelves/a?expand=books",
    "/api/shelves/a?expand=books.shelf",
]


async def test_dos_2_an_answer_has_so_many_bytes(database_url: str) -> None:
    """What is sorted runs in a thread on SQLite, and the others on the loop."""
    async with serving(database_url, Shelf, Book, settings={"max_answer_bytes": MOST}) as api:
        await api.db.create(Shelf, name="a")
        for _ in range(40):
            await api.db.create(Book, text="x" * 100_000, shelf="a")
        for path in SMALL_ENOUGH:
            assert (await api.ask(f"GET {path}")).status_code == 200, path
        for path in TOO_LARGE:
            answer = await api.ask(f"GET {path}")
            assert (answer.status_code, answer.json()["code"]) == (422, "answer_too_large"), path
            assert "smaller limit" in answer.json()["hint"]
        headers = {"accept": "application/x-ndjson"}
        lines = await api.ask("GET /api/books", headers=headers)
        assert [orjson.loads(line)["number"] for line in lines.content.splitlines()] == [
            *range(1, 41)
        ]


async def test_dos_2_without_a_bound_it_is_answered(database_url: str) -> None:
    async with serving(database_url, Shelf, Book, settings={"max_answer_bytes": 0}) as api:
        await api.db.create(Shelf, name="a")
        for _ in range(11):
            await api.db.create(Book, text="x" * 100_000, shelf="a")
        assert (await api.ask("GET /api/shelves/a?expand=books")).status_code == 200
        assert (await api.ask("GET /api/books")).status_code == 200


@pytest.mark.slow
async def test_dos_4_what_is_refused_takes_no_memory_before(tmp_path: object) -> None:
    """SQLite is read in our own memory: no more of it is taken than the answer might have."""
    settings = {"max_answer_bytes": MOST}
    async with serving(f"sqlite:///{tmp_path}/x.db", Shelf, Book, settings=settings) as api:
        await api.db.create(Shelf, name="a")
        for _ in range(300):
            await api.db.create(Book, text="x" * 200_000, shelf="a")
        tracemalloc.start()
        try:
            for path in ("/api/books?limit=1000&sort=-text", "/api/shelves/a?expand=books"):
                assert (await api.ask(f"GET {path}")).status_code == 422
            assert tracemalloc.get_traced_memory()[1] < 10 * MOST
        finally:
            tracemalloc.stop()
