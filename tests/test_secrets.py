"""SEC-1: secrets that were planted stand in nothing that an application says or keeps."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pyotp
import pytest

from abaft import App, Settings, User
from abaft.api.request import Headers
from abaft.auth.calls import Call, Reply
from abaft.base.errors import SettingError
from abaft.observe.log import log
from abaft.observe.log import logger as ours
from accounts import PASSWORD, Person, World, world
from projects import run, write_app
from scenarios import ADMIN_TOKEN, SECRET_KEY, SYSTEM

SETTINGS = {
    "throttle_storage": "memory://canary-storage",
    "base_url": "http://test",
}
OTHER = "another long canary battery"


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """What all loggers say, down to the last detail."""
    text, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    loggers = [root, *(logging.getLogger(name) for name in logging.root.manager.loggerDict)]
    before = [(one, one.level, one.handlers[:]) for one in loggers]
    for one in loggers:
        one.setLevel(logging.DEBUG)
    for one in (root, ours):
        one.addHandler(handler)
    try:
        yield text
    finally:
        for one, level, handlers in before:
            one.setLevel(level)
            one.handlers[:] = handlers


class Canaries:
    """What was planted, by name; and everything that was said, by where."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {
            "password": PASSWORD,
            "new password": OTHER,
            "admin token": ADMIN_TOKEN,
            "secret key": SECRET_KEY,
            "storage": "canary-storage",
        }
        self.said: dict[str, str] = {}

    def say(self, where: str, what: Any) -> None:
        text = what if isinstance(what, str) else repr(what)
        self.said[where] = self.said.get(where, "") + text

    def check(self) -> None:
        assert len(self.planted) >= 12
        assert all(len(secret) >= 6 for secret in self.planted.values()), self.planted
        assert all(self.said.values()), self.said.keys()
        found = [
            (name, where)
            for where, text in self.said.items()
            for name, secret in self.planted.items()
            if secret in text
        ]
        assert not found


async def lived(found: World, canaries: Canaries) -> Person:
    """Somebody who does whatever has to do with secrets; problems are taken down."""
    ann = await found.joined("ann", "admin")
    canaries.planted["link"] = found.token(ann.email)
    canaries.planted["cookie"] = ann.client.cookies["session"]
    canaries.planted["csrf"] = ann.csrf
    app = ann.elsewhere()
    await app.login(session="bearer")
    canaries.planted["access token"] = app.tokens["access_token"]
    canaries.planted["refresh token"] = app.tokens["refresh_token"]
    key = (await ann.auth("POST keys", {"name": "k", "scopes": ["*"]})).json()
    canaries.planted["API key"] = key["key"]
    begun = (await ann.auth("POST totp", {"password": PASSWORD})).json()
    canaries.planted["second factor"] = begun["secret"]
    code = pyotp.TOTP(begun["secret"]).now()
    recovery = (await ann.auth("POST totp/confirm", {"code": code})).json()
    canaries.planted["recovery"] = recovery["recovery_codes"][0]
    await ann.auth("POST password/forgot", {"email": ann.email})
    canaries.planted["reset"] = found.token(ann.email)
    changed = await ann.auth("POST password", {"current": PASSWORD, "password": OTHER})
    assert changed.status_code == 200, changed.text
    ann.took(changed)
    canaries.planted["cookie again"] = ann.client.cookies["session"]
    for request, body in [
        ("POST login", {"email": ann.email, "password": OTHER, "extra": OTHER}),
        ("POST login", {"email": OTHER, "password": [PASSWORD]}),
        ("POST password", {"current": OTHER, "password": PASSWORD[:5]}),
        ("POST password", {"current": PASSWORD, "password": ann.email}),
        ("POST password/reset", {"token": canaries.planted["reset"][:-3], "password": OTHER}),
        ("POST refresh", {"refresh_token": canaries.planted["refresh token"] + "x"}),
        ("POST totp/confirm", {"code": canaries.planted["recovery"]}),
    ]:
        answer = await ann.auth(request, body)
        assert answer.status_code >= 400, (request, answer.text)
        told = answer.text.replace(OTHER, "") if "email" in body else answer.text
        canaries.say("problems", told)
    bad = {"authorization": f"Bearer {canaries.planted['access token']}x", "x-csrf-token": "x"}
    canaries.say("problems", (await ann.ask("GET /api/notes", headers=bad)).text)
    return ann


