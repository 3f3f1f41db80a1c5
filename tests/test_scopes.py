"""Scopes: conditions on lists that are there unless somebody asks otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from abaft import App, Many, Me, Model, Ref, User, allow, field, is_null, scope
from abaft.base.errors import BadRequest, ModelError, RuleError
from each import each
from scenarios import Api, Scenario, play, serving


class Shelf(Model, key="name", collection="shelves", stamps=False):
    name: str
    books: Many[Book] = field(back="shelf")

    @allow("read")
    def everyone(shelf, me: Me) -> bool:
        return True


class Book(Model, key="title", stamps=False):
    title: str
    shelf: Ref[Shelf] | None = None
    archived: bool = False
    lent: bool = False
    rating: int | None = None
    tags: Many[Book]

    @allow("read", "update")
    def everyone(book, me: Me) -> bool:
        return True

    @allow("read", fields=["rating"])
    def staff(book, me: Me) -> bool:
        return me.has_role("staff")

    @scope
    def current(book) -> bool:
        return ~book.archived

    @scope
    def shelved(book) -> bool:
        return ~is_null(book.shelf)

    @scope(default=False)
    def out(book) -> bool:
        return book.lent

    @scope(default=False)
    def good(book) -> bool:
        return book.rating > 3


@pytest_asyncio.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Shelf, Book, User) as api:
        await api.db.create(Shelf, name="sea")
        for title, shelf, archived, lent, rating in (
            ("a", "sea", False, False, 5),
            ("b", "sea", True, False, 1),
            ("c", None, False, True, None),
            ("d", "sea", False, True, 2),
        ):
            await api.db.create(
                Book, title=title, shelf=shelf, archived=archived, lent=lent, rating=rating
            )
        await api.db.update(await api.db.get(Book, "a"), tags=["b", "d"])
        await api.person("sam", "staff")
        yield api


LISTS = {
    "": "ad",
    "?scope=all": "abcd",
    "?scope=current": "acd",
    "?scope=out": "cd",
    "?scope=out,current,shelved": "d",
    "?lent=true": "d",
    "?scope=all&lent=true&count=exact": "cd",
    "?scope=all&limit=2": "ab",
}


@pytest.mark.asyncio
@each("query", LISTS)
async def test_a_list_keeps_to_its_default_scopes_or_to_those_named(api: Api, query: str) -> None:
    page = (await api.ask(f"GET /api/books{query}")).json()
    assert "".join(book["title"] for book in page["items"]) == LISTS[query]
    if "count" in query:
        assert page["count"] == len(LISTS[query])
    if page["next"]:
        rest = (await api.ask(f"GET /api/books{query}&cursor={page['next']}")).json()
        assert [book["title"] for book in rest["items"]] == ["c", "d"]


@pytest.mark.asyncio
async def test_counts_of_empty_pages_and_of_programs_are_scoped_too(api: Api) -> None:
    page = (await api.ask("GET /api/books?count=exact&offset=50")).json()
    assert (page["items"], page["count"]) == ([], 2)
    assert [await api.db.count(Book), await api.db.count(Book, scope="all")] == [2, 4]
    titles = [book.title for book in await api.db.list(Book, scope=["out", "current"])]
    assert titles == ["c", "d"]
    assert [book.title async for book in api.db.stream(Book, scope="all")] == ["a", "b", "c", "d"]
    with pytest.raises(BadRequest, match="'current'"):
        await api.db.list(Book, scope="curent")


@pytest.mark.asyncio
async def test_records_by_key_keys_of_relations_and_conditions_are_not_scoped(api: Api) -> None:
    assert (await api.ask("GET /api/books/b")).status_code == 200
    assert (await api.ask("GET /api/books/a")).json()["tags"] == ["b", "d"]
    assert (await api.ask("PATCH /api/books/b", json={"lent": True})).status_code == 200
    assert await api.items("/api/books?tags=b", of="title") == ["a"]


@pytest.mark.asyncio
async def test_expanded_lists_keep_to_the_default_scopes(api: Api) -> None:
    shelf = (await api.ask("GET /api/shelves/sea?expand=books")).json()
    assert [book["title"] for book in shelf["books"]] == ["a", "d"]
    book = (await api.ask("GET /api/books/a?expand=tags")).json()
    assert [tag["title"] for tag in book["tags"]] == ["d"]


@pytest.mark.asyncio
async def test_authz_2_a_scope_tells_no_more_than_may_be_read(api: Api) -> None:
    await play(
        api,
        [
            Scenario("GET /api/books?scope=good&fields=title", 200, actor="sam", has=['"a"']),
            Scenario("GET /api/books?scope=good", 200, has=['"items":[]']),
            Scenario("GET /api/books?rating[gt]=3", 403, has=["field_forbidden"]),
            Scenario(
                "GET /api/books?scope=curent,goood&sort=titel",
                400,
                has=["unknown_scope", "current", "?scope", "?sort"],
            ),
            Scenario("GET /api/books?scope=all,out", 400, has=["unknown_scope"]),
            Scenario("GET /api/books?scope=", 400, has=["?scope"]),
            Scenario("GET /api/books?scope=out&scope=all", 400, has=["repeated_parameter"]),
        ],
    )


def test_the_document_names_the_scopes() -> None:
    app = App(Shelf, Book, database="sqlite:///unused.db")
    found = app.openapi()["components"]["parameters"]["Book.by.scope"]
    assert "`current` and `shelved`" in found["description"]
    assert "good" in str(found["schema"])


def test_a_scope_that_can_not_be_one_stops_the_start() -> None:
    class Everything(Model):
        @scope
        def all(record) -> bool:
            return record.id == record.id

    class Mine(Model):
        name: str

        @scope
        def mine(record, me: Me) -> bool:
            return me.has_role("x")

    for model, error, words in (
        (Everything, ModelError, "scope=all"),
        (Mine, RuleError, "`me`"),
    ):
        with pytest.raises(error, match=words):
            App(model, database="sqlite:///unused.db")
