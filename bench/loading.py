"""How long a file takes to load, beside what the standard library does with it unchecked.

``python -m bench.loading [ROWS]`` makes a CSV file of a key, a relation, a time, a float, a decimal
and a text, loads it by `abaft load` (checked, with change records, the command's start included),
and by csv and executemany into a table of the same columns and indexes. Prints the times and their
ratio.
"""

from __future__ import annotations

import csv
import os
import random
import sqlite3
import subprocess
import sys
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

APP = """
from datetime import datetime
from decimal import Decimal

from abaft import App, Model, Ref, field

class Station(Model, key="code", stamps=False):
    code: str = field(max_length=4)
    name: str

class Reading(Model, stamps=False):
    station: Ref[Station]
    at: datetime
    value: float = field(ge=-100, le=100)
    price: Decimal = field(decimal_places=2)
    note: str | None = field(max_length=40)

app = App(Station, Reading)
"""
TABLES = """
pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;
create table stations (code text primary key, name text not null) strict, without rowid;
create table readings (id text primary key, station text not null references stations,
    at text not null, value real not null, price integer not null, note text) strict, without rowid;
create index ix_readings_station on readings (station, id);
"""
ROUNDS = 3


def write_files(folder: Path, rows: int) -> None:
    """The same rows each time."""
    draw = random.Random(7)
    with (folder / "stations.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("code", "name"), *((f"S{n:03}", f"St {n}") for n in range(200))]
        )
    start = datetime(2024, 1, 1)
    with (folder / "readings.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "station", "at", "value", "price", "note"))
        for n in range(rows):
            key = uuid.UUID(int=(n << 80) | (7 << 76) | (2 << 62) | draw.getrandbits(62))
            at = f"{(start + timedelta(seconds=37 * n)).isoformat()}Z"
            note = draw.choice(("", "fine", "rainy", f"note {n}"))
            station = f"S{draw.randrange(200):03}"
            price = f"{draw.random() * 100:.2f}"
            writer.writerow((key, station, at, round(draw.gauss(10, 9), 2), price, note))


def by_abaft(folder: Path, name: str) -> float:
    """Seconds of the command, with the stations in place."""
    environment = {**os.environ, "ABAFT_DATABASE": f"sqlite:///{folder}/{name}"}
    command = [sys.executable, "-m", "abaft.cli", "load", str(folder / "app.py")]
    quiet = {"env": environment, "check": True, "stderr": subprocess.DEVNULL}
    subprocess.run([*command, str(folder / "stations.csv")], **quiet)  # type: ignore[call-overload]
    begun = time.perf_counter()
    subprocess.run([*command, str(folder / "readings.csv")], **quiet)  # type: ignore[call-overload]
    return time.perf_counter() - begun


def by_hand(folder: Path, name: str) -> float:
    """Seconds of csv and executemany: nothing is checked, nothing is recorded."""
    connection = sqlite3.connect(folder / name)
    connection.executescript(TABLES)
    stations = [(f"S{n:03}", f"St {n}") for n in range(200)]
    connection.executemany("insert into stations values (?, ?)", stations)
    connection.commit()
    begun = time.perf_counter()
    with (folder / "readings.csv").open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        made = (
            (k, s, at, float(v), round(float(p) * 100), n or None) for k, s, at, v, p, n in rows
        )
        connection.executemany("insert into readings values (?, ?, ?, ?, ?, ?)", made)
    connection.commit()
    connection.close()
    return time.perf_counter() - begun


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with TemporaryDirectory(prefix="abaft-bench-") as place:
        folder = Path(place)
        (folder / "app.py").write_text(APP)
        write_files(folder, rows)
        ours = min(by_abaft(folder, f"a{n}.db") for n in range(ROUNDS))
        theirs = min(by_hand(folder, f"b{n}.db") for n in range(ROUNDS))
    print(f"{rows:,} rows: abaft load {ours:.2f} s, csv and executemany {theirs:.2f} s")
    print(f"ratio {ours / theirs:.1f}")


if __name__ == "__main__":
    main()
