"""How workers that nobody tells learn that sessions have ended: each request asks, many at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from abaft.auth.ended import Ended
from abaft.auth.epoch import InLedger
from abaft.base import ids
from accounts import Person, World, world


def at(found: World, person: Person) -> Person:
    """The same person, asking another worker."""
    other = Person(found.api, person.email, found.stranger().client)
    other.tokens, other.csrf = person.tokens, person.csrf
    return other


async def test_tok_5_the_other_worker_refuses_the_very_next_request(database_url: str) -> None:
    async with world(database_url) as here, world(database_url) as there:
        first = await here.joined("ann", session="bearer")
        for ends in ("POST logout", "DELETE sessions"):
            ann = first.elsewhere()
            await ann.login(session="bearer")
            other = at(there, ann)
            for _ in range(3):
                assert await ann.known()
                assert await other.known()
            assert (await ann.auth(ends)).status_code == 204
            assert not await other.known()
            assert not await ann.known()


async def test_tok_5_requests_that_wait_together_ask_the_ledger_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session is looked up once, and the ledger only as often as there are flights."""
    async with world(database_url) as found:
        context = found.api.app.accounts.context
        epoch = InLedger(Ended(context.pipeline, context.db._actor, context.models))
        context.authenticator._live.epoch = context.authenticator.epoch = epoch
        context.sessions.live.epoch = found.api.app.records.tokens.epoch = epoch
        found.api.app.records.due = epoch.due
        ann = await found.joined("ann", session="bearer")
        assert await ann.known()
        done: Counter[str] = Counter()
        for owner, name in ((epoch._ended, "_look_up"), (context.sessions, "_found")):
            before = getattr(owner, name)

            def counted(*given: Any, before: Any = before, name: str = name) -> Any:
                done[name] += 1
                return before(*given)

            monkeypatch.setattr(owner, name, counted)
        assert all(await asyncio.gather(*(ann.known() for _ in range(50))))
        assert done["_found"] == 0
        assert 1 <= done["_look_up"] < 25
        await ann.auth("POST logout")
        assert not await ann.known()
        await epoch.close()


async def test_tok_5_nobody_joins_a_look_up_that_began_before(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(database_url) as found:
        context = found.api.app.accounts.context
        ended = Ended(context.pipeline, context.db._actor, context.models)
        gates = [asyncio.Event() for _ in range(3)]
        asked: list[int] = []

        async def look_up() -> str:
            mine = len(asked)
            asked.append(mine)
            await gates[mine].wait()
            return str(mine)

        monkeypatch.setattr(ended, "_look_up", look_up)
        first = ended.ask()
        await asyncio.sleep(0)
        second = ended.ask()
        await asyncio.sleep(0)
        third, fourth = ended.ask(), ended.ask()
        await asyncio.sleep(0)
        assert asked == [0, 1]
        # The later one lands first: what the earlier one found doesn't take its place.
        gates[1].set()
        await second
        assert ended.number == "1"
        gates[0].set()
        await first
        assert ended.number == "1"
        await asyncio.sleep(0)
        assert asked == [0, 1, 2]
        gates[2].set()
        await asyncio.gather(third, fourth)
        assert ended.number == "2"
        await ended.close()


async def test_tok_5_who_can_not_ask_lets_nobody_in(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(database_url) as found:
        context = found.api.app.accounts.context
        ended = Ended(context.pipeline, context.db._actor, context.models)
        await ended.ask()
        before = ended.number
        await ended.tell()
        await ended.ask()
        assert ended.number != before

        async def away() -> str:
            raise ConnectionError(ids.request_id())

        monkeypatch.setattr(ended, "_look_up", away)
        with pytest.raises(ConnectionError):
            await ended.ask()
        await ended.close()
