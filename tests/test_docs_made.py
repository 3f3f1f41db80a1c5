"""docs/settings.md and docs/errors.md are made from the code.

`ABAFT_GOLDEN=1 pytest tests/test_docs_made.py` makes them anew: a new setting or code has its
section then, and what it needs besides is written into it by hand.
"""

import os
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from abaft import Settings
from docs_codes import inner_codes, problem_codes
from docs_made import errors_page, sections, settings_page

DOCS = Path(__file__).parent.parent / "docs"
RENEW = os.environ.get("ABAFT_GOLDEN") == "1"


@pytest.mark.parametrize(
    ("name", "made"), [("settings.md", settings_page), ("errors.md", errors_page)]
)
@pytest.mark.slow
def test_the_page_is_made_of_the_code(name: str, made: Callable[[str], str]) -> None:
    path = DOCS / name
    wanted = made(path.read_text("utf-8"))
    if RENEW:
        path.write_text(wanted, "utf-8")
    assert path.read_text("utf-8") == wanted, "see the first lines of this file"


def test_every_setting_has_its_heading() -> None:
    _, told = sections((DOCS / "settings.md").read_text("utf-8"))
    assert list(told) == [row.name for row in fields(Settings)]


def test_every_code_is_explained_by_what_it_means_and_how_it_is_mended() -> None:
    _, told = sections((DOCS / "errors.md").read_text("utf-8"))
    assert list(told) == sorted(problem_codes())
    for code, text in told.items():
        form = r"\*\*[\d or]+\*\* · \S.+?\.\n\n\*Mend\*: .+\."
        assert re.fullmatch(form, text, re.S), f"docs/errors.md: {code} lacks its meaning or mend"


@pytest.mark.slow
def test_every_code_of_a_single_value_is_in_the_table() -> None:
    page = (DOCS / "errors.md").read_text("utf-8")
    told = re.findall(r"^\| `(\w+)` \|", page, re.M)
    assert set(inner_codes()) - set(told) == set()
    assert told == sorted(told)
