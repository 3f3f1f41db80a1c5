"""abaft load: CSV, NDJSON and JSON say the same; what is wrong with a file is told all at once."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from abaft.cli import load_open
from loads import Loader
from projects import run, said, write_app

pytestmark = pytest.mark.slow

MODELS = """
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from abaft import App, Many, Model, field


class Tag(Model, key="id", stamps=False):
    id: int

class Thing(Model, stamps=False):
    id: int = field(key=True)
    name: str = field(max_length=10)
    note: str | None
    n: int = field(default=3, ge=0)
    x: float | None
    price: Decimal | None = field(decimal_places=2)
    ok: bool | None
    at: datetime | None
    day: date | None
    kind: Literal["a", "b"] | None
    extra: dict | None
    made: str = field(read_only=True, default="here")
    tags: Many[Tag]

app = App(Tag, Thing)
"""

ROWS: list[dict[str, Any]] = [
    {"name": "ann", "note": "ü, \"q\"\n2", "n": 1, "x": 1.5, "price": "2.50", "ok": True,
     "at": "2024-03-01T10:00:00Z", "day": "2024-03-01", "kind": "a",
     "extra": {"a": [1, {"b": None}]}, "made": "there", "tags": [1, 2]},
    {"name": "bob", "n": 0, "ok": False, "tags": []},
]  # fmt: skip
CSV = (
    "name,note,n,x,price,ok,at,day,kind,extra,made,tags\r\n"
    'ann,"ü, ""q""\n2",1,1.5,2.5,Yes,2024-03-01 11:00:00+01,2024-03-01,a,'
    '"{""a"": [1, {""b"": null}]}",there,"[1, 2]"\r\n'
    "\r\n"
    "bob,,0,,,f,,,,,here,\r\n"
)
SQL = "select id, name, note, n, ok, kind, made from things order by id"


class Things(Loader):
    models = MODELS

    def pipe(self, content: bytes, *arguments: str) -> Any:
        app = write_app(self.folder, MODELS)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ABAFT_DATABASE", self.url)
            from typer.testing import CliRunner

            from abaft.cli import cli

            return CliRunner().invoke(cli, ["load", app, *arguments], input=content)

    def file(self, name: str, content: bytes | str) -> str:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def shown(self) -> list[dict[str, Any]]:
        app = write_app(self.folder, MODELS)
        result = run("export", app, "things", database=self.url)
        return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def things(database_url: str, tmp_path: Path) -> Things:
    found = Things(database_url, tmp_path)
    assert found.load(tags="id\n1\n2\n").exit_code == 0
    return found


FORMS = {
    "csv": ("things.csv", CSV.encode()),
    "utf-8 with a mark": ("things.csv", CSV.encode("utf-8-sig")),
    "utf-16 with a mark": ("things.csv", CSV.encode("utf-16")),
    "ndjson": ("things.ndjson", "\n".join(json.dumps(row) for row in ROWS)),
    "ndjson and blank lines": ("things.jsonl", "\n\n".join(json.dumps(row) for row in ROWS)),
    "json": ("things.json", json.dumps(ROWS)),
    "spaced json": ("things.json", "\n " + json.dumps(ROWS, indent=4) + "\n"),
    "packed json": ("things.json.gz", gzip.compress(json.dumps(ROWS).encode())),
    "no suffix": ("things", json.dumps(ROWS)),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_say_the_same(form: str, things: Things) -> None:
    result = things.load(things.file(*FORMS[form]))
    assert result.exit_code == 0, result.output
    assert things.shown() == [
        {"id": 1, **ROWS[0]},
        {"id": 2, "name": "bob", "note": None, "n": 0, "x": None, "price": None, "ok": False,
         "at": None, "day": None, "kind": None, "extra": None, "made": "here", "tags": []},
    ]  # fmt: skip
    assert [change.data["tags"] for change in things.changes()[2:] if "tags" in change.data] == [
        ["1", "2"],
        [],
    ]


@pytest.mark.parametrize("form", ["csv", "ndjson", "json", "packed json"])
def test_from_a_pipe(form: str, things: Things) -> None:
    content = FORMS[form][1]
    result = things.pipe(content if isinstance(content, bytes) else content.encode(), "things=-")
    assert result.exit_code == 0, result.output
    assert len(things.shown()) == 2


@pytest.mark.slow
def test_an_encoding_and_a_delimiter(things: Things) -> None:
    text = "name;note\nann;Grüße\n".encode("cp1252")
    path = things.file("things.csv", text)
    result = things.load(path, "--delimiter", ";", "--encoding", "cp1252")
    assert result.exit_code == 0, result.output
    assert things.shown()[0]["note"] == "Grüße"


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2024-03-31 01:30", "2024-03-31T00:30:00Z"),
        ("2024-07-01T12:00:00.25", "2024-07-01T10:00:00.250000Z"),
        ("2024-07-01T12:00:00Z", "2024-07-01T12:00:00Z"),
        ("2024-07-01 12:00:00 UTC", "2024-07-01T12:00:00Z"),
        ("2024-07-01 12:00:00-0330", "2024-07-01T15:30:00Z"),
        # Of the two times that the clock showed this, the first.
        ("2024-10-27 02:30", "2024-10-27T00:30:00Z"),
    ],
)
def test_times_without_a_zone(written: str, stored: str, tmp_path: Path) -> None:
    things = Things(f"sqlite:///{tmp_path}/a.db", tmp_path)
    result = things.load("--zone", "Europe/Berlin", things=f"name,at\na,{written}\n")
    assert result.exit_code == 0, result.output
    assert things.shown()[0]["at"] == stored


def test_what_lists_may_look_like(things: Things) -> None:
    result = things.load(things='name,tags\na,1\nb,"2, 1"\nc,[]\nd,"[""1"", 1]"\n')
    assert result.exit_code == 0, result.output
    assert [row["tags"] for row in things.shown()] == [[1], [1, 2], [], [1]]


CELLS = {
    "n,-1": "n: '-1': Input should be greater than or equal to 0",
    "n,1.5": "n: '1.5' is not an integer of 64 bits",
    "ok,maybe": "ok: 'maybe' is not true or false, yes or no, 1 or 0",
    "at,2024-01-01 10:00": "at: '2024-01-01 10:00' has no time zone: write it, or name one by",
    "at,yesterday": "at: 'yesterday' is not a date and time with its zone",
    "at,2024-02-30T10:00:00Z": "at: '2024-02-30T10:00:00Z' is not a date and time",
    "day,1.3.2024": "day: '1.3.2024' is not a date, like 2013-01-31",
    "kind,c": "kind: 'c' is not one of a, b",
    "price,1.234": "price: '1.234' is not a number of at most 16 digits and 2 decimal",
    "extra,[1]": "extra: '[1]': Input should be an object",
    "tags,x": "tags: 'x': 'x' is not an integer of 64 bits",
    "tags,9": "tags: there is no Tag 9",
    "id,": "",
}


@pytest.mark.parametrize("case", CELLS)
def test_wrong_cells(case: str, things: Things) -> None:
    name, _, cell = case.partition(",")
    result = things.load(things=f'name,{name}\na,"{cell}"\n')
    assert result.exit_code == (1 if CELLS[case] else 0), result.output
    assert CELLS[case] in said(result)


MEMBERS = {
    '{"name": 1}': "name: '1': Input should be a valid string",
    '{"name": "a", "n": "x"}': "n: 'x' is not an integer of 64 bits",
    '{"name": "a", "n": true}': "n: 'True': Input should be a valid integer",
    '{"name": "a", "n": 1.5}': "n: '1.5': Input should be a valid integer",
    '{"name": "a", "ok": 2}': "ok: '2': Input should be a valid boolean",
    '{"name": "a", "price": 0.1234567890123456789}': "price: '0.12345678901234568': Input should",
    '{"name": "a", "tags": 1}': "tags: it should be a list of keys",
    '{"name": "a", "tags": ["x"]}': "tags: 'x' is not an integer",
    '{"name": "a", "extra": "x"}': "extra: 'x': Input should be an object",
    '{"name": null}': "name: 'null' stands for null, and it is required",
    '{"n": 1}': "name: it is required",
    '{"name": "\\ud800"}': "column 11: it isn't JSON",
    '{"name": "a\\u0000"}': "name: 'a\\x00'",
    "[1]": "it isn't a JSON object",
    '{"name": "a"': "it isn't JSON",
}


@pytest.mark.parametrize("case", MEMBERS)
def test_wrong_members(case: str, tmp_path: Path) -> None:
    things = Things(f"sqlite:///{tmp_path}/a.db", tmp_path)
    result = things.load(things.file("things.ndjson", '{"name": "fine"}\n' + case))
    assert result.exit_code == 1
    assert "line 2: " in said(result)
    assert MEMBERS[case] in said(result)
    assert not things.sql("select 1 as one from things")
    bad = tmp_path / "bad.ndjson"
    result = things.load(things.file("things.ndjson", case), f"--skip-bad={bad}")
    [line] = bad.read_text().splitlines()
    assert "line 1: " in json.loads(line)["refused_because"]


JSONS = {
    "not an array": ('{"name": "a"}', "line 1, column 1: a JSON file must hold an array"),
    "empty": ("", "line 1, column 1: a JSON file must hold an array"),
    "a number": ('[{"name": "a"},\n 3]', "line 2, column 2: after a comma there should be an"),
    "no comma": ('[{"name": "a"}\n{"name": "b"}]', "line 2, column 1: there should be a comma"),
    "broken": ('[{"name": "a"},\n{"name" "b"}]', "line 2, column 9: it isn't JSON: Expecting ':'"),
    "cut off": ('[{"name": "a"},\n{"name": "b', "line 2, column 10: it isn't JSON: Unterminated"),
    "no end": ('[{"name": "a"}', "there should be a comma or the end of the array"),
    "more": ('[{"name": "a"}]\n[]', "line 2, column 1: there is more after the end"),
    "not a number": (
        '[{"name": "a", "x": NaN}]',
        "line 1: it holds NaN, which is no finite number",
    ),
    "deep": ('[{"extra":' + '{"a":' * 100_000, "nested too deep"),
}


@pytest.mark.parametrize("case", JSONS)
@pytest.mark.slow
def test_wrong_json(case: str, tmp_path: Path) -> None:
    things = Things(f"sqlite:///{tmp_path}/a.db", tmp_path)
    text, reason = JSONS[case]
    result = things.load(things.file("things.json", text), "--format", "json")
    assert result.exit_code == 1, result.output
    assert reason in said(result) or (case == "deep" and "maximum recursion" in said(result))
    assert "Traceback" not in result.output
    assert not things.sql("select 1 as one from things")


FILES = {
    "unknown columns": (
        "nam,nn,made_by\na,1,x\n",
        "there is no field 'nam': did you mean 'name'? Write --map 'nam=name' "
        "there is no field 'nn': ",
        "the file has no column 'name', which every Thing needs",
        "--ignore '*'",
    ),
    "no header": ("ann,1,2\n", "there is no field 'ann'", "the file has no column 'name'"),
    "another delimiter": ("name;n\na;1\n", "the first line is one cell: try --delimiter ';'"),
    "an open quote": ('name,note\na,"b\nc,d\n', "Is a quote not closed, or not doubled?"),
    "ragged": ("name,n\na\nb,1,2\nc,1\n", "line 2: it has 1 cells", "line 3: it has 3 cells"),
    "bad UTF-8": (b"name\nann\n\xff\xfeb\n", "line 3: name: '\\udcff\\udcfeb' isn't of the file's"),
    "NUL": ("name\na\0\n", "line 2: name: 'a\\x00' is not text without the character U+0000"),
    "the same twice": ("name,name\na,b\n", "two columns of the file are Thing.name"),
    "the same key": ("id,name\n1,a\n2,b\n1,c\n", "line 4: id: id is taken"),
}


@pytest.mark.parametrize("case", FILES)
def test_wrong_files(case: str, tmp_path: Path) -> None:
    things = Things(f"sqlite:///{tmp_path}/a.db", tmp_path)
    content, *reasons = FILES[case]
    result = things.load(things.file("things.csv", content))
    assert result.exit_code == 1
    for reason in reasons:
        assert reason in said(result)
    assert "Traceback" not in result.output
    assert not things.sql("select 1 as one from things")


OPTIONS = {
    "a format": (["--format", "xml"], "--format xml: known: csv, json, ndjson"),
    "a zone": (["--zone", "Mars"], "--zone Mars: there is no such time zone"),
    "an encoding": (["--encoding", "x"], "--encoding x: write one like utf-8"),
    "a constant": (["--set", "n=x"], "--set n=x: n: 'x' is not an integer"),
    "no such constant": (["--set", "m=x"], "--set m=x: Thing has no field 'm'"),
    "no constant": (["--set", "n"], "--set n: write FIELD=VALUE"),
    "no mapping": (["--map", "n"], "--map n: write COLUMN=FIELD"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_wrong_options(case: str, tmp_path: Path) -> None:
    things = Things(f"sqlite:///{tmp_path}/a.db", tmp_path)
    arguments, reason = OPTIONS[case]
    result = things.load(*arguments, things="name\na\n")
    # What needs the file's model is found when the file is opened.
    assert result.exit_code == (1 if case in ("a constant", "no such constant") else 2)
    assert reason in said(result)


@pytest.mark.parametrize(
    ("name", "start"),
    [("things.csv", "name\n"), ("things.ndjson", '{"name": "'), ("things.json", '[{"name": "')],
)
def test_dos_a_line_without_end_is_refused(
    name: str, start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read of it at the most is the limit, and a block."""
    monkeypatch.setattr(load_open, "LONGEST", 1 << 20)
    monkeypatch.setattr("abaft.cli.load_rows.LONGEST", 1 << 20)
    things = Things(f"sqlite:///{tmp_path}/a.db", tmp_path)
    result = things.load(things.file(name, start + "x" * (4 << 20)))
    assert result.exit_code == 1
    assert "is longer than 1 MB" in said(result)
    assert not things.sql("select 1 as one from things")


def test_a_large_array_is_read_piece_by_piece(tmp_path: Path) -> None:
    things = Things(f"sqlite:///{tmp_path}/a.db", tmp_path)
    rows = [{"name": f"n{n}", "note": "x" * (n % 700), "extra": {"n": n}} for n in range(3_000)]
    result = things.load(things.file("things.json", json.dumps(rows, indent=1)))
    assert result.exit_code == 0, result.output
    assert [row["extra"]["n"] for row in things.shown()] == list(range(3_000))
