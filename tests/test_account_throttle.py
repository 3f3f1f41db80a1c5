"""Guessing: how many tries there are, whom they hinder, and what their time tells."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from abaft.base import clock
from accounts import PASSWORD, world
from conftest import opened
from servers.private import ServerMissing
from servers.redis import Redis, available


def redis() -> Redis:
    if not available():
        raise ServerMissing("redis-server is not installed")
    return Redis()


@pytest.fixture
def server() -> Iterator[Redis]:
    with opened(redis) as found:
        yield found


async def guesses(person, count: int, **more: str) -> list[int]:
    """The statuses of so many wrong log-ins."""
    found = []
    for number in range(count):
        body = {"email": person.email, "password": f"guess number {number}", **more}
        found.append((await person.auth("POST login", body)).status_code)
    return found


async def test_authn_4_tries_are_counted_by_account(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        seen = []
        for number in range(12):
            # From ever other addresses, in ever other spellings, whatever they claim.
            eve = found.stranger(
                ann.email.upper() if number % 2 else ann.email, f"192.0.2.{number}"
            )
            headers = {"x-forwarded-for": f"198.51.100.{number}"}
            body = {"email": eve.email, "password": f"guess number {number}"}
            answer = await eve.auth("POST login", body, headers=headers)
            seen.append(answer.status_code)
        assert seen == [401] * 5 + [429] * 7
        assert answer.json()["code"] == "too_many_tries"
        assert 0 < int(answer.headers["retry-after"]) <= 61


async def test_authn_4_many_tries_at_once_gain_nothing(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        bodies = [{"email": ann.email, "password": f"guess number {n}"} for n in range(30)]
        eves = [found.stranger(ann.email, f"192.0.2.{n}") for n in range(30)]
        tries = [eve.auth("POST login", body) for eve, body in zip(eves, bodies, strict=True)]
        answers = [answer.status_code for answer in await asyncio.gather(*tries)]
        assert sorted(answers) == [401] * 5 + [429] * 25


async def test_authn_4_tries_are_counted_by_address(database_url: str) -> None:
    async with world(database_url) as found:
        seen = []
        for number in range(12):
            eve = found.stranger(f"someone{number}@example.org")
            seen += await guesses(eve, 1)
        assert seen == [401] * 10 + [429] * 2
        # Of IPv6 whoever has an address has a whole network of them.
        seen = []
        for number in range(12):
            eve = found.stranger(f"someone{number}@example.org", f"2001:db8:0:1::{number}")
            seen += await guesses(eve, 1)
        assert seen == [401] * 10 + [429] * 2


async def test_authn_4_a_stranger_locks_nobody_out(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        eve = found.stranger(ann.email, "192.0.2.66")
        assert (await guesses(eve, 6))[-1] == 429
        assert await ann.known()
        # The browser that logged in before still can, and so can who has the mail.
        assert (await ann.auth("POST logout")).status_code == 204
        assert (await ann.login()).status_code == 200
        assert (await ann.elsewhere().login()).status_code == 429


async def test_authn_4_a_device_cookie_is_of_one_account(database_url: str) -> None:
    async with world(database_url) as found:
        ann, eve = await found.joined("ann"), await found.joined("eve")
        assert (await guesses(found.stranger(ann.email, "192.0.2.66"), 6))[-1] == 429
        eve.email = ann.email
        assert await guesses(eve, 1) == [429]


@pytest.mark.parametrize(("minutes", "left"), [(2, 5), (16, 5), (60, 5)])
async def test_authn_4_the_wait_has_an_end(
    database_url: str, minutes: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    async with world(database_url) as found:
        ann = await found.joined()
        eve = found.stranger(ann.email, "192.0.2.66")
        assert await guesses(eve, 6) == [401] * 5 + [429]
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + minutes * 60)
        later = found.stranger(ann.email, "192.0.2.67")
        assert await guesses(later, 6) == [401] * left + [429] * (6 - left)


async def test_authn_4_mails_have_a_bound(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        seen = []
        for number in range(5):
            eve = found.stranger(ann.email, f"192.0.2.{number}")
            seen.append((await eve.auth("POST password/forgot", {"email": ann.email})).status_code)
        assert seen == [202] * 3 + [429] * 2
        # Mails of one kind that a stranger asks for keep none of another from the owner.
        answer = await ann.elsewhere().auth("POST mail", {"email": ann.email})
        assert answer.status_code == 202


@pytest.mark.slow
@pytest.mark.usefixtures("real_hashes")
async def test_dos_5_a_flood_of_logins_keeps_nobody_waiting(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined(session="bearer")
        eves = [found.stranger(f"who{n}@example.org", f"192.0.2.{n}") for n in range(200)]
        flood = asyncio.gather(*(guesses(eve, 1) for eve in eves))
        waits = []
        while not flood.done():
            begun = clock.ticks()
            assert await ann.known()
            waits.append((clock.ticks() - begun) / 1e9)
            await asyncio.sleep(0.02)
        statuses = [status for [status] in await flood]
        assert set(statuses) <= {401, 503}
        assert sorted(waits)[int(len(waits) * 0.99)] < timedelta(seconds=1).total_seconds()


async def test_a_right_password_begins_anew(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        for _ in range(2):
            assert await guesses(ann, 4) == [401] * 4
            assert (await ann.login(PASSWORD)).status_code == 200
            ann.csrf = ""


async def test_dos_6_workers_count_tries_together_in_a_redis(server: Redis, tmp_path: Path) -> None:
    shared = {"throttle_storage": server.url}
    async with (
        world(f"sqlite:///{tmp_path}/here.db", settings=shared) as here,
        world(f"sqlite:///{tmp_path}/here.db", settings=shared) as there,
    ):
        await here.joined("ann")
        bob = await there.joined("bob", session="bearer")
        seen = []
        for n in range(8):
            eve = (here, there)[n % 2].stranger("ann@example.org", f"192.0.2.{n}")
            seen += await guesses(eve, 1)
        assert seen == [401] * 5 + [429] * 3
        server.stop()
        # Nobody gets in by guessing while nobody counts; who is in stays so.
        answer = await there.stranger("bob@example.org").login()
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert await bob.known()
        server.go()
        assert (await bob.elsewhere().login()).status_code == 200
