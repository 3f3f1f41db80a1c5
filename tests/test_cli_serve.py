"""abaft serve and dev as real processes, and the page at `/`."""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from abaft import App, Me, Model, Settings, User, allow, field
from projects import (
    NOTES,
    clean_environment,
    command,
    free_port,
    run,
    running,
    said,
    wait_until,
    write_app,
)

SLOW = (
    NOTES
    + """
import asyncio
from pathlib import Path

@app.get("/slow")
async def slow() -> str:
    Path("begun").touch()
    await asyncio.sleep(1.5)
    return "done"
"""
)
KEY = "k3y-of-tests-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2


@pytest.mark.slow
def test_serve_answers_and_drains(tmp_path: Path) -> None:
    """FAIL-5: what is in progress when SIGTERM comes is answered."""
    (tmp_path / "app.py").write_text(SLOW)
    answered: list[httpx.Response] = []
    with running("serve", cwd=tmp_path, log=tmp_path / "log") as (process, base):
        assert httpx.post(f"{base}/api/notes", json={"text": "a"}).status_code == 201
        first = httpx.get(f"{base}/api/notes")
        assert first.json()["items"][0]["text"] == "a"
        assert "server" not in first.headers
        waiting = threading.Thread(
            target=lambda: answered.append(httpx.get(f"{base}/slow", timeout=10))
        )
        waiting.start()
        wait_until((tmp_path / "begun").exists, tmp_path / "log")
        process.send_signal(signal.SIGTERM)
        process.wait(15)
        waiting.join(5)
    assert [response.text for response in answered] == ['"done"']
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert not (tmp_path / "abaft.db-wal").exists()


