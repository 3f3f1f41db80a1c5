"""What accounts need in production, what leaks nowhere, and mails as a mail server gets them."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from abaft import App, Model, Settings, User
from abaft.base.errors import ModelError, SettingError
from accounts import PASSWORD, world
from scenarios import SECRET_KEY

PRODUCTION: dict[str, Any] = {
    "mode": "production",
    "secret_key": SECRET_KEY,
    "base_url": "https://test",
    "smtp": "smtp://user:a-canary-password@127.0.0.1:587",
    "mail_from": "App <no-reply@example.org>",
}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"base_url": ""}, "base_url"),
        ({"base_url": "http://test"}, "https"),
        ({"base_url": "test"}, "https://example.org"),
        ({"base_url": "https://user@test"}, "https://example.org"),
        ({"base_url": "https://test/path"}, "https://example.org"),
        ({"smtp": ""}, "smtp"),
        ({"smtp": "mail.example.org:a-canary-password"}, "smtp://USER"),
        ({"mail_from": "App"}, "no-reply@example.org"),
        ({"secret_key": ""}, "ABAFT_SECRET_KEY"),
        ({"secret_key": "short"}, "shorter than 32"),
    ],
)
def test_tok_8_a_start_that_is_not_safe_is_refused(changed: dict[str, str], told: str) -> None:
    with pytest.raises(SettingError, match=told) as raised:
        App(User, settings=Settings(database="sqlite:///", **PRODUCTION | changed))
    assert "canary" not in str(raised.value)


def test_tok_8_what_is_safe_starts() -> None:
    app = App(User, settings=Settings(database="sqlite:///", **PRODUCTION), sinks=())
    assert app.accounts is not None
    assert app.accounts.authenticator.cookie == "__Host-session"
    paths = {row.path for row in app.accounts.endpoints}
    assert "mailbox" not in paths
    App(
        User,
        settings=Settings(
            database="sqlite:///", **PRODUCTION | {"smtp": "", "email_verification": False}
        ),
        sinks=(),
    )


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("accounts", "context", "joining", "login", "password"):
        monkeypatch.delitem(sys.modules, f"abaft.auth.{name}", raising=False)
    monkeypatch.delitem(sys.modules, "abaft.guard.passwords", raising=False)
    monkeypatch.setitem(sys.modules, "argon2", None)
    with pytest.raises(SettingError, match=r"pip install 'abaft\[accounts\]'"):
        App(User, settings=Settings(database="sqlite:///", secret_key=SECRET_KEY), sinks=())


class Inbox:
    """What a mail server of this machine was given."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(
            (envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default))
        )
        return "250 OK"


