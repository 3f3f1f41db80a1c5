"""A PostgreSQL for tests: the one that `ABAFT_TEST_POSTGRES_URL` names, or a private one.

A private server lives in a temporary folder on a free port of the loopback, and is gone when its
owner is, even if that one was killed.
"""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from servers.owner import Owner
from servers.private import PrivateServer, ServerMissing

URL_VARIABLE = "ABAFT_TEST_POSTGRES_URL"

# What a server of ours does differently from code point order and UTC, a store has to ask for:
# the defaults are hostile so that forgetting to ask shows.
HOSTILE_LOCALE = ["--locale=C", "--locale-provider=icu", "--icu-locale=en-US"]
HOSTILE_SETTINGS = {"timezone": "Asia/Kathmandu", "datestyle": "SQL, DMY"}

EMPTY = "template template0 encoding 'UTF8'"
OPENED = "abaft_test_empty"  # an empty database too, in which somebody has been

HASTY_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


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
    raise ServerMissing(
        "PostgreSQL is missing: install it (apt-get install postgresql), put `postgres` and"
        f" `initdb` on PATH, or let {URL_VARIABLE} name a server"
    )


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


class PrivatePostgres(PostgresServer, PrivateServer):
    """A PostgreSQL of our own.

    `durable` makes it keep what it has answered for, through `kill` too; otherwise it is hasty.
    """

    name: ClassVar[str] = "PostgreSQL"
    user: ClassVar[str] = "postgres"

    def __init__(self, *, durable: bool = False, where: Path | None = None) -> None:
        PrivateServer.__init__(self, find_binaries(), durable, where)
        self._settings = HOSTILE_SETTINGS | ({} if durable else HASTY_SETTINGS)
        url = f"postgresql://abaft@127.0.0.1:{self.port}/postgres"
        PostgresServer.__init__(self, url, lasts=not durable)
        self._durable = durable

    def begin(self) -> None:
        super().begin()
        if not self._durable:
            self._open_template()

    def close(self) -> None:
        PostgresServer.close(self)
        PrivateServer.close(self)

    def _initialise(self) -> None:
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

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = self._settings | {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
        }
        flags = [f"--{name}={value}" for name, value in settings.items()]
        return self._spawn("postgres", "-D", "data", "-p", str(self.port), *flags)

    def file_of(self, table: str, url: str) -> Path:
        """The file that holds the table of that database."""
        [[name]] = self.fetch(f"select pg_relation_filepath('{table}')", url)
        return self.folder / "data" / str(name)

    def _is_ready(self, pid: int) -> bool:
        # Its first line is the pid, for a killed server leaves this file behind; its eighth the
        # state (src/include/utils/pidfile.h).
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() in ("ready", "standby")


@contextmanager
def ordinary_postgres() -> Iterator[PostgresServer]:
    """The server that `ABAFT_TEST_POSTGRES_URL` names, or else a private, hasty one."""
    if url := os.environ.get(URL_VARIABLE):
        with closing(PostgresServer(url)) as server:
            yield server
        return
    with PrivatePostgres() as server:
        yield server
