"""Lists and records over HTTP: filters, orders, pages, what is shown of a record, and ETags."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from abaft import Many, Ref, field
from apps.open import Open
from scenarios import Api, Scenario, play, serving


class Genre(Open, key="code", stamps=False):
    code: str
    name: str = field(collate="nocase")
    books: Many[Book] = field(back="genre")


class Writer(Open):
    name: str
    nick: str | None = field(default=None, unique=True, collate="nocase")
    mentor: Ref[Writer] | None = field(default=None, on_delete="set null")
    books: Many[Book] = field(back="writer")
    pupils: Many[Writer] = field(back="mentor")


class Shelf(Open, key=("room", "row"), stamps=False):
    room: str
    row: int
    label: str = ""


class Book(Open):
    title: str
    year: int | None = None
    writer: Ref[Writer] | None = field(default=None, on_delete="set null")
    genre: Ref[Genre] | None = None
    room: str | None = None
    row: int | None = None
    shelf: Ref[Shelf] | None = field(via=("room", "row"), constraint=False)
    themes: Many[Genre]
    sequels: Many[Book]


MODELS = (Genre, Writer, Shelf, Book)


async def fill(api: Api) -> None:
    db = api.db
    for code, name in (("a", "Art"), ("p/1", "Poems, old"), ("x", "art")):
        await db.create(Genre, code=code, name=name)
    await db.create(Shelf, room="r,1", row=7, label="top")
    ann = await db.create(Writer, name="Ann", nick="ANNIE")
    bob = await db.create(Writer, name="bob", mentor=ann)
    rows: list[dict[str, Any]] = [
        {"title": "Alpha", "year": 1900, "writer": ann, "genre": "a", "room": "r,1", "row": 7},
        {"title": "beta", "year": 1950, "writer": bob, "genre": "p/1", "themes": ["a", "x"]},
        {"title": "Gamma, or not", "year": None, "writer": bob, "themes": ["p/1"]},
        {"title": 'say "hi"', "year": 1950, "genre": "x", "room": "r,1", "row": 8},
        {"title": "100%_\\", "year": -5, "writer": ann},
    ]
    first = None
    for row in rows:
        made = await db.create(Book, **row, sequels=[first] if first else [])
        first = first or made


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS) as api:
        await fill(api)
        yield api


A, B, G, S, P = "Alpha", "beta", "Gamma, or not", 'say "hi"', "100%_\\"
FOUND: list[tuple[str, list[str]]] = [
    ("title=Alpha", [A]),
    ("title=alpha", []),
    ("title[ieq]=aLPHA", [A]),
    ("title[ine]=ALPHA", [B, G, S, P]),
    ("title[ne]=Alpha", [B, G, S, P]),
    ("title[gt]=a", [B, S]),
    ("title[le]=Alpha", [A, P]),
    ("title[contains]=a", [A, B, G, S]),
    ("title[icontains]=A", [A, B, G, S]),
    ("title[contains]=%25_", [P]),
    ("title[contains]=_", [P]),
    ("title[contains]=\\", [P]),
    ("title[contains]=", [A, B, G, S, P]),
    ("title[startswith]=G", [G]),
    ("title[startswith]=", [A, B, G, S, P]),
    ("title[istartswith]=g", [G]),
    ("title[endswith]=a", [A, B]),
    ("title[endswith]=", [A, B, G, S, P]),
    ("title[iendswith]=HA", [A]),
    ("title[in]=Alpha,beta", [A, B]),
    ('title[in]="Gamma, or not",x', [G]),
    ('title[in]="say ""hi""",beta', [B, S]),
    ("title[in]=", []),
    ("title[nin]=Alpha,beta", [G, S, P]),
    ("title[iin]=ALPHA,BETA", [A, B]),
    ("title[inin]=ALPHA,BETA", [G, S, P]),
    ("year=1950", [B, S]),
    ("year[ne]=1950", [A, G, P]),
    ("year[gt]=1900", [B, S]),
    ("year[lt]=1900", [P]),
    ("year[isnull]=true", [G]),
    ("year[isnull]=false", [A, B, S, P]),
    ("year[in]=1900,-5", [A, P]),
    ("year[nin]=1950", [A, G, P]),
    ("year[ge]=0&year[lt]=1950", [A]),
    ("year=1950&title=beta", [B]),
    ("writer.name=Ann", [A, P]),
    ("writer.name[ne]=Ann", [B, G, S]),
    ("writer[isnull]=true", [S]),
    ("writer.mentor.name=Ann", [B, G]),
    ("writer.mentor[isnull]=true", [A, S, P]),
    ("writer.mentor.mentor.name[isnull]=false", []),
    ("writer.nick=annie", [A, P]),
    ("writer.nick[startswith]=aNN", [A, P]),
    ("writer.books.title=Alpha", [A, P]),
    ("writer.pupils.books.title=beta", [A, P]),
    ("writer.books.genre.name=ART", [A, P]),
    ("genre=a", [A]),
    ("genre.code=a", [A]),
    ("genre=p/1", [B]),
    ("genre.name=ART", [A, S]),
    ("genre.name[ne]=ART", [B, G, P]),
    ("genre.name[in]=aRT,x", [A, S]),
    ("genre.books.title=beta", [B]),
    ("themes=a", [B]),
    ("themes.name=art", [B]),
    ("themes.name[ne]=art", [G]),
    ("themes.code=x", [B]),
    ("themes[isnull]=true", [A, S, P]),
    ("themes[isnull]=false", [B, G]),
    ("themes[in]=a,p/1", [B, G]),
    ("sequels.title=Alpha", [B, G, S, P]),
    ("sequels.sequels.title=Alpha", []),
    ("shelf.label=top", [A]),
    ("shelf.label[isnull]=true", [B, G, S, P]),
    ('shelf="r,1",7', [A]),
    ("shelf.room=r,1", [A]),
    ("shelf.row[gt]=6", [A]),
]


