"""Passwords that others know: a list of breaches, asked without telling it the password."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

import pytest

from abaft import App, Settings, User
from abaft.base.errors import SettingError
from abaft.observe.events import BreachesAway
from accounts import PASSWORD, Person, World, world
from each import each
from oidc_provider import served
from scenarios import pointers

pytestmark = pytest.mark.named
BREACHED = "a breached sentence"


def digest_of(password: str) -> str:
    return sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


@dataclass
class List:
    """A list as Have I Been Pwned serves it, with rows that hide how many there are."""

    status: int = 200
    body: bytes | None = None
    asked: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["path"])
        known = digest_of(BREACHED)
        begin = scope["path"].rpartition("/")[2]
        rows = ["0" * 34 + "A:0", f"{digest_of(PASSWORD)[5:]}:0"]
        if known.startswith(begin):
            rows.insert(1, f"{known[5:].lower()}:1723")
        text = self.body if self.body is not None else "\r\n".join(rows).encode()
        head = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": self.status, "headers": head})
        await send({"type": "http.response.body", "body": text})


@asynccontextmanager
async def listed(url: str) -> AsyncIterator[tuple[World, List, list[BreachesAway]]]:
    found, away = List(), list[BreachesAway]()
    async with served(found) as origin:
        settings = {"breached_passwords": f"{origin}/range/"}
        async with world(url, settings=settings) as app:

            def sink(event: Any) -> None:
                if isinstance(event, BreachesAway):
                    away.append(event)

            app.api.app.observer.sinks.append(sink)
            yield app, found, away


async def finish(found: World, name: str, password: str) -> tuple[Person, Any]:
    person = found.stranger(f"{name}@example.org")
    await person.auth("POST register", {"email": person.email})
    body = {"token": found.token(person.email), "password": password}
    return person, await person.auth("POST register/finish", body)


async def test_authn_2_what_was_in_a_breach_is_refused(database_url: str) -> None:
    async with listed(database_url) as (found, asked, away):
        _, answer = await finish(found, "ann", BREACHED)
        assert answer.status_code == 422
        assert pointers(answer) == [("/password", "breached_password")]
        # It learns five of forty digits, and nothing of who asks.
        assert asked.asked == [f"/range/{digest_of(BREACHED)[:5]}"]
        ann, answer = await finish(found, "ann", PASSWORD)
        assert answer.status_code == 201
        ann.took(answer)
        answer = await ann.auth("POST password", {"current": PASSWORD, "password": BREACHED})
        assert pointers(answer) == [("/password", "breached_password")]
        await ann.auth("POST password/forgot", {"email": ann.email})
        body = {"token": found.token(ann.email), "password": BREACHED}
        answer = await found.stranger().auth("POST password/reset", body)
        assert pointers(answer) == [("/password", "breached_password")]
        # Whoever has it already still logs in: what is asked about is a new one.
        before = len(asked.asked)
        assert (await ann.login()).status_code == 200
        # What can't be one by our own rules is told to nobody.
        await finish(found, "bob", "password123")
        assert len(asked.asked) == before
        assert away == []


AWAY: dict[str, dict[str, Any]] = {
    "a defect": {"status": 503},
    "nothing there": {"status": 404},
    "a redirect": {"status": 302},
    "huge": {"body": b"0" * 2_000_000},
}


async def test_authn_2_a_list_that_is_away_keeps_nobody_out(
    database_url: str, subtests: pytest.Subtests
) -> None:
    async with listed(database_url) as (found, asked, away):
        for number, (name, wrong) in enumerate(AWAY.items()):
            with subtests.test(name=name):
                away.clear()
                asked.status, asked.body = wrong.get("status", 200), wrong.get("body")
                _, answer = await finish(found, f"p{number}", BREACHED)
                assert answer.status_code == 201
                [event] = away
                assert digest_of(BREACHED)[:5] not in event.reason
    gone = {"breached_passwords": "http://127.0.0.1:9/range/"}
    async with world(database_url, settings=gone) as found:
        _, answer = await finish(found, "late", BREACHED)
        assert answer.status_code == 201


async def test_authn_2_what_a_list_says_oddly_is_no_defect(database_url: str) -> None:
    async with listed(database_url) as (found, asked, _):
        for number, body in enumerate((b"", b"\xff\xfe\x00", b":::\r\n:", b"\n" * 5_000)):
            asked.body = body
            _, answer = await finish(found, f"p{number}", BREACHED)
            assert answer.status_code == 201


@each(
    ("password", "fine"),
    [
        ("reefknot", False),
        ("ReefKnot123", False),
        ("1 reefknot", False),
        ("reefknot on a rainy night", True),
        ("sea and salt", True),
    ],
)
async def test_authn_2_words_of_the_trade_are_no_passwords(
    trade: World, password: str, fine: bool
) -> None:
    _, answer = await finish(trade, f"p{abs(hash(password))}", password)
    assert answer.status_code == (201 if fine else 422)
    assert fine or pointers(answer) == [("/password", "common_password")]


@pytest.fixture
async def trade(database_url: str) -> AsyncIterator[World]:
    async with world(database_url, settings={"password_words": "reefknot, sea,"}) as found:
        yield found


@pytest.mark.parametrize("url", ["http://example.org/", "file:///etc/passwd", "x", "https://a@b/"])
def test_tok_8_a_list_that_can_not_be_asked_is_told_at_the_start(url: str) -> None:
    given = Settings(database="sqlite:///", breached_passwords=url)
    with pytest.raises(SettingError, match="breached_passwords"):
        App(User, settings=given)
