"""AUTHN-3: what is done for an address, and for how long, doesn't tell whether it has an account.

Work is counted, which no other load on the machine changes: statements by model, hashes, mails.
Times are compared by rank, taken in turns, so that what slows one down slows the other down too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from abaft import Invitation, Membership, Organisation, User
from abaft.base import clock
from accounts import PASSWORD, Note, Person, World, world
from each import each

KNOWN, SHUT, UNKNOWN = "ann@example.org", "bob@example.org", "who@example.org"

# Each asks about an address: those who are logged in come last.
FLOWS: dict[str, tuple[str, dict[str, Any]]] = {
    "log in": ("POST /api/auth/login", {"password": "not the password"}),
    "reset": ("POST /api/auth/password/forgot", {}),
    "register": ("POST /api/auth/register", {}),
    "link": ("POST /api/auth/mail", {}),
    "code": ("POST /api/auth/mail", {"by": "code"}),
    "a code tried": ("POST /api/auth/mail/code", {"code": "00000000"}),
    "another address": ("POST /api/auth/email", {"password": PASSWORD}),
    "invite": ("POST /api/invitations", {"organisation": ""}),
}
BY_EVE = ("another address", "invite")
TOKEN = re.compile(r"abl_[0-9a-f]{32}\.[\w-]{43}")
SAMPLES = 120
ROUNDS = 3
FAR = 0.25
"""How far from one half the share may be; of what is alike one in a thousand is off by 0.12."""


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[tuple[World, Person, str]]:
    """Somebody known, somebody shut out, and eve, who asks and has an organisation."""
    models = (User, Organisation, Membership, Invitation, Note)
    async with world(url, *models) as found:
        await found.joined("ann")
        await found.joined("bob")
        eve = await found.joined("eve", session="bearer")
        context = found.api.app.accounts.context
        context.throttle._limits = {name: [] for name in context.throttle._limits}
        bob = await context.by_email(SHUT)
        path = f"/api/auth/accounts/{bob.user.__written__}"
        await found.api.ask(f"PATCH {path}", "admin", json={"disabled": True})
        made = await eve.ask("POST /api/organisations", {"name": "Crew"})
        yield found, eve, made.json()["id"]


async def token_of(found: World, email: str) -> str:
    """The one of digits that were mailed there, or would have been."""
    told = await found.stranger().auth("POST mail", {"email": email, "by": "code"})
    return str(told.json()["token"])


async def ask(found: World, eve: Person, group: str, flow: str, email: str) -> Any:
    given = await body_of(found, group, flow, email)
    return await asked_with(found, eve, flow, email, given)


async def body_of(found: World, group: str, flow: str, email: str) -> dict[str, Any]:
    _, body = FLOWS[flow]
    if flow == "a code tried":
        return {**body, "token": await token_of(found, email)}
    return {"email": email, **body} | ({"organisation": group} if flow == "invite" else {})


async def asked_with(
    found: World, eve: Person, flow: str, email: str, given: dict[str, Any]
) -> Any:
    request, _ = FLOWS[flow]
    who = eve if flow in BY_EVE else found.stranger(email)
    answer = await who.ask(request, given)
    if flow == "invite":
        assert answer.status_code == 201, answer.text
        away = await eve.ask(f"DELETE /api/invitations/{answer.json()['id']}")
        assert away.status_code == 204
    return answer


@contextmanager
def counted(context: Any, patch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Statements by kind and model, hashes, and mails that were written."""
    done: Counter[str] = Counter()

    def watch(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def watched(*given: Any, **more: Any) -> Any:
            shape = getattr(given[0], "shape", None) if given else None
            model = getattr(shape, "model", "")
            done[f"{name} {model}"] += 1
            return real(*given, **more)

        patch.setattr(owner, name, watched)

    for name in ("read", "write"):
        watch(context.pipeline, name)
    watch(context.passwords, "_verified")
    watch(context.mailer, "_written")
    yield done


async def test_authn_3_as_much_is_done_for_who_is_not_known(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(database_url) as (found, eve, group):
        with counted(found.api.app.accounts.context, monkeypatch) as done:
            wrong = []
            for flow in FLOWS:
                asked = (KNOWN, SHUT, UNKNOWN, "Ann@Example.org", "WHO@example.org")
                work, told = [], []
                for email in ("warm@example.org", *asked):
                    done.clear()
                    answer = await ask(found, eve, group, flow, email)
                    work.append(dict(done))
                    plain = TOKEN.sub("{token}", answer.text) if flow != "invite" else ""
                    told.append((answer.status_code, plain))
                if any(row != work[1] for row in work[1:]) or len(set(told)) != 1:
                    wrong.append((flow, work, told))
                assert sum(work[1].values()) >= 1
                hashes = sum(n for name, n in work[1].items() if "_verified" in name)
                assert hashes == (flow in ("log in", "another address")), flow
            assert not wrong


def share(some: list[int], others: list[int]) -> float:
    """The share of pairs in which one of `some` took longer: Mann and Whitney's U, over n times m.

    One half where they are alike, whatever else went on meanwhile.
    """
    longer = sum((a > b) + (a == b) / 2 for a in some for b in others)
    return longer / (len(some) * len(others))


async def times(found: World, eve: Person, group: str, flow: str) -> tuple[list[int], list[int]]:
    taken: dict[str, list[int]] = {KNOWN: [], UNKNOWN: []}
    for number in range(SAMPLES):
        for email in (KNOWN, UNKNOWN) if number % 2 else (UNKNOWN, KNOWN):
            given = await body_of(found, group, flow, email)
            begun = clock.ticks()
            await asked_with(found, eve, flow, email, given)
            taken[email].append(clock.ticks() - begun)
    return taken[KNOWN], taken[UNKNOWN]


@pytest.fixture
async def one(database_url: str, real_hashes: None) -> AsyncIterator[tuple[World, Person, str]]:
    async with asking(database_url) as found:
        yield found


@pytest.mark.slow
@each("flow", [name for name in FLOWS if name not in BY_EVE])
async def test_authn_3_the_time_tells_nothing(one: tuple[World, Person, str], flow: str) -> None:
    found, eve, group = one
    await ask(found, eve, group, flow, "warm@example.org")
    seen = []
    for _ in range(ROUNDS):
        seen.append(share(*await times(found, eve, group, flow)))
        if abs(seen[-1] - 0.5) < FAR:
            return
    pytest.fail(f"{flow}: in {seen} of pairs who is known took longer")


@pytest.mark.slow
async def test_authn_3_what_would_tell_is_noticed(
    database_url: str, real_hashes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same measurement of a log-in that hashes nothing for who isn't there."""
    async with asking(database_url) as (found, eve, group):
        passwords = found.api.app.accounts.context.passwords
        real = passwords.verify

        async def careless(stored: str | None, password: str) -> bool:
            return stored is not None and await real(stored, password)

        monkeypatch.setattr(passwords, "verify", careless)
        known, unknown = await times(found, eve, group, "log in")
        assert share(known, unknown) > 0.5 + FAR


@pytest.mark.parametrize(
    ("some", "others", "found"),
    [([1, 2], [3, 4], 0.0), ([3, 4], [1, 2], 1.0), ([1, 3], [2, 2], 0.5), ([1], [1], 0.5)],
)
def test_the_share_is_by_rank(some: list[int], others: list[int], found: float) -> None:
    assert share(some, others) == found
