"""DocumentDB's engine with our gateway before it: a MongoDB server for tests, where none is had.

The engine runs from a folder of Debian's packages that `script/_env` makes (`need_documentdb`), by
chroot, so that this takes root. It is gone when its owner is, even if that one was killed.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from servers.begun import Begun
from servers.process import free_port

FOLDER = "ABAFT_DOCUMENTDB"
USER = 101  # whom Debian's package makes: postgres
PATIENCE = 40.0
_BINARIES = Path("usr/lib/postgresql/18/bin")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",
    "shared_preload_libraries": "pg_cron,pg_documentdb_core,pg_documentdb",
    "cron.database_name": "postgres",
    # Cursors outlive the connection that opened them, as drivers expect.
    "documentdb.useFileBasedPersistedCursors": "on",
    "documentdb.defaultCursorExpiryTimeLimitSeconds": "600",
    "max_connections": "300",
    "autovacuum": "off",
}
_ORDERED = {
    "shared_preload_libraries": ",".join(
        (_SETTINGS["shared_preload_libraries"], "pg_documentdb_extended_rum")
    ),
    "documentdb.rum_library_load_option": "require_documentdb_extended_rum",
    "documentdb.alternate_index_handler_name": "extended_rum",
}
"""Indexes that bring documents in their order, as a mongod's do."""
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# Outlives its owner: reads pids from a pipe until the owner's end closes, in whatever way.
_WATCHDOG = """
pids=
while read -r line; do pids="$pids $line"; done
for pid in $pids; do kill -QUIT "$pid" 2>/dev/null; done
sleep 1
rm -rf "$1"
"""


class DocumentDbMissing(Exception):
    """The engine's folder isn't there, or we may not change into it."""


def folder() -> Path:
    """Where the engine is installed."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(FOLDER) or Path(cache) / "abaft" / "documentdb")


def available() -> bool:
    return os.geteuid() == 0 and (folder() / _BINARIES / "postgres").exists()


class DocumentDb(Begun):
    """A private server, without durability unless it is told to be `durable`; a context manager.

    With `ordered` its indexes serve sorts, as MongoDB's do and the engine's own don't by default.
    """

    def __init__(
        self, user: str = "", password: str = "", durable: bool = False, ordered: bool = False
    ) -> None:
        if not available():
            raise DocumentDbMissing(str(folder()))
        self.root = folder()
        self.data = Path(tempfile.mkdtemp(prefix="abaft-", dir=self.root / "tmp"))
        os.chown(self.data, USER, USER)
        self.login = (user, password)
        self.settings = _SETTINGS if durable else _SETTINGS | _FORGETFUL
        self.ordered = ordered
        if ordered:
            self.settings = self.settings | _ORDERED
        self.postgres_port, self.port = free_port(), free_port()
        credentials = f"{user}:{password}@" if user else ""
        self.url = f"mongodb://{credentials}127.0.0.1:{self.port}"
        self._watchdog = subprocess.Popen(
            ["sh", "-c", _WATCHDOG, "watchdog", str(self.data)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._processes: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        inside = f"/tmp/{self.data.name}"  # noqa: S108 - made by mkdtemp
        self._run("initdb", "-D", f"{inside}/data", "-A", "trust", "-U", "abaft", "--no-sync")
        settings = [f"-c{name}={value}" for name, value in self.settings.items()]
        port = str(self.postgres_port)
        self._spawn(self._inside("postgres", "-D", f"{inside}/data", "-p", port, *settings))
        self._wait(self.postgres_port)
        psql = ["psql", "-h", "127.0.0.1", "-p", port, "-U", "abaft", "-q", "postgres", "-c"]
        deadline = time.monotonic() + PATIENCE
        while self._tried(*psql, "create extension if not exists documentdb cascade") != 0:
            if time.monotonic() > deadline:
                raise RuntimeError(f"DocumentDB did not start; its log ends:\n{self.log()}")
            time.sleep(0.1)
        if self.ordered:
            self._run(*psql, "create extension if not exists documentdb_extended_rum cascade")
        dsn = f"postgresql://abaft@127.0.0.1:{port}/postgres"
        gateway = [sys.executable, "-m", "servers.mongo_gateway", dsn, str(self.port)]
        tests = str(Path(__file__).parent.parent)
        login = [part for part in self.login if part]
        self._spawn([*gateway, *login], {**os.environ, "PYTHONPATH": tests})
        self._wait(self.port)

    def _inside(self, name: str, *arguments: str) -> list[str]:
        user = f"--userspec={USER}:{USER}"
        return ["chroot", user, str(self.root), f"/{_BINARIES / name}", *arguments]

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(self._inside(name, *arguments), capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stderr.decode()[-2000:]}")

    def _tried(self, name: str, *arguments: str) -> int:
        command = self._inside(name, *arguments)
        return subprocess.run(command, capture_output=True, check=False).returncode

    def _spawn(self, command: list[str], env: dict[str, str] | None = None) -> None:
        with (self.data / "log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                start_new_session=True,
            )
        self._processes.append(process)
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.write(f"{process.pid}\n".encode())
        self._watchdog.stdin.flush()

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"nothing listens on {port}; the log ends:\n{self.log()}")

    def log(self) -> str:
        return (self.data / "log").read_text(errors="replace")[-4000:]

    def close(self) -> None:
        for process in reversed(self._processes):
            process.kill() if process is not self._processes[0] else process.send_signal(3)
            process.wait(PATIENCE)
        self._processes = []
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()
        self._watchdog.wait(PATIENCE)
        shutil.rmtree(self.data, ignore_errors=True)
