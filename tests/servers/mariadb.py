"""A MariaDB for tests: the one that `ABAFT_TEST_MYSQL_URL` names, or a private one.

The variable may name a MySQL 8 as well. A private server lives in a temporary folder on a free
port of the loopback.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import asyncmy

from servers.private import PrivateServer, ServerMissing

URL_VARIABLE = "ABAFT_TEST_MYSQL_URL"

# Defaults that are hostile, so that a session that forgets to ask for its own ways shows.
HOSTILE_SETTINGS = {
    "character-set-server": "latin1",
    "collation-server": "latin1_swedish_ci",
    "sql-mode": "",
    "default-time-zone": "+05:45",
    "transaction-isolation": "REPEATABLE-READ",
    "group-concat-max-len": "64",
    "completion-type": "CHAIN",
}
HASTY_SETTINGS = {
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-doublewrite": "0",
    "innodb-flush-method": "nosync",
}


def find_binaries() -> Path:
    """The folder that holds `mariadbd`: from PATH, else Debian's."""
    found = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin")
    if found and shutil.which("mariadb-install-db"):
        return Path(found).parent
    raise ServerMissing(
        "MariaDB is missing: install it (apt-get install mariadb-server), put `mariadbd` and"
        f" `mariadb-install-db` on PATH, or let {URL_VARIABLE} name a server"
    )


class MariadbServer:
    """A server that runs already; `url` is one of its databases, with the right to make others."""

    def __init__(self, url: str) -> None:
        self.url = url

    def url_of(self, database: str) -> str:
        return urlsplit(self.url)._replace(path=f"/{database}").geturl()

    def execute(self, sql: str, *, url: str | None = None) -> list[Any]:
        """Runs SQL as the owner of the server. A thread of its own lets async tests call it too."""
        parts = urlsplit(url or self.url)

        async def run() -> list[Any]:
            connection = await asyncmy.connect(
                host=parts.hostname,
                port=parts.port or 3306,
                user=unquote(parts.username or "root"),
                password=unquote(parts.password or ""),
                database=parts.path[1:] or None,
                autocommit=True,
            )
            try:
                async with connection.cursor() as cursor:
                    await cursor.execute(sql)
                    return list(await cursor.fetchall() or ()) if cursor.description else []
            finally:
                await connection.ensure_closed()

        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(asyncio.run, run()).result()

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new, empty database; dropped afterwards whoever is still connected."""
        name = f"abaft_test_{uuid.uuid4().hex}"
        self.execute(f"create database {name}")
        url = self.url_of(name)
        try:
            yield url
        finally:
            with suppress(OSError, asyncmy.errors.Error):  # a test may leave its own server down
                self.cut_connections(url)
                self.execute(f"drop database if exists {name}")

    def cut_connections(self, url: str) -> None:
        """Ends every connection to that database, as a failing network or an operator would."""
        database = urlsplit(url).path.removeprefix("/")
        for (pid,) in self.execute(
            f"select id from information_schema.processlist where db = '{database}'"
        ):
            with suppress(asyncmy.errors.Error):  # it has ended by itself
                self.execute(f"kill {pid}")


class PrivateMariadb(MariadbServer, PrivateServer):
    """A MariaDB of our own.

    `durable` makes it keep what it has answered for, through `kill` too; otherwise it is hasty.
    """

    name: ClassVar[str] = "MariaDB"
    user: ClassVar[str] = "mysql"
    halt: ClassVar[signal.Signals] = signal.SIGKILL
    clean: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, *, durable: bool = False) -> None:
        PrivateServer.__init__(self, find_binaries(), durable)
        self._settings = HOSTILE_SETTINGS | ({} if durable else HASTY_SETTINGS)
        MariadbServer.__init__(self, f"mysql://root@127.0.0.1:{self.port}/mysql")

    def _initialise(self) -> None:
        install = shutil.which("mariadb-install-db")
        assert install is not None
        options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        # Others that are made at the same time have files of the same names.
        options.append(f"--tmpdir={self.folder}")
        made = self._spawn(install, "--no-defaults", f"--datadir={self.folder}/data", *options)
        if made.wait() != 0:
            raise RuntimeError(f"mariadb-install-db failed:\n{self.log()}")

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = self._settings | {
            "datadir": f"{self.folder}/data",
            "socket": f"{self.folder}/socket",
            "pid-file": f"{self.folder}/pid",
            "tmpdir": str(self.folder),
            "port": str(self.port),
            "bind-address": "127.0.0.1",
            "innodb-buffer-pool-size": "64M",
            "innodb-log-file-size": "16M",
            "skip-name-resolve": "ON",
        }
        flags = [f"--{name}={value}" for name, value in settings.items()]
        return self._spawn("mariadbd", "--no-defaults", *flags)

    def _is_ready(self, pid: int) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            try:
                probe.connect(("127.0.0.1", self.port))
                return probe.recv(1) != b""  # it greets first
            except OSError:
                return False


@contextmanager
def ordinary_mariadb() -> Iterator[MariadbServer]:
    """The server that `ABAFT_TEST_MYSQL_URL` names, or else a private, hasty one."""
    if url := os.environ.get(URL_VARIABLE):
        yield MariadbServer(url)
        return
    with PrivateMariadb() as server:
        yield server
