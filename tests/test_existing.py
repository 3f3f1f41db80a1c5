"""Tables and views that abaft serves and doesn't manage."""

from __future__ import annotations

from typing import Literal

import pytest

from abaft import Fault, Many, Me, Model, Ref, allow, by_database, field, not_
from abaft.base.errors import SchemaMismatch
from existing import ddl, run
from scenarios import serving

pytestmark = pytest.mark.sql


async def test_a_table_that_is_not_ours_is_compared_and_never_changed(
    engine: str, database_url: str
) -> None:
    class Note(Model, managed=False, index=[("title",)]):
        id: int = field(key=True, default=by_database)
        title: str = field(unique=True)
        size: int | None

    with pytest.raises(SchemaMismatch) as raised:
        await _started(database_url, Note)
    assert raised.value.differences == [
        "notes isn't there: Note has managed=False, so it isn't made"
    ]
    script = "create table notes (id integer primary key, title integer, needed text not null)"
    await run(database_url, script)
    before = await ddl(database_url)
    with pytest.raises(SchemaMismatch) as raised:
        await _started(database_url, Note)
    told = "\n".join(raised.value.differences)
    for part in ("notes.title is", "notes.title may be NULL", "notes.size isn't", "notes.needed"):
        assert part in told
    assert await ddl(database_url) == before


async def _started(url: str, *models: type[Model]) -> None:
    async with serving(url, *models):
        pass


VIEW = """
create table posts (id integer primary key, title text not null);
insert into posts values (1, 'a'), (2, 'b');
create view shouted as select id, upper(title) as title from posts;
"""


async def test_a_view_is_read_and_never_written(engine: str, database_url: str) -> None:
    class Shout(Model, table="shouted", read_only=True):
        id: int = field(key=True)
        title: str | None = field(
            stored={"postgres": "text", "mariadb": "latin1_swedish_ci"}.get(engine, "")
        )

        @allow("read", "create", "update", "delete")
        def anybody(shout, me: Me) -> bool:
            return True

    await run(database_url, VIEW)
    async with serving(database_url, Shout) as api:
        assert await api.items("/api/shouts?sort=-title", of="title") == ["B", "A"]
        assert (await api.ask("GET /api/shouts/2")).json() == {"id": 2, "title": "B"}
        for request in ("POST /api/shouts", "PATCH /api/shouts/1", "DELETE /api/shouts/1"):
            for actor in (None, "admin"):
                refused = await api.ask(request, actor, json={"title": "c"})
                assert refused.status_code == 405
                assert refused.headers["allow"] == "GET, HEAD, OPTIONS"
        options = await api.ask("OPTIONS /api/shouts/1")
        assert options.headers["allow"] == "GET, HEAD, OPTIONS"
        document = (await api.ask("GET /openapi.json")).json()
        assert [*document["paths"]["/api/shouts"]] == ["get"]
        assert "ShoutCreate" not in document["components"]["schemas"]
        with pytest.raises(Fault) as raised:
            await api.db.create(Shout, id=3)
        assert raised.value.status == 405


async def test_authz_a_rule_of_what_the_database_fills_in_is_asked_of_what_it_filled_in(
    engine: str, database_url: str
) -> None:
    class Note(Model, managed=False):
        id: int = field(key=True, default=by_database)
        hidden: bool = field(default=by_database)
        size: int | None

        @allow("read", "update")
        def seen(note, me: Me) -> bool:
            return not_(note.hidden)

        @allow("create")
        def open_ones(note, me: Me) -> bool:
            return not_(note.hidden)

    boolean = {"postgres": "boolean", "mariadb": "boolean"}.get(engine, "integer")
    yes = "true" if engine == "postgres" else "1"
    keys = {
        "sqlite": "integer primary key",
        "postgres": "bigint generated always as identity primary key",
        "mariadb": "bigint auto_increment primary key",
    }
    await run(
        database_url,
        f"create table notes (id {keys[engine]},"
        f" hidden {boolean} not null default {yes}, size bigint)",
    )
    async with serving(database_url, Note) as api:
        refused = await api.ask("POST /api/notes", json={"size": 1})
        assert refused.status_code == 403
        assert await api.db.count(Note) == 0
        made = await api.ask("POST /api/notes", json={"hidden": False})
        assert made.status_code == 201
        assert made.headers["location"].endswith(f"/api/notes/{made.json()['id']}")
        assert await api.changes() == ["create Note"]


