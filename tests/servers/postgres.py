"""A PostgreSQL for tests: the one that `ABAFT_TEST_POSTGRES_URL` names, or a private one.

A private server lives in a temporary folder on a free port of the loopback, and is gone when its
owner is, even if that one was killed.
"""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from servers.owner import Owner

URL_VARIABLE = "ABAFT_TEST_POSTGRES_URL"
PATIENCE = 15.0  # seconds for a start or a stop; either takes a tenth of one

# What a server of ours does differently from code point order and UTC, a store has to ask for:
# the defaults are hostile so that forgetting to ask shows.
HOSTILE_LOCALE = ["--locale=C", "--locale-provider=icu", "--icu-locale=en-US"]
HOSTILE_SETTINGS = {"timezone": "Asia/Kathmandu", "datestyle": "SQL, DMY"}

EMPTY = "template template0 encoding 'UTF8'"
OPENED = "abaft_test_empty"  # an empty database too, in which somebody has been

HASTY_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# Outlives its owner: reads pids from a pipe until the owner's end closes, in whatever way, then
# ends the last one and removes the folder. An empty line means that nothing runs.
WATCHDOG = """
pid=
while read -r line; do pid=$line; done
[ -z "$pid" ] || { kill -QUIT "$pid"; sleep 1; }
rm -rf "$1"
"""


class PostgresMissing(Exception):
    """No server was named, and no binaries were found to start one."""


def find_binaries() -> Path:
    """The folder that holds `postgres` and `initdb`: from PATH, else the newest of Debian's."""
    found = shutil.which("postgres")
    on_path = [Path(found).resolve().parent] if found else []
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda folder: int("".join(filter(str.isdigit, folder.parent.name)) or 0),
        reverse=True,
    )
    for folder in on_path + debian:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise PostgresMissing(
        "PostgreSQL is missing: install it (apt-get install postgresql), put `postgres` and"
        f" `initdb` on PATH, or let {URL_VARIABLE} name a server"
    )


