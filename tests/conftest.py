"""What every test can ask for: an engine, and empty databases of it."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import hypothesis
import pytest

from abaft.base import clock
from abaft.base.heap import settle_heap
from abaft.guard import passwords
from counting import CASES
from servers.mariadb import MariadbServer, PrivateMariadb, ordinary_mariadb
from servers.mongodb import ON_MONGODB, MongoServer, ordinary_mongodb
from servers.postgres import PostgresServer, PrivatePostgres, ordinary_postgres
from servers.private import PrivateServer, Server, ServerMissing, memory_folder
from servers.replicas import Pair, replicated_pair
from times import be_patient

Opened = TypeVar("Opened")
Marked = Callable[[str], object]

ENGINES = ("sqlite", "postgres", "mariadb", "mongodb")
QUICK = ("mariadb", "mongodb")
"""Engines on which tests that are slow, or marked `named`, wait until `--engine` names them, but
for those marked `everywhere`."""
LEFT_OUT = "LEFT OUT: "  # begins the reason of every skip that the closing summary repeats

MONGODB = pytest.StashKey[str]()
SHARED = "cases"  # under xdist: what each process counted

# What a hash is to cost is shown by the tests that ask for `real_hashes`; the others wait for none.
_COST = {"MEMORY_KIB": passwords.MEMORY_KIB, "PASSES": passwords.PASSES}
passwords.MEMORY_KIB, passwords.PASSES = 8, 1

# Timing is never a test.
hypothesis.settings.register_profile("abaft", deadline=None, print_blob=True)
hypothesis.settings.load_profile("abaft")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engine",
        dest="engines",
        action="append",
        choices=ENGINES,
        help="run tests of behaviour on this engine; may be repeated; all by default, the slow"
        f" ones without {', '.join(QUICK)}",
    )


def chosen_engines(config: pytest.Config) -> list[str]:
    chosen = config.getoption("engines") or ENGINES
    return [engine for engine in ENGINES if engine in chosen]


def _unmarked(name: str) -> None:
    """A fixture of several engines has no marks."""


def engines_of(config: pytest.Config, module: Any, marked: Marked = _unmarked) -> list[str]:
    """The engines that a test of this module runs on."""
    chosen = chosen_engines(config)
    if config.getoption("engines"):
        return chosen
    waits = (marked("slow") or marked("named")) and not marked("everywhere")
    left = set(QUICK) if waits else set()
    if module.__name__.rpartition(".")[2] not in ON_MONGODB:
        left.add("mongodb")
    return [engine for engine in chosen if engine not in left]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marked = metafunc.definition.get_closest_marker
    engines = engines_of(metafunc.config, metafunc.module, marked)
    if marked("sql"):
        engines = [engine for engine in engines if engine != "mongodb"]
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", engines, indirect=True, scope="session")
    for fixture in {"shared_server", "private_server", "pair"} & {*metafunc.fixturenames}:
        servers = [engine for engine in engines if engine not in ("sqlite", "mongodb")]
        metafunc.parametrize(fixture, servers, indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow ones last, so that what is wrong is soon told; first where processes share the tests,
    so that none is left with a long one at the end."""
    shared = hasattr(config, "workerinput")
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None) == shared)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a process of xdist found out is told by the one that tells the outcome."""
    if name := getattr(node, "workeroutput", {}).get("mongodb"):
        node.config.stash[MONGODB] = name
    CASES.update(getattr(node, "workeroutput", {}).get(SHARED, {}))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[SHARED] = dict(CASES)


def pytest_collection_finish() -> None:
    """What was imported by now stays, as for a server: nobody looks through it for garbage."""
    settle_heap()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if name := terminalreporter.config.stash.get(MONGODB, ""):
        terminalreporter.line(f"MongoDB was {name}")
    if CASES:
        told = ", ".join(f"{engine} {count:,}" for engine, count in CASES.items())
        terminalreporter.line(f"Cases compared: {told}")
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]) for report in skipped)
    for reason, count in reasons.items():
        if LEFT_OUT in reason:
            terminalreporter.section(f"{count} tests were left out", red=True, bold=True)
            terminalreporter.line(reason.partition(LEFT_OUT)[2], red=True)


@contextmanager
def opened(server: Callable[[], AbstractContextManager[Opened]]) -> Iterator[Opened]:
    """The server; where this machine lacks it a loud skip at home, and a failure under CI=true."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(server())
        except ServerMissing as missing:
            reason = str(missing)
        else:
            yield running
            return
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(LEFT_OUT + reason)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The PostgreSQL of ordinary tests, started by the first of them: one a process of xdist."""
    with opened(ordinary_postgres) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    """The MariaDB of ordinary tests, started by the first of them: one a process of xdist."""
    with opened(ordinary_mariadb) as server:
        yield server


@pytest.fixture
def shared_server(request: pytest.FixtureRequest) -> Server:
    """The ordinary server of each chosen engine that has one."""
    server: Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def private_server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    """A durable server of this test's own, of each chosen engine that has one."""
    makes: dict[str, Callable[..., PrivateServer]] = {
        "postgres": PrivatePostgres,
        "mariadb": PrivateMariadb,
    }
    with opened(partial(makes[request.param], durable=True)) as server:
        yield server


