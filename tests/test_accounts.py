"""Accounts from the first mail to the last session, with what others try on the way."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

import abaft
from abaft import Actor, App, Model, Settings, User, allow, field
from abaft.base.errors import ModelError
from abaft.guard.passwords import Passwords
from accounts import PASSWORD, world
from existing import fetch
from scenarios import SECRET_KEY, pointers


async def test_from_a_mail_to_a_session_that_rules_know(database_url: str) -> None:
    async with world(database_url) as found:
        ann = found.stranger("ann@example.org")
        answer = await ann.auth("POST register", {"email": ann.email})
        assert (answer.status_code, answer.headers["cache-control"]) == (202, "no-store")
        body = {"token": found.token(ann.email), "password": PASSWORD, "user": {"name": "Ann"}}
        answer = ann.took(await ann.auth("POST register/finish", body))
        assert answer.status_code == 201
        assert answer.json()["user"]["name"] == "Ann"
        assert "refresh_token" not in answer.json()
        note = await ann.ask("POST /api/notes", {"text": "mine"})
        assert note.json()["owner"] == answer.json()["user"]["id"]
        assert len((await ann.ask("GET /api/notes")).json()["items"]) == 1
        assert (await ann.auth("POST logout")).status_code == 204
        assert (await ann.ask("GET /api/notes")).status_code == 401
        assert found.told() == ["register", "joined", "login", "logout"]


async def test_an_app_has_tokens(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined(session="bearer")
        assert ann.tokens["token_type"] == "Bearer"
        assert "set-cookie" not in (await ann.login(session="bearer")).headers
        assert (await ann.ask("POST /api/notes", {"text": "x"})).status_code == 201
        old = dict(ann.tokens)
        answer = await ann.auth("POST refresh", {"refresh_token": old["refresh_token"]})
        ann.tokens = answer.json()
        assert await ann.known()
        assert ann.tokens["refresh_token"] != old["refresh_token"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, [("/token", "required"), ("/password", "required")]),
        ({"token": 1, "more": 1}, [("/token", "type"), ("/more", "unknown_field")]),
        ({"password": "short"}, [("/password", "too_short")]),
        ({"password": "password123"}, [("/password", "common_password")]),
        ({"password": "PASSWORD123"}, [("/password", "common_password")]),
        ({"password": "aaaaaaaaaaaa"}, [("/password", "common_password")]),
        ({"password": "ann@example.org"}, [("/password", "own_name")]),
        ({"password": "long enough\0"}, [("/password", "nul_character")]),
        ({"password": "x" * 1_000_000}, [("/password", "string_too_long")]),
        ({"user": {"id": "1"}}, [("/user/id", "unknown_field")]),
        ({"user": {"name": 7}}, [("/user/name", "type")]),
    ],
)  # fmt: skip
async def test_authn_2_what_nobody_should_have_as_a_password_is_told(
    database_url: str, body: dict[str, object], wrong: list[tuple[str, str]]
) -> None:
    async with world(database_url, settings={"max_body_bytes": 2_000_000}) as found:
        ann = found.stranger("ann@example.org")
        await ann.auth("POST register", {"email": ann.email})
        whole = {"token": found.token(ann.email), "password": PASSWORD} | body
        answer = await ann.auth("POST register/finish", whole if body else {})
        assert answer.status_code == 422
        assert pointers(answer) == wrong
        # Nothing was used up by it.
        good = {"token": found.token(ann.email), "password": PASSWORD}
        assert (await ann.auth("POST register/finish", good)).status_code == 201


@pytest.mark.parametrize(
    "password",
    ["eight ch", "äöü €uro 日本語 🐎🐎", "p" * 40 + "q" * 40, "ﬁne ﬁne ﬁne", " " * 9 + "a b"],
)
async def test_authn_2_every_character_counts(database_url: str, password: str) -> None:
    async with world(database_url) as found:
        ann = found.stranger("ann@example.org")
        await ann.auth("POST register", {"email": ann.email})
        body = {"token": found.token(ann.email), "password": password}
        assert (await ann.auth("POST register/finish", body)).status_code == 201
        assert (await ann.login(password)).status_code == 200
        assert (await ann.login(password[:-1])).status_code == 401


@pytest.mark.usefixtures("real_hashes")
async def test_authn_1_hashes_are_argon2id_and_renewed_at_the_next_login(database_url: str) -> None:
    from argon2 import PasswordHasher

    async with world(database_url) as found:
        ann = await found.joined()
        context = found.api.app.accounts.context
        account = await context.by_email(ann.email)
        assert account.password.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        weak = PasswordHasher(1, 8_192, 1).hash(PASSWORD)
        await context.db.update(account, password=weak)
        assert (await ann.login()).status_code == 200
        account = await context.by_email(ann.email)
        assert account.password.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert account.password != weak


@pytest.mark.usefixtures("real_hashes")
@pytest.mark.parametrize("lanes", [1, 2])
async def test_authn_1_hashes_from_elsewhere_are_known(lanes: int) -> None:
    """Both libraries read what the other has made, and more lanes than one."""
    from argon2 import PasswordHasher

    passwords, words = Passwords(1), "pass\u00e9 \U0001f511 with spaces"
    try:
        theirs = PasswordHasher(2, 19_456, lanes)
        assert theirs.verify(await passwords.hashed(words), words)
        assert await passwords.verify(theirs.hash(words), words)
        assert not await passwords.verify(theirs.hash(words), f"{words}.")
        assert passwords.outdated(theirs.hash(words)) is (lanes != 1)
        assert not await passwords.verify("$argon2id$v=19$m=1,t=1,p=1$x$y", words)
        assert not await passwords.verify("no hash at all", words)
    finally:
        passwords.close()


async def test_authn_3_nobody_learns_who_has_an_account(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        eve = found.stranger()
        for path, body in {
            "register": {},
            "password/forgot": {},
            "login": {"password": "not the password"},
        }.items():
            known = await eve.auth(f"POST {path}", {"email": ann.email, **body})
            other = await eve.auth(f"POST {path}", {"email": "who@example.org", **body})
            assert known.status_code == other.status_code, path
            assert known.content == other.content, path
            uncounted = [{**one.headers, "ratelimit": ""} for one in (known, other)]
            assert uncounted[0] == uncounted[1], path


async def test_authn_5_a_code_is_used_once_whoever_hurries(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        await ann.auth("POST password/forgot", {"email": ann.email})
        token = found.token(ann.email)
        eve = found.stranger()
        bodies = [{"token": token, "password": f"another password {n}"} for n in range(20)]
        tries = [eve.auth("POST password/reset", body) for body in bodies]
        answers = [answer.status_code for answer in await asyncio.gather(*tries)]
        assert sorted(answers) == [204, *[401] * 19]
        [winner] = [n for n, status in enumerate(answers) if status == 204]
        assert (await ann.elsewhere().login(f"another password {winner}")).status_code == 200


@pytest.mark.parametrize("change", ["purpose", "late", "moved", "cut", "other", "nothing"])
async def test_authn_5_a_code_is_for_one_purpose_time_and_address(
    database_url: str, change: str
) -> None:
    async with world(
        database_url, settings={"code_minutes": 0.0 if change == "late" else 30.0}
    ) as found:
        ann = await found.joined() if change != "late" else found.stranger("ann@example.org")
        await ann.auth("POST password/forgot", {"email": ann.email})
        context = found.api.app.accounts.context
        if change in ("late", "nothing"):
            await ann.auth("POST register", {"email": "new@example.org"})
            token = found.token("new@example.org")
            path = "register/finish" if change == "late" else "password/reset"
        else:
            token, path = found.token(ann.email), "password/reset"
        if change == "purpose":
            path = "register/finish"
        if change == "moved":
            account = await context.by_email(ann.email)
            await context.db.update(account.user, email="ann@elsewhere.org")
        if change == "cut":
            token = token[:-1]
        if change == "other":
            token = token.replace("abl_", "abr_")
        answer = await ann.auth(f"POST {path}", {"token": token, "password": "a new password"})
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_code")


async def test_authn_6_an_address_is_not_written_past_its_confirmation(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        me = (await ann.auth("GET me")).json()["user"]
        url = f"/api/users/{me['id']}"
        assert (await ann.ask(f"PATCH {url}", {"name": "Anna"})).status_code == 200
        answer = await ann.ask(f"PATCH {url}", {"email": "eve@example.org"})
        assert (answer.status_code, answer.json()["code"]) == (403, "field_forbidden")
        assert (await ann.ask(f"GET {url}")).json()["email"] == ann.email


async def test_authn_6_a_changed_password_ends_other_sessions(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        phone = ann.elsewhere()
        await phone.login(session="bearer")
        assert await phone.known()
        body = {"current": "not this one", "password": "a new password"}
        assert (await ann.auth("POST password", body)).json()["code"] == "bad_password"
        answer = await ann.auth("POST password", {**body, "current": PASSWORD})
        assert ann.took(answer).status_code == 200
        assert "password was changed" in found.mail(ann.email)
        assert await ann.known()
        assert not await phone.known()
        answer = await phone.auth("POST refresh", {"refresh_token": phone.tokens["refresh_token"]})
        assert answer.status_code == 401
        assert (await phone.login()).status_code == 401


class Member(User):
    __registers__ = ("name", "city")

    city: str = field(max_length=50)
    staff: bool = False

    @allow("update")
    def themselves(member, me: Actor) -> bool:
        return member == me


async def test_authz_3_a_model_of_ones_own_says_what_is_registered(database_url: str) -> None:
    async with world(database_url, Member, settings={"email_verification": False}) as found:
        bob = found.stranger("bob@example.org")
        body = {"email": bob.email, "password": PASSWORD}
        answer = await bob.auth("POST register", {**body, "user": {"staff": True, "city": "Ulm"}})
        assert pointers(answer) == [("/user/staff", "unknown_field")]
        answer = await bob.auth("POST register", body)
        assert pointers(answer) == [("/user/city", "required")]
        answer = await bob.auth("POST register", {**body, "user": {"city": "Ulm"}})
        assert answer.status_code == 201
        assert (answer.json()["user"]["city"], answer.json()["user"]["staff"]) == ("Ulm", False)
        answer = await bob.auth("POST register", {**body, "user": {"city": "Ulm"}})
        assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


async def test_roles_are_known_to_rules(database_url: str) -> None:
    async with world(database_url) as found:
        ann, bob = await found.joined("ann"), await found.joined("bob", "editor")
        await ann.ask("POST /api/notes", {"text": "of ann"})
        assert len((await bob.ask("GET /api/notes")).json()["items"]) == 1
        assert (await bob.auth("GET me")).json()["roles"] == ["editor"]
        answer = await ann.auth("POST invitations", {"email": "x@example.org", "roles": ["editor"]})
        assert answer.status_code == 403


@pytest.mark.parametrize("registration", ["open", "invited", "closed"])
async def test_who_may_join(database_url: str, registration: str) -> None:
    async with world(database_url, settings={"registration": registration}) as found:
        ann = found.stranger("ann@example.org")
        answer = await ann.auth("POST register", {"email": ann.email})
        assert answer.status_code == (202 if registration == "open" else 404)
        if registration == "invited":
            assert await (await found.joined()).known()


async def test_sec_1_nothing_secret_is_in_the_feed_or_the_tables(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined(session="bearer")
        await ann.auth("POST password/forgot", {"email": ann.email})
        link = found.token(ann.email)
        changes = await found.api.db.changes("", 500)
        whole = repr(changes) + repr(found.events)
        for secret in (PASSWORD, "argon2", link, ann.tokens["refresh_token"]):
            assert secret not in whole
        context = found.api.app.accounts.context
        rows = [
            *await context.db.list(context.models.session),
            *await context.db.list(context.models.code),
        ]
        assert rows
        for row in rows:
            assert row.digest not in whole
            assert row.digest not in repr(row)
            assert not any(
                secret.partition(".")[2] in str(row.__dict__)
                for secret in (link, ann.tokens["refresh_token"])
            )


async def test_own_data_is_served_to_nobody(database_url: str) -> None:
    async with world(database_url) as found:
        await found.joined()
        document = found.api.app.openapi()
        assert not [path for path in document["paths"] if "abaft" in path]
        assert not [name for name in document["components"]["schemas"] if name.startswith("Auth")]
        for path in ("abaft_accounts", "abaft_sessions", "AuthSession", "auth_sessions"):
            assert (await found.api.ask(f"GET /api/{path}", "admin")).status_code == 404


@pytest.mark.sql
async def test_a_deleted_user_leaves_nothing_behind(database_url: str) -> None:
    async with world(database_url) as found:
        ann = await found.joined()
        user = (await ann.auth("GET me")).json()["user"]["id"]
        assert (await found.api.ask(f"DELETE /api/users/{user}", "admin")).status_code == 204
        for table in ("abaft_accounts", "abaft_sessions"):
            assert (await fetch(database_url, f"select count(*) from {table}"))[0][0] == 0
        assert not await ann.known()


async def test_who_leaves_takes_what_is_theirs_along(database_url: str) -> None:
    async with world(database_url) as found:
        ann, bob = await found.joined("ann"), await found.joined("bob")
        for person in (ann, bob):
            await person.ask("POST /api/notes", {"text": "x"})
        answer = await ann.auth("POST leave", {"password": "not this one"})
        assert answer.json()["code"] == "bad_password"
        assert (await ann.auth("POST leave", {"password": PASSWORD})).status_code == 204
        assert not await ann.known()
        assert (await ann.elsewhere().login()).status_code == 401
        assert len(await found.api.items("/api/users", "admin")) == 1
        assert len(await found.api.items("/api/notes", "admin")) == 1
        assert await bob.known()


async def test_production_finds_its_tables_as_they_should_be(database_url: str) -> None:
    settings = {"mode": "production", "base_url": "https://test", "email_verification": False}
    async with world(database_url) as found:
        await found.joined()
    async with world(database_url, settings=settings) as found:
        assert len(await found.api.items("/api/users", "admin")) == 1


def test_an_app_that_is_not_started_makes_no_file(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/own.db"
    App(User, settings=Settings(database=database, secret_key=SECRET_KEY), sinks=())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_accounts_are_copied_with_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = "from abaft import App, User\nfrom accounts import Note\napp = App(User, Note)\n"
    (tmp_path / "app.py").write_text(code)
    urls = [f"sqlite:///{tmp_path}/{name}.db" for name in ("one", "two")]
    async with world(urls[0]) as found:
        ann = await found.joined()
    source = Path(abaft.__file__).parent.parent
    paths = f"{source}{os.pathsep}{Path(__file__).parent}"
    command = [sys.executable, "-m", "abaft.cli", "copy", "app:app", *urls]
    done = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "PYTHONPATH": paths}, stdout=-1, stderr=-2
    )
    told, _ = await done.communicate()
    assert done.returncode == 0, told
    async with world(urls[1]) as found:
        copied = found.stranger(ann.email)
        assert (await copied.login()).status_code == 200
        assert (await found.api.app.accounts.context.trail.check()).broken is None


def test_one_model_holds_the_users() -> None:
    with pytest.raises(ModelError, match="User and Member are both"):
        App(User, Member, settings=Settings(secret_key=SECRET_KEY))


def test_who_declares_no_users_has_no_accounts() -> None:
    class Page(Model):
        title: str

    app = App(Page, settings=Settings(secret_key=SECRET_KEY), sinks=())
    assert app.accounts is None
    assert list(app.schema.models) == ["Page"]
