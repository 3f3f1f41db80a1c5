"""Writing by models that `abaft inspect` wrote, and what it says and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from existing import fetch, run
from inspected import Walk, imported, make, models_of, written
from projects import run as command
from projects import said, write_app
from scenarios import Api, serving
from shapes import SHAPES

pytestmark = pytest.mark.sql

Serve = Callable[..., AbstractAsyncContextManager[Api]]


@pytest.fixture
def serve(engine: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Serves what the command makes of a script."""

    @asynccontextmanager
    async def start(script: str, *options: str) -> AsyncIterator[Api]:
        await make(database_url, script)
        monkeypatch.setenv("ABAFT_DATABASE", database_url)
        module = imported(await written(database_url, *options), tmp_path)
        async with serving(database_url, *models_of(module)) as api:
            yield api

    return start


async def ok(api: Api, request: str, json: Any = None) -> Any:
    response = await api.ask(request, "admin", json=json)
    assert response.status_code in (200, 201, 204), response.text
    return response.json() if response.content else None


async def test_records_of_composite_keys_are_made_changed_and_deleted(
    engine: str, serve: Serve
) -> None:
    async with serve(SHAPES[engine]["wholesale"]) as api:
        new = {"customer": "bär", "order_date": "2020-02-03T04:05:06Z"}
        order = await ok(api, "POST /api/orders", new)
        key = order["order_id"]
        assert order | new == order
        assert float(order["freight"]) == 0
        detail = {"order": key, "product": 2, "unit_price": 1.25, "quantity": 3}
        made = await api.ask("POST /api/order_details", "admin", json=detail)
        assert made.headers["location"] == f"/api/order_details/{key},2"
        path = f"/api/order_details/{key},2"
        assert (await ok(api, f"PATCH {path}", {"discount": 0.5}))["discount"] == 0.5
        refused = await api.ask(f"PATCH {path}", "admin", json={"discount": 1.5})
        assert refused.status_code == 422
        again = await api.ask("POST /api/order_details", "admin", json=detail)
        assert again.status_code == 409
        assert {problem["pointer"] for problem in again.json()["errors"]} == {"/order", "/product"}
        note = {"order_id": key, "product_id": 2, "line_no": 7, "note_text": "x"}
        await ok(api, "POST /api/shipment_notes", note)
        whole = await ok(api, f"GET /api/shipment_notes/{key},2,7?expand=order_detail.product")
        assert whole["order_detail"]["product"]["product_name"] == "Chang"
        held = await api.ask(f"DELETE {path}", "admin")
        assert held.status_code == 409
        await ok(api, f"DELETE /api/shipment_notes/{key},2,7")
        before = await api.changes()
        await ok(api, f"DELETE /api/orders/{key}")
        assert (await api.changes())[len(before) :] == ["delete Order", "delete OrderDetail"]
        assert (await api.ask(f"GET {path}", "admin")).status_code == 404
        linked = await ok(api, "GET /api/employees/2?expand=territories,reports_to")
        assert [place["territory_id"] for place in linked["territories"]] == ["01581", "98004"]
        assert linked["reports_to"]["last_name"] == "Davolio"
        nowhere = await api.ask("POST /api/orders", "admin", json={"customer": "nobody"})
        assert nowhere.status_code == 422


FILMS = {
    "title": "THE \\ \"QUOTED\" 'FILM'",
    "language": 1,
    "release_year": 2020,
    "rating": "NC-17",
    "special_features": ["a", 'b,"c"'],
}


async def test_what_mariadb_fills_in_is_left_to_it(engine: str, serve: Serve) -> None:
    if engine != "mariadb":
        pytest.skip("the rentals are MariaDB's")
    async with serve(SHAPES["mariadb"]["rentals"]) as api:
        new = {"title": "ÄGYPTEN  ", "language": 2, "release_year": "2020", "rating": "it's"}
        film = await ok(api, "POST /api/films", new)
        assert film | new == film
        assert (film["rental_rate"], film["rental_duration"]) == ("4.99", 3)
        assert (film["loud"], film["last_update"]) == ("ÄGYPTEN  ", "2020-01-01T00:00:00Z")
        path = f"/api/films/{film['film_id']}"
        changed = await ok(api, f"PATCH {path}", {"title": "x", "rating": None})
        assert (changed["loud"], changed["rating"]) == ("X", None)
        for wrong in ({"rating": "X"}, {"rental_rate": "100.00"}, {"release_year": "1800"}):
            refused = await api.ask(f"PATCH {path}", "admin", json=wrong)
            assert refused.status_code == 422, refused.text
        nowhere = await api.ask(f"PATCH {path}", "admin", json={"language": 9})
        assert nowhere.status_code == 422
        assert await ok(api, f"GET {path}") == changed


