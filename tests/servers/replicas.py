"""Replicas of private servers: PostgreSQL by streaming its log, MariaDB by its GTIDs."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from servers.mariadb import PrivateMariadb
from servers.owner import Owner
from servers.postgres import PrivatePostgres
from servers.private import PATIENCE, PrivateServer, ServerMissing


class PostgresStandby(PrivatePostgres):
    """A hot standby of another private server."""

    def __init__(self, primary: PrivatePostgres, *, durable: bool = False) -> None:
        super().__init__(durable=durable)
        self._owner = Owner(self.url, keeps=False)  # it is killed, and cut off
        self._primary = primary

    def _initialise(self) -> None:
        found = shutil.which("pg_basebackup", path=f"{self._binaries}:{os.defpath}:/usr/bin")
        if found is None:
            raise ServerMissing("pg_basebackup is missing: install postgresql")
        source = ["-h", "127.0.0.1", "-p", str(self._primary.port), "-U", "abaft"]
        copy = [found, "-D", "data", "-R", "-c", "fast", "-X", "stream", "--no-sync", *source]
        if self._spawn("/usr/bin/env", *copy).wait() != 0:
            raise RuntimeError(f"pg_basebackup failed:\n{self.log()}")

    def _open_template(self) -> None:
        """Its databases are its primary's."""

    def hold(self) -> None:
        self.execute("select pg_wal_replay_pause()")
        wait_for(lambda: self.fetch("select pg_get_wal_replay_pause_state()")[0][0] == "paused")

    def go_on(self) -> None:
        self.execute("select pg_wal_replay_resume()")


class PostgresHeir(PostgresStandby):
    """A standby to be promoted: what is committed on its primary has come here."""

    def __init__(self, primary: PrivatePostgres) -> None:
        super().__init__(primary, durable=True)

    def begin(self) -> None:
        super().begin()
        self._primary.execute("alter system set synchronous_standby_names = '*'")
        self._primary.execute("select pg_reload_conf()")

    def promote(self) -> None:
        self.execute("alter system reset synchronous_standby_names")
        self.execute("select pg_reload_conf()")
        self.execute("select pg_promote()")


class MariadbReplica(PrivateMariadb):
    """A replica of another private server."""

    def __init__(self, primary: PrivateMariadb, number: int = 2) -> None:
        super().__init__()
        self._primary = primary
        self._settings |= binlog(number)

    def begin(self) -> None:
        super().begin()
        self.execute("set global gtid_slave_pos = ''")
        self.execute(
            "change master to master_host = '127.0.0.1', master_user = 'root',"
            f" master_port = {self._primary.port}, master_use_gtid = slave_pos,"
            " master_connect_retry = 1"
        )
        self.execute("start slave")

    def hold(self) -> None:
        self.execute("stop slave sql_thread")

    def go_on(self) -> None:
        self.execute("start slave sql_thread")


def binlog(number: int) -> dict[str, str]:
    """The settings of a server that takes part in replication."""
    return {"log-bin": "log", "server-id": str(number), "binlog-format": "ROW"}


class MariadbPrimary(PrivateMariadb):
    """A server that writes a binary log."""

    def __init__(self) -> None:
        super().__init__()
        self._settings |= binlog(1)


@dataclass
class Pair:
    """A primary with a replica."""

    primary: Any
    replica: Any


@contextmanager
def replicated_pair(engine: str) -> Iterator[Pair]:
    """A new primary of that engine with a replica."""
    makes: dict[str, tuple[Any, Any]] = {
        "postgres": (PrivatePostgres, PostgresStandby),
        "mariadb": (MariadbPrimary, MariadbReplica),
    }
    make_primary, make_replica = makes[engine]
    with make_primary() as primary, make_replica(primary) as replica:
        yield Pair(primary, replica)


def wait_for(holds: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def replica_url(server: PrivateServer, url: str) -> str:
    """The same database on another server."""
    port = server.port
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
