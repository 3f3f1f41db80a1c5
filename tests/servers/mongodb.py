"""A MongoDB for tests, the best that can be had: by address, `mongod`, DocumentDB's engine."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pymongo import MongoClient

from servers.documentdb import DocumentDb, available
from servers.process import free_port

URL_VARIABLE = "ABAFT_TEST_MONGODB_URL"
ON_MONGODB = frozenset(
    [
        "test_access_computed",
        "test_access_matrix",
        "test_api_access",
        "test_api_fields",
        "test_api_reading",
        "test_api_writing",
        "test_computed",
        "test_conditional_unique",
        "test_cursors_hypothesis",
        "test_db",
        "test_differential",
        "test_feed_order",
        "test_filter",
        "test_floats",
        "test_functions",
        "test_groups",
        "test_history",
        "test_idempotency",
        "test_injection",
        "test_injection_accounts",
        "test_links",
        "test_matrix",
        "test_mongodb_gateway",
        "test_mongodb_inspect",
        "test_mongodb_migrate",
        "test_mongodb_reads",
        "test_mongodb_store",
        "test_mongodb_together",
        "test_nested",
        "test_operators",
        "test_ordering",
        "test_organisations",
        "test_races",
        "test_scopes",
        "test_search",
        "test_soft_delete",
        "test_tenant_of_session",
        "test_tenants",
        "test_upsert",
        "test_values",
        "test_write_differential",
    ]
)
"""The modules whose tests run on it by default, but for slow ones: where it could answer otherwise.
`--engine mongodb` runs everything on it."""


class MongoMissing(Exception):
    """No server was named, and none can be started."""


class MongoServer:
    """A server that runs; `name` says which it is."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url.rstrip("/")
        self.name = name
        self._client: MongoClient[dict[str, object]] = MongoClient(url)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of a new, empty database, which is dropped afterwards."""
        name = f"abaft_test_{uuid.uuid4().hex[:16]}"
        try:
            address, _, options = self.url.partition("?")
            yield f"{address}/{name}" + (f"?{options}" if options else "")
        finally:
            self.drop(name)

    def drop(self, name: str) -> None:
        self._client.drop_database(name)

    def close(self) -> None:
        self._client.close()


@contextmanager
def ordinary_mongodb() -> Iterator[MongoServer]:
    """The server of ordinary tests. Raises MongoMissing."""
    if url := os.environ.get(URL_VARIABLE):
        yield MongoServer(url, f"the one that {URL_VARIABLE} names")
    elif binary := shutil.which("mongod"):
        with _mongod(binary) as server:
            yield server
    elif available():
        with DocumentDb() as engine:
            yield MongoServer(engine.url, "DocumentDB behind the tests' gateway")
    else:
        raise MongoMissing(
            f"MongoDB is missing: put `mongod` on PATH, let {URL_VARIABLE} name a server, or on"
            " Debian let script/test make a folder with DocumentDB, as root"
        )


@contextmanager
def _mongod(binary: str) -> Iterator[MongoServer]:
    """A replica set of one."""
    port = free_port()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="abaft-mongod-"))
        options = ["--replSet", "abaft", "--quiet"]
        process = subprocess.Popen(
            [binary, "--dbpath", folder, "--port", str(port), "--bind_ip", "127.0.0.1", *options],
            stdout=subprocess.DEVNULL,
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        url = f"mongodb://127.0.0.1:{port}"
        client: MongoClient[dict[str, object]]
        with MongoClient(url, directConnection=True) as client:
            member = {"_id": 0, "host": f"127.0.0.1:{port}"}
            client.admin.command("replSetInitiate", {"_id": "abaft", "members": [member]})
        yield MongoServer(f"{url}/?replicaSet=abaft", f"{binary}, a replica set of one")
