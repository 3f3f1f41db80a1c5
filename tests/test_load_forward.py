"""Records of one file that refer to each other: in any order, where one transaction stores them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loads import Loader
from projects import said

pytestmark = [pytest.mark.slow, pytest.mark.everywhere]

MODELS = """
from abaft import App, Model, Ref, before


class Part(Model, key="name", stamps=False):
    name: str
    parent: Ref["Part"] | None

class Hooked(Model, key="name", stamps=False):
    name: str
    parent: Ref["Hooked"] | None

    @before("create")
    async def trimmed(record, me, db):
        record.name = record.name.strip()

app = App(Part, Hooked)
"""
LEAVES = "name,parent\nleaf,branch\nbranch,root\nroot,\none,two\ntwo,one\nself,self\n"


class Parts(Loader):
    models = MODELS

    def names(self) -> dict[str, str | None]:
        rows = map(json.loads, self.export("parts").splitlines())
        return {row["name"]: row["parent"] for row in rows}


@pytest.fixture
def parts(database_url: str, tmp_path: Path) -> Parts:
    return Parts(database_url, tmp_path)


def test_later_rows_circles_and_themselves_may_be_referred_to(parts: Parts) -> None:
    result = parts.load(parts=LEAVES)
    assert result.exit_code == 0, result.output
    assert parts.names() == {
        "leaf": "branch",
        "branch": "root",
        "root": None,
        "one": "two",
        "two": "one",
        "self": "self",
    }


def test_rows_with_hooks_come_after_those_that_they_refer_to(parts: Parts) -> None:
    result = parts.load(hookeds=LEAVES)
    assert result.exit_code == 1
    assert "line 2: parent: there is no such Hooked" in said(result)
    result = parts.load(hookeds="name,parent\nroot,\nbranch,root\n")
    assert result.exit_code == 0, result.output


def rows(count: int, parent: str) -> str:
    lines = [f"p{n},{parent.format(count - 1 - n)}\n" for n in range(count)]
    return "name,parent\n" + "".join(lines)


def test_a_load_that_goes_on_tells_of_rows_that_come_later(parts: Parts) -> None:
    result = parts.load("--resume=a", "--missing-refs=create", parts=rows(12_000, "p{}"))
    assert result.exit_code == 1
    assert "line 2: parent: Part p11999 comes later in the file" in said(result)
    assert parts.names() == {}
    chain = "name,parent\np0,\n" + "".join(f"p{n},p{n // 2}\n" for n in range(1, 12_000))
    result = parts.load("--resume=b", parts=chain)
    assert result.exit_code == 0, result.output
    assert len(parts.names()) == 12_000


@pytest.mark.parametrize("options", [[], ["--resume=c"]], ids=["whole", "resume"])
def test_rows_that_refer_to_refused_ones_of_the_file_are_told(
    parts: Parts, options: list[str]
) -> None:
    text = "name,parent\nleaf,branch\nbranch,nowhere\nroot,\n"
    refused = parts.folder / "refused.csv"
    result = parts.load(f"--skip-bad={refused}", *options, parts=text)
    assert result.exit_code == 1
    assert "some of its rows refer to others of it that are refused" in said(result)
    assert parts.names() == {}
    result = parts.load("--missing-refs=null", *options, parts=text)
    assert result.exit_code == 0, result.output
    assert parts.names() == {"leaf": "branch", "branch": None, "root": None}
