"""Accounts in two processes: what ends in one is over in the other, and what races has one end."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest

import abaft
from abaft.auth.epoch import SharedFile
from abaft.base import ids
from accounts import PASSWORD
from scenarios import ADMIN_TOKEN, SECRET_KEY
from servers.process import AppProcess

ENV = {
    "ABAFT_ADMIN_TOKEN": ADMIN_TOKEN,
    "ABAFT_SECRET_KEY": SECRET_KEY,
    "ABAFT_EMAIL_VERIFICATION": "false",
}
ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}


@pytest.fixture
def processes(database_url: str) -> Iterator[list[str]]:
    with ExitStack() as stack:
        urls = []
        for _ in range(2):
            app = AppProcess(database_url, app="apps.members:app", env=ENV, probe="/openapi.json")
            urls.append(stack.enter_context(app).url)
        yield urls


@pytest.fixture
async def clients(processes: list[str]) -> AsyncIterator[list[httpx.AsyncClient]]:
    found = [httpx.AsyncClient(base_url=f"{url}/api/auth/", timeout=30) for url in processes]
    yield found
    for client in found:
        await client.aclose()


async def joined(client: httpx.AsyncClient) -> dict[str, Any]:
    body = {"email": f"{ids.request_id()}@example.org", "password": PASSWORD, "session": "bearer"}
    answer = await client.post("register", json=body)
    assert answer.status_code == 201, answer.text
    return {**answer.json(), "email": body["email"]}


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {tokens['access_token']}"}


async def login(client: httpx.AsyncClient, email: str) -> dict[str, Any]:
    body = {"email": email, "password": PASSWORD, "session": "bearer"}
    answer = await client.post("login", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def known(client: httpx.AsyncClient, tokens: dict[str, Any]) -> int:
    return (await client.get("me", headers=bearer(tokens))).status_code


@pytest.mark.slow
async def test_tok_5_what_ends_in_one_process_is_over_in_the_other(
    clients: list[httpx.AsyncClient],
) -> None:
    one, two = clients
    ann = await joined(one)
    user = ann["user"]["id"]
    for turn in range(6):
        here, there = (one, two) if turn % 2 else (two, one)
        tokens = await login(here, ann["email"])
        # Known in both for a while, so that neither looks it up any more.
        for _ in range(3):
            assert [await known(here, tokens), await known(there, tokens)] == [200, 200]
        if turn < 3:
            answer = await here.post("logout", headers=bearer(tokens))
        else:
            answer = await here.delete(f"accounts/{user}/sessions", headers=ADMIN)
        assert answer.status_code == 204
        assert [await known(there, tokens), await known(here, tokens)] == [401, 401]
    tokens = await login(one, ann["email"])
    assert (await two.get("me", headers=bearer(tokens))).json()["roles"] == []
    for roles in (["editor"], []):
        answer = await one.patch(f"accounts/{user}", json={"roles": roles}, headers=ADMIN)
        assert answer.status_code == 200
        assert (await two.get("me", headers=bearer(tokens))).json()["roles"] == roles
    answer = await one.patch(f"accounts/{user}", json={"disabled": True}, headers=ADMIN)
    assert (answer.status_code, await known(two, tokens)) == (200, 401)


@pytest.mark.slow
async def test_tok_4_refreshes_in_two_processes_have_one_winner(
    clients: list[httpx.AsyncClient],
) -> None:
    ann = await joined(clients[0])
    body = {"refresh_token": ann["refresh_token"]}
    answers = await asyncio.gather(*(clients[n % 2].post("refresh", json=body) for n in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 19]
    [won] = [answer.json() for answer in answers if answer.status_code == 200]
    assert await known(clients[1], won) == 200
    items = (await clients[0].get("sessions", headers=bearer(won))).json()["items"]
    assert len(items) == 1


@pytest.mark.slow
async def test_authn_7_a_recovery_code_is_good_once_in_two_processes(
    clients: list[httpx.AsyncClient],
) -> None:
    one, two = clients
    ann = await joined(one)
    begun = (await one.post("totp", json={"password": PASSWORD}, headers=bearer(ann))).json()
    code = pyotp.TOTP(begun["secret"]).now()
    answer = await one.post("totp/confirm", json={"code": code}, headers=bearer(ann))
    recovery = answer.json()["recovery_codes"][0]
    body = {"email": ann["email"], "password": PASSWORD, "session": "bearer"}
    halves = [(await clients[n % 2].post("login", json=body)).json() for n in range(4)]
    bodies = [{"factor_token": half["factor_token"], "code": recovery} for half in halves]
    answers = await asyncio.gather(
        *((one, two)[n % 2].post("login/factor", json=row) for n, row in enumerate(bodies))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


@pytest.mark.slow
async def test_authn_5_a_link_is_good_once_in_two_processes(
    clients: list[httpx.AsyncClient],
) -> None:
    one, two = clients
    ann = await joined(one)
    await one.post("password/forgot", json={"email": ann["email"]})
    token = (await one.get("mailbox")).json()["items"][0]["token"]
    answers = await asyncio.gather(
        *(
            (one, two)[n % 2].post(
                "password/reset", json={"token": token, "password": f"another password {n}"}
            )
            for n in range(20)
        )
    )
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [204, *[401] * 19]
    right = f"another password {statuses.index(204)}"
    body = {"email": ann["email"], "password": right, "session": "bearer"}
    tokens = (await two.post("login", json=body)).json()
    checked = await one.get("events/check", headers=ADMIN)
    assert checked.json()["broken"] is None
    assert await known(one, ann) == 401
    assert await known(one, tokens) == 200


@pytest.mark.slow
async def test_authn_6_both_sides_of_a_new_address_may_agree_at_once(
    clients: list[httpx.AsyncClient],
) -> None:
    one, two = clients
    ann = await joined(one)
    new = f"new-{ann['email']}"
    await one.post("email", json={"email": new, "password": PASSWORD}, headers=bearer(ann))
    mails = (await one.get("mailbox")).json()["items"][:2]
    asks = [{"token": mail["token"]} for mail in mails]
    answers = await asyncio.gather(
        *(client.post("email/agree", json=body) for client, body in zip(clients, asks, strict=True))
    )
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {200, 401, 409, 503}, [answer.text for answer in answers]
    # Whoever was in the way asks again.
    for body, status in zip(asks, statuses, strict=True):
        if status != 200:
            assert (await two.post("email/agree", json=body)).status_code in (200, 401)
    assert (await one.get("me", headers=bearer(ann))).status_code == 401
    await login(two, new)


async def test_tok_5_processes_tell_each_other(tmp_path: Path) -> None:
    epoch = SharedFile(tmp_path / "x.db-sessions")
    await epoch.open()
    code = (
        "import asyncio, sys; from pathlib import Path; from abaft.auth.epoch import SharedFile\n"
        "async def turn():\n"
        "    one = SharedFile(Path(sys.argv[1])); await one.open(); await one.turn()\n"
        "    await one.close()\n"
        "asyncio.run(turn())"
    )
    try:
        seen = {epoch.now()}
        for _ in range(3):
            source = Path(abaft.__file__).parent.parent
            done = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                code,
                str(tmp_path / "x.db-sessions"),
                env={**os.environ, "PYTHONPATH": str(source)},
            )
            assert await done.wait() == 0
            seen.add(epoch.now())
        assert len(seen) == 4
        assert (tmp_path / "x.db-sessions").stat().st_mode & 0o777 == 0o600
    finally:
        await epoch.close()
