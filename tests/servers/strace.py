"""Faults of the disk under a running process: strace makes its system calls fail."""

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from conftest import LEFT_OUT

SYNCS = "fsync,fdatasync"
WRITES = "pwrite64,write,pwritev"


def need_strace() -> None:
    """A loud skip where strace is missing or may not trace; a failure under CI=true."""
    found = shutil.which("strace")
    if found and subprocess.run([found, "-o", os.devnull, "true"], check=False).returncode == 0:
        return
    reason = "faults of the disk need strace (apt-get install strace) and the right to trace"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(LEFT_OUT + reason)


@contextmanager
def failing(pid: int, calls: str, error: str, when: str, path: Path) -> Iterator[None]:
    """Lets system calls of the process on the file `path` fail; `when` as strace has it: 3, 1+."""
    with TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        inject = f"inject={calls}:error={error}:when={when}"
        with said.open("wb") as stderr:
            tracer = subprocess.Popen(
                [
                    *("strace", "-f", "-p", str(pid), "-o", os.devnull, "-P", str(path)),
                    *("-e", f"trace={calls}", "-e", inject),
                ],
                stdin=subprocess.DEVNULL,
                stderr=stderr,
            )
        try:
            _wait_for(said, "attached", tracer)
            yield
        finally:
            # It lets go of the process by itself when it is interrupted.
            tracer.send_signal(signal.SIGINT)
            tracer.wait(10)


def _wait_for(said: Path, word: str, tracer: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while word not in said.read_text():
        assert tracer.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.01)


@contextmanager
def full_disk(pid: int, path: Path) -> Iterator[None]:
    """Lets no file of the process grow past the size of this one, as if the disk were full."""
    size = path.stat().st_size
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
