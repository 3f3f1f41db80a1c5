"""Small projects on disk, and the `abaft` command run on them: in this process or its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from click.testing import Result
from typer.testing import CliRunner

from abaft.cli import cli

PATIENCE = 30.0

NOTES = """
from abaft import App, Me, Model, allow, field

class Note(Model):
    text: str = field(max_length=20)

    @allow("read", "create")
    def everyone(note, me: Me) -> bool:
        return True

app = App(Note)
"""


def write_app(folder: Path, text: str = NOTES) -> str:
    """The path of a module with a name of its own: modules are imported once a process."""
    path = folder / f"app_{uuid.uuid4().hex}.py"
    path.write_text(text, "utf-8")
    return str(path)


def run(*arguments: str | Path, database: str = "", **environment: str) -> Result:
    """The command in this process."""
    given = {"ABAFT_DATABASE": database, **environment} if database else environment
    places = [*sys.path]
    sys.modules.pop("app", None)  # another's, which was imported before
    try:
        return CliRunner().invoke(cli, [str(argument) for argument in arguments], env=given)
    finally:
        sys.path[:] = places


def said(result: Result) -> str:
    """All that was said, as one line."""
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", result.output))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "abaft.cli", *map(str, arguments)]


def clean_environment(**environment: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ABAFT_")}
    return {**kept, **environment}


@contextmanager
def running(
    *arguments: str | Path, cwd: Path, log: Path, **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The command in a process of its own, once it answers; ended afterwards."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(*arguments, "--port", str(port)),
            cwd=cwd,
            env=clean_environment(**environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        base = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: answers(base, process), log)
            yield process, base
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(base: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"it ended with {process.returncode}"
    try:
        httpx.get(f"{base}/openapi.json", timeout=5)
    except httpx.TransportError:
        return False
    return True


def wait_until(ready: Any, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            if ready():
                return
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{log.read_text('utf-8')}") from None
        assert time.monotonic() < until, log.read_text("utf-8")
        time.sleep(0.05)