@pytest.mark.slow
@pytest.mark.everywhere
async def test_every_operator_finds_what_it_says(api: Api) -> None:
    wrong = []
    for query, expected in FOUND:
        response = await api.ask(f"GET /api/books?{query}&fields=title&sort=id")
        found = [item["title"] for item in response.json().get("items", [])]
        if found != expected:
            wrong.append((query, found, response.text[:200]))
        counted = (await api.ask(f"GET /api/books?{query}&count=exact&limit=1")).json()
        if counted.get("count") != len(expected):
            wrong.append((query, counted))
    assert not wrong, "\n".join(map(str, wrong))


ORDERED: list[tuple[str, list[str]]] = [
    ("title", [P, A, G, B, S]),
    ("-title", [S, B, G, A, P]),
    ("year,title", [P, A, B, S, G]),
    ("-year,title", [G, B, S, A, P]),
    ("year,-title", [P, A, S, B, G]),
    ("writer.name,title", [P, A, G, B, S]),
    ("-writer.name,-title", [S, B, G, A, P]),
    ("writer.mentor.name,year", [B, G, P, A, S]),
    ("genre.name,-title", [S, A, B, G, P]),
    ("-genre.name,title", [P, G, B, A, S]),
    ("shelf.label,title", [A, P, G, B, S]),
]


@pytest.mark.slow
@pytest.mark.everywhere
async def test_every_order_is_walked_by_cursors_as_it_is_listed(api: Api) -> None:
    for sort, expected in ORDERED:
        assert await api.items(f"/api/books?sort={sort}", of="title") == expected, sort
        for limit in (1, 2, 3):
            assert await walk(api, f"/api/books?sort={sort}&limit={limit}") == expected, sort


async def test_a_relation_and_the_key_it_leads_to_are_sorted_by_at_once(api: Api) -> None:
    wanted = await api.items("/api/books?sort=-writer,title", of="title")
    assert await api.items("/api/books?sort=-writer,writer.id,title", of="title") == wanted
    assert await api.items("/api/books?sort=writer,title", of="title") != wanted


async def walk(api: Api, url: str, between: Any = None) -> list[str]:
    titles, cursor = [], ""
    while cursor is not None:
        page = (await api.ask(f"GET {url}{cursor and '&cursor=' + cursor}")).json()
        titles += [item["title"] for item in page["items"]]
        cursor = page["next"]
        if between is not None:
            await between()
    return titles


