"""An application in a process of its own, served by uvicorn on a free port of the loopback."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import httpx

from servers.begun import Begun
from servers.warm import Warm

TESTS = Path(__file__).parent.parent
PATIENCE = 20.0


class AppProcess(Begun):
    """A server that this process started, and ends by its pid; a context manager.

    Without a `command` of its own it is a `Warm` one, with `options` of uvicorn.
    """

    def __init__(
        self,
        database: str,
        *,
        app: str = "apps.ledger:app",
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
        options: Sequence[str] = (),
        probe: str = "/api/counters?limit=1",
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        quiet = ["--log-level", "warning", "--no-access-log"]
        self._uvicorn = [app, "--app-dir", str(TESTS), *quiet, *options, "--port", str(self.port)]
        self._command = [*command, "--port", str(self.port)] if command else []
        self._env = {**os.environ, "ABAFT_DATABASE": database, **(env or {})}
        self._probe = probe
        self._output = TemporaryFile()  # noqa: SIM115 - closed by close()
        self.process: subprocess.Popen[bytes] | Warm | None = None
        self.log = ""

    def begin(self) -> None:
        self.start()

    def close(self) -> None:
        """Kills what still runs; what it said stays in `log`."""
        self.kill()
        self.log = self.output()
        self._output.close()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, *, wait: bool = True) -> None:
        self.process = self._popen() if self._command else self._warm()
        if wait:
            self.wait_until_ready()

    def _popen(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            cwd=TESTS.parent,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )

    def _warm(self) -> Warm:
        output = self._output.fileno()
        return Warm("uvicorn", self._uvicorn, env=self._env, cwd=str(TESTS.parent), output=output)

    def wait_until_ready(self) -> float:
        """Seconds until it answers."""
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE:
            with suppress(httpx.TransportError):
                if httpx.get(self.url + self._probe, timeout=5).status_code == 200:
                    return time.monotonic() - begun
            if self.process is None or self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"the server did not start; it said:\n{self.output()}")

    def output(self) -> str:
        self._output.seek(0)
        return self._output.read().decode(errors="replace")[-4000:]

    def terminate(self) -> None:
        """SIGTERM, as a supervisor would."""
        os.kill(self.pid, signal.SIGTERM)

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit status, once it has ended by itself."""
        assert self.process is not None
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL for the process and what it has started."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
