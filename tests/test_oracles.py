"""AUTHZ-2: a write that is refused or not tells nothing of what who sends it may not read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from abaft import Me, Model, Ref, User, allow, field, me, versions
from abaft.base.digest import fingerprint
from scenarios import Api, serving

OPERATORS = {"content-type": "application/vnd.abaft.operators+json"}


class Box(Model, key="name", collection="boxes", stamps=False, soft_delete=True):
    """Whoever logs in may put something in; its owner alone looks."""

    name: str
    pin: int = 0
    text: str = ""
    code: str | None = field(default=None, unique=True)
    owner: Ref[User] = field(default=me)

    @allow("read")
    def mine(box, me: Me) -> bool:
        return box.owner == me

    @allow("create", "update", "delete")
    def anyone(box, me: Me) -> bool:
        return ~me.anonymous


class Letter(Model, key="name", stamps=False):
    """Whoever logs in reads and changes it; of its owner alone is who it came from."""

    name: str
    text: str = ""
    sender: str = field(default="", write_once=True)
    seal: str = field(default="", write_once=True)
    number: str | None = field(default=None, unique=True)
    owner: Ref[User] = field(default=me)

    @allow("read", "create", "update", "delete")
    def anyone(letter, me: Me) -> bool:
        return ~me.anonymous

    @allow("read", fields=["sender"])
    def own(letter, me: Me) -> bool:
        return letter.owner == me

    @allow("read", fields=["seal"])
    def porters(letter, me: Me) -> bool:
        return me.has_role("porter")


class Diary(Model, key="name", collection="diaries", stamps=False, history=True, soft_delete=True):
    name: str
    page: int = 0
    open: bool = False
    owner: Ref[User] = field(default=me)

    @allow("read", "create", "update", "delete")
    def mine(diary, me: Me) -> bool:
        return (diary.owner == me) | diary.open


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, User, Box, Letter, Diary) as api:
        for name in ("ann", "ben"):
            await api.person(name)
        yield api


def etag(**values: Any) -> dict[str, str]:
    """If-Match of a record that shows these values: anybody can make it."""
    return {"if-match": f'"{fingerprint(orjson.dumps(values).decode())}"'}


WAYS: dict[str, tuple[str, Any, dict[str, str]]] = {
    "patch": ("PATCH /api/boxes/a?fields=pin", {"text": "x"}, {}),
    "put": ("PUT /api/boxes/a?fields=pin", {"text": "x"}, {}),
    "operators": ("PATCH /api/boxes/a?fields=pin", {"text": {"set": "x"}}, OPERATORS),
    "delete": ("DELETE /api/boxes/a?fields=pin", None, {}),
    "purge": ("DELETE /api/boxes/a?fields=pin&purge=true", None, {}),
    "restore": ("POST /api/boxes/a/restore?fields=pin", None, {}),
    "upsert": ("POST /api/boxes?upsert=code&fields=pin", {"name": "a", "code": "c"}, {}),
}


@pytest.mark.parametrize("way", WAYS)
async def test_authz_2_who_may_write_but_not_read_cannot_try_etags(api: Api, way: str) -> None:
    """Whose box it is finds it by its ETag; for who may not look no ETag is the right one."""
    request, body, headers = WAYS[way]
    options: dict[str, Any] = {} if body is None else {"json": body}
    await api.ask("POST /api/boxes", "ann", json={"name": "a", "pin": 7, "code": "c"})
    if way == "restore":
        await api.ask("DELETE /api/boxes/a", "ann")
    told = []
    for pin in (6, 7):
        given = {**headers, **etag(pin=pin)}
        answer = await api.ask(request, "ben", headers=given, **options)
        inside = operation(request, body, given)
        batched = await api.ask("POST /api/batch", "ben", json=inside)
        told.append((answer.status_code, answer.text, batched.status_code, batched.text))
    assert told[0] == told[1]
    assert told[0][0] in (404, 409, 412)
    answer = await api.ask(request, "ann", headers={**headers, **etag(pin=7)}, **options)
    assert answer.is_success


def operation(request: str, body: Any, headers: dict[str, str]) -> Any:
    method, _, url = request.partition(" ")
    inner = {"method": method, "path": url.removeprefix("/api"), "headers": headers}
    return {"operations": [inner if body is None else {**inner, "body": body}]}


async def test_authz_2_what_stays_as_it_was_made_cannot_be_tried(api: Api) -> None:
    """A field that is set once is held against what is stored: only where it may be read."""
    made = {"name": "a", "sender": "cat", "seal": "wax", "number": "1"}
    assert (await api.ask("POST /api/letters", "ann", json=made)).status_code == 201
    for name, right in ("sender", "cat"), ("seal", "wax"):
        for request, body in (
            ("PUT /api/letters/a", {}),
            ("POST /api/letters?upsert=name", {"name": "a"}),
            ("POST /api/letters?upsert=number", {"name": "a", "number": "1"}),
        ):
            told = set()
            for guess in (right, "dog"):
                answer = await api.ask(request, "ben", json={**body, name: guess})
                told.add((answer.status_code, answer.text))
                assert answer.is_client_error, (request, answer.text)
            assert len(told) == 1, told
    own = await api.ask("PUT /api/letters/a", "ann", json={"sender": "cat", "text": "x"})
    assert own.status_code == 200
    other = await api.ask("PUT /api/letters/a", "ann", json={"sender": "dog"})
    assert (other.status_code, other.json()["errors"][0]["code"]) == (422, "write_once")
    # Left out it stays.
    assert (await api.ask("PUT /api/letters/a", "ben", json={"text": "y"})).status_code == 200


@pytest.mark.slow
@pytest.mark.everywhere
async def test_authz_2_a_long_history_is_no_more_told_of_than_a_short_one(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "BATCH", 2)
    monkeypatch.setattr(versions, "SCANNED", 4)
    await api.ask("POST /api/diaries", "ann", json={"name": "d"})
    for page in range(8):
        await api.ask("PATCH /api/diaries/d", "ann", json={"page": page})
    none = await api.ask("GET /api/diaries/none/history", "ben")
    for request in ("GET /api/diaries/d/history", "GET /api/diaries/d/history?limit=1"):
        hidden = await api.ask(request, "ben")
        assert (hidden.status_code, hidden.text) == (none.status_code, none.text)
    first = (await api.ask("GET /api/diaries/d/history?limit=1", "ann")).json()
    # With a cursor that the owner gave away, too.
    url = f"GET /api/diaries/d/history?cursor={first['next']}"
    assert (await api.ask(url, "ben")).status_code == 404
    assert len((await api.ask(url, "ann")).json()["items"]) == 4
    # Once it may be read, what it was before still may not.
    await api.ask("PATCH /api/diaries/d", "ann", json={"open": True})
    seen = (await api.ask("GET /api/diaries/d/history", "ben")).json()
    assert [row["action"] for row in seen["items"]] == ["update"]


async def test_dos_2_the_history_of_what_may_not_be_read_is_not_gone_through(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "BATCH", 2)
    await api.ask("POST /api/diaries", "ann", json={"name": "d"})
    for page in range(20):
        await api.ask("PATCH /api/diaries/d", "ann", json={"page": page})
    store, read, count = api.app.store, api.app.store.read, 0

    async def counted(compiled: Any, values: Any) -> Any:
        nonlocal count
        count += 1
        return await read(compiled, values)

    monkeypatch.setattr(store, "read", counted)
    for request in ("history", "history/1", "history/9000000"):
        count = 0
        answer = await api.ask(f"GET /api/diaries/d/{request}", "ben")
        assert answer.status_code == 404
        assert count < 8, request
