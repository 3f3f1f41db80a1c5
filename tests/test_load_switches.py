"""Loads and exports of models with switches: soft deletion, values that others reckon."""

import json
from pathlib import Path

import pytest

from loads import Loader
from projects import said

MODELS = """
from abaft import App, Model, Ref, computed, field

class Page(Model, key="id", soft_delete=True, stamps=False):
    id: int
    slug: str = field(unique=True)
    title: str = ""
    above: Ref["Page"] | None

    @computed
    def shout(page) -> str:
        return page.title.upper()

app = App(Page)
"""

DELETED = '{"id":1,"slug":"a","title":"old","deleted":"2024-01-01T00:00:00Z"}\n'


class Pages(Loader):
    models = MODELS


@pytest.fixture
def pages(database_url: str, tmp_path: Path) -> Pages:
    found = Pages(database_url, tmp_path)
    path = tmp_path / "pages.ndjson"
    path.write_text(DELETED + '{"id":2,"slug":"a","above":1}\n')
    result = found.load(str(path))
    assert result.exit_code == 0, result.output
    return found


def test_deleted_records_are_exported_when_asked_for(pages: Pages, tmp_path: Path) -> None:
    assert [json.loads(line)["id"] for line in pages.export("pages").splitlines()] == [2]
    text = pages.export("pages", "--deleted")
    assert [json.loads(line)["id"] for line in text.splitlines()] == [1, 2]
    assert json.loads(text.splitlines()[0])["deleted"] == "2024-01-01T00:00:00Z"
    assert "shout" not in text
    pages.export("--all", tmp_path / "all")
    assert (tmp_path / "all" / "pages.ndjson").read_text() == text


def test_an_upsert_by_what_may_be_used_again_means_who_is_alive(pages: Pages) -> None:
    result = pages.load("--upsert=slug", pages="id,slug,title\n2,a,new\n3,b,other\n")
    assert result.exit_code == 0, result.output
    assert "1 created, 1 updated" in said(result)
    rows = pages.sql("select id, title from pages order by id")
    assert [tuple(row.values()) for row in rows] == [(1, "old"), (2, "new"), (3, "other")]


def test_what_is_reckoned_is_passed_over(pages: Pages) -> None:
    result = pages.load(pages="id,slug,shout\n3,b,X\n")
    assert result.exit_code == 0, result.output
    assert "passed over: shout" in said(result)
