"""SEC-1: what opens anything is told once, to who may have it, and kept in no row, feed or log."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyotp
import pytest

from abaft.observe.log import log
from accounts import PASSWORD, World, client_of
from loads import Loader
from projects import run, write_app
from scenarios import ADMIN_TOKEN, SECRET_KEY, SYSTEM
from sign_in import Client, allowed, hidden, registered, sent, signing
from test_secrets import everything_logged

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
NEXT = "another long canary battery"


async def lived(found: World, client: Client) -> dict[str, str]:
    """All secrets that there can be, each made once, and used where it can be."""
    ann = await found.joined()
    planted = {
        "password": PASSWORD,
        "admin token": ADMIN_TOKEN,
        "secret key": SECRET_KEY,
        "link to register": found.token(ann.email),
        "cookie": ann.client.cookies["session"],
        "csrf token": ann.csrf,
        "client secret": client.secret,
    }
    phone = ann.elsewhere()
    await phone.login(session="bearer")
    planted |= {f"phone's {name}": phone.tokens[name] for name in ("access_token", "refresh_token")}
    turned = await phone.auth("POST refresh", {"refresh_token": phone.tokens["refresh_token"]})
    planted["turned token"] = turned.json()["refresh_token"]
    made = await ann.auth("POST keys", {"name": "k", "scopes": ["notes.read"]})
    planted["API key"] = made.json()["key"]
    made = await found.api.ask(
        "POST /api/auth/services", "admin", json={"name": "robot", "scopes": ["*"]}
    )
    planted["service's key"] = made.json()["key"]
    for by in ("link", "code"):
        body = {"email": ann.email} | ({"by": "code"} if by == "code" else {})
        assert (await ann.elsewhere().auth("POST mail", body)).status_code == 202
        digits = re.search(r"(\d{4}) (\d{4})", found.mail(ann.email))
        planted[f"mailed {by}"] = "".join(digits.groups()) if digits else found.token(ann.email)
    await ann.auth("POST password/forgot", {"email": ann.email})
    planted["link to reset"] = found.token(ann.email)
    await ann.auth("POST email", {"email": "new@example.org", "password": PASSWORD})
    planted["link of another address"] = found.token("new@example.org")
    planted |= await an_app(found, ann, client)
    planted |= await factors(ann)
    body = {"current": PASSWORD, "password": NEXT}
    assert (await ann.auth("POST password", body)).status_code == 200
    planted["new password"] = NEXT
    return planted


async def an_app(found: World, ann: Any, client: Client) -> dict[str, str]:
    """What an app of others gets, by the browser and by a device."""
    back = await allowed(ann, client, scope="openid offline_access notes.read")
    body = (await client.exchange(back["code"])).json()
    planted = {
        f"app's {name}": body[name] for name in ("access_token", "refresh_token", "id_token")
    }
    device = (await client.form("device", scope="openid notes.read")).json()
    place = urlsplit(device["verification_uri_complete"])
    page = await ann.client.get(f"{place.path}?{place.query}")
    await sent(ann, place.path, {**hidden(page.text), "answer": "yes"})
    return planted | {
        "authorization code": back["code"],
        "verifier": client.verifier,
        "device code": device["device_code"],
        "user code": device["user_code"].replace("-", ""),
    }


async def factors(ann: Any) -> dict[str, str]:
    begun = (await ann.auth("POST totp", {"password": PASSWORD})).json()
    code = pyotp.TOTP(begun["secret"]).now()
    told = (await ann.auth("POST totp/confirm", {"code": code})).json()
    planted = {"TOTP secret": begun["secret"]}
    return planted | {f"recovery {n}": code for n, code in enumerate(told["recovery_codes"])}


def private_keys(app: Any) -> dict[str, str]:
    """The numbers that sign tokens, as a JWK writes them, and as they are kept in memory."""
    accounts = app.accounts
    keys = {
        "key of access tokens": accounts.keys.current,
        "key of ID tokens": accounts.server.made._current()[0],
    }
    found = {name: str(key.as_dict(private=True)["d"]) for name, key in keys.items()}
    sealing = accounts.context.vault.key
    return found | {"key of what is kept": sealing.hex()}


def spelled(secret: str) -> list[str]:
    """The secret, and the forms in which a careless store would keep it."""
    found = [secret, secret.encode().hex()]
    if "." in secret and secret[:2] == "ab":
        found.append(secret.partition(".")[2])
    if re.fullmatch(r"[A-Z2-7]{32}", secret):
        found.append(pyotp.TOTP(secret).byte_secret().hex())
    if re.fullmatch(r"\d{8}", secret):
        found.append(f"{secret[:4]} {secret[4:]}")
    return found


def found_in(planted: dict[str, str], texts: dict[str, str]) -> list[tuple[str, str]]:
    return [
        (name, where)
        for where, text in texts.items()
        for name, secret in planted.items()
        if any(form in text for form in spelled(secret))
    ]


async def rows(found: World) -> str:
    """All that abaft has stored, hidden fields too."""
    context, texts = found.api.app.accounts.context, []
    for model in (context.models.user, *context.models.declared):
        for row in await context.db.list(model, limit=1_000):
            texts += [f"{model.__name__}.{name}={value!r}" for name, value in vars(row).items()]
    assert any(".password='$argon2id$" in text for text in texts)
    assert sum(".digest=" in text for text in texts) > 10
    return "\n".join(texts)


async def pages(found: World) -> str:
    """What an administrator, a console and a curious client are shown."""
    ann = found.stranger("ann@example.org")
    texts = []
    for request in ("/", "/docs", "/openapi.json", "/api/auth/jwks", "/metrics", "/account/login",
                    "/.well-known/openid-configuration", "/.well-known/security.txt", "/debug",
                    "/console", "/api/auth/providers"):  # fmt: skip
        for accept in ("text/html", "application/json"):
            answer = await ann.client.get(request, headers={"accept": accept})
            texts.append(f"{dict(answer.headers)}{answer.text}")
    for request in ("GET /api/auth/events", "GET /api/auth/clients", "GET /api/auth/events/check",
                    "GET /api/users", "GET /api/notes"):  # fmt: skip
        texts.append((await found.api.ask(request, "admin")).text)
    return "\n".join(texts)


async def test_sec_1_nothing_that_opens_anything_is_kept_or_told(
    database_url: str, tmp_path: Path
) -> None:
    with everything_logged() as logged:
        async with signing(database_url) as found:
            app = found.api.app
            app.observer.sinks.append(log)
            grants = ["authorization_code", "refresh_token", DEVICE]
            client = await registered(found, grants=grants)
            planted = await lived(found, client) | private_keys(app)
            assert len(planted) >= 30
            assert all(len(secret) >= 8 for secret in planted.values()), planted
            texts = {
                "rows": await rows(found),
                "feed": repr(await app.db(SYSTEM).changes(limit=1_000)),
                "pages": await pages(found),
                "objects": repr(
                    [
                        app,
                        app.settings_,
                        app.accounts,
                        app.accounts.context,
                        app.accounts.keys,
                        app.accounts.server,
                        app.accounts.context.vault,
                        client_of(found.api),
                    ]
                ),
                "problems": await problems(found, planted),
            }
    texts["log"] = logged.getvalue()
    assert "AccountEvent" in texts["log"]
    if database_url.startswith("sqlite"):
        texts["file"] = stored(database_url)
        assert "$argon2id$" in texts["file"]
    assert not found_in(planted, texts)
    # The search finds what is there.
    assert found_in({"x": "$argon2id$"}, texts) != []


def stored(url: str) -> str:
    """The database's own bytes, and those of its log."""
    path = Path(url.removeprefix("sqlite:///"))
    return "".join(part.read_bytes().decode("latin-1") for part in path.parent.glob("test.db*"))