async def test_what_the_database_fills_in_is_left_to_it(
    engine: str, database_url: str, serve: Serve
) -> None:
    if engine != "postgres":
        pytest.skip("the films are PostgreSQL's")
    async with serve(SHAPES["postgres"]["films"]) as api:
        film = await ok(api, "POST /api/films", FILMS)
        assert film | FILMS == film
        assert film["loud"] == FILMS["title"]
        assert (film["rental_rate"], film["rental_duration"]) == ("4.99", 3)
        [(words,)] = await fetch(
            database_url, f"select fulltext::text from film where film_id = {film['film_id']}"
        )
        assert "film" in words
        path = f"/api/films/{film['film_id']}"
        changed = await ok(api, f"PATCH {path}", {"title": "other", "rating": None})
        assert (changed["loud"], changed["rating"]) == ("OTHER", None)
        # PUT leaves to the database what it fills in: the rate stays as it was.
        put = await ok(api, f"PUT {path}", {"title": "third", "language": 2})
        assert (put["title"], put["rental_rate"], put["release_year"]) == ("third", "4.99", None)
        for wrong in ({"release_year": 1800}, {"rating": "X"}, {"rental_rate": "100.00"}):
            refused = await api.ask(f"PATCH {path}", "admin", json=wrong)
            assert refused.status_code == 422, refused.text
        mixed = await api.ask("POST /api/mixed_cases", "admin", json={"groesse": 1.5})
        assert mixed.status_code == 422
        mixed = await api.ask("POST /api/mixed_cases", "admin", json={"grosse": 1.5})
        assert mixed.headers["location"] == f"/api/mixed_cases/{mixed.json()['id']}"
        category = await ok(api, "POST /api/categories", {"name": "New", "parent": 1})
        assert category["parent"] == 1
        put = await api.ask(
            "PUT /api/categories/99",
            "admin",
            json={"name": "Mine"},
            headers={"if-none-match": "*"},
        )
        assert put.status_code == 422  # GENERATED ALWAYS
        await ok(api, "DELETE /api/categories/1" if False else "DELETE /api/categories/3")
        paid = {"payment_id": 50, "amount": "1.00", "payment_date": "2023-01-01T00:00:00Z"}
        payment = await api.ask("POST /api/payments", "admin", json=paid)
        place = payment.headers["location"]
        assert place == "/api/payments/2023-01-01T00:00:00Z,50"
        assert (await ok(api, f"PATCH {place}", {"amount": "2.50"}))["amount"] == "2.50"
        await ok(api, f"DELETE {place}")
        assert len(await api.items("/api/store_films", "admin")) == 1
        order = await ok(api, "GET /api/orders/1?expand=film.language")
        assert order["total"] == "1234567890123456.7891"
        assert order["film"]["language"]["name"] == "English"


GUARDED = {
    "mariadb": """
        create table notes (id integer auto_increment primary key, text text not null);
        create trigger guard before insert on notes for each row if new.text = 'no' then
            signal sqlstate '45000' set message_text = 'not this one'; end if;
    """,
    "sqlite": """
        create table notes (id integer primary key, text text not null);
        create trigger guard before insert on notes when new.text = 'no'
            begin select raise(abort, 'not this one'); end;
    """,
    "postgres": """
        create table notes (id serial primary key, text text not null);
        create function guard() returns trigger language plpgsql as $$ begin
            if new.text = 'no' then raise exception 'not this one'; end if; return new; end $$;
        create trigger guard before insert on notes for each row execute function guard();
    """,
}


