"""Faults of the disk under a running process: strace makes its system calls fail."""

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
def failing(
    pid: int | Sequence[int], calls: str, error: str, when: str, path: Path | None = None
) -> Iterator[None]:
    """Lets system calls of the processes on the file `path` fail; `when` as strace has it: 3, 1+.

    Of several processes those count that they start later, too.
    """
    pids = [pid] if isinstance(pid, int) else pid
    traced = [option for each in pids for option in ("-p", str(each))]
    on = [] if path is None else ["-P", str(path)]
    with TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        inject = f"inject={calls}:error={error}:when={when}"
        with said.open("wb") as stderr:
            tracer = subprocess.Popen(
                [
                    *("strace", "-f", *traced, "-o", os.devnull, *on),
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


def run_failing(
    command: Sequence[str], calls: str, error: str, when: str, path: Path, env: Mapping[str, str]
) -> int:
    """Runs a command whose system calls on the file `path` fail; what it ends with."""
    traced = ["strace", "-f", "-o", os.devnull, "-P", str(path), "-e", f"trace={calls}"]
    injected = ["-e", f"inject={calls}:error={error}:when={when}"]
    ran = subprocess.run(
        [*traced, *injected, *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=env,
        timeout=60,
        check=False,
    )
    assert b"Traceback" not in ran.stderr, ran.stderr.decode()
    return ran.returncode


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system in memory of that size; a loud skip where it may not be mounted."""
    with TemporaryDirectory(prefix="abaft-disk-") as folder:
        size = f"size={megabytes}m,mode=755"
        mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder]
        if not shutil.which("mount") or subprocess.run(mount, check=False).returncode != 0:
            pytest.skip(LEFT_OUT + "a disk that is full for others too needs leave to mount one")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def fill_up(path: Path) -> None:
    """Writes the file until nothing fits on its disk any more."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
