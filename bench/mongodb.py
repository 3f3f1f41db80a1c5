"""A private MongoDB: `mongod` as a replica set of one, else DocumentDB's engine behind the tests'
gateway, whose work is then part of both sides' figures."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from bench import private
from bench.server import SERVER_CORE, free_port

_TESTS = Path(__file__).parent.parent / "tests"


def binaries() -> Path | None:
    """`mongod` on PATH, or the folder of DocumentDB's engine."""
    if found := shutil.which("mongod"):
        return Path(found)
    sys.path.append(str(_TESTS))
    from servers import documentdb

    return documentdb.folder() if documentdb.available() else None


@contextmanager
def running(programs: Path) -> Iterator[str]:
    """Start a server; gives the URL of it without the name of a database."""
    with _mongod(programs) if programs.name == "mongod" else _documentdb() as url:
        yield url


@contextmanager
def _mongod(program: Path) -> Iterator[str]:
    user = private.owner("mongodb")
    with private.folder_of(user) as folder:
        port = free_port()
        flags = ["--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1"]
        url = f"mongodb://127.0.0.1:{port}"
        command = [str(program), "--replSet", "bench", *flags]
        with private.serving(folder, user, command, lambda: _answers(url)):
            with MongoClient[dict[str, object]](url, directConnection=True) as client:
                member = {"_id": 0, "host": f"127.0.0.1:{port}"}
                client.admin.command("replSetInitiate", {"_id": "bench", "members": [member]})
            yield url


@contextmanager
def _documentdb() -> Iterator[str]:
    from servers.documentdb import DocumentDb

    server = DocumentDb(durable=True, ordered=True)
    cores = os.sched_getaffinity(0)
    try:
        # What it starts stays on the core on which it is started.
        os.sched_setaffinity(0, {SERVER_CORE} & cores or cores)
        server.__enter__()
        os.sched_setaffinity(0, cores)
        yield server.url
    finally:
        os.sched_setaffinity(0, cores)
        server.close()


def _answers(url: str) -> bool:
    try:
        version(url)
    except PyMongoError:
        return False
    return True


def create(url: str, database: str) -> str:
    """The URL of a database; it is made by who first writes to it."""
    return f"{url}/{database}"


def version(url: str) -> str:
    """What the server calls its version."""
    with MongoClient[dict[str, object]](
        url, directConnection=True, serverSelectionTimeoutMS=1_000
    ) as client:
        return str(client.admin.command("buildInfo")["version"])
