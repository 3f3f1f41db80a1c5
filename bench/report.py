"""The table on the terminal and the JSON file."""

from __future__ import annotations

import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bench import beside, loader
from bench.engines import KINDS
from bench.measure import Options

_PACKAGES = (
    *("abaft", "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic"),
    *("sqlalchemy", "aiosqlite", "asyncpg", "asyncmy", "pymongo", "beanie", "apsw"),
)
# A mapped file counts towards the peak once for each connection that maps it, though its pages
# are the system's cache; what the process holds for itself is told apart.
_MEMORY = (
    ("idle_mb", "Memory idle, MB"),
    ("own_mb", "Memory of its own, MB"),
    ("peak_mb", "Memory peak (VmHWM), MB"),
)


def circumstances(options: Options) -> dict[str, Any]:
    """What the figures depend on: how they were taken and with which versions."""
    return {
        "taken": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "loader": loader.name(),
        "connections": loader.CONNECTIONS,
        "seconds": options.seconds,
        "rounds": options.rounds,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Versions of what takes part."""
    found = {"sqlite (standard library)": sqlite3.sqlite_version}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def table(result: dict[str, Any]) -> str:
    """All figures as text."""
    how = f"{result['connections']} connections, {result['rounds']} rounds of {result['seconds']} s"
    lines = [f"Medians; one worker on one core; {result['loader']}, {how}"]
    lines += ["CPU: what a request costs the application's own process", ""]
    for engine, measured in result["engines"].items():
        lines += [*_engine(KINDS[engine].title, measured), ""]
    return "\n".join(lines + _start(result["start"]))


def _engine(name: str, measured: dict[str, Any]) -> list[str]:
    columns = (
        *("abaft/s", "peer/s", "ratio", "target", "p99 ms", "peer p99"),
        *("CPU ms", "peer CPU", "ratio"),
    )
    lines = [f"{name:<26}" + "".join(f"{column:>10}" for column in columns)]
    lines += [_row(figures) for figures in measured["scenarios"].values()]
    for kind, title in _MEMORY:
        ours, theirs = measured[kind].get("abaft"), measured[kind].get("peer")
        lines.append(f"{title:<26}{_number(ours):>10}{_number(theirs):>10}")
    return [*lines, *_beside(measured.get("beside", {}))]


def _beside(measured: dict[str, Any]) -> list[str]:
    """A batch of 100 beside 100 requests of one client, each in milliseconds."""
    columns = ("100 req ms", "batch ms", "ratio", "target")
    lines = [f"{'Batch of 100, one client':<26}" + "".join(f"{name:>11}" for name in columns)]
    for client, found in measured.items():
        cells = (
            _number(found["requests_ms"], 1),
            _number(found["batch_ms"], 2),
            f"{found['ratio']:.1f}x",
            f"{beside.TARGET}x" + ("" if found["ratio"] >= beside.TARGET else " !"),
        )
        lines.append(f"  {client:<24}" + "".join(f"{cell:>11}" for cell in cells))
    return lines if measured else []


def _row(figures: dict[str, Any]) -> str:
    ours, theirs = figures.get("abaft", {}), figures.get("peer", {})
    ratio = figures.get("ratio")
    errors = ours.get("errors", 0) + theirs.get("errors", 0)
    cells = (
        _number(ours.get("rate")),
        _number(theirs.get("rate")),
        f"{ratio:.1f}x" if ratio else "-",
        f"{figures['target']:g}x" + ("" if ratio is None or ratio >= figures["target"] else " !"),
        _number(ours.get("p99_ms"), 1),
        _number(theirs.get("p99_ms"), 1),
        _number(ours.get("cpu_ms"), 2),
        _number(theirs.get("cpu_ms"), 2),
        _ratio(theirs.get("cpu_ms"), ours.get("cpu_ms")),
    )
    note = f"   {errors} errors" if errors else ""
    return f"  {figures['title']:<24}" + "".join(f"{cell:>10}" for cell in cells) + note


def _start(start: dict[str, Any]) -> list[str]:
    ours, theirs = start.get("abaft", {}), start.get("peer", {})
    rows = (("import_s", "Import, s"), ("start_s", "Start to first answer, s"))
    return [
        f"{title:<26}{_number(ours.get(key), 2):>10}{_number(theirs.get(key), 2):>10}"
        for key, title in rows
        if start
    ]


def _ratio(theirs: float | None, ours: float | None) -> str:
    return f"{theirs / ours:.1f}x" if theirs and ours else "-"


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