async def test_what_a_trigger_refuses_is_a_422(engine: str, serve: Serve) -> None:
    async with serve(GUARDED[engine]) as api:
        await ok(api, "POST /api/notes", {"text": "yes"})
        refused = await api.ask("POST /api/notes", "admin", json={"text": "no"})
        assert refused.status_code == 422
        assert "not this one" not in refused.text
        assert await api.changes() == ["create Note"]


async def test_authz_nobody_may_do_anything_until_a_rule_says_so(engine: str, serve: Serve) -> None:
    async with serve("create table notes (id integer primary key, text text)") as api:
        assert (await api.ask("GET /api/notes")).status_code == 401
        assert (await api.ask("POST /api/notes", json={"id": 1})).status_code == 401


async def test_authz_open_lets_everybody_read_and_nobody_write(engine: str, serve: Serve) -> None:
    script = "create table notes (id integer primary key, text text)"
    async with serve(script, "--open") as api:
        assert await api.items("/api/notes") == []
        assert (await api.ask("POST /api/notes", json={"text": "x"})).status_code == 401


LEFT_OUT = """
create table safes (id integer primary key, content money not null);
create table boxes (id integer primary key, content money);
create table parts (code varchar(9) primary key, number integer not null unique);
create table uses (id integer primary key, part integer references parts (number));
"""
UNKNOWN = {"postgres": "money", "mariadb": "point"}


FUZZY = """
create collation fuzzy (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table words (id integer primary key, word text collate fuzzy);
"""


async def test_text_that_is_not_compared_by_code_point_is_left_out(
    engine: str, database_url: str, serve: Serve
) -> None:
    if engine != "postgres" or not await fetch(
        database_url, "select 1 from pg_collation where collprovider = 'i' limit 1"
    ):
        pytest.skip("this is of PostgreSQL with ICU")
    async with serve(FUZZY) as api:
        assert (await ok(api, "POST /api/words", {"id": 1})) == {"id": 1}
        assert "# The column word (text) is left out" in await written(database_url)


async def test_what_cannot_be_served_is_told(engine: str, database_url: str, serve: Serve) -> None:
    if engine == "sqlite":
        pytest.skip("SQLite's columns can all be served")
    async with serve(LEFT_OUT.replace("money", UNKNOWN[engine])) as api:
        assert api.app.schema.models["Safe"].read_only
        assert (await ok(api, "POST /api/boxes", {"id": 1})) == {"id": 1}
        text = await written(database_url, "--tables", "[us]*")
        assert f"# The column content ({UNKNOWN[engine]}) is left out" in text
        assert "# So no record can be created: it can only be read." in text
        assert "# Part refers to number of parts, which is no model here: no relation." in text
        await Walk(api, database_url).everything()


async def test_tables_are_chosen_by_name(engine: str, database_url: str) -> None:
    await make(database_url, SHAPES[engine]["music"])
    text = await written(database_url, "--tables", "*list*", "--tables", "Track")
    assert "class Playlist(" in text
    assert "class Track(" in text
    assert "class Album(" not in text
    assert "album_id: int | None" in text
    text = await written(database_url, "--exclude", "Playlist*")
    assert "class Playlist" not in text
    assert "class Album(" in text


def test_mistakes_are_told_with_what_to_write(tmp_path: Path) -> None:
    for arguments, word in (
        (["mssql://x/y"], "sqlite:///FILE"),
        ([f"sqlite:///{tmp_path}/none.db"], "no file"),
        (["postgresql://127.0.0.1:1/none"], "can't be reached"),
        (["mysql://127.0.0.1:1/none"], "can't be reached"),
    ):
        result = command("inspect", *arguments)
        assert result.exit_code == 1
        assert word in said(result)
    (tmp_path / "text.db").write_text("this is no database, though it is long enough" * 100)
    assert command("inspect", f"sqlite:///{tmp_path}/text.db").exit_code == 1


async def test_an_empty_database_and_a_wrong_name_are_told(engine: str, database_url: str) -> None:
    await run(database_url, "create table abaft_changes (seq integer)")
    with pytest.raises(AssertionError, match="no table"):
        await written(database_url)
    await run(database_url, "create table notes (id integer primary key)")
    with pytest.raises(AssertionError, match="did you mean 'notes'"):
        await written(database_url, "--tables", "note")


