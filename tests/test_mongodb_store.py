"""MongoDB: what is refused at the start, what is kept how, and writes without transactions."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bson import Int64
from pymongo import AsyncMongoClient
from pymongo.errors import DuplicateKeyError, WriteError

from abaft import App, Me, Model, allow, by_database, field
from abaft.base.actor import SYSTEM
from abaft.base.errors import ModelError, SchemaMismatch, Unavailable
from apps.journal import Page, begin, make_app
from conftest import chosen_engines
from scenarios import Api, serving
from servers.mongodb import MongoServer

JOURNAL = Path(__file__).parent / "apps" / "journal.py"


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Any:
    if "mongodb" not in chosen_engines(request.config):
        pytest.skip("--engine leaves MongoDB out")
    server: MongoServer = request.getfixturevalue("mongodb")
    with server.database() as found:
        yield found


class Note(Model, stamps=False):
    id: int = field(key=True)
    text: str = field(search=True, default="")
    code: str | None = field(unique=True, collate="nocase", default=None)
    facts: dict[str, Any] = field(default_factory=dict)

    @allow("read", "create", "update", "delete")
    def anybody(note, me: Me) -> bool:
        return True


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with serving(url, Note) as found:
        yield found


ODD: list[Any] = [
    {"$ne": None},
    {"$gt": ""},
    {"$where": "sleep(1000)"},
    {"a.b": 1, "$set": {"x": 1}},
    {"$expr": {"$function": {"body": "f", "args": [], "lang": "js"}}},
]
STRINGS = ["$facts", "$$ROOT", "a.b", '{"$ne": null}', "$where", "^a.*$", "$$NOW", "[$ne]"]


@pytest.mark.parametrize("value", ODD)
async def test_inj_3_json_with_operators_is_kept_as_it_is(api: Api, value: Any) -> None:
    made = await api.ask("POST /api/notes", json={"text": "a", "facts": value})
    assert made.status_code == 201, made.text
    assert made.json()["facts"] == value
    again = await api.ask(f"GET /api/notes/{made.json()['id']}")
    assert again.json()["facts"] == value


@pytest.mark.parametrize("value", ODD)
async def test_inj_3_no_object_takes_the_place_of_text(api: Api, value: Any) -> None:
    await api.ask("POST /api/notes", json={"text": "a"})
    for body in ({"text": value}, {"code": value}, {"id": value}):
        assert (await api.ask("POST /api/notes", json=body)).status_code == 422
        assert (await api.ask("PATCH /api/notes/1", json=body)).status_code == 422


@pytest.mark.parametrize("text", STRINGS)
async def test_inj_3_text_is_never_an_operator_or_a_path(api: Api, text: str) -> None:
    made = await api.ask("POST /api/notes", json={"text": text, "code": text})
    assert made.json()["text"] == text, made.text
    await api.ask("POST /api/notes", json={"text": "other"})
    for query in ("text", "text[contains]", "text[startswith]", "text[endswith]", "text[in]"):
        found = await api.ask("GET /api/notes", params={query: text})
        assert [item["text"] for item in found.json()["items"]] == [text], (query, found.text)
    found = await api.ask("GET /api/notes", params={"search": text})
    assert found.status_code == 200
    named = await api.ask("GET /api/notes", params={f"text[{text}]": "a"})
    assert named.status_code == 400
    changed = await api.ask(f"PATCH /api/notes/{made.json()['id']}", json={"facts": {text: text}})
    assert changed.json()["facts"] == {text: text}


async def test_others_are_held_to_the_models_too(api: Api, url: str) -> None:
    await api.ask("POST /api/notes", json={"text": "a", "code": "Ab"})
    async with AsyncMongoClient(url) as client:
        notes = client.get_default_database()["notes"]
        kept = await notes.find_one({})
        assert kept is not None
        with pytest.raises(WriteError):
            await notes.insert_one({"_id": "x"})
        with pytest.raises(DuplicateKeyError):
            await notes.insert_one(kept | {"_id": Int64(kept["_id"] + 1)})


@pytest.mark.slow
@pytest.mark.everywhere
async def test_dos_2_a_record_has_no_more_bytes_than_a_document(url: str) -> None:
    async with serving(url, Note, settings={"max_body_bytes": 20_000_000}) as api:
        await api.ask("POST /api/notes", "admin", json={"facts": {"a": "x" * 9_000_000}})
        for path in ("POST /api/notes", "PATCH /api/notes/1"):
            body = {"text": "x" * 17_000_000}
            refused = await api.ask(path, "admin", json=body)
            assert (refused.status_code, refused.json()["code"]) == (422, "record_too_large"), path
        kept = await api.items("/api/notes?fields=text", "admin")
        assert [row["text"] for row in kept] == [""]
        assert len(await api.app.store.changes("", 10)) == 1


def _model(options: dict[str, Any], **fields: Any) -> type[Model]:
    namespace = {"__annotations__": {"id": int} | {name: row[0] for name, row in fields.items()}}
    namespace |= {"id": field(key=True)} | {n: row[1] for n, row in fields.items() if row[1:]}
    return type(Model)("Thing", (Model,), namespace, stamps=False, **options)


@pytest.mark.parametrize(
    ("options", "fields", "told"),
    [
        (
            {"managed": False},
            {},
            "Thing: .* only read: read_only=True, or .* without managed=False",
        ),
        ({"read_only": True}, {}, 'Thing: its key is one field with column="_id"'),
        ({"read_only": True, "schema": "old"}, {}, "Thing: MongoDB has no schema= .*leave it out"),
        ({"table": "a$b"}, {}, r"Thing: .*'a\$b': name another, by table="),
        ({}, {"text": (str, field(column="a.b"))}, r"Thing\.text: .*'a\.b': name another column"),
        ({}, {"text": (str, field(column="$x"))}, r"Thing\.text: .*'\$x': name another column"),
        ({}, {"text": (str, field(column="_words"))}, r"Thing\.text: .*'_words'"),
        ({}, {"text": (str, field(default=by_database))}, r"Thing\.text: .*give a default"),
        (
            {},
            {f"n{at}": (int | None, field(index=True, default=None)) for at in range(64)},
            "Thing: MongoDB has 63 indexes .*takes 64: leave out some index=",
        ),
    ],
)
def test_what_it_cannot_do_is_refused_at_the_start(
    options: dict[str, Any], fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(ModelError, match=told):
        App(_model(options, **fields), database="mongodb://127.0.0.1:1/test")


async def _state(url: str) -> tuple[Any, ...]:
    """What is stored, and what the feed tells, once all is finished that was begun."""
    app = make_app(url)
    await app.start()
    db = app.db(SYSTEM)
    pages = await db.list(Page, sort="id", expand=["words"])
    shown = [(page.id, page.title, [word.id for word in page.words]) for page in pages]
    feed = [(change.model, change.id, change.action) for change in await app.store.changes("", 100)]
    server: Any = app.store.server  # type: ignore[attr-defined]
    left = await server.collection("abaft_intents").count_documents({})
    await app.stop()
    return shown, feed, left


BEFORE = [(1, "one", []), (2, "two", [])]
AFTER = [(1, "changed", [1, 2]), (3, "new", [1])]
TOLD = [("Page", "1", "update"), ("Page", "3", "create"), ("Page", "2", "delete")]


@pytest.mark.slow
async def test_rec_1_killed_between_any_two_steps_it_is_whole_or_not_at_all(
    url: str, mongodb: MongoServer, request: pytest.FixtureRequest
) -> None:
    # At every fourth of them, unless MongoDB is asked for by name.
    stride = 1 if request.config.getoption("engines") else 4
    command = [sys.executable, str(JOURNAL), url, str(stride)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    names = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert {status for _, status in names} == {"0", "9"}, done.stderr
    outcomes = {}
    for name, _ in names:
        shown, feed, left = await _state(url + name)
        mongodb.drop(url.rpartition("/")[2] + name)
        told = feed[:4]
        assert left == 0
        assert (shown, feed) in ((BEFORE, told), (AFTER, [*told, *TOLD])), name
        outcomes[name] = shown
    # One before its first step, one that came to its end, and as many between.
    steps = [shown for name, shown in outcomes.items() if name.count("_") == 1]
    assert (steps[0], steps[-1]) == (BEFORE, AFTER)
    assert len(steps) > 20 // stride
    assert steps == sorted(steps, key=[BEFORE, AFTER].index)
    # Who is killed while it finishes leaves it to the next.
    again = [shown for name, shown in outcomes.items() if name.count("_") == 2]
    assert BEFORE in again
    assert AFTER in again
    assert len(again) > 10 // stride


class Count(Model, stamps=False):
    id: int = field(key=True)
    n: int = 0


@pytest.mark.slow
@pytest.mark.everywhere
async def test_several_apps_write_one_after_the_other(url: str) -> None:
    apps = [App(Count, database=url, sinks=()) for _ in range(3)]
    for app in apps:
        await app.start()
    await apps[0].db(SYSTEM).create(Count())

    async def work(app: App) -> None:
        for _ in range(8):
            async with app.db(SYSTEM).transaction() as db:
                count = await db.get(Count, 1)
                await db.update(count, n=count.n + 1)
            await app.db(SYSTEM).create(Count())

    await asyncio.gather(*map(work, apps))
    feed = await apps[0].store.changes("", 1000)
    counts = await apps[0].db(SYSTEM).list(Count, sort="id", limit=100)
    for app in apps:
        await app.stop()
    assert [count.n for count in counts] == [24] + [0] * 24
    assert [int(change.position) for change in feed] == [*range(1, 50)]


async def test_a_server_alone_undoes_what_is_refused(url: str) -> None:
    await begin(url)
    app = make_app(url)
    await app.start()
    db = app.db(SYSTEM)

    async def refused() -> None:
        async with db.transaction() as both:
            await both.update(await both.get(Page, 1), title="changed")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await refused()
    assert (await db.get(Page, 1)).title == "one"
    await app.stop()
    assert (await _state(url))[2] == 0


@pytest.mark.slow
@pytest.mark.everywhere
async def test_who_stood_still_for_longer_than_its_turn_is_undone(url: str) -> None:
    await begin(url)
    late = make_app(url)
    await late.start()

    async def stand_still() -> None:
        async with late.db(SYSTEM).transaction() as db:
            await db.update(await db.get(Page, 1), title="late")
            # Nothing else goes on here until another process has written.
            subprocess.run([sys.executable, str(JOURNAL), url, "write"], check=True)  # noqa: ASYNC221
            await db.update(await db.get(Page, 2), title="late")

    with pytest.raises(Unavailable):
        await stand_still()
    pages = await late.db(SYSTEM).list(Page, sort="id")
    await late.stop()
    assert [page.title for page in pages] == ["other", "two"]
    assert (await _state(url))[2] == 0


async def test_who_thinks_for_long_keeps_its_turn(url: str) -> None:
    await begin(url)
    apps = make_app(url), make_app(url)
    begun = asyncio.Event()
    for app in apps:
        await app.start()

    async def think() -> None:
        async with apps[0].db(SYSTEM).transaction() as db:
            await db.update(await db.get(Page, 1), title="first")
            begun.set()
            await asyncio.sleep(1)
            await db.update(await db.get(Page, 2), title="second")

    async def write() -> None:
        await begun.wait()
        page = await apps[1].db(SYSTEM).get(Page, 1)
        await apps[1].db(SYSTEM).update(page, title="third")

    await asyncio.gather(think(), write())
    assert [p.title for p in await apps[0].db(SYSTEM).list(Page, sort="id")] == ["third", "second"]
    for app in apps:
        await app.stop()


def _thing(**fields: Any) -> type[Model]:
    return _model({}, **fields)


async def test_documents_are_brought_up_to_a_changed_model(url: str) -> None:
    async with serving(url, _thing(name=(str,))) as api:
        for name in ("Running", "runs"):
            await api.ask("POST /api/things", "admin", json={"name": name})
    later = _thing(name=(str, field(search="english", collate="nocase")), size=(int | None,))
    async with serving(url, later) as api:
        found = await api.items("/api/things?search=run&name[gt]=RUNN&sort=-name", "admin")
        assert [row["name"] for row in found] == ["runs", "Running"]
        assert found[0]["size"] is None
        names = set(await _collection(api).index_information())
        assert {"abaft_search_things_w0", "abaft_search_things_s0"} <= names
    async with serving(url, _thing(name=(str,), size=(int | None,))) as api:
        kept = await _collection(api).find_one({})
        assert set(kept) == {"_id", "name", "size"}
        names = set(await _collection(api).index_information())
        assert not any(name.startswith("abaft_search") for name in names)


def _collection(api: Api) -> Any:
    store: Any = api.app.store
    return store.server.collection("things")


async def test_what_stored_documents_speak_against_is_told(url: str) -> None:
    async with serving(url, _thing(name=(str | None,))) as api:
        await api.ask("POST /api/things", "admin", json={"name": None})
    for model, told in (
        (_thing(name=(str,)), "things.name has values that are no string"),
        (_thing(name=(int | None,)), "things.name has values"),
        (_thing(name=(str | None,), new=(int,)), "things.new isn't there"),
    ):
        if told.endswith("values"):
            async with serving(url, _thing(name=(str | None,))) as api:
                await api.ask("POST /api/things", "admin", json={"name": "x"})
        with pytest.raises(SchemaMismatch, match=told):
            async with serving(url, model):
                pass