async def test_mails_go_by_smtp_to_the_address_that_is_stored(database_url: str) -> None:
    inbox, loop = Inbox(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(inbox, loop=loop), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        settings = {
            "smtp": f"smtp+plain://127.0.0.1:{port}",
            "mail_from": "App <a@example.org>",
            "allowed_hosts": "*",  # even so nothing is made of the header
        }
        async with world(database_url, settings=settings) as found:
            ann = found.stranger("ann@example.org")
            headers = {"accept-language": "de;q=1, ../../etc/passwd", "host": "evil.example"}
            await ann.auth("POST register", {"email": ann.email}, headers=headers)
        # An app that stops has sent what it was about to.
        [(to, mail)] = inbox.mails
    assert to == [ann.email]
    assert mail["from"] == "App <a@example.org>"
    for part in ("plain", "html"):
        text = mail.get_body((part,)).get_content()
        assert "http://localhost:8000/account/register#abl_" in text
        assert "evil" not in text


async def test_mails_speak_a_language_of_their_reader(database_url: str, tmp_path: Any) -> None:
    (tmp_path / "register.de.txt").write_text("Konto bei {{ app }}\n\n{{ link }}\n")
    async with world(database_url, settings={"mail_templates": str(tmp_path)}) as found:
        ann = found.stranger("ann@example.org")
        for header, subject in (
            ("de-DE, de", "Konto bei abaft"),
            ("fr", "Finish your registration"),
        ):
            await ann.auth(
                "POST register", {"email": ann.email}, headers={"accept-language": header}
            )
            assert found.mails[-1]["subject"] == subject


@pytest.mark.parametrize(
    "email",
    [
        "ann@example.org\r\nBcc: eve@example.org",
        "ann@example.org, eve@example.org",
        "<ann@example.org>",
        "ann@example.org\0",
        " ann@example.org",
        "ann",
    ],
)
async def test_inj_4_no_address_ends_a_line_of_a_mail(database_url: str, email: str) -> None:
    async with world(database_url) as found:
        for path in ("register", "password/forgot", "mail"):
            answer = await found.stranger().auth(f"POST {path}", {"email": email})
            assert answer.status_code == 422, (path, answer.text)
        assert found.mails == []


async def test_sec_1_no_secret_is_told(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    from abaft.observe.log import log

    caplog.set_level(logging.DEBUG)
    async with world(database_url) as found:
        found.api.app.observer.sinks.append(log)
        ann = await found.joined(session="bearer")
        phone = ann.elsewhere()
        await phone.login()
        link = found.token(ann.email)
        key = (await ann.auth("POST keys", {"name": "x", "scopes": ["*"]})).json()["key"]
        await ann.elsewhere().login("a wrong canary")
        await ann.auth("POST refresh", {"refresh_token": link})
        secrets = [
            PASSWORD,
            "a wrong canary",
            link,
            key,
            ann.tokens["access_token"],
            ann.tokens["refresh_token"],
            phone.client.cookies["session"],
            SECRET_KEY,
        ]
        told = [
            caplog.text,
            json.dumps(found.api.app.openapi()),
            repr(found.api.app.settings_),
            repr(await found.api.db.changes("", 500)),
            (await found.api.ask("GET /api/auth/events", "admin")).text,
            (await ann.auth("GET sessions")).text,
            (await ann.auth("GET keys")).text,
        ]
        assert "login_failed" in caplog.text
        for place, text in enumerate(told):
            for secret in secrets:
                assert secret not in text, place


async def test_an_idempotency_key_keeps_no_secret(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        body = {"email": ann.email, "password": PASSWORD, "session": "bearer"}
        headers = {"idempotency-key": "one"}
        first = await ann.elsewhere().auth("POST login", body, headers=headers)
        again = await ann.elsewhere().auth("POST login", body, headers=headers)
        assert first.json()["refresh_token"] != again.json()["refresh_token"]


async def test_accounts_are_not_asked_within_a_batch(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        body = {"email": ann.email, "password": PASSWORD}
        operations = [{"method": "POST", "path": "/auth/login", "body": body}]
        for atomic in (True, False):
            asked = {"operations": operations, "atomic": atomic}
            answer = await found.stranger().ask("POST /api/batch", asked)
            assert "not_in_batch" in answer.text
            assert "set-cookie" not in answer.headers
            assert "csrf" not in answer.text


async def test_val_3_of_those_who_join_by_one_address_at_once_one_does(database_url: str) -> None:
    async with world(database_url) as found:
        ann = found.stranger("ann@example.org")
        tokens = []
        for _ in range(3):
            await ann.auth("POST register", {"email": ann.email})
            tokens.append(found.token(ann.email))
        bodies = [{"token": token, "password": PASSWORD} for token in tokens * 4]
        tries = [found.stranger().auth("POST register/finish", body) for body in bodies]
        answers = [answer.status_code for answer in await asyncio.gather(*tries)]
        assert sorted(answers) == [201, *[401] * 11]


def test_the_path_of_accounts_is_theirs() -> None:
    class Entry(Model, collection="auth"):
        text: str

    with pytest.raises(ModelError, match="where accounts are"):
        App(User, Entry, settings=Settings(database="sqlite:///", secret_key=SECRET_KEY), sinks=())


async def test_the_mailbox_is_for_this_machine(database_url: str) -> None:
    async with world(database_url) as found:
        await found.stranger().auth("POST register", {"email": "ann@example.org"})
        assert (await found.stranger().auth("GET mailbox")).status_code == 404
        near = found.stranger(address="127.0.0.1")
        page = await near.auth("GET mailbox", headers={"accept": "text/html"})
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "Finish your registration" in page.text
        assert '<a href="http://localhost:8000/account/register#' in page.text


async def test_the_first_page_shows_where_to_log_in(database_url: str) -> None:
    async with world(database_url) as found:
        page = (await found.stranger().client.get("/")).text
        for path in ("/account/login", "/api/auth/mailbox"):
            assert f'href="{path}"' in page
