"""Runs wrk, or bench.load where wrk is absent, on a core of its own, and reads its figures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench.scenarios import Scenario, Side, draws
from bench.server import LOAD_CORE, pinned

CONNECTIONS = 32
_WRK = shutil.which("wrk")
_SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True)
class Figures:
    """What one round measured; times in milliseconds."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return self.requests / self.seconds


def name() -> str:
    """Which load generator is in use."""
    return "wrk" if _WRK else "bench.load"


def prepare(folder: Path, scenario: Scenario, side: Side, port: int, seed: int) -> Path:
    """Write the requests of one round; both servers get the same draws."""
    file = folder / f"{scenario.name}-{side}-{seed}.requests"
    host = f"127.0.0.1:{port}"
    chosen = islice(draws(seed), scenario.prepared)
    file.write_bytes(b"\0".join(scenario.request(side, draw).raw(host) for draw in chosen))
    return file


def fire(requests: Path, port: int, seconds: int, connections: int = CONNECTIONS) -> Figures:
    """Load the server on ``port`` and return what was measured."""
    command = _command(requests, port, seconds, connections)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, preexec_fn=pinned(LOAD_CORE)
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return Figures(**json.loads(done.stdout.strip().splitlines()[-1]))


def _command(requests: Path, port: int, seconds: int, connections: int) -> list[str]:
    if _WRK is None:
        spec = ["127.0.0.1", str(port), str(requests), str(seconds), str(connections)]
        return [sys.executable, "-m", "bench.load", *spec]
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(_SCRIPT)]
    return [_WRK, *options, f"http://127.0.0.1:{port}", "--", str(requests)]
