"""abaft export: what it writes, what it leaves out, and that a load brings it back."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from loads import Loader
from projects import run, said, write_app

pytestmark = pytest.mark.slow

MODELS = """
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from abaft import App, Many, Model, Ref, field


class Tag(Model, key="name", stamps=False):
    name: str = field(max_length=40)

class Author(Model, stamps=False):
    id: int = field(key=True)
    name: str
    password: str | None = field(hidden=True)
    mentor: Ref["Author"] | None

class Book(Model):
    title: str
    blurb: str | None
    author: Ref[Author]
    tags: Many[Tag]
    pages: int | None
    price: Decimal | None = field(decimal_places=2)
    weight: float | None
    sold: bool | None
    printed: datetime | None
    day: date | None
    at: time | None
    took: timedelta | None
    code: UUID | None
    cover: bytes | None
    extra: dict | None
    size: Literal["small", "big"] | None

app = App(Tag, Author, Book)
"""

AUTHORS = [
    {"id": 1, "name": "Ann", "mentor": 2, "password": "=secret"},
    {"id": 2, "name": "Bob", "mentor": None},
]
BOOKS = [
    {
        "id": "0192f0c1-2345-7abc-8def-000000000001",
        "title": "=HYPERLINK(1)",
        "blurb": "",
        "author": 1,
        "tags": ["a,b", "@c"],
        "pages": -5,
        "price": "-1.50",
        "weight": 0.1,
        "sold": True,
        "printed": "2013-01-01T10:00:00.5Z",
        "day": "0001-01-01",
        "at": "10:30:00",
        "took": "-PT90.5S",
        "code": "0192f0c1-2345-7abc-8def-0123456789ab",
        "cover": "+/8=",
        "extra": {"a": [1, None, "ü\\n"], "b": {}},
        "size": "small",
    },
    {"id": "0192f0c1-2345-7abc-8def-000000000002", "title": "'", "author": 2, "blurb": "+49 170"},
]


class Library(Loader):
    models = MODELS


@pytest.fixture
def library(database_url: str, tmp_path: Path) -> Library:
    found = Library(database_url, tmp_path)
    fill(found)
    return found


def fill(library: Library) -> None:
    folder = library.folder / "in"
    folder.mkdir()
    rows = {"tags": [{"name": "a,b"}, {"name": "@c"}], "authors": AUTHORS, "books": BOOKS}
    for name, found in rows.items():
        (folder / f"{name}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in found))
    result = library.load(str(folder))
    assert result.exit_code == 0, result.output


def test_ndjson_to_standard_output(library: Library) -> None:
    rows = [json.loads(line) for line in library.export("books").splitlines()]
    assert len(rows) == 2
    first = dict(rows[0])
    assert first.pop("created") == first.pop("updated")
    shown = {
        "took": "-PT90.500000S",
        "printed": "2013-01-01T10:00:00.500000Z",
        "tags": ["@c", "a,b"],
    }
    assert first == {**BOOKS[0], **shown}
    assert rows[1]["blurb"] == "+49 170"
    assert rows[1]["tags"] == []


def test_json_is_one_array(library: Library) -> None:
    found = json.loads(library.export("Author", "--format", "json"))
    assert [row["name"] for row in found] == ["Ann", "Bob"]
    assert json.loads(library.export("authors", "--format", "json", "--limit", "0")) == []


def test_inj_4_no_cell_is_a_formula(library: Library) -> None:
    text = library.export("books", "--format", "csv", "--fields", "title,blurb,pages,price,took")
    assert list(csv.reader(text.splitlines())) == [
        ["title", "blurb", "pages", "price", "took"],
        ["'=HYPERLINK(1)", "'", "-5", "-1.50", "'-PT90.500000S"],
        ["''", "'+49 170", "", "", ""],
    ]
    raw = library.export("books", "--format", "csv", "--fields", "title", "--raw")
    assert raw.split() == ["title", "=HYPERLINK(1)", "'"]


def test_hidden_fields_are_left_out(library: Library) -> None:
    assert "secret" not in library.export("authors")
    assert '"password":"=secret"' in library.export("authors", "--hidden")
    path = library.folder / "authors.csv"
    result = run(
        "export", write_app(library.folder, MODELS), "authors", "-o", path, database=library.url
    )
    assert "left out, for they are hidden: authors.password" in said(result)


def test_which_records_and_in_which_order(library: Library) -> None:
    for option in (["--filter", "author=2"], ["--filter", "title[eq]='"]):
        text = library.export("books", *option, "--fields", "author")
        assert text == '{"author":2}\n'
    text = library.export("books", "--where", "author.name = 'Ann' and pages < 0", "--fields", "id")
    assert json.loads(text) == {"id": BOOKS[0]["id"]}
    text = library.export("authors", "--sort", "-name", "--fields", "name", "--limit", "1")
    assert text == '{"name":"Bob"}\n'
    text = library.export("authors", "--fields", "name", "--expand", "mentor", "--limit", "1")
    assert json.loads(text) == {"name": "Ann", "mentor": {"id": 2, "name": "Bob", "mentor": None}}


def test_a_packed_file(library: Library) -> None:
    path = library.folder / "authors.json.gz"
    assert library.export("authors", "-o", path) == ""
    assert len(json.loads(gzip.decompress(path.read_bytes()))) == 2
    assert [row.name for row in library.folder.glob(".*")] == []


@pytest.mark.parametrize("format", ["csv", "ndjson", "json"])
def test_everything_comes_back(format: str, library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    library.export("--all", folder, "--format", format, "--hidden")
    manifest = json.loads((folder / "abaft.json").read_text())
    assert manifest["records"] == {"tags": 2, "authors": 2, "books": 2}
    # From one engine to SQLite, and back to the other's very bytes.
    other = Library(f"sqlite:///{tmp_path}/other.db", tmp_path)
    result = other.load(str(folder))
    assert result.exit_code == 0, result.output
    again = tmp_path / "again"
    other.export("--all", again, "--format", format, "--hidden")
    for path in folder.glob(f"*s.{format}"):
        assert records(again / path.name) == records(path), path.name


def records(path: Path) -> list[Any]:
    """What a file holds; PostgreSQL writes JSON fields with spaces."""
    text = path.read_text()
    if path.suffix == ".csv":
        return list(csv.reader(text.splitlines()))
    found: list[Any] = json.loads(
        text if path.suffix == ".json" else f"[{','.join(text.splitlines())}]"
    )
    return found


def test_an_export_that_is_not_whole_is_not_loaded(tmp_path: Path) -> None:
    library = Library(f"sqlite:///{tmp_path}/first.db", tmp_path)
    fill(library)
    folder = tmp_path / "all"
    library.export("--all", folder)
    other = Library(f"sqlite:///{tmp_path}/other.db", tmp_path)
    first, *_ = (folder / "books.ndjson").read_text().splitlines(True)
    (folder / "books.ndjson").write_text(first)
    result = other.load(str(folder))
    assert result.exit_code == 1
    assert "books.ndjson: it has 1 records of 2: it isn't whole" in said(result)
    assert not other.sql("select 1 as one from authors")
    (folder / "books.ndjson").unlink()
    result = other.load(str(folder))
    assert "lacks the file of books, which abaft.json tells of" in said(result)


def test_from_sqlite_to_postgres(postgres: object, tmp_path: Path) -> None:
    library = Library(f"sqlite:///{tmp_path}/first.db", tmp_path)
    fill(library)
    library.export("--all", tmp_path / "all", "--hidden")
    with postgres.database() as url:  # type: ignore[attr-defined]
        moved = Library(url, tmp_path)
        result = moved.load(str(tmp_path / "all"))
        assert result.exit_code == 0, result.output
        moved.export("--all", tmp_path / "again", "--hidden")
        # The numbers that the database gives go on.
        made = moved.load(authors="name\nCleo\n")
        assert made.exit_code == 0, made.output
        assert '{"id":3,"name":"Cleo"' in moved.export("authors")
    for path in (tmp_path / "all").glob("*.ndjson"):
        assert records(tmp_path / "again" / path.name) == records(path)


WRONG = {
    "no collection": (["boks"], "there is no collection 'boks': did you mean 'books'?"),
    "nothing": ([], "name one collection, or a folder for everything"),
    "both": (["books", "--all", "x"], "name one collection, or a folder for everything"),
    "options of one": (["--all", "x", "--sort", "a"], "--all goes with"),
    "a format": (["books", "--format", "xls"], "--format xls: known: csv, json, ndjson"),
    "several": (
        ["books", "--filter", "titel=x", "--sort", "pags", "--fields", "tag", "--expand", "x"],
        "did you mean 'title'? --sort pags: books has no field 'pags': did you mean 'pages'? "
        "--fields tag: books has no field 'tag': did you mean 'tags'? --expand x: books has no",
    ),
    "a condition": (["books", "--where", "pages > and titel = 3"], "--where: "),
    "a value": (["books", "--filter", "pages[gt]=x"], "pages[gt] should be an integer"),
    "a folder": (["books", "-o", "/no/such/file.csv"], "can't be written"),
    "a full folder": (["--all", "."], "is there already"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_exported_is_told(case: str, tmp_path: Path) -> None:
    arguments, reason = WRONG[case]
    app = write_app(tmp_path, MODELS)
    result = run("export", app, *arguments, database=f"sqlite:///{tmp_path}/a.db")
    assert result.exit_code == 1, result.output
    assert reason in said(result)
    assert "Traceback" not in result.output
