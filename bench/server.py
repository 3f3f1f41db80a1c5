"""Starts one worker of an app on a core of its own, watches its memory, and stops it."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

SERVER_CORE = 0
LOAD_CORE = 1
_PATIENCE = 60.0


def pinned(core: int) -> Callable[[], None]:
    """What a child runs before its program: move to one core, where there is such a thing."""

    def pin() -> None:
        if hasattr(os, "sched_setaffinity") and core in os.sched_getaffinity(0):
            os.sched_setaffinity(0, {core})

    return pin


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu(pid: int) -> float:
    """CPU seconds of a process and its children, in Linux's /proc."""
    place = Path(f"/proc/{pid}")
    # After the name, which may hold anything: utime and stime are the 12th and 13th.
    figures = (place / "stat").read_text().rpartition(")")[2].split()
    own = (int(figures[11]) + int(figures[12])) / os.sysconf("SC_CLK_TCK")
    children = (place / "task" / str(pid) / "children").read_text().split()
    return own + sum(cpu(int(child)) for child in children)


class Server:
    """One uvicorn worker: uvloop, httptools, no access log."""

    def __init__(self, app: str, database: str, folder: Path, **environment: str) -> None:
        self.app, self.port = app, free_port()
        self.log = folder / f"{app.replace(':', '.')}.log"
        self.environment = os.environ | {"BENCH_DATABASE": database} | environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it and wait for the first answer; returns the seconds that took."""
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--workers", "1"]
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "warning"]
        begun = time.perf_counter()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", self.app, *options, *where],
                env=self.environment,
                stdout=log,
                stderr=log,
                preexec_fn=pinned(SERVER_CORE),
            )
        self._wait(begun)
        return time.perf_counter() - begun

    def _wait(self, begun: float) -> None:
        assert self._process is not None
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() - begun > _PATIENCE:
                self.stop()
                raise SystemExit(f"{self.app} did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.002)

    def _answers(self) -> bool:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            client.request("GET", "/nothing-here")
            client.getresponse().read()
        except OSError:
            return False
        finally:
            client.close()
        return True

    def stop(self) -> None:
        """Ask it to end, and make it."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def memory(self, kind: str) -> float | None:
        """``VmRSS``, ``RssAnon`` (its own) or ``VmHWM`` (the peak) in MB; None without /proc."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status")
        found = re.search(rf"{kind}:\s+(\d+) kB", status.read_text()) if status.exists() else None
        return int(found[1]) / 1024 if found else None

    def cpu(self) -> float | None:
        """The CPU seconds that it and what it started have taken so far; None without /proc."""
        return cpu(self.pid) if Path("/proc/self/stat").exists() else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
