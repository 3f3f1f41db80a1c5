"""Cursors: none is taken that wasn't given, and a walk misses and repeats nothing (INJ-2)."""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abaft import App, Model, Settings, allow, field
from conftest import fresh_database
from times import times


class Step(Model, stamps=False):
    name: str = field(key=True)
    rank: int | None
    word: str | None = field(collate="nocase")

    @allow("read", "create", "update", "delete")
    def everyone(step, me: Any) -> bool:
        return True


class Client:
    """Requests to an application on a loop of its own, which waits between them."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.app = App(Step, settings=Settings(database=url), sinks=())
        self.runner.run(self.app.start())
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://test"
        )

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.runner.run(self.client.request(method, path, **options))

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.run(self.app.stop())
        self.runner.close()


@pytest.fixture(scope="module")
def client(engine: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    with fresh_database(engine, request) as url:
        client = Client(url)
        yield client
        client.close()


quick = settings(max_examples=40, suppress_health_check=[*HealthCheck])
slow = settings(quick, max_examples=times(60))

words = st.sampled_from(["", "a", "A", "b", "ä", "a\u0308", "🙂", "'\"", "\\"])
steps = st.fixed_dictionaries(
    {"rank": st.none() | st.sampled_from([0, -1, 2**63 - 1, -(2**63)]), "word": st.none() | words}
)
sorts = st.sampled_from(["", "rank", "-rank", "word,-rank", "-word,rank", "name", "-name"])


def refused(answer: httpx.Response) -> bool:
    return answer.status_code == 400 and answer.json()["code"] == "bad_cursor"


@quick
@given(text=st.text(st.characters(exclude_categories=["Cs"])), sort=sorts)
def test_inj_2_a_made_up_cursor_is_refused(client: Client, text: str, sort: str) -> None:
    order = {"sort": sort} if sort else {}
    assert refused(client("GET", "/api/steps", params={"cursor": text, **order}))


@quick
@given(payload=st.binary(max_size=80))
def test_inj_2_a_cursor_of_made_up_bytes_is_refused(client: Client, payload: bytes) -> None:
    text = base64.urlsafe_b64encode(payload).decode().rstrip("=")
    assert refused(client("GET", "/api/steps", params={"cursor": text}))


@quick
@given(data=st.data())
@pytest.mark.slow
@pytest.mark.everywhere
def test_inj_2_a_cursor_that_was_changed_is_refused(client: Client, data: st.DataObject) -> None:
    for name in "xyz":
        client("PUT", f"/api/steps/{name}", json={"rank": 1})
    text = client("GET", "/api/steps?limit=1").json()["next"]
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("Ab0-_."))
    changed = text[:place] + letter + text[place + 1 :]
    answer = client("GET", "/api/steps", params={"cursor": changed})
    assert refused(answer) or changed == text
    other = client("GET", "/api/steps", params={"cursor": text, "sort": "-rank"})
    assert refused(other), "a cursor holds for its own order alone"


def walk_under_writes(client: Client, data: st.DataObject) -> None:
    """Between two pages others come and go; who stays is met exactly once, in order."""
    for row in client("GET", "/api/steps?limit=1000").json()["items"]:
        client("DELETE", f"/api/steps/{row['name']}")
    for number, step in enumerate(data.draw(st.lists(steps, min_size=2, max_size=8))):
        assert client("PUT", f"/api/steps/s{number}", json=step).status_code == 201
    sort, size = data.draw(sorts), data.draw(st.integers(1, 3))
    query = {"sort": sort, "limit": size} if sort else {"limit": size}
    stays = {row["name"] for row in client("GET", "/api/steps?limit=1000").json()["items"]}
    met: list[str] = []
    page = client("GET", "/api/steps", params=query).json()
    while True:
        met += [row["name"] for row in page["items"]]
        if page["next"] is None:
            break
        if data.draw(st.booleans()):
            gone = data.draw(st.sampled_from(sorted(stays | set(met))))
            client("DELETE", f"/api/steps/{gone}")
            stays.discard(gone)
        client("PUT", f"/api/steps/n{len(met)}", json=data.draw(steps))
        page = client("GET", "/api/steps", params={**query, "cursor": page["next"]}).json()
    assert len(met) == len(set(met))
    assert stays <= set(met)
    whole = client("GET", "/api/steps", params={**query, "limit": 1000}).json()["items"]
    in_order = [row["name"] for row in whole if row["name"] in met]
    assert [name for name in met if name in in_order] == in_order


@pytest.mark.slow
@slow
@given(data=st.data())
def test_a_walk_under_writes(client: Client, data: st.DataObject) -> None:
    walk_under_writes(client, data)
