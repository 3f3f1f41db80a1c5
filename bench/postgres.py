"""A private PostgreSQL on a free port in a temporary folder, pinned to the servers' core."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from bench.server import SERVER_CORE, free_port, pinned

# What a small server would set; durability (fsync, synchronous_commit) stays as shipped: on.
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


def _owner() -> int | None:
    """PostgreSQL refuses root: the user to drop to, or None when this is not root."""
    return pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, user=_owner())


@contextmanager
def running(programs: Path) -> Iterator[str]:
    """Start a server; gives the URL of it without the name of a database."""
    folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    if (owner := _owner()) is not None:
        os.chown(folder, owner, -1)
    try:
        encoding = ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--username=bench"]
        _run(folder, str(programs / "initdb"), "-D", str(folder / "data"), *encoding)
        with _serving(programs, folder) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _serving(programs: Path, folder: Path) -> Iterator[str]:
    port = free_port()
    settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port), *settings],
            stdout=log,
            stderr=log,
            user=_owner(),
            cwd=folder,
            preexec_fn=pinned(SERVER_CORE),
        )
    url = f"postgresql://bench@127.0.0.1:{port}"
    try:
        _wait(url, folder / "log")
        yield url
    finally:
        process.send_signal(signal.SIGINT)  # "fast" shutdown: cuts connections, keeps data whole
        process.wait(30)


def _wait(url: str, log: Path) -> None:
    for _ in range(300):
        try:
            version(url)
        except (OSError, asyncpg.PostgresError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"PostgreSQL did not start:\n{log.read_text()[-4000:]}")


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
