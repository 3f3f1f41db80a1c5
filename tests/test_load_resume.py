"""abaft load --resume: batches for good, a load that was killed goes on, no row comes twice."""

import fcntl
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import IO

import pytest

from loads import Loader
from projects import clean_environment, command, said, write_app

pytestmark = pytest.mark.slow

ROWS = 50_000
PATIENCE = 60.0


@pytest.fixture
def loader(database_url: str, tmp_path: Path) -> Loader:
    return Loader(database_url, tmp_path)


def rows(count: int, bad: frozenset[int] = frozenset()) -> str:
    lines = [f"w{n},{99 if n in bad else n % 24}\n" for n in range(count)]
    return "name,hours\n" + "".join(lines)


def count(loader: Loader) -> int:
    return int(loader.sql("select count(*) as n from workers")[0]["n"])


@pytest.mark.slow
@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGINT])
def test_dur_a_load_that_is_ended_goes_on(loader: Loader, ended_by: signal.Signals) -> None:
    """Somebody watches from the first row on, so that the load is ended in the midst of it."""
    app = write_app(loader.folder, loader.models)
    text = rows(ROWS).encode()
    process = subprocess.Popen(
        command("load", app, "workers=-", "--resume=all"),
        env=clean_environment(ABAFT_DATABASE=loader.url),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    stdin = process.stdin

    def give() -> None:
        # A model whose records refer to each other is read from a copy of the pipe: all of it.
        stdin.write(text)
        stdin.close()

    loader.once_stored("workers", give, lambda: process.send_signal(ended_by), PATIENCE)
    process.stderr.read()
    process.stderr.close()
    process.wait()
    stored = count(loader)
    assert stored % 5_000 == 0
    assert 0 < stored < ROWS, "it was not in the midst of it"
    (loader.folder / "all.csv").write_bytes(text)
    result = loader.load(f"workers={loader.folder / 'all.csv'}", "--resume=all")
    assert result.exit_code == 0, result.output
    assert f"{ROWS - stored:,} rows read, {ROWS - stored:,} stored" in said(result)
    assert count(loader) == ROWS
    changes = loader.sql("select count(*) as n, count(distinct record) as d from abaft_changes")
    assert changes == [{"n": ROWS, "d": ROWS}]


@pytest.mark.slow
def test_it_stops_where_a_row_is_refused_and_goes_on_when_it_is_mended(loader: Loader) -> None:
    result = loader.load("--resume", workers=rows(12_000, frozenset({7_000})))
    assert result.exit_code == 1
    assert "stopped after 5,000 rows, which are stored" in said(result)
    assert "line 7002: hours: '99'" in said(result)
    assert count(loader) == 5_000
    result = loader.load("--resume", workers=rows(12_000))
    assert result.exit_code == 0, result.output
    assert "goes on after the 5,000 rows that were loaded before" in said(result)
    assert count(loader) == 12_000
    result = loader.load("--resume", workers=rows(12_000))
    assert result.exit_code == 0
    assert "all of its 12,000 rows were loaded before" in said(result)
    assert count(loader) == 12_000
    result = loader.load("--resume", workers=rows(12_001))
    assert count(loader) == 12_001


def test_skipped_rows_are_written_once(loader: Loader) -> None:
    refused = loader.folder / "refused.csv"
    options = ["--resume", f"--skip-bad={refused}"]
    text = rows(12_000, frozenset({10, 6_000}))
    assert loader.load(*options, workers=text).exit_code == 0
    assert count(loader) == 11_998
    # As if the last run had been killed after it had written more than it vouched for.
    with refused.open("ab") as file:
        file.write(b"more\n")
    text += "x,99\ny,1\n"
    result = loader.load(*options, workers=text)
    assert "2 rows read, 1 stored, 1 refused" in said(result)
    lines = refused.read_text().splitlines()
    assert [line.rpartition(",")[0].rpartition(",")[2] for line in lines[1:]] == [
        "w10",
        "w6000",
        "x",
    ]


def test_another_file_under_the_same_name_is_told(loader: Loader) -> None:
    assert loader.load("--resume=staff", workers=rows(10)).exit_code == 0
    result = loader.load("--resume=staff", workers=rows(10).replace("w3", "v3"))
    assert result.exit_code == 1
    assert "its first 10 rows aren't those that were loaded before" in said(result)
    result = loader.load("--resume=staff", workers=rows(5))
    assert result.exit_code == 1
    assert "it has fewer rows than the 10 loaded before" in said(result)


def unread(pipe: IO[bytes]) -> int:
    """Bytes that the other end of a pipe has not taken yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), sys.byteorder)


@pytest.mark.slow
def test_an_interrupted_load_leaves_nothing(loader: Loader) -> None:
    app = write_app(loader.folder, loader.models)
    process = subprocess.Popen(
        command("load", app, "cities=-"),
        env=clean_environment(ABAFT_DATABASE=loader.url),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    lines = "".join(f"{n:03x},{n}\n" for n in range(4_000))
    process.stdin.write(f"code,name\n{lines}".encode())
    process.stdin.flush()
    until = time.monotonic() + PATIENCE
    while unread(process.stdin) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.2)  # it waits for more
    process.send_signal(signal.SIGINT)
    told = process.stderr.read().decode()
    process.stderr.close()
    process.stdin.close()
    assert process.wait() == 130, told
    assert "interrupted: nothing was stored" in told
    assert "Traceback" not in told
    assert loader.sql("select count(*) as n from cities") == [{"n": 0}]
