"""What every test can ask for: an engine, and empty databases of it."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from tempfile import TemporaryDirectory
from typing import TypeVar

import hypothesis
import pytest

from abaft.base.heap import settle_heap
from servers.postgres import (
    PostgresMissing,
    PostgresServer,
    PrivatePostgres,
    memory_folder,
    ordinary_postgres,
)

Server = TypeVar("Server", bound=PostgresServer)

ENGINES = ("sqlite", "postgres")
LEFT_OUT = "LEFT OUT: "  # begins the reason of every skip that the closing summary repeats

# Timing is never a test.
hypothesis.settings.register_profile("abaft", deadline=None, print_blob=True)
hypothesis.settings.load_profile("abaft")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engine",
        dest="engines",
        action="append",
        choices=ENGINES,
        help="run tests of behaviour on this engine; may be repeated; all by default",
    )


def chosen_engines(config: pytest.Config) -> list[str]:
    chosen = config.getoption("engines") or ENGINES
    return [engine for engine in ENGINES if engine in chosen]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        engines = chosen_engines(metafunc.config)
        metafunc.parametrize("engine", engines, indirect=True, scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow ones last, so that what is wrong is soon told; first where processes share the tests,
    so that none is left with a long one at the end."""
    shared = hasattr(config, "workerinput")
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None) == shared)


def pytest_collection_finish() -> None:
    """What was imported by now stays, as for a server: nobody looks through it for garbage."""
    settle_heap()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]) for report in skipped)
    for reason, count in reasons.items():
        if LEFT_OUT in reason:
            terminalreporter.section(f"{count} tests were left out", red=True, bold=True)
            terminalreporter.line(reason.partition(LEFT_OUT)[2], red=True)


@contextmanager
def opened(server: Callable[[], AbstractContextManager[Server]]) -> Iterator[Server]:
    """The server; where this machine lacks it a loud skip at home, and a failure under CI=true."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(server())
        except PostgresMissing as missing:
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
        server: PostgresServer = request.getfixturevalue("postgres")
        with server.database() as url:
            yield url


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> str:
    """`sqlite` or `postgres`: a test that asks for it runs once on each chosen engine."""
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


@contextmanager
def fresh_databases(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        yield {
            engine: stack.enter_context(fresh_database(engine, request))
            for engine in chosen_engines(request.config)
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