@pytest.fixture(scope="session")
def mongodb(request: pytest.FixtureRequest) -> Iterator[MongoServer]:
    """The MongoDB of ordinary tests; the closing summary says which it was."""
    with opened(ordinary_mongodb) as server:
        request.config.stash[MONGODB] = server.name
        if hasattr(request.config, "workeroutput"):
            request.config.workeroutput["mongodb"] = server.name
        yield server
        server.close()


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A primary and a replica of a module's own, of each chosen engine that has them."""
    with opened(partial(replicated_pair, request.param)) as servers:
        yield servers


@pytest.fixture
def private_postgres(request: pytest.FixtureRequest) -> Iterator[PrivatePostgres]:
    """A durable PostgreSQL of this test's own, to stop, restart and kill."""
    if "postgres" not in chosen_engines(request.config):
        pytest.skip("--engine leaves PostgreSQL out")
    with opened(partial(PrivatePostgres, durable=True)) as server:
        yield server


@contextmanager
def fresh_database(engine: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database of that engine, which is gone afterwards."""
    if engine == "sqlite":
        with TemporaryDirectory(prefix="abaft-sqlite-", dir=memory_folder()) as folder:
            yield f"sqlite:///{folder}/test.db"
    else:
        server: Server | MongoServer = request.getfixturevalue(engine)
        with server.database() as url:
            yield url


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> str:
    """An engine: a test that asks for it runs once on each that is chosen."""
    name: str = request.param
    return name


@pytest.fixture
def database_url(engine: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database of `engine`, for one test."""
    with fresh_database(engine, request) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(engine: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The same for all tests of a module: for data that is dear to load and only read."""
    with fresh_database(engine, request) as url:
        yield url


@pytest.fixture
def mariadb_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database of MariaDB, for what is of it alone."""
    if "mariadb" not in chosen_engines(request.config):
        pytest.skip("--engine leaves MariaDB out")
    with fresh_database("mariadb", request) as url:
        yield url


@contextmanager
def fresh_databases(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        yield {
            engine: stack.enter_context(fresh_database(engine, request))
            for engine in engines_of(request.config, request.module)
        }


@pytest.fixture
def database_urls(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """An empty database of each chosen engine, by its name: for holding the engines together."""
    with fresh_databases(request) as urls:
        yield urls


@pytest.fixture(scope="module")
def module_database_urls(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The same for all tests of a module."""
    with fresh_databases(request) as urls:
        yield urls


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Lets time pass for the app."""
    real, real_ms, passed = clock.now, clock.unix_ms, [timedelta()]

    def go(by: timedelta) -> None:
        passed[0] += by

    monkeypatch.setattr(clock, "now", lambda: real() + passed[0])
    monkeypatch.setattr(clock, "unix_ms", lambda: real_ms() + int(passed[0].total_seconds()) * 1000)
    return go


@pytest.fixture
def real_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed at the cost that they have for users."""
    for name, value in _COST.items():
        monkeypatch.setattr(passwords, name, value)


@pytest.fixture
def patience() -> None:
    be_patient()


@pytest.fixture
def new_databases(
    request: pytest.FixtureRequest,
) -> Callable[[], AbstractContextManager[dict[str, str]]]:
    """Empty databases of each chosen engine, by its name, as often as they are asked for."""
    return partial(fresh_databases, request)
