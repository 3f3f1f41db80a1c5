"""INJ-1: sqlmap at its utmost finds no way into a statement through accounts, nor in the blog.

That it finds one that is there is shown by tests/test_sqlmap.py. The suite runs a slice;
`script/attack` runs all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from projects import running
from scenarios import ADMIN_TOKEN, SECRET_KEY
from servers.process import AppProcess
from servers.sqlmap import Target, attack, need_sqlmap
from test_blog import EXAMPLE, environment, publish

pytestmark = [pytest.mark.slow, pytest.mark.sql]

ALL = bool(os.environ.get("ABAFT_ATTACK"))
ORIGIN = "http://127.0.0.1"
FORM = "content-type: application/x-www-form-urlencoded"
ADMIN = f"authorization: Bearer {ADMIN_TOKEN}"
LOGIN = '{"email": "ann@example.org*", "password": "x*", "session": "bearer"}'
CLIENT = "client_id=x*&client_secret=x*"
ACCOUNTS = {
    "log-in": Target("/api/auth/login", "POST", LOGIN),
}
MORE_ACCOUNTS = {
    "tokens": Target(
        "/api/auth/oauth/token",
        "POST",
        f"grant_type=authorization_code&code=x*&code_verifier=x*&{CLIENT}",
        headers=[FORM],
    ),
    "refresh": Target("/api/auth/refresh", "POST", '{"refresh_token": "abr_x*"}'),
    "reset": Target("/api/auth/password/reset", "POST", '{"token": "x*", "password": "y*"}'),
    "forgot": Target("/api/auth/password/forgot", "POST", '{"email": "ann*@example.org"}'),
    "code": Target("/api/auth/mail/code", "POST", '{"email": "ann@example.org*", "code": "1*"}'),
    "factor": Target("/api/auth/login/factor", "POST", '{"factor_token": "x*", "code": "1*"}'),
    "register": Target("/api/auth/register/finish", "POST", '{"token": "x*", "password": "y*"}'),
    "who asks": Target(
        "/api/auth/me", headers=["authorization: Bearer x*", "cookie: session=x*", "x-tenant: x*"]
    ),
    "authorize": Target("/api/auth/oauth/authorize?client_id=x*&redirect_uri=y*&scope=z*"),
    "device": Target("/api/auth/oauth/verify?user_code=x*", headers=["cookie: session=x*"]),
    "page": Target(
        "/account/login", "POST", "email=ann@example.org*&password=x*&next=/x*",
        headers=[FORM, f"origin: {ORIGIN}", "sec-fetch-site: same-origin"],
    ),
    "an account": Target("/api/auth/accounts/x*", headers=[ADMIN]),
    "events": Target("/api/auth/events?user=x*", headers=[ADMIN]),
    "users": Target("/api/users?name=ann*&sort=name*", headers=[ADMIN]),
    "memberships": Target("/api/memberships?role=x*&sort=user.name*", headers=[ADMIN]),
}  # fmt: skip
BLOG = {
    "posts": Target("/api/posts?title=x*&sort=date*&limit=1*"),
}
MORE_BLOG = {
    "search": Target("/api/posts?search=wind*"),
    "filter": Target("/api/posts?filter=title%20=%20%27x*%27", techniques="EUSTQ"),
    "comments": Target("/api/comments?post=x*&expand=author*"),
    "comment": Target("/api/comments", "POST", '{"text": "x*", "post": "y*"}', headers=[ADMIN]),
    "post": Target("/api/posts/x*"),
    "log-in": Target("/api/auth/login", "POST", LOGIN),
}


@pytest.fixture(scope="module")
def members(module_database_url: str) -> Iterator[str]:
    need_sqlmap()
    env = {
        "ABAFT_ADMIN_TOKEN": ADMIN_TOKEN,
        "ABAFT_SECRET_KEY": SECRET_KEY,
        "ABAFT_BASE_URL": ORIGIN,
    }
    with AppProcess(
        module_database_url, app="apps.attacked:app", env=env, probe="/api/users"
    ) as server:
        headers = {"authorization": f"Bearer {ADMIN_TOKEN}"}
        made = {"name": "Ann", "email": "ann@example.org"}
        answer = httpx.post(f"{server.url}/api/users", json=made, headers=headers)
        assert answer.status_code == 201, answer.text
        yield server.url


@pytest.fixture
def blog(database_url: str, tmp_path: Path) -> Iterator[str]:
    need_sqlmap()
    given = environment(tmp_path) | {"ABAFT_DATABASE": database_url}
    done = publish(tmp_path, EXAMPLE / "posts", ABAFT_DATABASE=database_url)
    assert done.returncode == 0, done.stderr
    with running("serve", EXAMPLE / "app.py", cwd=tmp_path, log=tmp_path / "log", **given) as (
        _,
        base,
    ):
        yield base


@pytest.mark.parametrize("kind", ACCOUNTS | (MORE_ACCOUNTS if ALL else {}))
def test_inj_1_nothing_gets_into_a_statement_by_accounts(
    members: str, engine: str, kind: str
) -> None:
    assert not attack(members, engine, (ACCOUNTS | MORE_ACCOUNTS)[kind])


@pytest.mark.parametrize("kind", BLOG | (MORE_BLOG if ALL else {}))
def test_inj_1_nothing_gets_into_a_statement_by_the_blog(blog: str, engine: str, kind: str) -> None:
    assert not attack(blog, engine, (BLOG | MORE_BLOG)[kind])
