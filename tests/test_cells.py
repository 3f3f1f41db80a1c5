"""Cells of CSV that are no formulas (INJ-4)."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from abaft.guard.cells import bare, guarded

SIGNS = "=+-@\t\r\n'"


@given(st.text(st.sampled_from(SIGNS + "a1. ") | st.characters(), max_size=8), st.booleans())
@example("'", True)
@example("", True)
@example("''=", False)
def test_what_was_guarded_comes_back(text: str, empty: bool) -> None:
    assert bare(guarded(text, empty)) == text


@given(st.text(st.sampled_from(SIGNS + "a1.e ") | st.characters(), max_size=8))
def test_inj_4_no_cell_begins_as_a_formula(text: str) -> None:
    cell = guarded(text)
    assert not cell.startswith(("=", "@", "\t", "\r", "\n"))
    if cell.startswith(("+", "-")):
        float(cell)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-5", "-5"),
        ("+1.5e3", "+1.5e3"),
        ("+49 170", "'+49 170"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("\uff1d1", "'\uff1d1"),
        ("don't", "don't"),
        ("'quoted'", "'quoted'"),
        ("'=x", "''=x"),
        ("'", "''"),
    ],
)
def test_cells(text: str, cell: str) -> None:
    assert guarded(text) == cell
    assert bare(cell) == text


def test_an_empty_text_is_told_from_null() -> None:
    assert guarded("") == ""
    assert guarded("", empty=True) == "'"