LOADED = {
    "orders": (
        "OrderID,CustomerID,OrderDate,Freight\n"
        "20000,ALFKI,2020-02-03T04:05:06Z,1.25\n20001,,,\n20002,bär,2020-02-03T04:05:06.5Z,2\n"
    ),
    "order_details": "order,product,unit_price,Quantity\n20000,1,2.5,3\n20000,2,1,1\n",
    "films": (
        "title,language_id,release_year,rating,special_features,length\n"
        'A,1,2001,PG-13,"[""a\\\\"",""b,c"",""{}""]",12\nB,2,,,[],\n'
    ),
    "mixed_cases": (
        "id,select,wait,address,notes,grosse,bytes_\n"
        "00000000-0000-0000-0000-00000000000a,true,PT90.5S,10.0.0.0/8,"
        '"{""a"":[1]}",0.1,AP8=\n'
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "names"),
    [("wholesale", ["orders", "order_details"]), ("films", ["films", "mixed_cases"])],
)
def test_files_are_loaded_into_it(
    engine: str,
    shape: str,
    names: list[str],
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if shape not in SHAPES[engine]:
        pytest.skip(f"{shape} is of another engine")
    monkeypatch.setenv("ABAFT_DATABASE", database_url)
    asyncio.run(make(database_url, SHAPES[engine][shape]))
    text = asyncio.run(written(database_url))
    files = [tmp_path / f"{name}.csv" for name in names]
    for file in files:
        file.write_text(LOADED[file.stem], "utf-8")
    result = command("load", write_app(tmp_path, text), *files)
    assert result.exit_code == 0, (said(result), result.exception)
    module = imported(text, tmp_path)

    async def look() -> None:
        async with serving(database_url, *models_of(module)) as api:
            await (_orders(api) if shape == "wholesale" else _films(api))
            await Walk(api, database_url).everything()

    asyncio.run(look())


async def _orders(api: Api) -> None:
    orders = await api.items("/api/orders?order_id[ge]=20000", "admin")
    assert [order["order_date"] for order in orders] == [
        "2020-02-03T04:05:06Z",
        None,
        "2020-02-03T04:05:06.500000Z",
    ]
    details = await api.items("/api/order_details?order=20000&sort=product", "admin")
    assert [float(detail["unit_price"]) for detail in details] == [2.5, 1.0]


async def _films(api: Api) -> None:
    films = await api.items("/api/films?sort=-film_id&limit=2", "admin")
    assert films[1]["special_features"] == ["a\\", "b,c", "{}"]
    assert (films[1]["loud"], films[1]["rental_rate"]) == ("A", "4.99")
    [mixed] = await api.items("/api/mixed_cases?select=true&wait=PT90.5S", "admin")
    assert mixed["bytes_"] == "AP8="
    assert mixed["notes"] == {"a": [1]}


HOSTILE = '''
    create table "x""; import os #" (id integer primary key, "a\\"", b = ""\\nc" integer);
    comment on table "x""; import os #" is 'said """; raise SystemExit(1)\\\\ and
        more \\"""';
    comment on column "x""; import os #".id is '"""); raise SystemExit(2) # \\';
'''


HOSTILE_MARIADB = '''
    create table "x""; import os #" (
        id integer primary key comment '"""); raise SystemExit(2) # \\\\',
        "a\\"", b = ""\\nc" integer
    ) comment 'said """; raise SystemExit(1)\\\\ and
        more \\\\"""';
'''


async def test_inj_what_a_database_says_is_never_code(
    engine: str, database_url: str, serve: Serve
) -> None:
    if engine == "sqlite":
        pytest.skip("SQLite has no comments, and its names are drawn elsewhere")
    async with serve({"postgres": HOSTILE, "mariadb": HOSTILE_MARIADB}[engine]) as api:
        [model] = api.app.schema.collections.values()
        assert "raise SystemExit(1)" in model.description
        assert "raise SystemExit(2)" in model.fields["id"].description
        await Walk(api, database_url).everything()
