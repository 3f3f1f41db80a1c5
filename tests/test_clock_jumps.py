"""FAIL-4: a clock that jumps an hour on and back: order and validity stay as documented."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest

from abaft import Me, Model, allow, field
from abaft.base import clock, ids
from scenarios import Api, serving

HOUR = timedelta(hours=1)
JUMPS = [timedelta(0), HOUR, -HOUR, timedelta(0), -2 * HOUR, 3 * HOUR, timedelta(0)]
Jump = Callable[[timedelta], None]


class Note(Model, history=True):
    text: str = field(max_length=40)

    @allow("read", "create", "update", "delete")
    def everyone(note, me: Me) -> bool:
        return True


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Jump:
    """Puts the clock so far from the right time; before an App is made, whose stamps keep it."""
    off = timedelta(0)

    def to(by: timedelta) -> None:
        nonlocal off
        off = by

    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + off)
    monkeypatch.setattr(
        clock, "unix_ms", lambda: time.time_ns() // 1_000_000 + int(off.total_seconds() * 1000)
    )
    return to


@pytest.fixture
async def api(jump: Jump, database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, Note) as api:
        yield api


def test_fail_4_ids_grow_whatever_the_clock_does(jump: Jump) -> None:
    made = []
    for by in JUMPS * 3:
        jump(by)
        made += [ids.uuid7() for _ in range(50)]
        made += ids.uuids7(50)
    assert made == sorted(set(made))
    assert {(one.version, one.variant) for one in made} == {(7, RFC_4122)}
    assert made == [UUID(str(one)) for one in made] == deepcopy(made)


async def test_fail_4_pages_go_on_and_show_each_record_once(api: Api, jump: Jump) -> None:
    made, shown, cursor = [], [], ""
    for number, by in enumerate(JUMPS * 2):
        jump(by)
        answer = await api.ask("POST /api/notes", json={"text": f"{number}"})
        made.append(answer.json()["text"])
        if number % 2:  # a page between, by a cursor of another hour
            page = (await api.ask(f"GET /api/notes?limit=2{cursor}")).json()
            shown += [note["text"] for note in page["items"]]
            cursor = f"&cursor={page['next']}" if page["next"] else cursor
    rest = await api.items(f"/api/notes?limit=100{cursor}", of="text")
    assert await api.items("/api/notes?limit=100", of="text") == made
    assert [*dict.fromkeys(shown + rest)] == made


async def test_fail_4_a_key_of_idempotency_stays_valid(api: Api, jump: Jump) -> None:
    headers = {"idempotency-key": "k"}
    first = await api.ask("POST /api/notes", json={"text": "once"}, headers=headers)
    for by in JUMPS:
        jump(by)
        again = await api.ask("POST /api/notes", json={"text": "once"}, headers=headers)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.content == first.content
    assert await api.items("/api/notes", of="text") == ["once"]


async def test_fail_4_versions_keep_their_order_and_etags_differ(api: Api, jump: Jump) -> None:
    made = await api.ask("POST /api/notes", json={"text": "a"})
    path, tags = made.headers["location"], [made.headers["etag"]]
    for number, by in enumerate(JUMPS):
        jump(by)
        held = {"if-match": tags[-1]}
        answer = await api.ask(f"PATCH {path}", json={"text": f"{number}"}, headers=held)
        assert answer.status_code == 200, answer.text
        tags.append(answer.headers["etag"])
        stale = {"if-match": tags[-2]}
        late = await api.ask(f"PATCH {path}", json={"text": "late"}, headers=stale)
        assert late.status_code == 412
    assert len(set(tags)) == len(tags)
    versions = [row["version"] for row in await api.items(f"{path}/history")]
    assert versions == sorted(versions, reverse=True)
    texts = [(await api.ask(f"GET {path}/history/{n}")).json()["text"] for n in versions]
    assert texts == [*(str(n) for n in reversed(range(len(JUMPS)))), "a"]
