"""abaft load: the forms that files may have, and what can't be loaded at all."""

import gzip
import zipfile
from pathlib import Path

import pytest

from loads import Loader
from projects import said

WRONG = {
    "no file": (["cities=none.csv"], "there is no file none.csv"),
    "no collection": (["{folder}/towns.csv"], "names no collection"),
    "no such collection": (["towns={folder}/towns.csv"], "there is no collection 'towns'"),
    "no such policy": (["cities={folder}/towns.csv", "--missing-refs", "drop"], "write reject"),
    "no such relation": (
        ["cities={folder}/towns.csv", "--missing-refs", "mayor=null"],
        "there is no relation 'mayor'",
    ),
    "no column to rename": (["cities={folder}/towns.csv", "--map", "a=name"], "no column 'a'"),
    "no field to rename to": (["cities={folder}/towns.csv", "--map", "code=b"], "no field 'b'"),
    "a needed column": (["shops={folder}/towns.csv"], "the file has no column 'city'"),
    "the same field twice": (
        ["cities={folder}/towns.csv", "--map", "name=code"],
        "two columns of the file are City.code",
    ),
    "an empty file": (["cities={folder}/empty.csv"], "is empty"),
    "no zip": (["cities={folder}/broken.zip"], "no field 'PK'"),
    "a full zip": (["cities={folder}/full.zip"], "must hold one file, not 2"),
    "a delimiter": (["cities={folder}/towns.csv", "--delimiter", ";;"], "write one character"),
}
COMMAND = [
    "no file",
    "no collection",
    "no such collection",
    "no such policy",
    "no such relation",
    "a delimiter",
]
"""What is wrong before a file is opened."""


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_loaded_is_told(case: str, tmp_path: Path) -> None:
    loader = Loader(f"sqlite:///{tmp_path}/a.db", tmp_path)
    (tmp_path / "towns.csv").write_text("code,name\nROM,Rome\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "broken.zip").write_text("PK")
    with zipfile.ZipFile(tmp_path / "full.zip", "w") as archive:
        archive.writestr("a.csv", "code\nA\n")
        archive.writestr("b.csv", "code\nB\n")
    arguments, reason = WRONG[case]
    result = loader.load(*(text.format(folder=tmp_path) for text in arguments))
    assert result.exit_code == (2 if case in COMMAND else 1)
    assert reason in said(result)
    assert "Traceback" not in result.output


@pytest.mark.parametrize("form", ["zip", "gz", "tsv", "bom", "semicolon"])
def test_forms_of_files(form: str, tmp_path: Path) -> None:
    loader = Loader(f"sqlite:///{tmp_path}/a.db", tmp_path)
    text, arguments = "code,name\nROM,Rome\n", []
    path = tmp_path / f"cities.csv.{form}"
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inside.csv", text)
            archive.writestr("__MACOSX/._inside.csv", "x")
    elif form == "gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif form == "tsv":
        path = tmp_path / "cities.tsv"
        path.write_text(text.replace(",", "\t"))
    elif form == "bom":
        path.write_text(text, "utf-8-sig")
    else:
        path.write_text(text.replace(",", ";"))
        arguments = ["--delimiter", ";"]
    result = loader.load(str(path), *arguments)
    assert result.exit_code == 0, result.output
    assert loader.sql("select name from cities") == [{"name": "Rome"}]


def test_a_damaged_file_leaves_nothing(tmp_path: Path) -> None:
    loader = Loader(f"sqlite:///{tmp_path}/a.db", tmp_path)
    text = "code,name\n" + "".join(f"{number:03},{number}\n" for number in range(1000))
    path = tmp_path / "cities.csv.gz"
    path.write_bytes(gzip.compress(text.encode())[:-30])
    result = loader.load(str(path))
    assert result.exit_code == 1
    assert "is damaged" in said(result)
    assert not loader.sql("select 1 as one from cities")
