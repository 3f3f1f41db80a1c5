"""A private MariaDB, as a small server would set it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncmy

from bench import private
from bench.server import free_port

# Durability (innodb_flush_log_at_trx_commit, the doublewrite buffer) stays as shipped: on.
_SETTINGS = {
    "bind-address": "127.0.0.1",
    "character-set-server": "utf8mb4",
    "innodb-buffer-pool-size": "256M",
    "innodb-log-file-size": "512M",
    "skip-name-resolve": "ON",
}


def binaries() -> Path | None:
    """The folder of `mariadbd`: from PATH, or where Debian puts it."""
    found = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    return Path(found).parent if found and shutil.which("mariadb-install-db") else None


@contextmanager
def running(programs: Path) -> Iterator[str]:
    """Start a server; gives the URL of it without the name of a database."""
    user = private.owner("mysql")
    with private.folder_of(user) as folder:
        make = shutil.which("mariadb-install-db") or ""
        data = f"--datadir={folder}/data"
        access = [
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            f"--tmpdir={folder}",
        ]
        private.run(folder, user, make, "--no-defaults", data, *access)
        port = free_port()
        settings = _SETTINGS | {"port": str(port), "socket": f"{folder}/socket"}
        flags = [f"--{name}={value}" for name, value in settings.items()]
        command = [str(programs / "mariadbd"), "--no-defaults", data, *flags]
        url = f"mysql://root@127.0.0.1:{port}"
        with private.serving(folder, user, command, lambda: _answers(url)):
            yield url


def _answers(url: str) -> bool:
    try:
        version(url)
    except (OSError, asyncmy.errors.Error):
        return False
    return True


def create(url: str, database: str) -> str:
    """Make a database; returns its URL."""
    asyncio.run(_rows(url, f"create database {database}"))
    return f"{url}/{database}"


def version(url: str) -> str:
    """The server's version, as in 10.11.19."""
    [[found]] = asyncio.run(_rows(url, "select version()"))
    return str(found).partition("-")[0]


async def connect(url: str) -> Any:
    """A connection to one of its databases."""
    parts = urlsplit(url)
    return await asyncmy.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        database=parts.path[1:] or None,
        charset="utf8mb4",
    )


async def _rows(url: str, statement: str) -> Any:
    connection = await connect(url)
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(statement)
            return await cursor.fetchall() if cursor.description else []
    finally:
        await connection.ensure_closed()