@pytest.mark.slow
def test_workers_of_development_share_a_key(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(NOTES)
    with running("serve", "--workers", "2", cwd=tmp_path, log=tmp_path / "log") as (_, base):
        for number in range(3):
            assert httpx.post(f"{base}/api/notes", json={"text": str(number)}).status_code == 201
        cursor = httpx.get(f"{base}/api/notes?limit=1").json()["next"]
        # Each request is a connection of its own, which either worker may take.
        statuses = {
            httpx.get(f"{base}/api/notes", params={"limit": 1, "cursor": cursor}).status_code
            for _ in range(30)
        }
    assert statuses == {200}


@pytest.mark.slow
def test_dev_serves_again_after_a_change(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(NOTES)
    log = tmp_path / "log"
    with running("dev", cwd=tmp_path, log=log, ABAFT_MODE="production") as (_, base):
        assert "development" in httpx.get(base).text
        (tmp_path / "app.py").write_text(NOTES.replace("Note", "Memo"))
        wait_until(lambda: _status(f"{base}/api/memos") == 200, log)
        (tmp_path / "app.py").write_text(NOTES.replace("max_length=20", "ge=1"))
        wait_until(lambda: "ge is no constraint of text" in log.read_text(), log)
        assert "Traceback" not in log.read_text()
        (tmp_path / "app.py").write_text(NOTES)
        wait_until(lambda: _status(f"{base}/api/notes") == 200, log)


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=1).status_code
    except httpx.TransportError:
        return 0


def test_production_wants_a_key(tmp_path: Path) -> None:
    app = write_app(tmp_path)
    result = run("serve", app, "--workers", "2", ABAFT_MODE="production", ABAFT_SECRET_KEY="")
    assert result.exit_code == 1
    assert "ABAFT_SECRET_KEY" in said(result)


def test_production_tells_how_the_database_differs(tmp_path: Path) -> None:
    result = run(
        "serve",
        write_app(tmp_path),
        database=f"sqlite:///{tmp_path}/empty.db",
        ABAFT_MODE="production",
        ABAFT_SECRET_KEY=KEY,
    )
    assert result.exit_code == 1
    assert "missing: CREATE TABLE notes" in said(result)
    assert "Traceback" not in result.output


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        database = f"sqlite:///{tmp_path}/a.db"
        result = run("serve", write_app(tmp_path), "--port", str(port), database=database)
    assert result.exit_code == 1
    assert "--port" in said(result)


def test_a_socket_that_was_handed_over_is_for_one_worker(tmp_path: Path) -> None:
    result = run("serve", write_app(tmp_path), "--fd", "3", "--workers", "2")
    assert result.exit_code == 1
    assert "one for each" in said(result)


def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    pytest.importorskip("asyncpg")
    database = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    environment = {"ABAFT_QUERY_TIMEOUT": "0.5"}
    result = run("serve", write_app(tmp_path), database=database, **environment)
    assert result.exit_code == 1
    assert "the database" in said(result)
    assert "Traceback" not in result.output


@pytest.mark.slow
def test_a_new_project_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        command("new", "blog"), cwd=tmp_path, env=clean_environment(), capture_output=True
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "blog"
    secrets = dict(
        line.split("=", 1) for line in (folder / ".env").read_text().splitlines() if "=" in line
    )
    admin = {"authorization": f"Bearer {secrets['ABAFT_ADMIN_TOKEN']}"}
    with running("serve", cwd=folder, log=tmp_path / "log") as (_, base):
        assert httpx.post(f"{base}/api/tags", json={"name": "x"}).status_code == 401
        assert httpx.post(f"{base}/api/tags", json={"name": "x"}, headers=admin).status_code == 201
        assert httpx.get(f"{base}/feed").json() == []


@pytest.mark.slow
def test_a_new_project_satisfies_mypy(tmp_path: Path) -> None:
    subprocess.run(command("new", "blog"), cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "app.py"],
        cwd=tmp_path / "blog",
        env=clean_environment(MYPYPATH=str(Path(__file__).parent.parent / "src")),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Odd(Model, collection="odd"):
    """<script>alert("a")</script> & more.

    Not shown.
    """

    name: str = field(max_length=9)

    @allow("read")
    def everyone(odd, me: Me) -> bool:
        return True


class Closed(Model):
    """Nobody's."""

    name: str


async def home(app: FastAPI, path: str = "/", method: str = "GET") -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.request(method, path)
    for route in app.routes:
        await stop(getattr(route, "app", None))
    await stop(app)
    return answer


async def stop(app: Any) -> None:
    if isinstance(app, App):
        await app.stop()


def make_app(tmp_path: Path, **options: Any) -> App:
    settings = options.pop("settings", None) or Settings()
    database = f"sqlite:///{tmp_path}/home.db"
    return App(Odd, Closed, User, database=database, settings=settings, **options)


async def test_home_tells_what_runs_here(tmp_path: Path) -> None:
    answer = await home(make_app(tmp_path, title="A <b> & C", version="7.1"))
    assert answer.status_code == 200
    for part in ("A &lt;b&gt; &amp; C", "version 7.1", "sqlite", "development", "&lt;script&gt;"):
        assert part in answer.text
    for path in ("/docs", "/openapi.json", "/api/odd", "/api/closeds", "/api/users"):
        assert f'href="{path}"' in answer.text
    assert answer.text.count("after logging in") == 1
    assert "Not shown" not in answer.text


async def test_home_has_nothing_that_could_run(tmp_path: Path) -> None:
    answer = await home(make_app(tmp_path))
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    assert "http:" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_home_keeps_to_itself_in_production(tmp_path: Path) -> None:
    await _make_database(tmp_path)
    settings = Settings(
        mode="production",
        secret_key=KEY,
        base_url="https://example.org",
        email_verification=False,
    )
    answer = await home(make_app(tmp_path, settings=settings, version="7.1"))
    assert "7.1" not in answer.text
    assert "sqlite" not in answer.text


async def _make_database(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    await app.start()
    await app.stop()


async def test_home_is_served_with_the_docs_only(tmp_path: Path) -> None:
    answer = await home(make_app(tmp_path, settings=Settings(docs=False)))
    assert answer.status_code == 404


async def test_home_yields_to_a_route_and_to_a_mount(tmp_path: Path) -> None:
    app = make_app(tmp_path)

    @app.get("/")
    async def mine() -> str:
        return "mine"

    assert (await home(app)).json() == "mine"
    app = make_app(tmp_path)
    other = FastAPI()
    other.get("/")(mine)
    app.mount("/", other)
    assert (await home(app)).json() == "mine"


async def test_home_of_a_mounted_app_links_below_itself(tmp_path: Path) -> None:
    outer = FastAPI(lifespan=None)
    outer.mount("/inner", make_app(tmp_path))
    answer = await home(outer, "/inner/")
    assert answer.status_code == 200
    assert 'href="/inner/api/odd"' in answer.text


async def test_home_answers_reads_alone(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    assert (await home(app, method="HEAD")).status_code == 200
    assert (await home(app, method="POST")).status_code == 404
    assert (await home(app, "/nowhere")).status_code == 404
