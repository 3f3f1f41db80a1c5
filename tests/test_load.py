"""abaft load on both engines: what is read, what is refused and what is told."""

import csv
from pathlib import Path

import pytest

from loads import Loader
from projects import said

CITIES = "code,name,land\nROM,Rome,Italy\nPAR,Paris,France\nBER,NA,\n"


@pytest.fixture
def loader(database_url: str, tmp_path: Path) -> Loader:
    return Loader(database_url, tmp_path)


@pytest.mark.slow
def test_values_nulls_and_defaults(loader: Loader) -> None:
    result = loader.load(
        "--null",
        "NA",
        cities=CITIES,
        shops="code,city,opened,money,kind\na,ROM,2013-01-01 05:00:00Z,2.5,small\n"
        'b,PAR,NA,3,big\n"c,",PAR,2013-01-01T05:00:00+01:00,0,small\n',
    )
    assert result.exit_code == 0, result.output
    assert "3 rows read, 3 stored, 0 refused" in said(result)
    cities = loader.sql("select code, name, land from cities order by code")
    assert [tuple(row.values()) for row in cities] == [
        ("BER", None, None),
        ("PAR", "Paris", "France"),
        ("ROM", "Rome", "Italy"),
    ]
    shops = loader.sql("select code, city, second, kind, secret from shops order by code")
    assert [tuple(row.values()) for row in shops] == [
        ("a", "ROM", None, "small", None),
        ("b", "PAR", None, "big", None),
        ("c,", "PAR", None, "small", None),
    ]


def test_each_record_leaves_its_change(loader: Loader) -> None:
    loader.load("--null", "NA", cities=CITIES)
    loader.load(shops="code,city,opened,secret\na,ROM,2013-01-01T05:00:00Z,x\n")
    changes = loader.changes()
    assert [(c.model, c.id, c.action, c.actor) for c in changes] == [
        ("City", "ROM", "create", "system"),
        ("City", "PAR", "create", "system"),
        ("City", "BER", "create", "system"),
        ("Shop", "a", "create", "system"),
    ]
    assert changes[2].data == {"code": "BER", "name": None, "land": None}
    assert changes[3].data == {
        "code": "a",
        "city": "ROM",
        "second": None,
        "rival": None,
        "opened": "2013-01-01T05:00:00Z",
        "money": "1.50",
        "kind": "small",
    }


def test_files_come_in_the_order_of_their_relations(loader: Loader) -> None:
    """`hours` and `shops` are named before the cities that they refer to."""
    result = loader.load(
        "--null",
        "NA",
        shops="code,city\na,ROM\n",
        hours="city,at,warmth\nROM,2013-01-01T05:00:00Z,1.5\n",
        cities=CITIES,
    )
    assert result.exit_code == 0, result.output
    assert said(result).index("cities") < said(result).index("shops")


