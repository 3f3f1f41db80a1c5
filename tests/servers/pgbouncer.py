"""A PgBouncer for tests, in transaction mode, before a PostgreSQL of ours.

It has to be 1.21 or newer, for prepared statements: the one on PATH, or the one that `script/_env`
(`need_pgbouncer`) puts into a folder of Debian sid, which runs by chroot and so takes root.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from servers.postgres import PostgresServer, PrivatePostgres
from servers.private import PrivateServer, ServerMissing

_LEAST = (1, 21)


def folder() -> Path | None:
    """The folder of Debian sid's packages that has one."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "abaft"
    for name in ("documentdb", "pgbouncer"):
        if (cache / name / "usr/sbin/pgbouncer").exists():
            return cache / name
    return None


def find_command() -> tuple[list[str], Path | None]:
    """How it is started, and the folder that it then sees as the root of all."""
    if found := shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"):
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        version = re.search(r"(\d+)\.(\d+)", said.stdout)
        if version and tuple(map(int, version.groups())) >= _LEAST:
            return [found], None
    if os.geteuid() == 0 and (root := folder()):
        return ["chroot"], root
    raise ServerMissing(
        "PgBouncer 1.21 or newer is missing: put it on PATH, or run script/test on Debian as root"
    )


class PgBouncer(PrivateServer):
    """A pooler that hands out `size` connections of the server to all of its clients."""

    name: ClassVar[str] = "PgBouncer"
    user: ClassVar[str] = "postgres"
    clean: ClassVar[signal.Signals] = signal.SIGQUIT

    def __init__(self, server: PrivatePostgres, size: int = 4) -> None:
        self._command, self._root = find_command()
        where = self._root and self._root / "tmp"
        super().__init__(Path(self._command[0]).parent, False, where)
        self._server, self._size = server, size
        self.url = self.before(server.url)

    def before(self, url: str) -> str:
        """The same database through the pooler."""
        user = urlsplit(url).netloc.rpartition("@")[0]
        return urlsplit(url)._replace(netloc=f"{user}@127.0.0.1:{self.port}").geturl()

    def _inside(self, name: str) -> str:
        path = self.folder / name
        return f"/{path.relative_to(self._root)}" if self._root else str(path)

    def _initialise(self) -> None:
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": self._inside("users"),
            "pool_mode": "transaction",
            "default_pool_size": self._size,
            "max_prepared_statements": 200,
            "max_client_conn": 500,
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        target = f"* = host=127.0.0.1 port={self._server.port}"
        (self.folder / "users").write_text('"abaft" ""\n')
        ini = "\n".join(["[databases]", target, "[pgbouncer]", *lines, ""])
        (self.folder / "pgbouncer.ini").write_text(ini)

    def _launch(self) -> subprocess.Popen[bytes]:
        ini = self._inside("pgbouncer.ini")
        if self._root is None:
            return self._spawn(self._command[0], ini)
        owner = self.folder.stat()
        whom = f"--userspec={owner.st_uid}:{owner.st_gid}"
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*self._command, whom, str(self._root), "/usr/sbin/pgbouncer", ini],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _is_ready(self, pid: int) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def connections(self, server: PostgresServer, url: str) -> int:
        """How many of the server's are used for a database."""
        name = urlsplit(url).path.removeprefix("/")
        sql = f"select count(*) from pg_stat_activity where datname = '{name}'"
        [[count]] = server.fetch(sql)
        return int(count)
