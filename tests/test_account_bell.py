"""PostgreSQL's bell: who hears it, and what is looked up while nobody can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from abaft import Settings
from abaft.base import clock
from abaft.model.build import build
from abaft.store import postgres_bell
from abaft.store.postgres import PostgresStore
from abaft.store.postgres_bell import PostgresBell
from accounts import Note, Person, World, world
from servers.postgres import PostgresServer
from times import times

PATIENCE = 10.0


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database() as url:
        yield url


async def until(bell: PostgresBell, heard: bool) -> None:
    """Waits until it can be heard, or can't."""
    limit = clock.monotonic() + times(PATIENCE)
    while (bell.heard() is not None) is not heard:
        assert clock.monotonic() < limit
        await asyncio.sleep(0.02)


def bell_of(found: World) -> PostgresBell:
    bell = found.api.app.accounts.live.epoch._bell
    assert isinstance(bell, PostgresBell)
    return bell


@pytest.fixture
async def workers(database: str) -> AsyncIterator[tuple[World, World]]:
    async with world(database) as here, world(database) as there:
        for found in (here, there):
            await until(bell_of(found), heard=True)
        yield here, there


def at(found: World, person: Person) -> Person:
    other = Person(found.api, person.email, found.stranger().client)
    other.tokens = person.tokens
    return other


async def test_tok_5_what_is_known_is_not_looked_up_while_the_bell_can_be_heard(
    workers: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = workers
    ann = await here.joined(session="bearer")
    other = at(there, ann)
    assert await other.known()
    sessions, asked = there.api.app.accounts.context.sessions, []
    found = sessions._found
    monkeypatch.setattr(sessions, "_found", lambda id_: asked.append(id_) or found(id_))
    for _ in range(5):
        assert await other.known()
    assert asked == []
    assert (await ann.auth("POST logout")).status_code == 204
    assert not await other.known()
    assert len(asked) == 1


async def test_tok_5_who_ends_a_session_is_answered_once_all_workers_have_heard(
    workers: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = workers
    ann = await here.joined(session="bearer")
    bell, late = bell_of(there), asyncio.Event()
    answer, called = bell._answer, asyncio.Event()

    async def slow(connection: Any, call: str) -> None:
        called.set()
        await late.wait()
        await answer(connection, call)

    monkeypatch.setattr(bell, "_answer", slow)
    monkeypatch.setattr(postgres_bell, "ANSWERS", 60.0)
    leaving = asyncio.create_task(ann.auth("POST logout"))
    await called.wait()
    done, _ = await asyncio.wait({leaving}, timeout=0.2)
    assert not done
    late.set()
    assert (await leaving).status_code == 204


async def test_tok_5_a_worker_that_does_not_answer_keeps_nobody_for_long(
    workers: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = workers
    ann = await here.joined(session="bearer")

    async def silent(connection: Any, call: str) -> None:
        pass

    monkeypatch.setattr(bell_of(there), "_answer", silent)
    monkeypatch.setattr(postgres_bell, "ANSWERS", 0.1)
    assert (await ann.auth("POST logout")).status_code == 204
    assert bell_of(here)._answered == {}


async def test_tok_5_who_can_not_hear_looks_up_and_hears_again(
    workers: tuple[World, World], postgres: PostgresServer, database: str
) -> None:
    here, there = workers
    ann = await here.joined(session="bearer")
    phone = ann.elsewhere()
    await phone.login(session="bearer")
    others = [at(there, ann), at(there, phone)]
    assert [await other.known() for other in others] == [True, True]
    bells = [bell_of(found) for found in workers]
    postgres.cut_connections(database)
    for bell in bells:
        await until(bell, heard=False)
    await ann.auth("POST logout")
    assert [await other.known() for other in others] == [False, True]
    for bell in bells:
        await until(bell, heard=True)
    await phone.auth("POST logout")
    assert [await other.known() for other in others] == [False, False]


async def test_tok_5_a_connection_that_is_silent_is_not_believed(
    workers: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = workers
    ann = await here.joined(session="bearer")
    other, bell = at(there, ann), bell_of(there)
    assert await other.known()
    connection = bell._connection
    assert connection is not None

    async def hangs(*_: object) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(bell, "_ask", hangs)
    await connection.remove_listener("abaft_sessions", bell._ringing)
    await until(bell, heard=False)
    await ann.auth("POST logout")
    assert not await other.known()


async def test_a_bell_that_no_pooler_hands_on_is_not_believed(database: str) -> None:
    settings = Settings(database=database)
    store = PostgresStore(build([Note]), database, settings)
    await store.open()

    async def nowhere(statement: str) -> None:
        """As where LISTEN and NOTIFY go to other sessions of the server."""

    bell = PostgresBell(store._line.patient.dial, nowhere, "abaft_sessions")
    await bell.open()
    try:
        for _ in range(10):
            assert bell.heard() is None
            await asyncio.sleep(0.05)
    finally:
        await bell.close()
        await store.close()
