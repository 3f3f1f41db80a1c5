"""The run: both servers up on one core, scenario after scenario, short rounds in turn A B A B."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import beside, loader
from bench.check import check
from bench.engines import KINDS, app_of, database, with_driver
from bench.scenarios import SIDES, Engine, Scenario, Side
from bench.server import SERVER_CORE, Server, pinned

_WARM_UP = 1


@dataclass(frozen=True, slots=True)
class Options:
    """What to run."""

    engines: tuple[Engine, ...]
    scenarios: tuple[Scenario, ...]
    sides: tuple[Side, ...] = SIDES
    seconds: int = 4
    rounds: int = 3
    check_only: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One run: what to do, a folder for its files, and where progress goes."""

    options: Options
    folder: Path
    say: Callable[[str], None]

    def everything(self) -> dict[str, Any]:
        """Measure all that was asked for; gives the content of the JSON file."""
        engines: dict[str, Any] = {}
        versions: dict[str, str] = {}
        for engine in self.options.engines:
            with ExitStack() as stack:
                server, kind = None, KINDS[engine]
                if kind.program is not None:
                    programs = kind.program.find()
                    if programs is None:
                        self.say(f"!! {kind.title} left out: it is not to be found on PATH")
                        continue
                    server = stack.enter_context(kind.program.running(programs))
                    versions[kind.title.lower()] = kind.program.version(server)
                servers = stack.enter_context(self.servers(engine, server))
                engines[engine] = self.engine(engine, servers)
        start = {} if self.options.check_only else self.starts()
        return {"engines": engines, "start": start, "versions": versions}

    @contextmanager
    def servers(self, engine: Engine, program: str | None) -> Iterator[dict[Side, Server]]:
        """A server for each side, on a database whose schema it made and whose rows are ours."""
        with ExitStack() as stack:
            servers: dict[Side, Server] = {}
            for side in self.options.sides:
                self.say(f"{engine}: loading {side}")
                url = database(engine, program, side, self.folder)
                server = Server(app_of(side, engine), with_driver(url, engine, side), self.folder)
                with server:
                    pass  # makes its schema
                KINDS[engine].fill(url, side)
                servers[side] = stack.enter_context(server)
            yield servers

    def engine(self, engine: Engine, servers: dict[Side, Server]) -> dict[str, Any]:
        """Check, then time, every scenario on one engine."""
        idle = {side: server.memory("VmRSS") for side, server in servers.items()}
        for side, server in servers.items():
            check(side, server.port, self.options.scenarios)
        self.say(f"{engine}: answers checked")
        if self.options.check_only:
            return {}
        measured = {}
        own: dict[Side, float] = {}
        for scenario in self.options.scenarios:
            figures = self.scenario(scenario, servers)
            measured[scenario.name] = figures | {"target": scenario.target[engine]}
            for side, server in servers.items():
                own[side] = max(own.get(side, 0), server.memory("RssAnon") or 0)
            rates = ", ".join(f"{side} {figures[side]['rate']:,.0f}/s" for side in servers)
            self.say(f"{engine}: {scenario.title.lower()}: {rates}")
        told = {}
        if "abaft" in servers and {"insert", "batch"}.issubset(measured):
            told = beside.measure(servers["abaft"].port, self.options.rounds)
            for name, found in told.items():
                self.say(f"{engine}: batch beside requests, {name}: x{found['ratio']:.1f}")
        peak = {side: server.memory("VmHWM") for side, server in servers.items()}
        memory = {"idle_mb": idle, "own_mb": own, "peak_mb": peak}
        return {"scenarios": measured, "beside": told, **memory}

    def scenario(self, scenario: Scenario, servers: dict[Side, Server]) -> dict[str, Any]:
        """Time one scenario, the servers in turn, and compare the medians."""
        rounds: dict[Side, list[loader.Figures]] = {side: [] for side in servers}
        spent: dict[Side, list[float]] = {side: [] for side in servers}
        for number in range(self.options.rounds):
            for side, server in servers.items():
                requests = loader.prepare(self.folder, scenario, side, server.port, number)
                if number == 0:
                    loader.fire(requests, server.port, _WARM_UP)
                before = server.cpu()
                rounds[side].append(loader.fire(requests, server.port, self.options.seconds))
                if before is not None:
                    used = (server.cpu() or 0) - before
                    spent[side].append(used * 1000 / max(1, rounds[side][-1].requests))
                requests.unlink()
        result: dict[str, Any] = {
            side: summary(done) | {"cpu_ms": median(spent[side])} for side, done in rounds.items()
        }
        if len(rounds) == len(SIDES) and result["peer"]["rate"]:
            result["ratio"] = result["abaft"]["rate"] / result["peer"]["rate"]
        return result | {"title": scenario.title}

    def starts(self) -> dict[str, Any]:
        """The start of each app, on SQLite."""
        result: dict[str, Any] = {}
        for side in self.options.sides:
            self.say(f"start of {side}")
            url = with_driver(f"sqlite:///{self.folder / side}.start.db", "sqlite", side)
            result[side] = start_of(app_of(side), url, self.folder)
        return result


def median(figures: list[float]) -> float | None:
    """The median; None where there are none."""
    return statistics.median(figures) if figures else None


def summary(rounds: list[loader.Figures]) -> dict[str, Any]:
    """Medians over the rounds, and each round's rate to show how much they differ."""
    return {
        "rate": statistics.median(each.rate for each in rounds),
        "p50_ms": statistics.median(each.p50_ms for each in rounds),
        "p99_ms": statistics.median(each.p99_ms for each in rounds),
        "rates": [round(each.rate, 1) for each in rounds],
        "errors": sum(each.errors for each in rounds),
    }


def start_of(app: str, database: str, folder: Path, times: int = 5) -> dict[str, float | None]:
    """Medians of the seconds to import and to the first answer, and a new worker's memory."""
    server = Server(app, database, folder)
    starts, idle = [], []
    for _ in range(times):
        starts.append(server.start())
        idle.append(server.memory("VmRSS"))
        server.stop()
    known = [size for size in idle if size is not None]
    return {
        "import_s": statistics.median(_import(app, server) for _ in range(times)),
        "start_s": statistics.median(starts),
        "idle_mb": median(known),
    }


def _import(app: str, server: Server) -> float:
    module = app.partition(":")[0]
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=server.environment,
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=pinned(SERVER_CORE),
    )
    return float(done.stdout)
