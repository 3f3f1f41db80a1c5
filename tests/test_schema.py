"""The database's schema: made and extended in development, only compared in production."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest

from abaft import App, Me, Model, Ref, Settings, allow, check, field
from abaft.base.errors import SchemaMismatch
from scenarios import SECRET_KEY, SYSTEM, serving


def thing(annotations: dict[str, Any], **rest: Any) -> type[Model]:
    """The model Thing as it is at some time of its life."""
    kind: Any = type(Model)

    def anybody(thing: Any, me: Me) -> bool:
        return True

    rule = allow("read", "create", "update", "delete")(anybody)
    keywords = rest.pop("keywords", {})
    body = {"__annotations__": annotations, "__module__": __name__, "anybody": rule, **rest}
    made: type[Model] = kind("Thing", (Model,), body, **keywords)
    return made


async def start(url: str, *models: type[Model], mode: Any = "development") -> App:
    app = App(*models, settings=Settings(database=url, mode=mode, secret_key=SECRET_KEY), sinks=())
    try:
        await app.start()
    finally:
        await app.stop()
    return app


async def differences(url: str, *models: type[Model], mode: Any = "development") -> list[str]:
    with pytest.raises(SchemaMismatch) as raised:
        await start(url, *models, mode=mode)
    assert all(found in str(raised.value) for found in raised.value.differences)
    return raised.value.differences


async def test_production_stops_with_the_list_and_changes_nothing(database_url: str) -> None:
    first, second = thing({"name": str}), thing({"name": str, "size": int | None})
    missing = await differences(database_url, first, mode="production")
    assert any("things" in found for found in missing)
    assert any("abaft_changes" in found for found in missing)
    assert await differences(database_url, first, mode="production") == missing
    await start(database_url, first)
    await start(database_url, first, mode="production")
    assert len(await differences(database_url, second, mode="production")) == 1
    indexed = thing({"name": str}, name=field(unique=True))
    told = await differences(database_url, indexed, mode="production")
    # MariaDB indexes such a text by a column of its digests.
    assert [row for row in told if "abaft_sum_name" not in row] == told[-1:]
    assert "uq_things_name" in told[-1]
    await start(database_url, first, mode="production")


ADDED: dict[str, tuple[Any, Any]] = {
    "text": (str, "it's 100% \\ \" ? :x $1"),
    "whole": (int, -5),
    "real": (float, 1.5),
    "price": (Decimal, Decimal("1.25")),
    "yes": (bool, True),
    "no": (bool, False),
    "at": (dt.datetime, dt.datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)),
    "day": (dt.date, dt.date(2020, 1, 2)),
    "clock": (dt.time, dt.time(1, 2, 3, 4)),
    "span": (dt.timedelta, dt.timedelta(seconds=-1.5)),
    "uid": (UUID, UUID(int=5)),
    "raw": (bytes, b"\x00'\xff"),
    "size": (Literal["s", "m"], "m"),
    "level": (Literal[1, 2], 2),
    "meta": (dict, {"a": ["'", None]}),
    "maybe": (int | None, 7),
}


async def test_columns_with_a_default_are_added_to_what_is_stored(database_url: str) -> None:
    async with serving(database_url, thing({"name": str})) as api:
        await api.ask("POST /api/things", json={"name": "old"})
    annotations = {"name": str} | {name: kind for name, (kind, _) in ADDED.items()}
    defaults: dict[str, Any] = {name: field(default=value) for name, (_, value) in ADDED.items()}
    defaults["price"] = field(default=ADDED["price"][1], decimal_places=2)
    later = thing(annotations, **defaults)
    async with serving(database_url, later) as api:
        await api.ask("POST /api/things", json={"name": "new"})
        old, new = await api.db.list(later, sort="name", expand=[]), None
        old, new = sorted(old, key=lambda record: record.name, reverse=True)
        for name, (_, value) in ADDED.items():
            assert getattr(new, name) == value, name
            assert getattr(old, name) == (None if name == "maybe" else value), name
    await start(database_url, later, mode="production")


@pytest.mark.sql
async def test_what_needs_a_person_is_told_and_nothing_is_changed(database_url: str) -> None:
    await start(database_url, thing({"name": str, "size": int | None}))
    for model, told in (
        (thing({"name": str, "size": int | None, "new": int}), "things.new isn't there"),
        (thing({"name": int, "size": int | None}), "Thing.name needs"),
        (thing({"name": str, "size": int}), "things.size may be NULL"),
        (thing({"name": str | None, "size": int | None}), "things.name is NOT NULL"),
        (thing({"size": int | None}), "no record could be created"),
    ):
        for mode in ("development", "production"):
            found = await differences(database_url, model, mode=mode)
            assert len(found) == 1, found
            assert told in found[0]
    await start(database_url, thing({"name": str, "size": int | None}), mode="production")
    await start(database_url, thing({"name": str}))


class Owner(Model):
    name: str = ""

    @allow("read", "create", "update", "delete")
    def anybody(owner, me: Me) -> bool:
        return True


async def test_an_added_relation_has_its_key(database_url: str) -> None:
    await start(database_url, Owner, thing({"name": str}))
    later = thing(
        {"name": str, "owner": Ref[Owner] | None, "kept": Ref[Owner] | None},
        owner=field(default=None, on_delete="cascade"),
    )
    async with serving(database_url, Owner, later) as api:
        one, two = [await api.db.create(Owner) for _ in range(2)]
        await api.db.create(later, name="x", owner=one)
        await api.db.create(later, name="y", kept=two)
        bad = {"name": "z", "owner": "01890a5d-ac96-774b-bcce-b302099a8057"}
        assert (await api.ask("POST /api/things", json=bad)).status_code == 422
        assert (await api.ask(f"DELETE /api/owners/{two.id}")).status_code == 409
        assert (await api.ask(f"DELETE /api/owners/{one.id}")).status_code == 204
        assert await api.items("/api/things", of="name") == ["y"]


@pytest.mark.sql
async def test_existing_tables_and_columns_are_served(database_url: str, engine: str) -> None:
    app = await start(database_url, Owner)
    await app.start()
    kind = {"sqlite": "text", "postgres": 'varchar(20) collate "C"'}.get(
        engine, "varchar(20) collate utf8mb4_nopad_bin"
    )
    await app.db(SYSTEM).sql(
        f'create table "Old Things" ("The Code" {kind} not null, part int not null, label {kind}, '
        'extra int default 5, primary key ("The Code", part))'
    )
    await app.db(SYSTEM).sql("""insert into "Old Things" values ('a/1', 1, 'one', 1)""")
    await app.stop()
    old = thing(
        {"code": str, "part": int, "label": str | None},
        code=field(column="The Code"),
        keywords={"table": "Old Things", "key": ("code", "part"), "stamps": False},
    )
    async with serving(database_url, old) as api:
        assert (await api.ask("GET /api/things/a%2F1,1")).json() == {
            "code": "a/1", "part": 1, "label": "one",
        }  # fmt: skip
        made = await api.ask("POST /api/things", json={"code": "b", "part": 2})
        assert made.status_code == 201, made.text
        taken = await api.ask("POST /api/things", json={"code": "b", "part": 2})
        assert {error["pointer"] for error in taken.json()["errors"]} == {"/code", "/part"}
        long = await api.ask("POST /api/things", json={"code": "x" * 30, "part": 1})
        assert long.status_code == (201 if engine == "sqlite" else 422)
        assert "varying" not in long.text


async def test_checks_are_upheld_by_the_database(database_url: str, engine: str) -> None:
    class Span(Model):
        low: int
        high: int | None = None
        price: Decimal = field(default=Decimal("1"), decimal_places=2)
        name: str = field(default="it's", collate="nocase")
        day: dt.date = field(default=dt.date(2024, 1, 1))

        @check
        def ordered(span) -> bool:
            return (span.high == None) | (span.low <= span.high)  # noqa: E711

        @check
        def sound(span) -> bool:
            return (span.price >= Decimal("0.50")) & (span.name != "NO") & (span.low > -10)

        @check
        def late(span) -> bool:
            return span.day >= dt.date(2000, 1, 1)

    async with serving(database_url, Span) as api:
        good = {"low": 1, "high": None}
        for values, name in (
            ({}, None), ({"high": 1}, None), ({"high": 0}, "ordered"), ({"price": "0.49"}, "sound"),
            ({"name": "nO"}, "sound"), ({"low": -10}, "sound"), ({"day": "1999-12-31"}, "late"),
        ):  # fmt: skip
            answer = await api.ask("POST /api/spans", "admin", json=good | values)
            assert answer.status_code == (422 if name else 201), answer.text
            assert name is None or repr(name) in answer.json()["detail"]
        if engine == "mongodb":
            return
        column = "low" if engine == "sqlite" else '"low"'
        with pytest.raises(Exception, match="refused"):
            await api.db.sql(f"update spans set {column} = 5 where high = 1")
