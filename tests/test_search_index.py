"""The index of a search: how it comes, is kept by every kind of write, and goes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest

from abaft import App, Many, Model, Ref, Settings, field
from abaft.base.errors import ModelError
from abaft.model.build import build
from abaft.store.sql.search import index_name
from apps.open import Open
from scenarios import serving
from servers.postgres import PostgresServer


class Author(Open):
    name: str
    posts: Many[Post] = field(back="author")


class Post(Open):
    title: str = field(search=True, column="Post title")
    author: Ref[Author] | None = field(default=None, on_delete="cascade")
    number: int = field(default=0, unique=True)


def plain(name: str, **options: Any) -> type[Model]:
    """A model of one text and a number, under the same table whatever it declares."""
    text = field(**options)
    body = {
        "__annotations__": {"text": str, "number": int},
        "text": text,
        "number": field(key=True),
    }
    body["__module__"] = __name__
    return type(Open)(name, (Open,), body, table="notes", collection="notes", stamps=False)


async def numbers(api: Any, text: str) -> list[int]:
    found: list[int] = await api.items(f"/api/notes?search={text}&sort=number", of="number")
    return found


OBJECTS = {
    "sqlite": "select name from sqlite_master where name like 'abaft_search%' "
    "or name like 'abaft_keys%' or name like 'abaft_terms%' order by 1",
    "postgres": "select relname::text as name from pg_class where relname like 'abaft_search%' "
    "union select proname::text from pg_proc where proname like 'abaft_search%' "
    "union select tgname::text from pg_trigger where tgname like 'abaft_search%' order by 1",
    "mariadb": "select table_name as name from information_schema.tables "
    "where table_schema = database() and table_name like 'abaft_search%' "
    "union select trigger_name from information_schema.triggers "
    "where trigger_schema = database() and trigger_name like 'abaft_search%' order by 1",
}


async def objects(api: Any, engine: str) -> list[str]:
    """The names of all that a search has made in the database."""
    return [row["name"] for row in await api.db.sql(OBJECTS[engine])]


@pytest.mark.sql
async def test_it_is_made_of_what_is_there_and_goes(database_url: str, engine: str) -> None:
    bare, english = plain("Note"), plain("Note", search="english")
    simple, weighty = plain("Note", search=True), plain("Note", search="english", search_weight=9)
    async with serving(database_url, bare) as api:
        for number, text in enumerate(("running", "run", "walks")):
            await api.db.create(bare, text=text, number=number)
        assert await objects(api, engine) == []
    async with serving(database_url, english) as api:
        assert await numbers(api, "run") == [0, 1]
        made = await objects(api, engine)
        assert any(name == index_name(english.__spec__) for name in made)
    async with serving(database_url, weighty) as api:
        assert await objects(api, engine) == made
        assert await numbers(api, "run") == [0, 1]
    async with serving(database_url, simple) as api:
        assert await numbers(api, "run") == [1]
        assert not set(made) & set(await objects(api, engine))
    async with serving(database_url, bare) as api:
        assert await objects(api, engine) == []
        # Nothing is left that a write would trip over.
        await api.db.create(bare, text="x", number=9)
        await api.db.delete(await api.db.get(bare, 9))


async def test_production_asks_for_it(database_url: str) -> None:
    async with serving(database_url, plain("Note")):
        pass
    made = plain("Note", search=True)
    key = "a secret key of more than 32 characters"
    app = App(made, settings=Settings(database=database_url, mode="production", secret_key=key))
    with pytest.raises(Exception, match="abaft_search_notes"):
        await app.start()
    await app.stop()
    async with serving(database_url, made):
        pass
    async with serving(database_url, made, settings={"mode": "production"}) as api:
        await api.db.create(made, text="found", number=1)
        assert await numbers(api, "found") == [1]


async def test_every_write_is_found(database_url: str, engine: str) -> None:
    async with serving(database_url, Author, Post) as api:
        db = api.db

        async def found(text: str) -> list[int]:
            rows: list[int] = await api.items(f"/api/posts?search={text}&sort=number", of="number")
            assert await db.count(Post, search=text) == len(rows)
            return rows

        ann = await db.create(Author, name="Ann")
        one = await db.create(Post, title="whales", author=ann, number=1)
        two = await db.create(Post, title="whales and krakens", number=2)
        assert (await found("whales"), await found("krakens")) == ([1, 2], [2])
        one = await db.update(one, title="krakens")
        assert (await found("whales"), await found("krakens")) == ([2], [1, 2])
        await db.update(one, number=7)
        assert await found("krakens") == [2, 7]
        await db.delete(two)
        assert await found("krakens") == [7]
        await db.delete(ann)  # and with her the post
        assert await found("krakens") == []
        response = await api.ask("POST /api/posts", json={"title": "sirens", "number": 3})
        key = response.json()["id"]
        await api.ask(f"PATCH /api/posts/{key}", json={"title": "sirens, sirens"}, headers={
            "content-type": "application/merge-patch+json"})  # fmt: skip
        assert await found("sirens") == [3]
        await api.ask(f"PUT /api/posts/{key}", json={"title": "mermaids", "number": 3})
        assert (await found("sirens"), await found("mermaids")) == ([], [3])
        if engine == "mongodb":
            return
        await db.sql("update posts set \"Post title\" = 'selkies' where number = 3")
        assert (await found("mermaids"), await found("selkies")) == ([], [3])
        await db.sql("delete from posts")
        assert await found("selkies") == []


@pytest.mark.slow
async def test_text_of_any_length_and_kind_is_stored(database_url: str) -> None:
    made = plain("Note", search="english")
    texts = [
        "",
        "\x01\x7f\u2028",
        "a" * 5_000,
        "word " * 60_000,
        " ".join(f"w{n}" for n in range(60_000)),
        "𐐀𐐁𐐂 " * 50_000,
        " ".join(chr(code) for code in range(0x1F600, 0x1F640)),
        "\ufdfa" * 20_000,
        "last",
    ]
    async with serving(database_url, made) as api:
        for number, text in enumerate(texts):
            await api.db.create(made, text=text, number=number)
        assert await numbers(api, "w29999") == [4]
        assert await numbers(api, "w59999") == []  # beyond the 200,000 characters that count
        assert await numbers(api, "words") == [3]
        assert await numbers(api, "a" * 400) == []
        assert await numbers(api, "LAST") == [8]


async def test_many_at_once(database_url: str) -> None:
    made = plain("Note", search="english")
    async with serving(database_url, made) as api:
        many = [
            api.db.create(made, text=f"note {n} of {n % 7} storms", number=n) for n in range(200)
        ]
        await asyncio.gather(*many)
        assert len(await api.items("/api/notes?search=storm+3&limit=1000")) == 29
        assert await numbers(api, "note+150") == [150]


@pytest.mark.slow
async def test_rec_1_sqlite_finds_what_it_answered_for_after_a_kill(tmp_path: Path) -> None:
    """The index is of the write's own transaction."""
    program = f"""
import asyncio, os
from test_search_index import plain
from scenarios import serving
made = plain("Note", search="english")
async def main():
    async with serving("sqlite:///{tmp_path}/a.db", made) as api:
        for number in range(50):
            await api.db.create(made, text=f"storm {{number}}", number=number)
        os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    folder = Path(__file__).parent
    run = asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=folder)
    status = await (await run).wait()
    assert status == -9
    connection = apsw.Connection(f"{tmp_path}/a.db")
    [(name,)] = connection.execute(
        "select name from sqlite_master where name glob 'abaft_search_notes_????????'"
    ).fetchall()
    [(count,)] = connection.execute(f"select count(*) from {name}('storm')").fetchall()
    assert count == 50
    assert connection.execute(f"insert into {name}({name}) values ('integrity-check')")
    connection.close()


async def test_any_program_can_write_to_a_searched_table_of_sqlite(tmp_path: Path) -> None:
    """The triggers are plain SQL, whatever the statement that fires them does on conflicts."""
    made = plain("Note", search="english")
    url = f"sqlite:///{tmp_path}/a.db"
    async with serving(url, made) as api:
        await api.db.create(made, text="kept", number=0)
        other = apsw.Connection(f"{tmp_path}/a.db")  # knows no function of ours
        for sql in (
            "insert into notes (text, number) values ('whales', 1), ('krakens', 2)",
            "insert or replace into notes (text, number) values ('sirens', 2)",
            "insert or ignore into notes (text, number) values ('lost', 1)",
            "insert into notes (text, number) values ('selkies', 1) "
            "on conflict (number) do update set text = excluded.text || ' and whales'",
            "update or replace notes set number = 3 where number = 2",
            "update notes set number = 4 where number = 3",
            "pragma recursive_triggers = on",
            "insert or replace into notes (text, number) values ('sirens again', 4)",
            "vacuum",
        ):
            other.execute(sql)
        other.close()
        assert await numbers(api, "whales") == [1]
        assert await numbers(api, "selkie") == [1]
        assert await numbers(api, "sirens") == [4]
        assert await numbers(api, "again") == [4]
        for lost in ("krakens", "lost"):
            assert await numbers(api, lost) == []
        assert await numbers(api, "kept") == [0]
        async with api.db.transaction():
            # Nobody can write at the moment: what is there is found all the same.
            other = apsw.Connection(f"{tmp_path}/a.db")
            assert await numbers(api, "kept") == [0]
            other.close()
    other = apsw.Connection(f"{tmp_path}/a.db")
    other.execute("delete from notes where number = 4; insert into notes values ('narwhals', 5)")
    other.close()
    async with serving(url, made) as api:
        assert await numbers(api, "sirens") == []
        assert await numbers(api, "narwhal") == [5]
        [keys] = await api.db.sql(
            f"select count(*) as n from {index_name(made.__spec__, 'abaft_keys')}"
        )
        assert keys["n"] == 3


async def test_any_program_can_write_to_a_searched_table_of_postgres(
    postgres: PostgresServer,
) -> None:
    made = plain("Note", search="english")
    with postgres.database() as url:
        async with serving(url, made) as api:
            for sql in (
                "insert into notes (text, number) values ('whales', 1), ('krakens', 2)",
                "insert into notes (text, number) values ('selkies', 1) "
                "on conflict (number) do update set text = excluded.text",
                "update notes set number = 4 where number = 2",
                # A program that looks in no schema of ours, as logical replication does.
                "set search_path to pg_catalog; "
                "update public.notes set text = 'sirens' where number = 4",
            ):
                postgres.execute(sql, url=url)
            assert await numbers(api, "selkie") == [1]
            assert await numbers(api, "sirens") == [4]
            assert await numbers(api, "whales") == await numbers(api, "krakens") == []
            postgres.execute("truncate notes", url=url)
            assert await numbers(api, "selkie") == []


WRONG = [
    ({"search": "klingon"}, "search='klingon' is no language.*english.*turkish"),
    ({"search": True, "hidden": True}, "hidden field can't be searched"),
    ({"search": True, "search_weight": 0}, "1 to 100"),
    ({"search": True, "search_weight": 1.5}, "1 to 100"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_what_cant_be_searched_is_told_at_the_start(options: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build([plain("Note", **options)])


def test_a_models_language_and_weights_are_told_at_the_start() -> None:
    class Klingon(Open, search="klingon"):
        text: str

    with pytest.raises(ModelError, match="Klingon: search='klingon'"):
        build([Klingon])

    class Far(Open, managed=False):
        text: str = field(search=True)

    with pytest.raises(ModelError, match="managed=False"):
        build([Far])

    class Heavy(Open):
        a: str = field(search=True, search_weight=1)
        b: str = field(search=True, search_weight=2)
        c: str = field(search=True, search_weight=3)
        d: str = field(search=True, search_weight=4)
        e: str = field(search=True, search_weight=5)

    with pytest.raises(ModelError, match="5 different weights"):
        build([Heavy])