def _another_user() -> pwd.struct_passwd | None:
    """Whom to run as: PostgreSQL refuses root. None when we are not root."""
    if os.geteuid() != 0:
        return None
    names = {user.pw_name: user for user in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


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


class PostgresServer:
    """A server that runs already; `url` is one of its databases, with the right to make others."""

    def __init__(self, url: str, *, lasts: bool = True) -> None:
        self.url = url
        self._owner = Owner(url, keeps=lasts)
        self._copied = EMPTY

    def url_of(self, database: str) -> str:
        return urlsplit(self.url)._replace(path=f"/{database}").geturl()

    def execute(self, sql: str, *, url: str | None = None) -> None:
        """Runs SQL as the owner of the server."""
        self._owner.run(lambda connection: connection.execute(sql), url)

    def fetch(self, sql: str, url: str | None = None) -> list[Any]:
        """The rows of a statement, run likewise."""
        rows: list[Any] = self._owner.run(lambda connection: connection.fetch(sql), url)
        return rows

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new, empty database; dropped afterwards whoever is still connected."""
        name = f"abaft_test_{uuid.uuid4().hex}"
        self.execute(f"create database {name} {self._copied}")
        try:
            yield self.url_of(name)
        finally:
            with suppress(ConnectionError):  # a test may leave its own server down
                self.execute(f"drop database if exists {name} with (force)")

    def close(self) -> None:
        """Leaves it."""
        self._owner.close()

    def cut_connections(self, url: str) -> None:
        """Ends every connection to that database, as a failing network or an operator would."""
        database = urlsplit(url).path.removeprefix("/")
        self.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            f" where datname = '{database}' and pid <> pg_backend_pid()"
        )


class PrivatePostgres(PostgresServer):
    """A server of our own, which can be stopped, started and killed; a context manager.

    `durable` makes it keep what it has answered for, through `kill` too; otherwise it is hasty.
    """

    def __init__(self, *, durable: bool = False, where: Path | None = None) -> None:
        self._binaries = find_binaries()
        self._settings = HOSTILE_SETTINGS | ({} if durable else HASTY_SETTINGS)
        self._user = _another_user()
        self._process: subprocess.Popen[bytes] | None = None
        place = where or (None if durable else memory_folder())
        self.folder = Path(tempfile.mkdtemp(prefix="abaft-postgres-", dir=place))
        self._watchdog = self._watch()
        self.port = _free_port()
        self._durable = durable
        url = f"postgresql://abaft@127.0.0.1:{self.port}/postgres"
        super().__init__(url, lasts=not durable)

    def __enter__(self) -> Self:
        try:
            self._initialise()
            self.start()
            if not self._durable:
                self._open_template()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Starts the server and returns when it takes connections."""
        deadline = time.monotonic() + PATIENCE
        # The first try after `kill` may find the memory of dying backends still attached.
        while not self._try_start(deadline):
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start; its log ends:\n{self.log()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """A clean stop that does not wait for clients to leave."""
        self._end(signal.SIGINT)

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

    def restart(self) -> None:
        self.stop()
        self.start()

    def file_of(self, table: str, url: str) -> Path:
        """The file that holds the table of that database."""
        [[name]] = self.fetch(f"select pg_relation_filepath('{table}')", url)
        return self.folder / "data" / str(name)

    def revive(self) -> None:
        """Starts it if it has ended by itself."""
        if self._process is None or self._process.poll() is not None:
            self.start()

    def pids(self) -> list[int]:
        """The server's processes, the parent first."""
        assert self._process is not None
        return [self._process.pid, *_children_of(self._process.pid)]

    def close(self) -> None:
        """Stops the server and removes its folder."""
        super().close()
        self._end(signal.SIGQUIT)
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()
        self._watchdog.wait()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def _initialise(self) -> None:
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        options = ["--username=abaft", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        initdb = self._spawn("initdb", "-D", "data", *options, *HOSTILE_LOCALE)
        if initdb.wait() != 0:
            raise RuntimeError(f"initdb failed:\n{self.log()}")

    def _open_template(self) -> None:
        """Has databases copied by their files, which of what is small and needs no log is the
        cheapest; among these is the cache that a first connection makes of the catalog."""
        self.execute(f"create database {OPENED} {EMPTY}")
        self.execute("select", url=self.url_of(OPENED))
        version = int((self.folder / "data" / "PG_VERSION").read_text())
        # Before version 15 there is no other way, and no word for it.
        self._copied = f"template {OPENED}" + (" strategy file_copy" if version >= 15 else "")

    def _try_start(self, deadline: float) -> bool:
        settings = self._settings | {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
        }
        flags = [f"--{name}={value}" for name, value in settings.items()]
        self._process = self._spawn("postgres", "-D", "data", "-p", str(self.port), *flags)
        self._tell_watchdog(self._process.pid)
        while self._process.poll() is None and time.monotonic() < deadline:
            if self._is_ready(self._process.pid):
                return True
            time.sleep(0.01)
        self._end(signal.SIGQUIT)
        return False

    def _is_ready(self, pid: int) -> bool:
        # Its first line is the pid, for a killed server leaves this file behind; its eighth the
        # state (src/include/utils/pidfile.h).
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() in ("ready", "standby")

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
                [self._binaries / binary, *arguments],
                cwd=self.folder,
                env={"PATH": os.defpath, "LC_ALL": "C"},  # none of the caller's PG* variables
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


class Standby(PrivatePostgres):
    """A replica of a running server, to be promoted; what is committed there has come here."""

    def __init__(self, primary: PrivatePostgres) -> None:
        self._primary = primary
        super().__init__(durable=True)

    def __enter__(self) -> Self:
        super().__enter__()
        self._primary.execute("alter system set synchronous_standby_names = '*'")
        self._primary.execute("select pg_reload_conf()")
        return self

    def promote(self) -> None:
        self.execute("alter system reset synchronous_standby_names")
        self.execute("select pg_reload_conf()")
        self.execute("select pg_promote()")

    def _initialise(self) -> None:
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        there = ["-h", "127.0.0.1", "-p", str(self._primary.port), "-U", "abaft"]
        options = ["-D", "data", "-R", "-X", "stream", "-c", "fast"]
        if self._spawn("pg_basebackup", *there, *options).wait() != 0:
            raise RuntimeError(f"pg_basebackup failed:\n{self.log()}")


@contextmanager
def ordinary_postgres() -> Iterator[PostgresServer]:
    """The server that `ABAFT_TEST_POSTGRES_URL` names, or else a private, hasty one."""
    if url := os.environ.get(URL_VARIABLE):
        with closing(PostgresServer(url)) as server:
            yield server
        return
    with PrivatePostgres() as server:
        yield server
