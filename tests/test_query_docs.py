"""docs/query.md holds what the code has.

`ABAFT_GOLDEN=1 pytest tests/test_query_docs.py` renews its tables and docs/query.svg.
"""

import os
import re
from pathlib import Path

from query_docs import Grammar, diagrams, with_tables

DOCS = Path(__file__).parent.parent / "docs"
RENEW = os.environ.get("ABAFT_GOLDEN") == "1"


def held(path: Path, wanted: str) -> None:
    if RENEW:
        path.write_text(wanted, "utf-8")
    assert path.read_text("utf-8") == wanted, "see the first lines of this file"


def test_the_diagrams_are_of_the_grammar() -> None:
    drawn = diagrams()
    for rule in Grammar().rules:
        assert rule == "start" or f">{rule}</text>" in drawn
    held(DOCS / "query.svg", drawn)


def test_the_tables_are_of_the_code() -> None:
    page = (DOCS / "query.md").read_text("utf-8")
    assert len(re.findall("<!-- end of ", page)) == 2
    held(DOCS / "query.md", with_tables(page))


def test_the_page_has_the_grammar_whole() -> None:
    source = DOCS.parent / "src/abaft/language/grammar.lark"
    page = (DOCS / "query.md").read_text("utf-8")
    [told] = re.findall(r"^```lark\n(.*?)^```$", page, re.M | re.S)
    fence = "```lark\n"
    held(DOCS / "query.md", page.replace(fence + told, fence + source.read_text("utf-8")))
