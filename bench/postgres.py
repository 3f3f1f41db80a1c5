"""A private PostgreSQL, as a small server would set it."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from bench import private
from bench.server import free_port

# Durability (fsync, synchronous_commit) stays as shipped: on.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "jit": "off",
}


def binaries() -> Path | None:
    """The folder of PostgreSQL's programs: from PATH, or the newest where Debian puts them."""
    if found := shutil.which("postgres"):
        return Path(found).parent
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    known = [folder for folder in folders if (folder / "postgres").exists()]
    return max(known, key=lambda folder: int(folder.parent.name), default=None)


@contextmanager
def running(programs: Path) -> Iterator[str]:
    """Start a server; gives the URL of it without the name of a database."""
    user = private.owner("postgres")
    with private.folder_of(user) as folder:
        encoding = ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--username=bench"]
        made = str(folder / "data")
        private.run(folder, user, str(programs / "initdb"), "-D", made, *encoding)
        port = free_port()
        url = f"postgresql://bench@127.0.0.1:{port}"
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        command = [str(programs / "postgres"), "-D", made, "-p", str(port), *settings]
        # A "fast" shutdown: it cuts connections.
        with private.serving(folder, user, command, lambda: _answers(url), signal.SIGINT):
            yield url


def _answers(url: str) -> bool:
    try:
        version(url)
    except (OSError, asyncpg.PostgresError):
        return False
    return True


def create(url: str, database: str) -> str:
    """Make a database; returns its URL."""
    asyncio.run(_value(url, f'create database "{database}"'))
    return f"{url}/{database}"


def version(url: str) -> str:
    """The server's version, as in 17.2."""
    return str(asyncio.run(_value(url, "show server_version"))).split()[0]


async def _value(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(f"{url}/postgres")
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()
