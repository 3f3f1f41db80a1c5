"""Limits of requests: by address, account, key and route; one worker's own, and shared by Redis."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from abaft import User
from abaft.base import clock
from abaft.base.errors import SettingError, TooManyRequests
from abaft.guard.limits import Quota, Window, open_store
from abaft.guard.networks import Networks
from accounts import client_of, world
from conftest import LEFT_OUT
from projects import NOTES, running
from scenarios import serving
from servers import redis

pytestmark = pytest.mark.named


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    if not redis.available():
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed")
        pytest.skip(LEFT_OUT + "redis-server is not installed")
    with redis.Redis() as found:
        yield found


@pytest.fixture
def minute(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The clock, which stands still where it is put."""
    moment = [600_000]
    monkeypatch.setattr(clock, "unix_ms", lambda: moment[0])
    return moment


async def test_dos_6_headers_tell_and_a_refusal_says_when(
    database_url: str, minute: list[int]
) -> None:
    given = {"requests_per_minute": 3}
    async with serving(database_url, User, settings=given) as api:
        client = client_of(api, "192.0.2.7")
        seen = [await client.get("/api/users") for _ in range(4)]
        assert [answer.status_code for answer in seen] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit"] for answer in seen] == [
            f'"address";r={left};t=60' for left in (2, 1, 0, 0)
        ]
        assert {answer.headers["ratelimit-policy"] for answer in seen} == {'"address";q=3;w=60'}
        assert seen[3].headers["retry-after"] == "60"
        assert seen[3].json()["code"] == "too_many_requests"
        # The docs count as well, another address doesn't, and a minute later all is as it was.
        assert (await client.get("/docs")).status_code == 429
        assert (await client_of(api, "192.0.2.8").get("/api/users")).status_code == 200
        minute[0] += 60_000
        assert (await client.get("/docs")).headers["ratelimit"] == '"address";r=2;t=60'


async def test_dos_6_what_a_client_says_changes_no_count(database_url: str) -> None:
    async with serving(database_url, User, settings={"requests_per_minute": 3}) as api:
        client = client_of(api, "192.0.2.7")
        tries = [
            {"x-forwarded-for": "203.0.113.1"},
            {"forwarded": "for=203.0.113.2"},
            {"x-real-ip": "203.0.113.3", "cf-connecting-ip": "203.0.113.3"},
            {"authorization": "Bearer other", "user-agent": "another"},
        ]
        codes = [(await client.get("/api/users", headers=one)).status_code for one in tries]
        assert codes[3] == 429


NETWORKS = [
    ("192.0.2.1", "192.0.2.1"),
    ("::ffff:192.0.2.1", "192.0.2.1"),
    ("2001:db8::1", "2001:db8::/64"),
    ("2001:db8::ffff:1", "2001:db8::/64"),
    ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
    ("fe80::1%eth0", "fe80::/64"),
    ("127.0.0.1", None),
    ("::1", None),
    ("10.1.2.3", None),
    ("", None),
    ("testclient", "testclient"),
]


@pytest.mark.parametrize(("address", "counted"), NETWORKS)
def test_dos_6_what_counts_as_one_address(address: str, counted: str | None) -> None:
    networks = Networks("127.0.0.0/8, ::1, 10.0.0.0/8")
    assert networks.of(address) == counted
    assert networks.of(address) == counted


async def test_dos_6_accounts_and_keys_have_counts_of_their_own(database_url: str) -> None:
    given = {
        "account_requests_per_minute": 20,
        "key_requests_per_minute": 2,
        "rate_exempt_roles": "robot",
    }
    async with world(database_url, settings=given) as found:
        ann = await found.joined("ann", session="bearer")
        key = (await ann.auth("POST keys", {"name": "k", "scopes": ["read"]})).json()["key"]
        by_key = {"authorization": f"Bearer {key}"}
        # Another address doesn't help.
        asked = [client_of(found.api, f"192.0.2.{n}") for n in range(3)]
        codes = [(await one.get("/api/notes", headers=by_key)).status_code for one in asked]
        assert codes == [200, 200, 429]
        answer = await ann.ask("GET /api/notes")
        assert answer.headers["ratelimit"].startswith('"account";r=')
        codes = [(await ann.ask("GET /api/notes")).status_code for _ in range(20)]
        assert codes[-1] == 429
        bob = await found.joined("bob", "robot", session="bearer")
        codes = [(await bob.ask("GET /api/notes")).status_code for _ in range(25)]
        assert set(codes) == {200}


