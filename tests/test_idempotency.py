"""Idempotency-Key: one effect and one answer, whatever happens on the way (DUR-5)."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from abaft import Actor, Me, Model, Ref, User, allow, before, field, me
from abaft.api.idempotency import scope
from abaft.app import prune_answers
from abaft.base import clock
from abaft.base.errors import Conflict
from apps.payments import TRAP
from asking import asked
from in_process import ask
from scenarios import Scenario, play, serving
from servers.process import AppProcess

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


class Order(Model):
    code: str = field(max_length=20, unique=True)
    amount: int = field(default=1, ge=1)
    buyer: Ref[User] | None = field(default=me)

    @allow("read")
    def everyone(order, me: Me) -> bool:
        return True

    @allow("create", "update", "delete")
    def any_but_secret(order, me: Me) -> bool:
        return order.code != "secret"

    @before("create")
    async def sold_out(order, me: Me) -> None:
        if order.code == "gone":
            raise Conflict("sold out", code="sold_out")


def keyed(key: str = KEY, **headers: str) -> dict[str, str]:
    return {"idempotency-key": key, **{n.replace("_", "-"): v for n, v in headers.items()}}


async def test_dur_5_a_request_that_is_sent_again_is_answered_again(database_url: str) -> None:
    async with serving(database_url, User, Order) as api:
        await api.person("ann")
        first = await api.ask("POST /api/orders", "ann", json={"code": "a"}, headers=keyed())
        assert first.status_code == 201
        assert "idempotency-replayed" not in first.headers
        again = await api.ask("POST /api/orders", "ann", json={"code": "a"}, headers=keyed())
        assert again.headers.pop("idempotency-replayed") == "true"
        assert again.headers.pop("ratelimit") != first.headers.pop("ratelimit")
        assert (again.status_code, again.content, again.headers) == (
            first.status_code,
            first.content,
            first.headers,
        )
        assert (await api.changes()).count("create Order") == 1


async def test_dur_5_every_writing_method_takes_a_key(database_url: str) -> None:
    async with serving(database_url, User, Order) as api:
        order = await api.db.create(Order, code="a")
        path = f"/api/orders/{order.id}"
        for method, body in (("PATCH", {"amount": 2}), ("PUT", {"code": "b"}), ("DELETE", None)):
            options: Any = {"headers": keyed(method)} | ({"json": body} if body else {})
            first = await api.ask(f"{method} {path}", **options)
            again = await api.ask(f"{method} {path}", **options)
            assert first.status_code in (200, 204)
            assert again.headers.pop("idempotency-replayed") == "true"
            assert (again.status_code, again.content) == (first.status_code, first.content)
            assert again.headers == first.headers
        made = [change for change in await api.changes() if "Order" in change]
        assert made == ["create Order", "update Order", "update Order", "delete Order"]


async def test_dur_5_a_key_is_of_one_request_and_of_one_actor(database_url: str) -> None:
    post, a, b = "POST /api/orders", {"code": "a"}, {"code": "b"}
    mine: Any = {"headers": keyed()}
    made: Any = {**mine, "changes": ("create Order",)}
    other: Any = {**mine, "has": ["idempotency_key_reused"], "lacks": ['"a"']}
    async with serving(database_url, User, Order) as api:
        await api.person("ann")
        await api.person("ben")
        rows = [
            Scenario(post, 201, "ann", a, **made),
            Scenario(post, 201, "ann", a, headers=keyed(f'"{KEY}"')),
            Scenario(post, 422, "ann", b, **other),
            Scenario(f"{post}?fields=code", 422, "ann", a, **other),
            Scenario("PUT /api/orders/x", 422, "ann", a, **other),
            # Another's key is another key, whoever it was that sent it first.
            Scenario(post, 409, "ben", a, **mine, has=["taken"]),
            Scenario(post, 201, "ben", b, **made),
            Scenario(post, 201, None, {"code": "c"}, **made),
            Scenario(post, 201, "admin", {"code": "d"}, **made),
            Scenario(post, 201, "admin", {"code": "d"}, **mine),
        ]
        await play(api, rows)
        # Who lost a role since asks for something else than was answered.
        api.people["chief"] = api.people["ann"] + " chief"
        await play(api, [Scenario(post, 422, "chief", a, **other)])


async def test_dur_5_a_refusal_is_not_kept(database_url: str) -> None:
    async with serving(database_url, User, Order) as api:
        refused = [
            ({"code": 7}, 422),
            ({"code": "gone"}, 409),
            ({"code": "secret"}, 403),
            ({"code": "x" * 21}, 422),
        ]
        for body, status in refused:
            response = await api.ask("POST /api/orders", json=body, headers=keyed())
            assert response.status_code == status, response.text
        mended = await api.ask("POST /api/orders", json={"code": "fine"}, headers=keyed())
        assert mended.status_code == 201
        assert await api.changes() == ["create Order"]


@pytest.mark.parametrize(
    "key", [b"", b" ", b'""', b"x" * 256, b"a b", b"a,b", b"\xc3\xa9", b'"a', b'a"b', b"a\x7f"]
)
async def test_a_key_that_is_none_is_refused(tmp_path: Path, key: bytes) -> None:
    async with serving(f"sqlite:///{tmp_path}/a.db", User, Order) as api:
        headers = [(b"idempotency-key", key), (b"content-type", b"application/json")]
        answer = await ask(api.app, "POST", b"/api/orders", headers, b'{"code": "a"}')
        assert (answer.status, answer.json()["code"]) == (400, "bad_idempotency_key")
        assert (await ask(api.app, "GET", b"/api/orders", headers)).status == 200
        for fine in (b"x" * 255, b'"a b"', b"a/b:c"):
            headers[0] = (b"idempotency-key", fine)
            body = b'{"code": "' + fine[:5].hex().encode() + b'"}'
            assert (await ask(api.app, "POST", b"/api/orders", headers, body)).status == 201


async def test_dur_5_fifty_at_once_have_one_effect(database_url: str) -> None:
    async with serving(database_url, User, Order) as api:
        sent = [api.ask("POST /api/orders", json={"code": "a"}, headers=keyed()) for _ in range(50)]
        answers = await asyncio.gather(*sent)
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
        assert await api.changes() == ["create Order"]


async def test_dur_5_keys_of_their_own_lose_no_update(database_url: str) -> None:
    """Each in a transaction of its own, all on one record."""
    async with serving(database_url, User, Order) as api:
        order = await api.db.create(Order, code="a")
        sent = [
            api.ask(f"PATCH /api/orders/{order.id}", json={"amount": n}, headers=keyed(f"k{n}"))
            for n in range(1, 31)
        ]
        answers = await asyncio.gather(*sent)
        assert {answer.status_code for answer in answers} == {200}
        assert (await api.changes()).count("update Order") == 30


@pytest.mark.slow
@pytest.mark.everywhere
async def test_dur_5_one_that_is_under_way_is_told_of(database_url: str) -> None:
    """The first takes its time: who sends it again waits, and not for ever."""
    begun, go = asyncio.Event(), asyncio.Event()

    class Slow(Model):
        n: int

        @allow("read", "create")
        def everyone(slow, me: Me) -> bool:
            return True

        @before("create")
        async def wait(slow) -> None:
            begun.set()
            await go.wait()

    async with serving(database_url, Slow, settings={"query_timeout": 0.5}) as api:

        async def send() -> httpx.Response:
            return await api.ask("POST /api/slows", json={"n": 1}, headers=keyed())

        first = asyncio.create_task(send())
        await begun.wait()
        second = asyncio.create_task(send())
        await asyncio.sleep(0.05)
        go.set()
        answers = [await first, await second]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].content == answers[1].content
        assert await api.changes() == ["create Slow"]
        go.clear()
        begun.clear()
        late = {"idempotency-key": "another"}
        third = asyncio.create_task(api.ask("POST /api/slows", json={"n": 2}, headers=late))
        await begun.wait()
        fourth = await api.ask("POST /api/slows", json={"n": 2}, headers=late)
        assert (fourth.status_code, fourth.json()["code"]) == (409, "request_under_way")
        # A transaction that is idle for so long is ended: by now, on the slowest machine.
        await asyncio.sleep(1.5)
        go.set()
        assert (await third).status_code == 503


@pytest.mark.slow
async def test_dur_5_who_waits_too_long_is_told_to_come_back(database_url: str) -> None:
    """Another worker holds the key: its transaction is open for longer than we may wait."""
    hasty, patient = {"query_timeout": 0.6}, {"query_timeout": 30.0}
    async with serving(database_url, User, Order, settings=hasty) as api:
        async with serving(database_url, User, Order, settings=patient) as other:
            store = other.app.store
            place = {
                "actor": scope(Actor(), "POST orders"),
                "key": KEY,
                "digest": "",
                "at": clock.now(),
            }
            async with store.transaction() as session:
                await session.run(lambda: store.answers.claim(place))
                body = {"code": "a"}
                answer = await api.ask("POST /api/orders", json=body, headers=keyed())
        told = (answer.status_code, answer.json()["code"])
        # Where there is one writer nobody sees what it is busy with.
        alone = api.app.store.capabilities.name in ("sqlite", "mongodb")
        assert told == ((503, "database_busy") if alone else (409, "request_under_way"))
        assert answer.headers["retry-after"] == "1"


async def test_answers_are_pruned_when_their_time_is_over(database_url: str) -> None:
    async with serving(database_url, User, Order) as api:
        for n in range(3):
            body = {"code": f"c{n}"}
            await api.ask("POST /api/orders", json=body, headers=keyed(f"k{n}"))
        store = api.app.store
        await prune_answers(store, clock.now() - timedelta(hours=1))
        assert (await asked(api.db, "select count(*) n from abaft_idempotency"))[0]["n"] == 3
        await prune_answers(store, clock.now() + timedelta(hours=1))
        assert (await asked(api.db, "select count(*) n from abaft_idempotency"))[0]["n"] == 0


async def test_dur_5_a_write_that_nobody_may_see_is_replayed_unseen(database_url: str) -> None:
    class Drop(Model):
        text: str

        @allow("create")
        def everyone(drop, me: Me) -> bool:
            return True

    async with serving(database_url, Drop) as api:
        for _ in range(2):
            answer = await api.ask("POST /api/drops", json={"text": "a"}, headers=keyed())
            assert (answer.status_code, answer.text) == (201, "null")
        assert await api.changes() == ["create Drop"]


async def post(server: AppProcess, client: httpx.AsyncClient) -> httpx.Response:
    return await client.post(
        f"{server.url}/api/payments", json={"amount": 5}, headers=keyed(), timeout=20
    )


async def payments(server: AppProcess) -> int:
    async with httpx.AsyncClient() as client:
        return len((await client.get(f"{server.url}/api/payments")).json()["items"])


def worker(database: str, **env: str) -> AppProcess:
    return AppProcess(database, app="apps.payments:app", env=env, probe="/api/payments?limit=1")


@pytest.mark.slow
async def test_dur_5_killed_between_commit_and_answer(database_url: str, tmp_path: Path) -> None:
    """The payment is made and nobody was told: who asks again is told, and pays once."""
    trap = tmp_path / "trap"
    with worker(database_url, **{TRAP: str(trap)}) as server:
        trap.touch()
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.TransportError):
                await post(server, client)
            assert server.wait(10) == -9
            server.start()
            answer = await post(server, client)
        assert answer.status_code == 201
        assert answer.headers["idempotency-replayed"] == "true"
        assert answer.json()["amount"] == 5
        assert answer.headers["location"].endswith(answer.json()["id"])
        assert await payments(server) == 1


@pytest.mark.slow
async def test_dur_5_two_workers_and_fifty_requests_pay_once(database_url: str) -> None:
    with worker(database_url) as first, worker(database_url) as second:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=50)) as client:
            workers = [(first, second)[n % 2] for n in range(50)]
            answers = await asyncio.gather(*(post(server, client) for server in workers))
        assert Counter(answer.status_code for answer in answers) == {201: 50}, answers[0].text
        assert len({answer.content for answer in answers}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
        assert await payments(first) == 1


async def test_keys_are_each_actors_own_whatever_they_are_called() -> None:
    actors = [
        Actor(), Actor("anonymous:"), Actor("1"), Actor(label="1"), Actor(label="user:1"),
        Actor(system=True, label="1"), Actor(system=True),
    ]  # fmt: skip
    assert len({scope(actor, "POST a") for actor in actors}) == len(actors)


class Note(Model, history=True, ordered=True, soft_delete=True):
    text: str
    owner: Ref[User] = field(default=me)

    @allow("create", "update", "delete")
    def mine(note, me: Me) -> bool:
        return note.owner == me


@pytest.mark.parametrize("key", ["no key", KEY])
async def test_authz_2_who_may_not_write_is_told_nothing_of_keys(
    database_url: str, key: str
) -> None:
    async with serving(database_url, User, Note) as api:
        ann = await api.person("ann")
        path = f"/api/notes/{(await api.db.create(Note, text='a', owner=ann)).id}"
        rows = [
            Scenario("POST /api/notes", 401, json={"text": 7}),
            Scenario(f"PATCH {path}", 401, json={}),
            Scenario(f"PUT {path}", 401, json={}),
            Scenario(f"DELETE {path}", 401),
            Scenario(f"POST {path}/restore", 401),
            Scenario(f"POST {path}/move", 401, json={"to": "first"}),
            Scenario(f"POST {path}/history/1/restore", 401),
            Scenario("PATCH /api/notes?all=true&limit=1", 401, json={}),
            Scenario("DELETE /api/notes?all=true&limit=1", 401),
        ]
        await play(api, [replace(row, headers=keyed(key)) for row in rows])
