"""The command line of the benchmark; ``script/bench --help`` tells."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import chart, keyset, measure, report
from bench.scenarios import ENGINES, SCENARIOS, SIDES

RESULTS = Path(__file__).with_name("results")
_QUIET = 0.7


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--engine", action="append", choices=ENGINES, help="default: all")
    parser.add_argument("--scenario", action="append", choices=names, help="default: all")
    parser.add_argument("--only", choices=SIDES, help="leave the other server out")
    parser.add_argument("--seconds", type=int, default=4, help="length of a round (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds a scenario (default 3)")
    parser.add_argument("--quick", action="store_true", help="one round of two seconds")
    parser.add_argument("--check-only", action="store_true", help="compare answers, time nothing")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--out", type=Path, help="folder for latest.json and latest.svg")
    parser.add_argument("--keyset", action="store_true", help="deep pages of small and huge tables")
    parser.add_argument("--start", metavar="MODULE:APP", help="only time the start of this app")
    return parser.parse_args(arguments)


def options(given: argparse.Namespace) -> measure.Options:
    """What the command line asks for."""
    chosen = given.scenario or [scenario.name for scenario in SCENARIOS]
    return measure.Options(
        engines=tuple(given.engine or ENGINES),
        scenarios=tuple(scenario for scenario in SCENARIOS if scenario.name in chosen),
        sides=(given.only,) if given.only else SIDES,
        seconds=2 if given.quick else given.seconds,
        rounds=1 if given.quick else given.rounds,
        check_only=given.check_only,
    )


def folder_for_results(given: argparse.Namespace) -> Path | None:
    """Where files go; a run of less than everything does not replace the published figures."""
    partial = given.engine or given.scenario or given.only or given.quick or given.check_only
    return given.out or (None if partial else RESULTS)


def save(result: dict[str, Any], folder: Path) -> None:
    """Write the JSON file and the chart."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(result, indent=2) + "\n")
    (folder / "latest.svg").write_text(chart.draw(result))


def say(line: str) -> None:
    """Progress goes to stderr, so that stdout is the result alone."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Run what was asked."""
    given = parse()
    # Ends by exception, so that servers are stopped and folders removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        if given.keyset:
            print(keyset.run(folder, say))
        elif given.start:
            database = f"sqlite:///{folder / 'start.db'}"
            print(json.dumps(measure.start_of(given.start, database, folder)))
        else:
            _measure(given, folder)


def _measure(given: argparse.Namespace, folder: Path) -> None:
    asked = options(given)
    load = os.getloadavg()[0]
    if load > _QUIET:
        say(f"!! this machine is busy already (load {load:.1f}): the figures will suffer")
    result = measure.Run(asked, folder, say).everything()
    if asked.check_only:
        return
    result = report.circumstances(asked) | {"load_before": round(load, 2)} | result
    result["versions"] |= report.versions()
    if out := folder_for_results(given):
        save(result, out)
    print(json.dumps(result, indent=2) if given.json else report.table(result))


if __name__ == "__main__":
    main()