async def test_dos_6_routes(database_url: str) -> None:
    given = {"route_limits": "POST /api/users 2; GET /api/us* 5;* /docs 1"}
    async with serving(database_url, User, settings=given) as api:
        client = client_of(api, "192.0.2.7")

        async def codes(method: str, path: str, count: int) -> list[int]:
            return [(await client.request(method, path)).status_code for _ in range(count)]

        assert await codes("POST", "/api/users", 3) == [401, 401, 429]
        assert await codes("POST", "/api/users/", 1) == [429]
        assert await codes("POST", "/api/%75sers", 1) == [429]
        assert await codes("HEAD", "/api/users", 2) == [200, 200]
        assert await codes("GET", "/api/users/x", 4) == [404, 404, 404, 429]
        assert await codes("GET", "/docs", 2) == [200, 429]
        refused = await client.get("/docs")
        assert refused.headers["ratelimit-policy"] == '"* /docs";q=1;w=60'


@pytest.mark.parametrize("text", ["POST", "POST api 3", "POST /api", "POST /api many"])
async def test_a_limit_that_cannot_be_read_stops_the_start(text: str) -> None:
    with pytest.raises(SettingError, match="route_limits"):
        async with serving("sqlite:///", User, settings={"route_limits": text}):
            pass


async def spent(quota: Quota, count: int) -> int:
    """How many of so many requests are let through."""
    passed = 0
    for _ in range(count):
        try:
            await quota.spend("a")
        except TooManyRequests:
            continue
        passed += 1
    return passed


@pytest.mark.parametrize("most", [1, 7, 250, 6_000])
async def test_dos_6_by_redis_all_workers_together_pass_the_limit_and_no_more(
    server: redis.Redis, most: int, minute: list[int]
) -> None:
    failures: list[Exception] = []
    windows = [Window(open_store(server.url), failures.append) for _ in range(4)]
    quotas = [Quota("address", most, window) for window in windows]
    passed = sum(await asyncio.gather(*(spent(quota, most) for quota in quotas)))
    assert not failures
    # Lots get smaller as they are fewer: what one worker had left others took at the end.
    assert passed == most
    minute[0] += 60_000
    assert await spent(quotas[0], most + 5) == most
    for window in windows:
        await window.close()


async def test_dos_6_without_redis_each_worker_counts_and_says_so(server: redis.Redis) -> None:
    failures: list[Exception] = []
    window = Window(open_store(server.url), failures.append)
    quota = Quota("address", 50, window)
    assert await spent(quota, 10) == 10
    server.close()
    begun = time.monotonic()
    assert await spent(quota, 60) in range(1, 61)
    assert time.monotonic() - begun < 3
    assert len(failures) == 1
    await window.close()


async def test_dos_6_a_redis_that_hangs_holds_nobody_up(server: redis.Redis) -> None:
    failures: list[Exception] = []
    window = Window(open_store(server.url), failures.append)
    quota = Quota("address", 50, window)
    server.stop()
    begun = time.monotonic()
    assert await spent(quota, 60) == 50
    assert time.monotonic() - begun < 4
    assert len(failures) == 1
    server.go()
    await window.close()


@pytest.mark.slow
async def test_dos_6_four_workers_behind_a_proxy(server: redis.Redis, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(NOTES)
    given = {
        "ABAFT_DATABASE": f"sqlite:///{tmp_path}/app.db",
        "ABAFT_THROTTLE_STORAGE": server.url,
        "ABAFT_REQUESTS_PER_MINUTE": "40",
    }
    arguments = ("serve", "--workers", "4", "--proxy-headers")
    with running(*arguments, cwd=tmp_path, log=tmp_path / "log", **given) as (_, base):
        if time.time() % 60 > 50:
            await asyncio.sleep(61 - time.time() % 60)  # one minute for all of it
        codes: Counter[int] = Counter()
        for _ in range(15):
            async with httpx.AsyncClient(base_url=base) as client:  # a connection, perhaps a worker
                for _ in range(8):
                    forwarded = {"x-forwarded-for": "10.9.9.9, 198.51.100.1"}
                    answer = await client.get("/api/notes", headers=forwarded)
                    codes[answer.status_code] += 1
        assert codes == {200: 40, 429: 80}
        async with httpx.AsyncClient(base_url=base) as client:
            other = await client.get("/api/notes", headers={"x-forwarded-for": "198.51.100.2"})
            assert other.status_code == 200