@pytest.mark.slow
@pytest.mark.everywhere
async def test_a_walk_meets_each_lasting_record_once_while_others_come_and_go(api: Api) -> None:
    chance = random.Random(1)
    for number in range(30):
        await api.db.create(Book, title=f"t{number}", year=chance.choice([None, 1, 2, 2, 3]))
    lasting = await api.items("/api/books?limit=100", of="title")
    fleeting: list[Any] = []

    async def stir() -> None:
        for record in fleeting:
            await api.db.delete(record)
        fleeting[:] = [
            await api.db.create(Book, title="fleeting", year=chance.choice([None, 0, 2, 4]))
            for _ in range(3)
        ]

    for sort in ("year", "-year", "-year,title", "title", "-id", "writer.name,-year"):
        met = await walk(api, f"/api/books?sort={sort}&limit=4", stir)
        assert sorted(title for title in met if title != "fleeting") == sorted(lasting), sort


async def test_cursors_are_signed_and_of_one_list(api: Api) -> None:
    cursor = (await api.ask("GET /api/books?sort=title&limit=1")).json()["next"]
    assert (await api.ask(f"GET /api/books?sort=title&limit=1&cursor={cursor}")).is_success
    flipped = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    bad = (flipped, cursor[:-1], cursor + "A", cursor + "=", "", "x", "é", "%00", "A" * 5000)
    rows = [
        Scenario(f"GET /api/books?sort=title&cursor={text}", 400, has=['"bad_cursor"'])
        for text in bad
    ]
    rows += [
        Scenario(f"GET {url}cursor={cursor}", 400, has=['"bad_cursor"'])
        for url in ("/api/books?", "/api/books?sort=-title&", "/api/writers?", "/api/genres?")
    ]
    rows.append(
        Scenario(
            f"GET /api/books?sort=title&offset=1&cursor={cursor}", 400, has=['"cursor_and_offset"']
        )
    )
    await play(api, rows)


async def test_offset_limit_and_count(api: Api) -> None:
    for query, titles, count in (
        ("limit=2&offset=1", [B, G], 5),
        ("offset=5", [], 5),
        ("offset=99&limit=1", [], 5),
        ("title=none", [], 0),
        ("title=none&offset=3", [], 0),
        ("year=1950&limit=1", [B], 2),
    ):
        page = (await api.ask(f"GET /api/books?{query}&sort=id&count=exact")).json()
        assert [item["title"] for item in page["items"]] == titles, query
        assert page["count"] == count, query
    last = (await api.ask("GET /api/books?limit=4&count=exact")).json()["next"]
    page = (await api.ask(f"GET /api/books?limit=4&count=exact&cursor={last}")).json()
    assert (len(page["items"]), page["count"], page["next"]) == (1, 5, None)
    assert "count" not in (await api.ask("GET /api/books")).json()


async def test_what_is_shown_of_a_record(api: Api) -> None:
    def shown(query: str, **members: Any) -> tuple[str, dict[str, Any]]:
        return query, members

    ann, art = {"name": "Ann"}, {"code": "a", "name": "Art"}
    for query, expected in (
        shown("fields=title", title=A),
        shown("fields=year,title", title=A, year=1900),
        shown("fields=title,writer.name", title=A, writer=ann),
        shown("fields=writer.name,genre.name,title", title=A, writer=ann, genre={"name": "Art"}),
        shown("fields=title&expand=genre", title=A, genre=art),
        shown("fields=genre&expand=genre", genre=art),
        shown("fields=genre", genre="a"),
        shown("fields=title,shelf.label", title=A, shelf={"label": "top"}),
        shown("fields=shelf", shelf={"room": "r,1", "row": 7, "label": "top"}),
        shown("fields=themes", themes=[]),
        shown("fields=sequels", sequels=[]),
        shown(
            "fields=writer.name,writer.pupils.name",
            writer={"name": "Ann", "pupils": [{"name": "bob"}]},
        ),
        shown("fields=writer.mentor.name", writer={"mentor": None}),
        shown("fields=genre.books.title", genre={"books": [{"title": A}]}),
    ):
        found = (await api.items(f"/api/books?title={A}&{query}"))[0]
        assert found == expected, query
    beta = (await api.items("/api/books?title=beta&expand=themes,sequels,shelf,writer.mentor"))[0]
    assert [theme["code"] for theme in beta["themes"]] == ["a", "x"]
    assert [book["title"] for book in beta["sequels"]] == [A]
    assert beta["shelf"] is None
    assert beta["writer"]["mentor"]["name"] == "Ann"
    one = await api.ask(f"GET /api/books/{beta['id']}?fields=title,themes")
    assert one.json() == {"title": B, "themes": ["a", "x"]}


