"""What stands before every answer: headers of safety, hosts, and who may call from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from fastapi.responses import HTMLResponse, PlainTextResponse
from starlette.staticfiles import StaticFiles

from abaft import App, Model, Settings, allow
from abaft.base.errors import SettingError
from abaft.guard.hosts import Hosts
from in_process import Answer, ask
from scenarios import SECRET_KEY as KEY

HOST = (b"host", b"example.org")
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Word(Model):
    text: str

    @allow("read", "create")
    def everyone(word, me: Any) -> bool:
        return True


def make(tmp_path: Any, **given: Any) -> App:
    app = App(Word, settings=Settings(database=f"sqlite:///{tmp_path}/door.db", **given))

    @app.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse("<p>here")

    @app.get("/own")
    async def own() -> HTMLResponse:
        return HTMLResponse(
            "", headers={"Content-Security-Policy": "sandbox", "X-Frame-Options": "SAMEORIGIN"}
        )

    @app.get("/broken")
    async def broken() -> PlainTextResponse:
        raise RuntimeError("broken")

    (tmp_path / "files").mkdir(exist_ok=True)
    (tmp_path / "files" / "a.txt").write_text("a")
    app.mount("/files", StaticFiles(directory=tmp_path / "files"))
    return app


async def get(app: App, target: str, *headers: tuple[bytes, bytes], method: str = "GET") -> Answer:
    if not any(name == b"host" for name, _ in headers):
        production = app.settings_.production
        headers = (HOST if production else (b"host", b"localhost"), *headers)
    try:
        return await ask(app, method, target.encode(), headers)
    finally:
        if app._ready:
            await app.stop()


EVERYWHERE = [
    ("GET", "/", 200),
    ("GET", "/docs", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/docs/static/docs.css", 200),
    ("GET", "/docs/static/none.css", 404),
    ("GET", "/page", 200),
    ("POST", "/page", 405),
    ("GET", "/files/a.txt", 200),
    ("GET", "/files/../../etc/passwd", 404),
    ("GET", "/nowhere", 404),
    ("GET", "/api/words", 200),
    ("HEAD", "/api/words", 200),
    ("OPTIONS", "/api/words", 204),
    ("GET", "/api/none", 404),
    ("GET", "/api/words/none", 404),
    ("POST", "/api/words", 415),
    ("PUT", "/api/words", 405),
    ("TRACE", "/api/words", 405),
    ("TRACE", "/page", 405),
    ("GET", "/api/words?" + "a" * 9_000, 414),
]


@pytest.mark.parametrize(("method", "target", "status"), EVERYWHERE)
async def test_hdr_1_every_answer_has_the_headers(
    tmp_path: Any, method: str, target: str, status: int
) -> None:
    production = {"mode": "production", "secret_key": KEY, "base_url": "https://example.org"}
    make_tables = make(tmp_path)
    await get(make_tables, "/api/words")
    answer = await get(make(tmp_path, **production), target, method=method)
    assert answer.status == status
    for name, value in SAFE.items():
        assert answer.headers[name] in (value, "no-referrer"), (name, answer.headers)
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    if "json" in answer.headers.get("content-type", ""):
        assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_hdr_1_a_defect_of_the_applications_own_code_has_them(tmp_path: Any) -> None:
    app = make(tmp_path)
    sent: list[Any] = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": "/broken", "raw_path": b"/broken", "query_string": b"",
        "root_path": "", "headers": [], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(RuntimeError):
        await app(scope, receive, send)
    await app.stop()
    assert sent[0]["status"] == 500
    assert (b"x-content-type-options", b"nosniff") in sent[0]["headers"]
    assert b"broken" not in sent[1]["body"]


async def test_hdr_1_what_an_answer_says_itself_stands(tmp_path: Any) -> None:
    answer = await get(make(tmp_path), "/own")
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"


async def test_hdr_1_names_below_are_promised_where_that_is_set(tmp_path: Any) -> None:
    production = {"mode": "production", "secret_key": KEY, "base_url": "https://example.org"}
    await get(make(tmp_path), "/api/words")
    answer = await get(make(tmp_path, **production, hsts_subdomains=True), "/api/words")
    promise = "max-age=31536000; includeSubDomains"
    assert answer.headers["strict-transport-security"] == promise


async def test_hdr_1_no_promise_of_https_without_it(tmp_path: Any) -> None:
    answer = await get(make(tmp_path, base_url="http://example.org"), "/api/words")
    assert "strict-transport-security" not in answer.headers


async def test_xss_2_a_nonce_is_new_for_each_page(tmp_path: Any) -> None:
    app = make(tmp_path, content_security_policy="default-src 'none'; script-src 'nonce-{nonce}'")
    policies = {(await get(app, "/page")).headers["content-security-policy"] for _ in range(3)}
    assert len(policies) == 3
    assert not any("{" in policy for policy in policies)


HOSTS: Sequence[tuple[dict[str, Any], bytes | None, bool]] = [
    ({}, b"127.0.0.1:8000", True),
    ({}, b"[::1]:8000", True),
    ({}, b"192.168.0.7", True),
    ({}, b"localhost:8000", True),
    ({}, b"app.localhost", True),
    ({}, b"testserver", True),
    ({}, None, True),
    ({}, b"rebinding.attacker.example", False),
    ({}, b"localhost.attacker.example", False),
    ({}, b"", False),
    ({}, b"a b", False),
    ({}, b"localhost/", False),
    ({}, b"localhost\0", False),
    ({"base_url": "https://example.org"}, b"example.org", True),
    ({"mode": "production"}, b"whatever.example", True),
    ({"mode": "production", "base_url": "https://example.org"}, b"example.org", True),
    ({"mode": "production", "base_url": "https://example.org"}, b"EXAMPLE.org:443", True),
    ({"mode": "production", "base_url": "https://example.org"}, b"example.org.", True),
    ({"mode": "production", "base_url": "https://example.org"}, b"example.org.evil.example", False),
    ({"mode": "production", "base_url": "https://example.org"}, b"evil.example", False),
    ({"mode": "production", "base_url": "https://example.org"}, b"user@example.org", False),
    ({"mode": "production", "base_url": "https://example.org"}, b"evil:80#example.org", False),
    ({"mode": "production", "base_url": "https://example.org"}, b"localhost", False),
    ({"mode": "production", "base_url": "https://example.org"}, b"127.0.0.1", False),
    ({"mode": "production", "base_url": "https://example.org"}, b"", False),
    ({"mode": "production", "base_url": "https://example.org"}, None, False),
    ({"mode": "production", "allowed_hosts": "a.example, *.b.example"}, b"a.example", True),
    ({"mode": "production", "allowed_hosts": "a.example, *.b.example"}, b"x.b.example", True),
    ({"mode": "production", "allowed_hosts": "a.example, *.b.example"}, b"b.example", False),
    ({"mode": "production", "allowed_hosts": "a.example, *.b.example"}, b"xb.example", False),
    ({"allowed_hosts": "a.example"}, b"localhost", False),
]  # fmt: skip


@pytest.mark.parametrize(("given", "host", "allowed"), HOSTS)
def test_hdr_2_hosts(given: dict[str, Any], host: bytes | None, allowed: bool) -> None:
    hosts = Hosts(Settings(secret_key=KEY, **given))
    assert hosts.allows(host) is allowed
    assert hosts.allows(host) is allowed


@pytest.mark.parametrize("target", ["/", "/page", "/api/words", "/files/a.txt", "/nowhere"])
@pytest.mark.parametrize(
    "hosts",
    [[b"evil.example"], [b"example.org", b"evil.example"], [b"evil.example", b"example.org"]],
)
async def test_hdr_2_another_host_is_400_everywhere(
    tmp_path: Any, target: str, hosts: list[bytes]
) -> None:
    app = make(tmp_path, allowed_hosts="example.org")
    answer = await get(app, target, *[(b"host", host) for host in hosts])
    assert answer.status == 400
    assert answer.json()["code"] == "wrong_host"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b"evil" not in answer.body


ORIGIN = b"https://app.example"
LOOK_ALIKES = [
    b"null", b"https://app.example.evil.example", b"https://evil-app.example", b"http://app.example",
    b"https://app.example:8443", b"https://APP.example", b"https://app.example/", b"*",
    b"https://sub.app.example", b"https://app.example, https://evil.example", b"",
]  # fmt: skip
TARGETS = ["/api/words", "/api/words/none", "/api/none", "/page", "/nowhere", "/openapi.json"]


@pytest.mark.parametrize("target", TARGETS)
async def test_cors_1_off_until_asked(tmp_path: Any, target: str) -> None:
    answer = await get(make(tmp_path), target, (b"origin", ORIGIN))
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("target", TARGETS)
async def test_cors_1_listed_origins_are_exact(tmp_path: Any, target: str) -> None:
    app = make(tmp_path, cors_origins="https://app.example", cors_credentials=True)
    answer = await get(app, target, (b"origin", ORIGIN))
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    for other in LOOK_ALIKES:
        answer = await get(app, target, (b"origin", other))
        assert not [name for name in answer.headers if name.startswith("access-control")], other
        assert "origin" in vary(answer)
    answer = await get(app, target)
    assert "origin" in vary(answer)
    assert "access-control-allow-origin" not in answer.headers


def vary(answer: Answer) -> str:
    return answer.headers.get("vary", "")


async def test_cors_1_all_may_read_but_without_credentials(tmp_path: Any) -> None:
    app = make(tmp_path, cors_origins="*")
    answer = await get(app, "/api/words", (b"origin", b"https://any.example"))
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    with pytest.raises(SettingError, match="by name"):
        Settings(cors_origins="*", cors_credentials=True)
    with pytest.raises(SettingError, match="like https"):
        Settings(cors_origins="example.org")
    with pytest.raises(SettingError, match="null"):
        Settings(cors_origins="null")


async def test_cors_1_preflights(tmp_path: Any) -> None:
    app = make(tmp_path, cors_origins="https://app.example")
    asked = (
        (b"access-control-request-method", b"PATCH"),
        (b"access-control-request-headers", b"content-type,if-match"),
    )
    answer = await get(app, "/api/words/1", (b"origin", ORIGIN), *asked, method="OPTIONS")
    assert answer.status == 204
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "content-type,if-match"
    answer = await get(app, "/api/words/1", (b"origin", b"null"), *asked, method="OPTIONS")
    assert not [name for name in answer.headers if name.startswith("access-control")]
    answer = await get(app, "/api/words", (b"origin", ORIGIN), method="OPTIONS")
    assert answer.headers["allow"]