BAD = {
    "not an integer": ("name,hours\nann,many\n", "line 2: hours: 'many' is not an integer"),
    "over a limit": ("name,hours\nann,25\n", "line 2: hours: '25': Input should be less than"),
    "too long": ("name\nann\nbartholomew\n", "line 3: name: 'bartholomew': String should have"),
    "null where it is required": ("name,hours\nann,NA\n", "hours: 'NA' stands for null, and it"),
    "too few cells": ("name,hours\nann\n", "line 2: it has 1 cells, the first line 2"),
    "too many cells": ("name\nann,8\n", "line 2: it has 2 cells, the first line 1"),
    "two faults": (
        "name,hours\nbartholomew,x\n",
        "String should have at most 10 characters; hours",
    ),
    "not UTF-8": ("name\n\udcff\n", "line 2: name"),
    "a zero character": ("name\na\0b\n", "line 2: name"),
    "taken": ("name\nann\nbob\nann\n", "line 4: name: name is taken"),
    "no such relation": ("name,boss\nann,0192f0c1-2345-7abc-8def-0123456789ab\n", "is no Worker"),
    "not JSON": ("name,extra\nann,{\n", "line 2: extra: '{'"),
    "after line breaks": ('name,extra\nann,"{""a"":\n\n1}"\n\nbob,x\n', "line 6: extra: 'x'"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.slow
def test_what_is_wrong_is_told_with_its_line(case: str, loader: Loader) -> None:
    text, reason = BAD[case]
    path = loader.folder / "workers.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    result = loader.load(str(path), "--null", "NA")
    assert result.exit_code == 1
    assert reason in said(result)
    assert "nothing was stored" in said(result)
    assert not loader.sql("select 1 as one from workers")
    assert not loader.changes()


def test_what_is_refused_is_written_down_to_be_mended(loader: Loader) -> None:
    rows = "".join(f"w{number},{number % 30}\n" for number in range(100))
    refused = loader.folder / "refused.csv"
    text = f"name,hours\n{rows}w7,1\nw8,1\nx\n"
    result = loader.load(f"--skip-bad={refused}", workers=text)
    assert result.exit_code == 0, result.output
    bad = sum(number % 30 > 24 for number in range(100)) + 3
    assert f"103 rows read, {103 - bad} stored, {bad} refused" in said(result)
    assert f"… and {bad - 10} more refused rows" in said(result)
    assert len(loader.sql("select 1 as one from workers")) == 103 - bad
    assert len(loader.changes()) == 103 - bad
    with refused.open(newline="") as file:
        found = list(csv.reader(file))
    assert found[0] == ["refused_because", "name", "hours"]
    assert len(found) == bad + 1
    assert sorted(row[1:] for row in found[-3:]) == [["w7", "1"], ["w8", "1"], ["x"]]
    assert all("name is taken" in row[0] for row in found if row[1] in ("w7", "w8"))
    mended = [[row[0], f"{row[1]}{place}", "1"] for place, row in enumerate(found[1:])]
    with refused.open("w", newline="") as file:
        csv.writer(file).writerows([found[0], *mended])
    again = loader.load(f"workers={refused}", "--skip-bad")
    assert f"{bad} rows read, {bad} stored, 0 refused" in said(again)


def test_missing_references_are_rejected_by_default(loader: Loader) -> None:
    result = loader.load("--null", "NA", cities=CITIES, shops="code,city\na,ROM\nb,XXX\nc,YYY\n")
    assert result.exit_code == 1
    assert "line 3: city: there is no City XXX" in said(result)
    assert "city: 2 rows have 2 keys that no City has (refused): XXX, YYY" in said(result)
    assert not loader.sql("select 1 as one from shops")
    assert not loader.sql("select 1 as one from cities")


def test_missing_references_are_emptied(loader: Loader) -> None:
    result = loader.load(
        "--missing-refs",
        "null",
        cities=CITIES,
        shops="code,city,second\na,ROM,XXX\nb,ROM,PAR\nc,ROM,\n",
    )
    assert result.exit_code == 0, result.output
    assert "second: 1 rows have 1 keys that no City has (emptied): XXX" in said(result)
    rows = loader.sql("select second from shops order by code")
    assert [row["second"] for row in rows] == [None, "PAR", None]
    assert loader.changes()[3].data["second"] is None


def test_what_is_required_cannot_be_emptied(loader: Loader) -> None:
    result = loader.load("--missing-refs", "null", cities=CITIES, shops="code,city\na,XXX\n")
    assert result.exit_code == 1
    assert "there is no City XXX, and it can't be null" in said(result)


def test_missing_references_are_created(loader: Loader) -> None:
    result = loader.load(
        "--missing-refs",
        "city=create",
        "--missing-refs",
        "shops.second=null",
        cities=CITIES,
        shops="code,city,second\na,XXX,ZZZ\nb,XXX,\nc,YYY,ROM\n",
    )
    assert result.exit_code == 0, result.output
    told = "city: 2 × City created of the key alone, for 3 rows: XXX, YYY"
    assert told in said(result)
    rows = loader.sql("select code, name from cities where code in ('XXX', 'YYY', 'ZZZ')")
    assert {tuple(row.values()) for row in rows} == {("XXX", None), ("YYY", None)}
    assert {change.id for change in loader.changes()} >= {"XXX", "YYY", "a", "b", "c"}


def test_what_needs_more_than_a_key_cannot_be_created(loader: Loader) -> None:
    boss = "0192f0c1-2345-7abc-8def-0123456789ab"
    result = loader.load("--missing-refs", "create", workers=f"name,boss\nann,{boss}\n")
    assert result.exit_code == 1
    assert "can't be created of its key alone: name: Field required" in said(result)
    assert not loader.sql("select 1 as one from workers")


def test_relations_without_a_constraint_are_counted(loader: Loader) -> None:
    result = loader.load(
        cities=CITIES,
        shops="code,city,rival\na,ROM,XXX\nb,ROM,PAR\n",
        hours="city,at\nROM,2013-01-01T05:00:00Z\n",
        visits="city,at\nROM,2013-01-01T05:00:00Z\nROM,2013-01-01T06:00:00Z\nX,2013-01-01T06:00:00Z\n",
    )
    assert result.exit_code == 0, result.output
    assert "rival: 1 rows have 1 keys that no City has (kept" in said(result)
    assert "hour: 2 rows have 2 keys that no Hour has (kept" in said(result)
    assert "ROM,2013-01-01T06:00:00Z" in said(result)
    assert loader.sql("select rival from shops where code = 'a'")[0]["rival"] == "XXX"


@pytest.mark.slow
def test_a_record_may_refer_to_one_below_it(loader: Loader) -> None:
    ids = [f"0192f0c1-2345-7abc-8def-{number:012}" for number in range(6000)]
    rows = [f"{key},w{n},{ids[n + 1] if n < 5999 else ''}\n" for n, key in enumerate(ids)]
    result = loader.load(workers="id,full_name,boss\n" + "".join(rows))
    assert result.exit_code == 0, result.output
    assert len(loader.sql("select 1 as one from workers where boss is not null")) == 5999


def test_hooks_run_and_the_database_makes_keys(loader: Loader) -> None:
    result = loader.load(f"--skip-bad={loader.folder}/refused.csv", counts="n\n1\n2\n3\n")
    assert result.exit_code == 0, result.output
    assert "line 3: even numbers are not for us" in said(result)
    assert [row["n"] for row in loader.sql("select n from counts order by id")] == [1, 3]
    assert [change.id for change in loader.changes()] == ["1", "2"]


def test_columns_by_another_name_and_constants(loader: Loader) -> None:
    result = loader.load(
        "--map",
        "workers.who=name",
        "--ignore",
        "colour",
        "--set",
        "cities.land=Oz",
        workers="who,colour\nann,red\n",
        cities="code,name\nROM,x\n",
    )
    assert result.exit_code == 0, result.output
    assert "passed over: colour" in said(result)
    assert loader.sql("select full_name from workers") == [{"full_name": "ann"}]
    assert loader.sql("select land from cities") == [{"land": "Oz"}]


def test_one_command_is_whole_or_not_at_all(loader: Loader) -> None:
    result = loader.load(cities=CITIES, shops="code,city\na,XXX\n", hours="city,at\nROM,x\n")
    assert result.exit_code == 1
    assert not loader.sql("select 1 as one from cities")
    assert not loader.changes()
    assert "nothing was stored" in said(result)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["--skip-bad", "refused.csv"], "--skip-bad=refused.csv"),
        (["--upsert", "code"], "--upsert=code"),
        (["--resume", "june"], "--resume=june"),
    ],
)
def test_a_value_without_its_equals_sign_is_told_so(
    written: list[str], meant: str, loader: Loader
) -> None:
    result = loader.load(*written, cities=CITIES)
    assert result.exit_code == 2
    assert f"there is no file {written[1]}" in said(result)
    assert f"if {written[1]} is meant for {written[0]}, write {meant}" in said(result)
    assert not loader.sql("select 1 as one from cities")


def test_a_refused_file_of_an_earlier_run_is_told_so_too(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(loader.folder)
    (loader.folder / "refused.csv").write_text("refused_because,code\n")
    result = loader.load("--skip-bad", "refused.csv", cities=CITIES)
    assert result.exit_code == 2
    assert "write COLLECTION=refused.csv" in said(result)
    assert "if refused.csv is meant for --skip-bad, write --skip-bad=refused.csv" in said(result)
