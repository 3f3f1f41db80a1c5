"""A database server of our own on a free port in a temporary folder, on the servers' core."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.server import SERVER_CORE, pinned


def owner(name: str) -> int | None:
    """Database servers refuse root: the user to drop to, or None when this is not root."""
    return pwd.getpwnam(name).pw_uid if os.geteuid() == 0 else None


@contextmanager
def folder_of(user: int | None) -> Iterator[Path]:
    """A folder that is this user's, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        if user is not None:
            os.chown(folder, user, -1)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(folder: Path, user: int | None, *command: str) -> None:
    """Run a program to its end in the folder."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, user=user)


@contextmanager
def serving(
    folder: Path,
    user: int | None,
    command: Sequence[str],
    ready: Callable[[], bool],
    end: signal.Signals = signal.SIGTERM,
) -> Iterator[None]:
    """Run a server and wait until it is ready; it ends by this signal, with its data whole."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            user=user,
            cwd=folder,
            preexec_fn=pinned(SERVER_CORE),
        )
    try:
        for _ in range(300):
            if ready():
                break
            time.sleep(0.1)
        else:
            raise SystemExit(f"{command[0]} did not start:\n{log.read_text()[-4000:]}")
        yield
    finally:
        process.send_signal(end)
        process.wait(60)
