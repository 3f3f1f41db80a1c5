"""Records that clients order: where new ones go, moves, lists within a model, and many at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abaft import App, Many, Me, Model, Ref, User, allow, field, me
from abaft.base.errors import ModelError
from abaft.model import places
from abaft.model.places import place_between, places_after
from apps.open import Open
from scenarios import Api, Scenario, play, serving


class Board(Open, key="name", stamps=False):
    name: str
    cards: Many[Card] = field(back="board")


class Card(Open, key="name", stamps=False, ordered="board", history=True, soft_delete=True):
    name: str
    board: Ref[Board] | None = None


class Task(Model, key="name", stamps=False, ordered=True):
    name: str
    owner: Ref[User] | None = field(default=me)
    secret: bool = False
    notes: Many[Note]

    @allow("read")
    def open_or_mine(task, me: Me) -> bool:
        return ~task.secret | (task.owner == me)

    @allow("create", "update", "delete")
    def mine(task, me: Me) -> bool:
        return task.owner == me


class Note(Open, key="name", stamps=False, ordered=True):
    name: str


class Fixed(Open, key=("a", "b"), stamps=False, ordered=True, collection="fixed"):
    a: int
    b: int

    @allow("update", fields=["position"])
    def sorters(fixed, me: Me) -> bool:
        return me.has_role("sorter")


MODELS = (Board, Card, Task, Note, Fixed, User)


@pytest_asyncio.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, *MODELS) as api:
        await api.person("ann")
        await api.person("ben")
        await api.person("sam", "sorter")
        for name in ("x", "y"):
            await api.db.create(Board, name=name)
        yield api


async def order(api: Api, url: str, actor: str | None = None, of: str = "name") -> str:
    return "".join(str(item) for item in await api.items(url, actor, of))


async def put(api: Api, url: str, names: str, actor: str | None = None, **values: Any) -> None:
    for name in names:
        answer = await api.ask(f"POST {url}", actor, json={"name": name, **values})
        assert answer.status_code == 201, answer.text


async def move(api: Api, url: str, actor: str | None = None, **way: Any) -> int:
    return (await api.ask(f"POST {url}/move", actor, json=way)).status_code


@pytest.mark.asyncio
async def test_new_ones_go_last_and_moves_are_by_others_or_to_an_end(api: Api) -> None:
    await put(api, "/api/notes", "dacb")
    assert await order(api, "/api/notes") == "dacb"
    for way, expected in (
        ({"before": "a"}, "dbac"),
        ({"after": "c"}, "dacb"),
        ({"to": "first"}, "bdac"),
        ({"to": "last"}, "dacb"),
        ({"before": "d"}, "bdac"),
        ({"after": "d"}, "dbac"),
        ({"before": "a"}, "dbac"),
    ):
        assert await move(api, "/api/notes/b", **way) == 200
        assert await order(api, "/api/notes") == expected, way
    assert await order(api, "/api/notes?sort=-name") == "dcba"
    await api.ask("DELETE /api/notes/d")
    await put(api, "/api/notes", "e")
    assert await order(api, "/api/notes") == "bace"
    assert [note.name for note in await api.db.list(Note)] == list("bace")
    moved = await api.db.move(await api.db.get(Note, "e"), before="b")
    assert moved.position < (await api.db.get(Note, "b")).position
    for way in ({"to": "first"}, {"after": "a"}, {"before": await api.db.get(Note, "a")}):
        await api.db.move(moved, **way)
    assert await order(api, "/api/notes") == "beac"


@pytest.mark.asyncio
async def test_pages_of_the_order_go_on(api: Api) -> None:
    await put(api, "/api/cards", "gfed", board="x")
    await put(api, "/api/cards", "cba", board="y")
    await put(api, "/api/cards", "zw")
    seen, cursor = "", ""
    while cursor is not None:
        page = (await api.ask(f"GET /api/cards?limit=2{cursor}")).json()
        seen += "".join(card["name"] for card in page["items"])
        cursor = page["next"] and f"&cursor={page['next']}"
    assert seen == "gfedcbazw"


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.everywhere
async def test_lists_within_a_model_are_apart(api: Api) -> None:
    await put(api, "/api/cards", "cba", board="x")
    await put(api, "/api/cards", "fed", board="y")
    assert await move(api, "/api/cards/a", to="first") == 200
    board = (await api.ask("GET /api/boards/x?expand=cards")).json()
    assert "".join(card["name"] for card in board["cards"]) == "acb"
    assert await order(api, "/api/cards?board=y") == "fed"
    await play(
        api,
        [
            Scenario("POST /api/cards/a/move", 422, json={"before": "f"}, has=["/before"]),
            Scenario(
                "PATCH /api/cards/a",
                200,
                json={"board": "y"},
                changes=("update Card",),
            ),
        ],
    )
    assert await order(api, "/api/cards?board=y") == "feda"
    assert (await api.ask("PATCH /api/cards/f", json={"board": "y"})).status_code == 200
    assert await order(api, "/api/cards?board=y") == "feda"
    assert (await api.ask("PATCH /api/cards/f", json={"board": None})).status_code == 200
    await put(api, "/api/cards", "z")
    assert await order(api, "/api/cards?board[isnull]=true") == "fz"
    assert await move(api, "/api/cards/z", before="f") == 200
    assert await order(api, "/api/cards?board[isnull]=true") == "zf"
    await api.ask("DELETE /api/cards/z")
    await put(api, "/api/cards", "y")
    await api.ask("POST /api/cards/z/restore")
    assert await order(api, "/api/cards?board[isnull]=true") == "zfy"
    versions = await api.items("/api/cards/f/history")
    assert versions[0]["changed"][0] == "board"
    assert (await api.ask("PUT /api/cards/q", json={"board": "x"})).status_code == 201
    assert await order(api, "/api/cards?board=x") == "cbq"


@pytest.mark.asyncio
async def test_authz_2_a_move_is_an_update_and_tells_nothing_of_hidden_neighbours(
    api: Api,
) -> None:
    await put(api, "/api/tasks", "ab", "ann")
    await put(api, "/api/tasks", "s", "ann", secret=True)
    await put(api, "/api/tasks", "xyz", "ben")
    await play(
        api,
        [
            Scenario("POST /api/tasks/a/move", 403, actor="ben", json={"to": "last"}),
            Scenario("POST /api/tasks/s/move", 404, actor="ben", json={"to": "last"}),
            Scenario("POST /api/tasks/a/move", 401, json={"to": "last"}),
            Scenario("POST /api/tasks/x/move", 422, actor="ben", json={"before": "s"},
                     has=["no_such_record", "/before"]),
            Scenario("POST /api/tasks/x/move", 422, actor="ben", json={"before": "nobody"},
                     has=["no_such_record", "/before"]),
            Scenario("POST /api/tasks/x/move", 422, actor="ben", json={"after": "x"}),
            Scenario("POST /api/tasks/x/move", 200, actor="ben", json={"after": "b"},
                     changes=("update Task",)),
            Scenario("POST /api/tasks/nobody/move", 404, actor="ben", json={"to": "first"}),
        ],
    )  # fmt: skip
    assert await order(api, "/api/tasks", "ann") == "abxsyz"
    assert await order(api, "/api/tasks", "ben") == "abxyz"


JSON, TEXT = {"content-type": "application/json"}, {"content-type": "text/plain"}
STALE = {"if-match": '"0"'}


@pytest.mark.asyncio
async def test_what_a_move_takes(api: Api) -> None:
    await put(api, "/api/notes", "ab")
    for a in (1, 2):
        await api.ask("POST /api/fixed", json={"a": a, "b": 0})
    etag = (await api.ask("GET /api/notes/a")).headers["etag"]
    await play(
        api,
        [
            Scenario("POST /api/notes/a/move", 422, json={}, has=["/before", "/after", "/to"]),
            Scenario("POST /api/notes/a/move", 422, json={"before": "b", "to": "last"}),
            Scenario("POST /api/notes/a/move", 422, json={"to": "middle"}, has=["/to"]),
            Scenario("POST /api/notes/a/move", 422, json={"before": 1}, has=["/before"]),
            Scenario("POST /api/notes/a/move", 422, json={"beside": "b"}, has=["/beside"]),
            Scenario("POST /api/notes/a/move", 422, json=["b"]),
            Scenario("POST /api/notes/a/move", 400, body=b"{", headers=JSON),
            Scenario("POST /api/notes/a/move", 415, body=b"{}", headers=TEXT),
            Scenario("GET /api/notes/a/move", 405, shows={"allow": "OPTIONS, POST"}),
            Scenario("POST /api/notes/a/move", 412, json={"to": "last"}, headers=STALE),
            Scenario("POST /api/notes/a/move", 200, json={"to": "last"}, headers={"if-match": etag},
                     changes=("update Note",)),
            Scenario("POST /api/boards/x/move", 405, json={"to": "last"}),
            Scenario("PATCH /api/notes/a", 422, json={"position": "1"}, has=["read_only"]),
            Scenario("POST /api/fixed/1,0/move", 403, json={"to": "last"}, has=["field_forbidden"]),
            Scenario("POST /api/fixed/1,0/move", 200, actor="sam", json={"after": {"a": 2, "b": 0}},
                     changes=("update Fixed",)),
            Scenario("POST /api/fixed/1,0/move", 422, actor="sam", json={"after": {"a": 2}}),
        ],
    )  # fmt: skip
    assert await order(api, "/api/fixed", of="a") == "21"


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.everywhere
async def test_many_moves_and_creates_at_once_lose_nothing(api: Api) -> None:
    names = [f"n{place:02}" for place in range(20)]
    for name in names:
        await api.ask("POST /api/notes", json={"name": name})
    moves = [
        api.ask(f"POST /api/notes/{names[place % 20]}/move", json=way)
        for place in range(50)
        for way in [({"before": names[(place * 7 + 1) % 20]}, {"to": "last"})[place % 5 == 0]]
        if way.get("before") != names[place % 20]
    ]
    new = [api.ask("POST /api/notes", json={"name": f"m{place}"}) for place in range(10)]
    answers = await asyncio.gather(*moves, *new)
    assert {answer.status_code for answer in answers} == {200, 201}
    items = await api.items("/api/notes?limit=100")
    assert len({item["position"] for item in items}) == len(items) == 30


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.everywhere
async def test_a_list_is_numbered_anew_before_places_grow_too_long(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for compiler in ("sql", "mongo"):
        monkeypatch.setattr(f"abaft.store.{compiler}.placing.LONGEST", 14)
    await put(api, "/api/cards", "abcde", board="x")
    expected = list("abcde")
    for place in range(40):
        name, other = expected[-1], expected[1 + place % 2]
        assert await move(api, f"/api/cards/{name}", before=other) == 200
        expected.remove(name)
        expected.insert(expected.index(other), name)
        assert await order(api, "/api/cards?board=x") == "".join(expected)
    items = await api.items("/api/cards?board=x")
    assert max(len(item["position"]) for item in items) <= 14
    newest = (await api.items(f"/api/cards/{items[0]['name']}/history"))[0]
    assert "position" in newest["changed"]


@given(st.lists(st.integers(0, 1000), max_size=200))
def test_there_is_a_place_between_any_two(inserts: list[int]) -> None:
    found: list[str] = []
    for insert in inserts:
        at = insert % (len(found) + 1)
        low, high = found[at - 1] if at else None, found[at] if at < len(found) else None
        found.insert(at, place_between(low, high))
    assert found == sorted(set(found))


def test_a_hundred_inserts_at_one_spot_stay_short() -> None:
    for upward in (True, False):
        low, high = places_after(None, 2)
        for _ in range(100):
            between = place_between(low, high)
            low, high = (between, high) if upward else (low, between)
            assert len(between) <= places.LONGEST


class World:
    """An app that outlives the examples."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.api: Api = self.run(self.stack.enter_async_context(serving(url, *MODELS)))

    def run(self, task: Any) -> Any:
        return self.loop.run_until_complete(task)


