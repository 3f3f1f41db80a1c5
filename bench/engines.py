"""The engines: where each keeps its data, how each side names its driver, and what fills it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench import mariadb, mongodb, postgres, seed
from bench.scenarios import Engine, Side


@dataclass(frozen=True, slots=True)
class Program:
    """A database server that is started for the run."""

    find: Callable[[], Path | None]
    running: Callable[[Path], AbstractContextManager[str]]
    create: Callable[[str, str], str]
    version: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """One engine. Without a program its databases are files."""

    title: str
    drivers: dict[Side, str]
    fill: Callable[[str, Side], None]
    program: Program | None = None
    peer: str = "bench.peer_app:app"


KINDS: dict[Engine, Kind] = {
    "sqlite": Kind(
        "SQLite",
        {"abaft": "sqlite", "peer": "sqlite+aiosqlite"},
        lambda url, side: seed.sqlite(url.removeprefix("sqlite:///"), side),
    ),
    "postgres": Kind(
        "PostgreSQL",
        {"abaft": "postgresql", "peer": "postgresql+asyncpg"},
        seed.postgres,
        Program(postgres.binaries, postgres.running, postgres.create, postgres.version),
    ),
    "mariadb": Kind(
        "MariaDB",
        {"abaft": "mysql", "peer": "mariadb+asyncmy"},
        seed.mariadb,
        Program(mariadb.binaries, mariadb.running, mariadb.create, mariadb.version),
    ),
    "mongodb": Kind(
        "MongoDB",
        {"abaft": "mongodb", "peer": "mongodb"},
        seed.mongodb,
        Program(mongodb.binaries, mongodb.running, mongodb.create, mongodb.version),
        "bench.peer_mongo_app:app",
    ),
}


def app_of(side: Side, engine: Engine = "sqlite") -> str:
    """The application of this side, as uvicorn takes it."""
    return "bench.abaft_app:app" if side == "abaft" else KINDS[engine].peer


def with_driver(url: str, engine: Engine, side: Side) -> str:
    """The URL as this side spells it."""
    return f"{KINDS[engine].drivers[side]}:{url.partition(':')[2]}"


def database(engine: Engine, server: str | None, side: Side, folder: Path) -> str:
    """A new database for this side; its URL."""
    program = KINDS[engine].program
    if program is None or server is None:
        return f"sqlite:///{folder / side}.db"
    return program.create(server, side)
