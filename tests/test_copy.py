"""abaft copy: all records go to another database, of whatever engine, as they are."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from abaft import Actor, App, Settings
from abaft.cli.copy_ends import make_end, opened
from abaft.cli.copy_job import Copy
from abaft.cli.copy_write import store
from abaft.cli.target import find
from apps import moved
from apps.moved import MODELS, Club, Label, Member, Node, Ring, Thing
from conftest import engines_of, fresh_database
from projects import free_port, run, said, write_app

APP = Path(moved.__file__)
SYSTEM = Actor(system=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "databases" in metafunc.fixturenames:
        marked = metafunc.definition.get_closest_marker
        engines = engines_of(metafunc.config, metafunc.module, marked)
        pairs = list(product(engines, engines))
        names = [f"{one}-{other}" for one, other in pairs]
        metafunc.parametrize("databases", pairs, indirect=True, ids=names)


@pytest.fixture
def databases(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Two empty databases, of each engine and each."""
    with ExitStack() as stack:
        first, second = request.param
        one = stack.enter_context(fresh_database(first, request))
        yield one, stack.enter_context(fresh_database(second, request))


@pytest.fixture
def two(engine: str, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Two empty databases: SQLite, and one of each engine."""
    with ExitStack() as stack:
        one = stack.enter_context(fresh_database("sqlite", request))
        yield one, stack.enter_context(fresh_database(engine, request))


def copy(source: str, target: str, *options: str, app: str | Path = APP) -> Result:
    return run("copy", app, source, target, *options)


def checksum(result: Result) -> str:
    assert result.exit_code == 0, result.output
    found = re.search(r"sha256 ([0-9a-f]{64})", said(result))
    assert found is not None
    return found[1]


def on(url: str, work: Any, *models: Any) -> Any:
    """What the work gives, done with an app of its own on the database."""

    async def go() -> Any:
        app = App(*(models or MODELS), settings=Settings(database=url), sinks=[])
        await app.start()
        try:
            return await work(app)
        finally:
            await app.stop()

    return asyncio.run(go())


async def everything(app: App) -> dict[str, Any]:
    """What an administrator reads, deleted records and all versions among it."""
    db = app.db(SYSTEM)
    found: dict[str, Any] = {}
    for model in MODELS:
        many = ["labels"] if model is Thing else []
        rows = [row async for row in db.stream(model, expand=many)]
        found[model.__name__] = [repr(row) for row in rows]
    deleted = await db.list(Thing, deleted="only")
    found["deleted"] = [repr(row) for row in deleted]
    feed = [
        (row.at, row.actor, row.model, row.id, row.action, dict(row.data))
        for row in await db.changes(limit=10_000)
    ]
    found["feed"] = feed
    return found


@pytest.mark.slow
def test_all_records_arrive_as_they_are(databases: tuple[str, str]) -> None:
    source, target = databases
    on(source, moved.fill)
    before = on(source, everything)
    made = checksum(copy(source, target))
    assert on(target, everything) == before
    assert on(source, everything) == before
    assert checksum(copy(source, target, "--verify")) == made
    assert checksum(copy(target, source, "--verify")) == made

    async def goes_on(app: App) -> None:
        db = app.db(SYSTEM)
        assert (await db.create(Node)).id == 30
        assert (await db.create(Thing, text="new")).id == 10 * len(moved.THINGS) - 9
        [first, *_] = await db.history(await db.get(Thing, 10))
        assert first.action == "update"
        found = await db.list(Thing, search="least")
        assert [row.text for row in found] == ["least"]
        await db.update(await db.get(Thing, 0), text="changed")

    on(target, goes_on)
    result = copy(source, target, "--verify")
    assert result.exit_code == 1
    told = said(result)
    for part in ("things", "different: 0", "too many: 30"):
        assert part in told


async def change(app: App) -> None:
    """What may happen to the source between two runs."""
    db = app.db(SYSTEM)
    for key in (40, 50):
        await db.delete(await db.get(Thing, key), purge=key == 50)
    await db.update(await db.get(Thing, 60), text="other", labels=["y"], maybe=None)
    [bob] = await db.list(Thing, where=lambda thing: thing.name == "Bob")
    await db.delete(bob)
    await db.create(Thing, text="another", name="bob", labels=["é"])
    [eve] = await db.list(Thing, where=lambda thing: thing.name == "eve")
    await db.update(eve, name="adam")
    await db.create(Thing, text="third", name="Eve")
    fresh = await db.create(Node)
    await db.update(await db.get(Node, 29), above=fresh)
    await db.delete(await db.get(Node, 5))  # and all below it
    [club, other] = await db.list(Club, sort="name")
    stranger = await db.create(Member, club=other)
    await db.create(Member, club=other, friend=stranger, guest=True)
    moving = await db.list(Member, where=lambda member: member.club == club)
    await db.update(club, head=stranger)
    for member in moving:
        await db.update(member, club=other)
    await db.delete(club)
    await db.create(Label, name="new")
    await db.delete(await db.get(Label, "x"))
    await db.create(Ring, id=3, next=3)


@pytest.mark.slow
def test_what_changed_since_comes_with_the_next_run(two: tuple[str, str]) -> None:
    source, target = two
    on(source, moved.fill)
    first = checksum(copy(source, target))
    on(source, change)
    result = copy(source, target, "--verify")
    assert (result.exit_code, "is behind" in said(result)) == (1, True), said(result)
    result = copy(source, target)
    assert "changes that were made meanwhile" in said(result)
    assert checksum(result) != first
    assert on(target, everything) == on(source, everything)
    again = copy(source, target)
    assert checksum(again) == checksum(result)
    assert "0 of" in said(again)


class Ended(Exception):
    """Ends a copy in its midst."""


async def add(app: App, number: int) -> None:
    """Records that need each other, of most models."""
    db = app.db(SYSTEM)
    name = f"label {number}"
    await db.create(Label, name=name)
    await db.create(Thing, text=name, labels=[name, "é"])
    club = await db.create(Club, name=name)
    member = await db.create(Member, club=club)
    await db.update(club, head=await db.create(Member, club=club, friend=member, guest=True))
    [root] = await db.list(Node, where=lambda node: node.above == None)  # noqa: E711
    await db.update(root, above=await db.create(Node))
    await db.create(Ring, id=100 + number, next=1)


@pytest.mark.slow
def test_dur_a_copy_ended_after_any_step_goes_on(two: tuple[str, str]) -> None:
    """Each time something is written to the source, to which what is yet to come refers."""
    source, target = two
    on(source, moved.fill)

    async def begun(steps: int) -> Any:
        told = iter(range(steps))

        def tell(*_: Any) -> None:
            if next(told, None) is None:
                raise Ended

        ends = [make_end(moved.app, url) for url in two]
        async with opened(ends[0], make=False), opened(ends[1], make=True):
            return await Copy(ends[0], ends[1], tell).run()

    outcome = None
    for number in range(60):
        try:
            outcome = asyncio.run(begun(number % 4))
            break
        except Ended:
            on(source, partial(add, number=number))
    assert outcome is None or all(row.same for row in outcome.compared)
    checksum(copy(source, target))
    assert on(target, everything) == on(source, everything)


SMALL = """
from abaft import App, Model, Ref, field

class Item(Model, stamps=False):
    id: int = field(key=True)
    n: int
    above: Ref["Item"] | None = None

app = App(Item)
"""


@pytest.fixture
def small(tmp_path: Path) -> tuple[str, str]:
    """An application, and a database with some records of it."""
    app = write_app(tmp_path, SMALL)
    rows = "".join(f"{key},{key % 7},{key // 2 or ''}\n" for key in range(1, 12_001))
    (tmp_path / "items.csv").write_text(f"id,n,above\n{rows}")
    url = f"sqlite:///{tmp_path}/small.db"
    assert run("load", app, tmp_path / "items.csv", database=url).exit_code == 0
    return app, url


@pytest.mark.slow
@pytest.mark.everywhere
def test_it_goes_only_into_a_database_without_records(
    small: tuple[str, str], engine: str, database_url: str
) -> None:
    app, source = small
    made = checksum(copy(source, database_url, app=app))
    assert checksum(copy(source, database_url, app=app)) == made
    result = copy(database_url, source, app=app)
    assert result.exit_code == 2
    assert "has records already (items)" in said(result)


WRONG = {
    "no URL": (("shop.db", "sqlite:///{folder}/b.db"), "'shop.db' is no database's URL"),
    "one URL": (("sqlite:///{folder}/small.db",), "name the database to copy from"),
    "no file named": (("sqlite://", "sqlite:///{folder}/b.db"), "names no file"),
    "no such file": (("sqlite:///{folder}/none.db", "sqlite:///{folder}/b.db"), "there is no file"),
    "the same": (
        ("sqlite:///{folder}/small.db", "sqlite:///{folder}/../{name}/small.db"),
        "are the same database",
    ),
    "no such engine": (("sqlite:///{folder}/small.db", "oracle://u@h/x"), "of kind 'oracle'"),
    "the same server": (
        ("postgresql://a:secret@localhost/x", "postgres://b@127.0.0.1:5432/x"),
        "are the same database",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_urls_are_told_before_anything_moves(
    small: tuple[str, str], tmp_path: Path, name: str
) -> None:
    urls, told = WRONG[name]
    given = [url.format(folder=tmp_path, name=tmp_path.name) for url in urls]
    result = run("copy", small[0], *given)
    assert (result.exit_code, told in said(result)) == (2, True), result.output
    assert "secret" not in result.output
    assert not (tmp_path / "b.db").exists()
    assert not (tmp_path / "none.db").exists()


def test_what_the_destination_cant_hold_is_told_before_anything_moves(
    tmp_path: Path, mariadb_url: str
) -> None:
    key = "id: str = field(key=True, max_length=2_000)"
    app = write_app(tmp_path, SMALL.replace("id: int = field(key=True)", key))
    source = f"sqlite:///{tmp_path}/small.db"
    assert run("export", app, "items", database=source).exit_code == 0  # makes the tables
    result = copy(source, mariadb_url, app=app)
    assert (result.exit_code, "Item.id" in said(result)) == (2, True), result.output


@pytest.mark.slow
@pytest.mark.everywhere
def test_a_server_that_is_away_is_told(small: tuple[str, str], tmp_path: Path) -> None:
    app, source = small
    away = f"postgresql://ann:secret@127.0.0.1:{free_port()}/x"
    for pair in ((source, away), (away, f"sqlite:///{tmp_path}/b.db")):
        result = copy(*pair, app=app)
        assert result.exit_code == 1
        assert "can't be reached" in said(result)
        assert "secret" not in result.output


def test_a_source_that_the_models_dont_know_is_refused(
    small: tuple[str, str], tmp_path: Path
) -> None:
    app = write_app(tmp_path, SMALL.replace("n: int", "n: int\n    more: str"))
    result = copy(small[1], f"sqlite:///{tmp_path}/b.db", app=app)
    assert (result.exit_code, "and the models differ" in said(result)) == (2, True), result.output


@pytest.mark.slow
def test_models_that_have_changed_between_two_runs_are_refused(
    small: tuple[str, str], tmp_path: Path
) -> None:
    app, source = small
    target = f"sqlite:///{tmp_path}/b.db"
    checksum(copy(source, target, app=app))
    changed = write_app(tmp_path, SMALL.replace("n: int", "n: int\n    more: str | None"))
    # An app that is started on it brings the source up.
    assert run("export", changed, "items", database=source).exit_code == 0
    result = copy(source, target, app=changed)
    assert (result.exit_code, "the models have changed" in said(result)) == (2, True), result.output
    other = copy(target, source, app=changed)
    assert other.exit_code == 2
    third = f"sqlite:///{tmp_path}/c.db"
    checksum(copy(target, third, app=changed))
    assert "is filled from another database" in said(copy(source, third, app=changed))


def test_a_database_that_was_written_to_since_is_left_alone(
    small: tuple[str, str], tmp_path: Path
) -> None:
    app, source = small
    target = f"sqlite:///{tmp_path}/b.db"
    checksum(copy(source, target, app=app))
    (tmp_path / "items.csv").write_text("n\n1\n")
    again = write_app(tmp_path, SMALL)
    assert run("load", again, tmp_path / "items.csv", database=target).exit_code == 0
    result = copy(source, target, app=app)
    assert (result.exit_code, "has been written to since" in said(result)) == (2, True)


PLANTED: dict[str, tuple[Any, dict[str, list[Any]], str]] = {
    "another value": ("update", {"n": [99], "id": [17]}, "different: 17"),
    "one less": ("delete", {"id": [12_000]}, "missing: 12000"),
    "one more": ("create", {"id": [12_001], "n": [1]}, "too many: 12001"),
    "many less": (
        "delete",
        {"id": [2_001, 7_000, 9_001, 9_003, 9_005, 9_007]},
        "missing: 2001, 7000, 9001, 9003, 9005, …",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.slow
@pytest.mark.everywhere
def test_a_planted_difference_is_found(
    tmp_path: Path, engine: str, database_url: str, name: str
) -> None:
    app = write_app(tmp_path, SMALL.replace('Ref["Item"]', "int"))
    rows = "".join(f"{key},{key % 7}\n" for key in range(1, 12_001))
    (tmp_path / "items.csv").write_text(f"id,n\n{rows}")
    source = f"sqlite:///{tmp_path}/small.db"
    assert run("load", app, tmp_path / "items.csv", database=source).exit_code == 0
    made = checksum(copy(source, database_url, app=app))
    assert checksum(copy(source, database_url, "--verify", app=app)) == made
    action, values, told = PLANTED[name]
    asyncio.run(plant(app, database_url, action, values))
    result = copy(source, database_url, "--verify", app=app)
    assert result.exit_code == 1
    assert told in said(result)


async def plant(app: str, url: str, action: Any, values: dict[str, list[Any]]) -> None:
    """Stores it beside the models, so that the feed is told nothing."""
    end = make_end(find(app).app, url)
    async with opened(end, make=False), end.store.transaction() as session:
        await store(end.pipeline, session, end.schema.models["Item"], values, action)
