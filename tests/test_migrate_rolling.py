"""A rolling deployment: old and new code on one database at once, under traffic."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from projects import clean_environment, command, running

OLD = """
from abaft import App, Me, Model, Settings, allow, field

class Open(Model, abstract=True):
    @allow("read", "create", "update", "delete")
    def everyone(record, me: Me) -> bool:
        return True

class Note(Open):
    text: str = field(max_length=80)

app = App(Note)
"""
NEW = (
    OLD.replace("text: str = field(max_length=80)", "text: str = field(max_length=80, search=True)")
    .replace(
        "class Note(Open):",
        "class Tag(Open):\n    name: str = field(unique=True)\n\nclass Note(Open):",
    )
    .replace(
        "\napp =",
        "    rank: int = field(default=3, index=True)\n    tag: Ref[Tag] | None\n\napp =",
    )
    .replace("App(Note)", "App(Note, Tag)")
    .replace("Model, Settings", "Model, Ref, Settings")
)
KEY = "k3y-of-tests-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2


class Traffic(threading.Thread):
    """Creates, reads and changes records until it is told to stop; counts what was answered."""

    def __init__(self, base: str, name: str, more: dict[str, Any]) -> None:
        super().__init__(name=name)
        self.base, self.more = base, more
        self.stopped = threading.Event()
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self) -> None:
        with httpx.Client(base_url=self.base, timeout=20) as client:
            while not self.stopped.is_set():
                self.turn(client)

    def turn(self, client: httpx.Client) -> None:
        made = client.post("/api/notes", json={"text": f"of {self.name}", **self.more})
        self.note("POST", made, 201)
        if made.status_code != 201:
            return
        place = f"/api/notes/{made.json()['id']}"
        self.note("GET", client.get(place), 200)
        self.note("PATCH", client.patch(place, json={"text": f"{self.name} again"}), 200)
        self.note("LIST", client.get("/api/notes?limit=5&sort=-created"), 200)
        self.note("DELETE", client.delete(place), 204) if self.answers["POST"] % 3 else None

    def note(self, what: str, answer: httpx.Response, expected: int) -> None:
        self.answers[what] += 1
        if answer.status_code != expected:
            self.wrong.append(f"{what} {answer.status_code} {answer.text[:300]}")


def migrate(folder: Path, url: str, *words: str) -> str:
    ended = subprocess.run(
        command("migrate", *words),
        cwd=folder,
        env=clean_environment(ABAFT_DATABASE=url),
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode()


def versions(home: Path, database_url: str) -> tuple[Path, Path]:
    """The folders of the old code, whose migrations are applied, and of the new."""
    old, new = home / "old", home / "new"
    for folder, text in ((old, OLD), (new, NEW)):
        folder.mkdir()
        (folder / "app.py").write_text(text)
    migrate(old, database_url, "diff", "-m", "first")
    migrate(old, database_url, "apply")
    (new / "migrations").mkdir()
    for file in (old / "migrations").glob("*.py"):
        (new / "migrations" / file.name).write_bytes(file.read_bytes())
    return old, new


@pytest.mark.slow
def test_fail_5_old_and_new_code_serve_one_database(
    database_url: str, engine: str, tmp_path: Path
) -> None:
    old, new = versions(tmp_path, database_url)
    environment = {
        "ABAFT_DATABASE": database_url,
        "ABAFT_MODE": "production",
        "ABAFT_SECRET_KEY": KEY,
    }
    with ExitStack() as stack:
        _, first = stack.enter_context(
            running("serve", cwd=old, log=tmp_path / "old.log", **environment)
        )
        before = Traffic(first, "old", {})
        before.start()
        try:
            told = migrate(new, database_url, "diff", "-m", "second")
            assert f"add {'field' if engine == 'mongodb' else 'column'} notes.rank" in told
            migrate(new, database_url, "apply")
            _, second = stack.enter_context(
                running("serve", cwd=new, log=tmp_path / "new.log", **environment)
            )
            after = Traffic(second, "new", {"rank": 9})
            after.start()
            time.sleep(1.5)
            after.stopped.set()
            after.join(30)
            # On MongoDB whoever writes a document makes what a search goes by.
            where = "text[contains]=" if engine == "mongodb" else "search="
            found = httpx.get(f"{second}/api/notes?{where}old&limit=1&count=exact").json()
            ranks = {
                name: httpx.get(f"{second}/api/notes?{where}{name}&limit=9").json()["items"]
                for name in ("old", "new")
            }
        finally:
            before.stopped.set()
            before.join(30)
        assert not before.wrong, before.wrong[:3]
        assert not after.wrong, after.wrong[:3]
        assert before.answers["POST"] > 5
        assert after.answers["POST"] > 5
        assert found["count"] > 0, "what old code writes is found by new code"
        kept = {name: {row["rank"] for row in rows} for name, rows in ranks.items()}
        assert kept == {"old": {3}, "new": {9}}
    assert "Traceback" not in (tmp_path / "old.log").read_text()
    assert "Traceback" not in (tmp_path / "new.log").read_text()