async def test_an_enum_must_know_the_words_of_its_field(engine: str, database_url: str) -> None:
    if engine == "sqlite":
        pytest.skip("SQLite has no enums")

    class Film(Model, managed=False):
        id: int = field(key=True)
        rating: Literal["G", "PG", "X", "Y"] = field(
            stored="rating" if engine == "postgres" else "enum"
        )

    script, type_ = "", "enum('PG', 'G', 'R')"
    if engine == "postgres":
        script, type_ = f"create type rating as {type_.replace('(', ' (')};", "rating"
    await run(
        database_url,
        f"{script} create table films (id bigint primary key, rating {type_} not null)",
    )
    with pytest.raises(
        SchemaMismatch, match=r"films.rating knows no X, Y, which Film.rating may be"
    ):
        await _started(database_url, Film)


BESIDE = {
    "mariadb": """
        create table films (film_id int auto_increment primary key, title varchar(20) not null);
        create table shelves (code varchar(5) collate utf8mb4_nopad_bin primary key);
        insert into films (title) values ('A'), ('b');
        insert into shelves values ('x'), ('Y');
    """,
    "sqlite": """
        create table films (film_id integer primary key, title varchar(20) not null);
        create table shelves (code varchar(5) primary key not null);
        insert into films values (1, 'A'), (2, 'b');
        insert into shelves values ('x'), ('Y');
    """,
    "postgres": """
        create schema store;
        create table store.films (film_id serial primary key, title varchar(20) not null);
        create table shelves (code varchar(5) primary key);
        insert into store.films (title) values ('A'), ('b');
        insert into shelves values ('x'), ('Y');
    """,
}


async def test_models_of_both_sorts_refer_to_each_other(engine: str, database_url: str) -> None:
    postgres = engine == "postgres"
    whole, short, key = {
        "sqlite": ("", "", ""),
        "postgres": ("integer", "character varying", "character varying"),
        "mariadb": ("int", "latin1_swedish_ci", ""),
    }[engine]

    class Film(Model, schema="store" if postgres else "", managed=False):
        film_id: int = field(key=True, default=by_database, stored=whole)
        title: str = field(max_length=20, stored=short)
        notes: Many[Note] = field(back="film")

    class Shelf(Model, table="shelves", collection="shelves", managed=False):
        code: str = field(key=True, max_length=5, stored=key)
        notes: Many[Note] = field(back="shelf")

    class Note(Model):
        text: str
        film: Ref[Film] = field(on_delete="cascade")
        shelf: Ref[Shelf] | None

    await run(database_url, BESIDE[engine])
    for _ in range(2):  # made, then found as it was made
        async with serving(database_url, Film, Shelf, Note) as api:
            new = {"text": "t", "film": 2, "shelf": "Y"}
            made = await api.ask("POST /api/notes", "admin", json=new)
            assert made.status_code == 201, made.text
            wrong = await api.ask("POST /api/notes", "admin", json={**new, "shelf": "y"})
            assert wrong.status_code == 422
            path = "/api/notes?expand=film,shelf&film.title=b&shelf.code[ge]=Y&sort=shelf.code"
            [note] = await api.items(path, "admin")
            assert (note["film"]["title"], note["shelf"]["code"]) == ("b", "Y")
            shelves = await api.items("/api/shelves?expand=notes&notes.film=2", "admin", of="code")
            assert shelves == ["Y"]
            assert (await api.ask("DELETE /api/films/1", "admin")).status_code in (204, 404)
            key = note["id"]
            assert (await api.ask(f"DELETE /api/notes/{key}", "admin")).status_code == 204