async def problems(found: World, planted: dict[str, str]) -> str:
    """What is answered to who sends each of them where it has no place."""
    texts = []
    for secret in planted.values():
        for request, options in (
            ("GET /api/notes", {"headers": {"authorization": f"Bearer {secret}x"}}),
            ("POST /api/notes", {"json": {"text": [secret]}}),
            ("POST /api/auth/login", {"json": {"email": "ann", "password": [secret]}}),
            ("POST /api/auth/password/reset", {"json": {"token": secret, "password": [secret]}}),
            ("POST /api/auth/refresh", {"json": {"refresh_token": [secret]}}),
            ("POST /api/auth/oauth/token", {"data": {"grant_type": "x", "code": secret}}),
            ("POST /api/auth/oauth/token", {"data": {"code": secret, "client_secret": secret}}),
        ):
            if not secret.isascii():
                continue
            answer = await found.api.ask(request, **options)
            assert 400 <= answer.status_code < 500, (request, answer.text)
            texts.append(f"{dict(answer.headers)}{answer.text}")
    return "\n".join(texts)


def test_sec_1_the_search_knows_other_spellings() -> None:
    secret = pyotp.random_base32()
    raw = pyotp.TOTP(secret).byte_secret()
    assert found_in({"x": secret}, {"here": f"...{raw.hex()}..."}) == [("x", "here")]
    token = "abl_" + "0" * 32 + "." + "k" * 43
    assert found_in({"x": token}, {"here": "k" * 43}) == [("x", "here")]


APP = """
from abaft import App, Model, Ref, User, allow, field, me

class Note(Model, history=True):
    text: str
    owner: Ref[User] = field(default=me, on_delete="cascade")

    @allow("read", "create")
    def own(note, me) -> bool:
        return note.owner == me

app = App(User, Note)
"""


@pytest.mark.slow
def test_sec_1_the_command_line_tells_no_secret_of_accounts(
    database_url: str, tmp_path: Path
) -> None:
    """Exports have users, and nothing of what abaft keeps of them; nor does any other command."""

    class Notes(Loader):
        models = APP

    found = Notes(database_url, tmp_path)
    canary = "smtp://mail:canary-smtp@127.0.0.1:1"
    given = {
        "ABAFT_SECRET_KEY": "canary-secret-key-" + "k" * 32,
        "ABAFT_ADMIN_TOKEN": "canary-admin-token-" + "k" * 32,
        "ABAFT_SMTP": canary,
        "ABAFT_PREVIOUS_SECRET_KEYS": "canary-previous-key-" + "k" * 32,
        "ABAFT_LOGIN_WITH": "github://id:canary-provider@",
    }
    assert found.load(users="name,email\nann,ann@example.org\n").exit_code == 0
    app = write_app(tmp_path, APP)
    seen = set()
    for command in (
        ["export", app, "users"],
        ["export", app, "users", "--hidden"],
        ["export", app, "notes", "--format", "csv"],
        ["export", app, "accounts"],
        ["query", app, "users"],
        ["query", app, "accounts"],
        ["routes", app],
        ["matrix", app],
        ["settings", app],
        ["accounts", "audit", app],
        ["shell", app, "-c", "print(app.settings_, app.accounts, app.accounts.context)"],
        ["shell", app, "-c", "1 / 0"],
    ):
        result = run(*command, database=database_url, **given)
        told = result.output + str(result.exception or "")
        assert "canary" not in told, (command, told)
        assert "argon2" not in told
        seen.add(result.exit_code)
    assert 0 in seen
    assert "ann@example.org" in json.dumps(found.export("users"))
