"""XSS-1, XSS-2, HDR-1, INJ-1: wapiti finds nothing in the blog, and what was planted elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from projects import running
from scenarios import ADMIN_TOKEN
from servers.process import AppProcess
from servers.wapiti import attack, need_wapiti
from test_blog import EXAMPLE, PASSWORD, environment, publish

pytestmark = pytest.mark.slow

BASE = "https://127.0.0.1"
TEXT = {"type": "string"}


def body(*members: str) -> dict[str, Any]:
    """A request whose body has these members."""
    schema = {"type": "object", "properties": dict.fromkeys(members, TEXT), "required": [*members]}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": "done"}},
    }


def query(*names: str) -> dict[str, Any]:
    """A request with these parameters."""
    return {
        "parameters": [
            {"name": name, "in": "query", "required": True, "schema": TEXT} for name in names
        ],
        "responses": {"200": {"description": "done"}},
    }


ENDPOINTS = {
    "/api/posts": {"get": query("title", "sort", "filter", "search", "expand", "limit")},
    "/api/comments": {"get": query("sort", "filter"), "post": body("text", "post")},
    "/api/auth/login": {"post": body("email", "password")},
    "/api/auth/register": {"post": body("email", "password")},
    "/api/auth/password/forgot": {"post": body("email")},
    "/api/auth/password/reset": {"post": body("token", "password")},
    "/api/auth/mail/code": {"post": body("token", "code")},
}


def described(base: str) -> dict[str, Any]:
    """What it is to attack: all there is would take it an hour, and some of that logs it out."""
    return {
        "openapi": "3.0.3",
        "info": {"title": "Blog", "version": "1"},
        "servers": [{"url": base}],
        "paths": ENDPOINTS,
    }


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The blog as in production, with its posts in it."""
    need_wapiti()
    done = publish(tmp_path, EXAMPLE / "posts")
    assert done.returncode == 0, done.stderr
    settings = environment(tmp_path) | {
        "ABAFT_MODE": "production",
        "ABAFT_BASE_URL": BASE,
        "ABAFT_EMAIL_VERIFICATION": "false",
        "ABAFT_REQUESTS_PER_MINUTE": "1000000",
    }
    log = tmp_path / "log"
    with running("serve", EXAMPLE / "app.py", cwd=tmp_path, log=log, **settings) as (_, base):
        yield base


def session(base: str) -> dict[str, str]:
    """The headers of a browser in which somebody has logged in."""
    made = {"email": "eve@example.org", "password": PASSWORD, "user": {"name": "Eve"}}
    answer = httpx.post(f"{base}/api/auth/register", json=made)
    assert answer.status_code == 201, answer.text
    cookie = answer.headers["set-cookie"].partition(";")[0]
    return {"Cookie": cookie, "Origin": BASE, "X-CSRF-Token": answer.json()["csrf"]}


def test_xss_1_xss_2_hdr_1_inj_1_nothing_is_found_in_the_blog(served: str) -> None:
    headers = session(served)
    post = httpx.get(f"{served}/api/posts").json()["items"][0]["id"]
    start = ["/", "/api/posts?search=wind", f"/api/posts/{post}?fields=title"]
    found, said = attack(served, start, document=described(served), headers=headers)
    assert found == []
    for path in ENDPOINTS:
        assert f"{served}{path}" in said
    me = httpx.get(f"{served}/api/auth/me", headers={"cookie": headers["Cookie"]})
    assert me.status_code == 200, "it was not logged in to the end"
    assert httpx.get(f"{served}/api/posts").json()["items"]


class Hole(BaseHTTPRequestHandler):
    """Never do this: the page has what was sent, as it was sent."""

    def do_GET(self) -> None:
        name = parse_qs(urlsplit(self.path).query).get("name", [""])[0]
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(f"<!doctype html><p>Hello {name}</p>".encode())

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def planted() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hole) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_xss_1_a_planted_hole_is_found() -> None:
    need_wapiti()
    with planted() as base:
        found, _ = attack(base, ["/?name=tea"], modules=["csp", "http_headers", "xss"])
    kinds = {row.partition(":")[0] for row in found}
    assert any("Cross Site Scripting" in kind for kind in kinds), found
    assert any("Content Security Policy" in kind for kind in kinds), found


PAGES = ("login", "join", "forgot", "link", "digits", "reset", "register", "password")
MODULES = ("cookieflags", "crlf", "csp", "exec", "file", "redirect", "sql", "xss")


def test_xss_1_xss_2_inj_1_nothing_is_found_in_the_pages_of_accounts(tmp_path: Path) -> None:
    """It follows their forms; nothing is counted there, so that each try is one."""
    need_wapiti()
    settings = {"ABAFT_BASE_URL": BASE, "ABAFT_ADMIN_TOKEN": ADMIN_TOKEN}
    database = f"sqlite:///{tmp_path}/x.db"
    with AppProcess(database, app="apps.attacked:app", env=settings, probe="/api/users") as server:
        start = ["/account/login?next=/x&error=y", *(f"/account/{name}" for name in PAGES)]
        start += ["/api/auth/oauth/authorize?client_id=x&state=y", "/docs"]
        # As a browser sends the forms of these pages; what comes from elsewhere is refused unread.
        headers = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
        found, said = attack(server.url, start, headers=headers, modules=MODULES)
        assert found == []
        assert f"{server.url}/account/forgot" in said
        admin = {"authorization": f"Bearer {ADMIN_TOKEN}"}
        events = httpx.get(f"{server.url}/api/auth/events", headers=admin).json()["items"]
        tried = [event for event in events if event["what"] == "login_failed"]
        assert len(tried) > 10, "its forms were refused unread"
