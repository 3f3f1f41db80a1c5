"""What private servers of tests share: a folder, a free port, and an end with their owner."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import ClassVar, Protocol

from servers.begun import Begun

PATIENCE = 15.0  # seconds for a start or a stop; either takes a tenth of one

# Outlives its owner: reads pids from a pipe until the owner's end closes, in whatever way, then
# ends the last one and removes the folder. An empty line means that nothing runs.
WATCHDOG = """
pid=
while read -r line; do pid=$line; done
[ -z "$pid" ] || { kill -QUIT "$pid"; sleep 1; }
rm -rf "$1"
"""


class ServerMissing(Exception):
    """No server was named, and no binaries were found to start one."""


def _another_user(name: str) -> pwd.struct_passwd | None:
    """Whom to run as: databases refuse root. None when we are not root."""
    if os.geteuid() != 0:
        return None
    names = {user.pw_name: user for user in pwd.getpwall()}
    return names.get(name) or names["nobody"]


def _free_port() -> int:
    """A port nobody listens on, below those that outgoing connections are given, so that it is
    still free after the server has been down for a while."""
    while True:
        port = random.randrange(15_000, 30_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def memory_folder() -> str | None:
    """A folder in memory for what no test wants to keep, where there is one with room."""
    folder = Path("/dev/shm")  # noqa: S108 - what is made in it has names that nobody can guess
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return None
    return str(folder) if shutil.disk_usage(folder).free > 2**30 else None


def _children_of(pid: int) -> list[int]:
    """From Linux's /proc (proc_pid_stat(5): the parent is the second field after the name)."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                children.append(int(stat.parent.name))
    return children


class Server(Protocol):
    """A server that runs; `url` is one of its databases, with the right to make others."""

    url: str

    def database(self) -> AbstractContextManager[str]:
        """The URL of a new, empty database; dropped afterwards whoever is still connected."""

    def cut_connections(self, url: str) -> None:
        """Ends every connection to that database, as a failing network or an operator would."""


class PrivateServer(Begun, Server):
    """A server of our own, which can be stopped, started and killed; a context manager."""

    name: ClassVar[str]
    user: ClassVar[str]
    halt: ClassVar[signal.Signals] = signal.SIGQUIT
    """The quick end of what is thrown away."""
    clean: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(self, binaries: Path, durable: bool, where: Path | None = None) -> None:
        self._binaries = binaries
        self._user = _another_user(self.user)
        self._process: subprocess.Popen[bytes] | None = None
        place = where or (None if durable else memory_folder())
        self.folder = Path(tempfile.mkdtemp(prefix=f"abaft-{self.user}-", dir=place))
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._watchdog = self._watch()
        self.port = _free_port()

    def _initialise(self) -> None:
        """Makes the folder of its data."""
        raise NotImplementedError

    def _launch(self) -> subprocess.Popen[bytes]:
        """Starts the process."""
        raise NotImplementedError

    def _is_ready(self, pid: int) -> bool:
        """Whether it takes connections."""
        raise NotImplementedError

    def begin(self) -> None:
        self._initialise()
        self.start()

    def start(self) -> None:
        """Starts the server and returns when it takes connections."""
        deadline = time.monotonic() + PATIENCE
        # The first try after `kill` may find the memory of dying backends still attached.
        while not self._try_start(deadline):
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"{self.name} did not start; its log ends:\n{self.log()[-2000:]}"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """A clean stop that does not wait for clients to leave."""
        self._end(self.clean)

    def kill(self) -> None:
        """`kill -9` for all of it: nothing is flushed, no client is told; `start` then recovers.

        The parent goes first, so that it does not heal what happens to its children; they would
        follow by themselves, but may answer a query before they notice.
        """
        children = _children_of(self._process.pid) if self._process else []
        self._end(signal.SIGKILL)
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def pause(self) -> None:
        """Freezes all of it, as an overloaded host does: connections stay, nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        for pid in (self._process.pid, *_children_of(self._process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def revive(self) -> None:
        """Starts it if it has ended by itself."""
        if self._process is None or self._process.poll() is not None:
            self.start()

    def pids(self) -> list[int]:
        """The server's processes, the parent first."""
        assert self._process is not None
        return [self._process.pid, *_children_of(self._process.pid)]

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        """Stops the server and removes its folder."""
        self._end(self.halt)
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()
        self._watchdog.wait()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def _try_start(self, deadline: float) -> bool:
        self._process = self._launch()
        self._tell_watchdog(self._process.pid)
        while self._process.poll() is None and time.monotonic() < deadline:
            if self._is_ready(self._process.pid):
                return True
            time.sleep(0.01)
        self._end(self.halt)
        return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
            self._tell_watchdog("")

    def _spawn(self, binary: str, *arguments: str) -> subprocess.Popen[bytes]:
        uid, gid = (self._user.pw_uid, self._user.pw_gid) if self._user else (None, None)
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self._binaries / binary), *arguments],
                cwd=self.folder,
                env={"PATH": os.defpath, "LC_ALL": "C"},  # none of the caller's own variables
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=uid,
                group=gid,
                extra_groups=None if uid is None else [],
                start_new_session=True,  # Ctrl-C is for the tests, which then stop it
            )

    def _watch(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["sh", "-c", WATCHDOG, "sh", str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _tell_watchdog(self, pid: int | str) -> None:
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.write(f"{pid}\n".encode())
        self._watchdog.stdin.flush()