async def test_a_page_with_its_relations_is_one_statement(api: Api) -> None:
    ran: list[Any] = []
    store = api.app.store
    read = store.read

    async def counting(compiled: Any, values: Any) -> Any:
        ran.append(compiled)
        return await read(compiled, values)

    store.read = counting
    expand = "expand=writer.mentor,writer.books.genre,genre.books,themes.books,sequels.writer,shelf"
    for url in (f"/api/books?{expand}&count=exact&sort=writer.name", "/api/books", "/api/genres/a"):
        ran.clear()
        assert (await api.ask(f"GET {url}")).is_success
        assert len(ran) == 1, url


async def test_keys_have_a_written_form(api: Api) -> None:
    await api.db.create(Genre, code='é,"/?#%25 .', name="odd")
    rows = [
        Scenario("GET /api/genres/p%2F1", 200, has=['"Poems, old"']),
        Scenario("GET /api/genres/p/1", 200, has=['"Poems, old"']),
        Scenario("GET /api/genres/%C3%A9%2C%22%2F%3F%23%2525%20.", 200, has=['"odd"']),
        Scenario("GET /api/shelves/r%2C1,7", 200, has=['"top"']),
        Scenario("GET /api/shelfs/r%2C1,7", 200, has=['"top"']),
    ]
    rows = [row for row in rows if row.request.split("/")[2] in api.app.schema.collections]
    shelves = next(name for name in api.app.schema.collections if name.startswith("shel"))
    rows += [
        Scenario(f"GET /api/{shelves}/{key}", 404, has=["its key is room (text), row (integer)"])
        for key in ("r,1,7", "r%2C1", "r%2C1,x", "r%2C1,7,", ",", "%FF,7", "r%2C1,+7")
    ]
    rows += [
        Scenario("GET /api/books/1", 404, has=["its key is id (uuid)"]),
        Scenario("GET /api/genres/%00", 404),
        Scenario("GET /api/genres/nope", 404),
    ]
    await play(api, rows)


@pytest.mark.slow
@pytest.mark.everywhere
async def test_head_options_and_etags(api: Api) -> None:
    book = (await api.items("/api/books?title=beta"))[0]["id"]
    for url in (f"/api/books/{book}", "/api/books?sort=title", f"/api/books/{book}?expand=writer"):
        got, head = await api.ask(f"GET {url}"), await api.ask(f"HEAD {url}")
        etag = got.headers["etag"]
        assert etag.startswith('"')
        assert head.content == b""
        assert {**head.headers} == {**got.headers}
        for sent in (etag, f"W/{etag}", f'"x", {etag}', "*"):
            same = await api.ask(f"GET {url}", headers={"if-none-match": sent})
            assert (same.status_code, same.content) == (304, b"")
            assert same.headers["etag"] == etag
            assert {"cache-control", "vary"} <= set(same.headers)
            again = await api.ask(f"HEAD {url}", headers={"if-none-match": sent})
            assert again.status_code == 304
        other = await api.ask(f"GET {url}", headers={"if-none-match": '"x"'})
        assert other.status_code == 200
        assert (await api.ask(f"GET {url}", "admin")).headers[
            "cache-control"
        ] == "private, no-cache"
    many, one = "DELETE, GET, HEAD, OPTIONS, PATCH, POST", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"
    await play(
        api,
        [
            Scenario("OPTIONS /api/books", 204, shows={"allow": many}),
            Scenario(f"OPTIONS /api/books/{book}", 204, shows={"allow": one}),
            Scenario("PUT /api/books", 405, shows={"allow": many}),
            Scenario("TRACE /api/books", 405, shows={"allow": many}),
            Scenario(f"POST /api/books/{book}", 405, shows={"allow": one}),
            Scenario("HEAD /api/books/x", 404),
            Scenario("GET /api/books", 406, headers={"accept": "text/html"}),
            Scenario("GET /api/books", 200, headers={"accept": "text/html, */*;q=0.1"}),
        ],
    )