@pytest.fixture(scope="module")
def world(module_database_url: str) -> Iterator[World]:
    made = World(module_database_url)
    yield made
    made.run(made.stack.aclose())
    made.loop.close()


ACTIONS = ("new", "before", "after", "first", "last", "delete")
spots = st.integers(0, 30)
steps = st.lists(st.tuples(st.sampled_from(ACTIONS), spots, spots), max_size=20)
few = settings(max_examples=15, suppress_health_check=list(HealthCheck))


@few
@given(steps)
@pytest.mark.slow
@pytest.mark.everywhere
def test_random_moves_are_those_of_a_list(world: World, steps: list[tuple[str, int, int]]) -> None:
    world.run(walk(world.api, steps))


async def walk(api: Api, steps: list[tuple[str, int, int]]) -> None:
    for note in await api.db.list(Note):
        await api.db.delete(note)
    expected: list[str] = []
    for number, (action, first, second) in enumerate(steps):
        if action == "new" or len(expected) < 2:
            expected.append(f"s{number}")
            await api.ask("POST /api/notes", json={"name": expected[-1]})
            continue
        name = expected.pop(first % len(expected))
        if action == "delete":
            assert (await api.ask(f"DELETE /api/notes/{name}")).status_code == 204
            continue
        other = expected[second % len(expected)]
        at = expected.index(other)
        ends = {"before": at, "after": at + 1, "first": 0, "last": len(expected)}
        expected.insert(ends[action], name)
        way = {action: other} if action in ("before", "after") else {"to": action}
        assert await move(api, f"/api/notes/{name}", **way) == 200
    assert await api.items("/api/notes?limit=100", of="name") == expected


@pytest.mark.asyncio
async def test_stored_records_get_places_when_the_switch_comes(database_url: str) -> None:
    def thing(**options: Any) -> type[Model]:
        class Thing(Open, key="id", **options):
            id: int = field(key=True)
            shelf: str = ""

        return Thing

    async with serving(database_url, thing()) as api:
        for shelf in ("b", "a", "b", "a"):
            await api.ask("POST /api/things", json={"shelf": shelf})
    async with serving(database_url, thing(ordered="shelf")) as api:
        assert await order(api, "/api/things", of="id") == "2413"
        await api.ask("POST /api/things", json={"shelf": "a"})
        await api.ask("POST /api/things/3/move", json={"before": 1})
        assert await order(api, "/api/things", of="id") == "24531"


def test_a_list_that_is_no_field_stops_the_start() -> None:
    class Wrong(Model, ordered="lst"):
        list: str

    with pytest.raises(ModelError, match="'list'"):
        App(Wrong, database="sqlite:///unused.db")