async def test_sec_1_planted_secrets_are_in_no_output(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    canaries = Canaries()
    with everything_logged() as logged:
        async with world(database_url, settings=SETTINGS) as found:
            app = found.api.app
            app.observer.sinks.append(log)
            ann = await lived(found, canaries)
            await ann.ask("POST /api/notes", {"text": "a note"})
            canaries.say("openapi", (await ann.ask("GET /openapi.json")).text)
            canaries.say("home", (await ann.ask("GET /")).text)
            canaries.say("users", (await ann.ask("GET /api/users")).text)
            for path in ("me", "sessions", "keys"):
                told = orjson.loads((await ann.auth(f"GET {path}")).text)
                told.pop("csrf", None)  # is for the page that asks
                canaries.say(path, str(told))
            trail = await found.api.ask("GET /api/auth/events", "admin")
            canaries.say("trail", trail.text)
            changes = await app.db(SYSTEM).changes(limit=1_000)
            canaries.say("feed", changes)
            await say_objects(canaries, app)
            await defect(found, ann, canaries, monkeypatch)
        canaries.say("log", logged.getvalue())
    assert "AccountEvent" in canaries.said["log"]
    assert "planted defect" in canaries.said["log"]
    canaries.check()


async def say_objects(canaries: Canaries, app: App) -> None:
    """What a debugger, an assertion or a careless print shows."""
    context = app.accounts.context
    for one in (app, app.settings_, app.records, app.accounts, context, context.mailer):
        canaries.say("repr", one)
        canaries.say("str", str(one))
    canaries.say("settings", f"{app.settings_} {app.settings_!r}")
    for model in vars(context.models).values() if hasattr(context.models, "__dict__") else ():
        for record in await context.db.list(model, limit=100):
            canaries.say("records", record)
    for model in (context.models.user, context.models.account, context.models.session):
        for record in await context.db.list(model, limit=100):
            canaries.say("records", record)
    secret = canaries.planted["password"]
    headers = Headers({b"authorization": secret.encode(), b"cookie": secret.encode()})
    canaries.say("call", Call(headers, "192.0.2.1", {"password": secret}))
    canaries.say("reply", Reply(200, {"access_token": secret}, (("set-cookie", secret),)))


async def defect(
    found: World, ann: Person, canaries: Canaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect, in the midst of what handles a password."""

    async def broken(*_: Any) -> bool:
        raise RuntimeError("planted defect")

    monkeypatch.setattr(found.api.app.accounts.context.passwords, "verify", broken)
    before = len(found.api.defects)
    answer = await ann.client.post(
        "/api/auth/login", json={"email": ann.email, "password": PASSWORD}
    )
    assert answer.status_code == 500
    canaries.say("500", answer.text)
    assert "planted" not in answer.text
    [told] = found.api.defects[before:]
    canaries.say("traceback", "".join(traceback.format_exception(told.error)))
    found.api.defects.clear()


URLS = [
    "postgresql://abaft:canary-password@127.0.0.1:1/none",
    "mysql://abaft:canary-password@127.0.0.1:1/none",
    "mongodb://abaft:canary-password@127.0.0.1:1/none?serverSelectionTimeoutMS=200",
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("url", URLS)
def test_sec_1_a_database_that_is_away_tells_no_password(url: str, tmp_path: Any) -> None:
    path = write_app(tmp_path)
    for command in (["export", path, "notes"], ["serve", path], ["routes", path]):
        result = run(*command, database=url)
        told = result.output + (
            "".join(traceback.format_exception(result.exception)) if result.exception else ""
        )
        assert "canary-password" not in told, command


@pytest.mark.parametrize(
    "given",
    [
        {"database": "nothing://abaft:canary@host"},
        {"smtp": "nothing://user:canary@host"},
        {"replicas": "postgresql://abaft:canary@host/a,nothing://abaft:canary@host"},
        {"throttle_storage": "nothing://:canary@host"},
        {"admin_token": "canary"},
        {"secret_key": "canary"},
    ],
)
def test_sec_1_settings_that_cannot_be_used_are_told_without_their_value(given: Any) -> None:
    with pytest.raises((SettingError, ValueError)) as raised:
        App(User, settings=Settings(**({"secret_key": SECRET_KEY} | given)))
    assert "canary" not in "".join(traceback.format_exception(raised.value))


def test_sec_1_an_export_holds_no_secret(tmp_path: Any) -> None:
    text = """
from abaft import App, User
app = App(User)
"""
    path = write_app(tmp_path, text)
    database = f"sqlite:///{tmp_path}/app.db"
    given = {"ABAFT_ADMIN_TOKEN": "canary-token-" + "k" * 32, "ABAFT_SECRET_KEY": SECRET_KEY}
    result = run("export", path, "users", database=database, **given)
    assert "canary" not in result.output
    assert SECRET_KEY not in result.output
