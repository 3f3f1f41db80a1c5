"""What is kept of accounts through the years: another secret key, an old trail, what is over."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest

import abaft
from abaft import App, Settings, User
from abaft.base import clock
from abaft.base.errors import Fault, SettingError
from abaft.base.settings import bits
from accounts import PASSWORD, Note, Person, world
from scenarios import SECRET_KEY

NEXT = "another secret key, of as many characters and more"


async def goes_on(person: Person, found: Any, *, access: bool) -> None:
    """Whether what they hold opens the app that has started anew."""
    person.api = found.api
    client = found.stranger().client
    client.cookies = person.client.cookies
    person.client = client
    assert await person.known() is access


async def test_tok_6_another_secret_key_ends_nothing(database_url: str) -> None:
    async with world(database_url) as found:
        ann, bob = await found.joined("ann", session="bearer"), await found.joined("bob")
        begun = (await ann.auth("POST totp", {"password": PASSWORD})).json()
        codes = pyotp.TOTP(begun["secret"])
        answer = await ann.auth("POST totp/confirm", {"code": codes.now()})
        recovery = answer.json()["recovery_codes"]
    keys = {"secret_key": NEXT, "previous_secret_keys": f" {SECRET_KEY} , "}
    async with world(database_url, settings=keys) as found:
        await goes_on(ann, found, access=True)
        await goes_on(bob, found, access=True)
        # The page of before still holds the token that its session needs to write.
        assert (await bob.ask("POST /api/notes", {"text": "x"})).status_code == 201
        published = (await bob.auth("GET jwks")).json()["keys"]
        assert len(published) == 6
        assert all("d" not in key for key in published)
        refreshed = await ann.auth("POST refresh", {"refresh_token": ann.tokens["refresh_token"]})
        ann.tokens = refreshed.json()
        assert await ann.known()
    # Once it has started under both, the one of before isn't needed any more.
    async with world(database_url, settings={"secret_key": NEXT}) as found:
        await goes_on(ann, found, access=True)
        phone = ann.elsewhere()
        phone.api = found.api
        phone.client = found.stranger().client
        half = (await phone.login()).json()
        body = {"factor_token": half["factor_token"], "code": recovery[0]}
        assert (await phone.auth("POST login/factor", body)).status_code == 200
        checked = (await found.api.ask("GET /api/auth/events/check", "admin")).json()
        assert checked["broken"] is None


async def test_tok_6_a_removed_key_fails_at_once(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined("ann", session="bearer")
    keys = {"secret_key": NEXT, "previous_secret_keys": SECRET_KEY}
    async with world(database_url, settings=keys):
        pass
    async with world(database_url, settings={"secret_key": NEXT}) as found:
        await goes_on(ann, found, access=False)


async def test_tok_8_production_does_not_start_over_a_lost_key(database_url: str) -> None:
    async with world(database_url) as found:
        await found.joined()
    given = Settings(
        database=database_url,
        mode="production",
        secret_key=NEXT,
        base_url="https://test",
        smtp="smtp+plain://127.0.0.1:1",
    )
    app = App(User, Note, settings=given, sinks=())
    with pytest.raises(SettingError, match="previous_secret_keys"):
        await app.start()
    # Development goes on, and the trail tells where it begins anew.
    async with world(database_url, settings={"secret_key": NEXT}) as found:
        checked = (await found.api.ask("GET /api/auth/events/check", "admin")).json()
        assert (checked["broken"], checked["since"]) == (None, checked["last"])
        assert checked["last"] > 0


@pytest.mark.parametrize(
    ("secret", "enough"),
    [
        ("k" * 64, False),
        ("0123456789" * 7, False),
        ("0123456789" * 8, True),
        ("0123456789abcdef" * 3, False),
        ("0123456789abcdef" * 4, True),
        ("3ZVtxSVnYSu6WyQd9RyCOmR0GGRr8Mc58cLrZyq-A1Q", True),
        ("3ZVtxSVnYSu6WyQd9RyCOmR0GGRr8Mc58cLrZyq-A1", False),
        (SECRET_KEY, True),
    ],
)
def test_tok_8_a_secret_key_has_256_bits(secret: str, enough: bool) -> None:
    assert (bits(secret) >= 256) is enough
    if enough:
        Settings(mode="production", secret_key=secret)
        return
    with pytest.raises(SettingError, match="256 bits"):
        Settings(mode="production", secret_key=secret)


async def test_log_1_an_event_lands_with_what_it_tells_of_or_not_at_all(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        context = found.api.app.accounts.context
        told = found.told()

        async def refused(*_: Any, **__: Any) -> None:
            raise Fault("the trail can't be written to")

        monkeypatch.setattr(context.trail, "add", refused)
        for request, body in {
            "POST password": {"current": PASSWORD, "password": "another password"},
            "DELETE sessions": None,
            "POST keys": {"name": "x", "scopes": ["*"]},
            "POST leave": {"password": PASSWORD},
            "POST logout": None,
        }.items():
            assert (await ann.auth(request, body)).status_code == 500, request
        monkeypatch.undo()
        assert found.told() == told
        assert await ann.known()
        assert (await ann.auth("GET keys")).json()["items"] == []
        assert (await ann.elsewhere().login()).status_code == 200


async def test_log_1_what_is_old_goes_and_the_rest_still_stands(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(database_url) as found:
        await found.joined("ann")
        accounts, check = found.api.app.accounts, "GET /api/auth/events/check"
        later = clock.now() + timedelta(days=400)
        monkeypatch.setattr("abaft.auth.trail._PAGE", 2)
        with monkeypatch.context() as patched:
            patched.setattr(clock, "now", lambda: later)
            await found.joined("bob")
            await accounts.prune()
        rows = await accounts.context.trail.latest()
        assert [row.what for row in rows] == ["login", "joined", "invited"]
        assert (await found.api.ask(check, "admin")).json() == {
            "broken": None,
            "since": 3,
            "last": 6,
        }
        # Nobody else moves where it begins, or takes out what is there.
        context = accounts.context
        [head] = await context.db.list(context.models.ledger)
        first = rows[-1]
        await context.db.update(head, since=first.number, since_digest=first.digest)
        assert (await found.api.ask(check, "admin")).json()["broken"] == 4
        await context.db.update(head, since=3, since_digest=head.since_digest)
        assert (await found.api.ask(check, "admin")).json()["broken"] is None
        await context.db.delete(first)
        assert (await found.api.ask(check, "admin")).json()["broken"] == 4


async def test_nothing_is_written_where_nothing_is_to_be_pruned(database_url: str) -> None:
    """Who writes is waited for, by writers and by the feed."""
    async with world(database_url) as found:
        await found.joined("ann")
        context = found.api.app.accounts.context
        before = [row.turn for row in await context.db.list(context.models.ledger)]
        await found.api.app.accounts.prune()
        assert [row.turn for row in await context.db.list(context.models.ledger)] == before


async def test_more_is_pruned_than_one_page(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(database_url) as found:
        monkeypatch.setattr("abaft.auth.sessions.PAGE", 3)
        codes = found.api.app.accounts.codes
        for n in range(8):
            await codes.make("reset", f"a{n}@example.org", minutes=-1)
        kept = await codes.make("reset", "kept@example.org")
        await codes.prune()
        context = found.api.app.accounts.context
        assert len(await context.db.list(context.models.code)) == 1
        assert (await codes.find("reset", kept)).email == "kept@example.org"


async def _command(folder: Path, *arguments: str, **env: str) -> tuple[int, str]:
    source = Path(abaft.__file__).parent.parent
    paths = f"{source}:{Path(__file__).parent}"
    done = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "abaft.cli", "accounts", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "ABAFT_SECRET_KEY": SECRET_KEY, **env},
        stdout=-1,
        stderr=-2,
    )
    told, _ = await done.communicate()
    assert done.returncode is not None
    return done.returncode, " ".join(told.decode().split())


async def test_the_trail_is_checked_by_a_command(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("from apps.members import app\n")
    url = f"sqlite:///{tmp_path}/x.db"
    async with world(url) as found:
        await found.joined()
        context = found.api.app.accounts.context
        code, told = await _command(tmp_path, "audit", ABAFT_DATABASE=url)
        assert (code, "events 1 to 3 are as they were written" in told) == (0, True)
        [row, *_] = await context.trail.latest()
        await context.db.update(row, user="somebody else")
    code, told = await _command(tmp_path, "audit", ABAFT_DATABASE=url)
    assert (code, "event 3 isn't as it was written" in told) == (1, True)
    code, told = await _command(tmp_path, "renew", "--yes", ABAFT_DATABASE=url)
    assert code == 0, told
    code, told = await _command(tmp_path, "audit", ABAFT_DATABASE=url)
    assert code == 0, told


async def test_one_s_own_data_is_exported_whole_and_nobody_else_s(database_url: str) -> None:
    async with world(database_url) as found:
        ann, bob = await found.joined("ann", session="bearer"), await found.joined("bob")
        for person in (ann, bob):
            await person.ask("POST /api/notes", {"text": person.email})
        key = (await ann.auth("POST keys", {"name": "x", "scopes": ["*"]})).json()
        await ann.auth("POST totp", {"password": PASSWORD})
        answer = await ann.auth("GET export")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert "attachment" in answer.headers["content-disposition"]
        body = answer.json()
        assert [row["text"] for row in body["records"]["notes"]] == [ann.email]
        assert (body["user"]["name"], body["account"]["verified"]) == ("Ann", ann.email)
        assert [row["name"] for row in body["keys"]] == ["x"]
        assert [row["kind"] for row in body["factors"]] == ["totp"]
        assert [row["what"] for row in body["events"]] == ["key_made", "login", "joined"]
        assert (len(body["sessions"]), body["more"]) == (1, [])
        for secret in (PASSWORD, key["key"], ann.tokens["refresh_token"], "argon2", bob.email):
            assert secret not in answer.text
        ann.tokens = {"access_token": key["key"]}
        assert (await ann.auth("GET export")).json()["code"] == "session_needed"


async def test_authn_6_what_opens_an_account_is_made_by_who_proved_it_lately(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        later = clock.now() + timedelta(minutes=16)
        monkeypatch.setattr(clock, "now", lambda: later)
        asked = {"POST keys": {"name": "x", "scopes": ["*"]}, "GET export": None}
        for request, body in asked.items():
            answer = await ann.auth(request, body)
            assert (answer.status_code, answer.json()["code"]) == (403, "confirm_first")
        ann.took(await ann.auth("POST confirm", {"password": PASSWORD}))
        for request, body in asked.items():
            assert (await ann.auth(request, body)).is_success
