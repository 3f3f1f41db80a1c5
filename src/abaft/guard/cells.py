"""Cells of CSV that no spreadsheet takes for a formula, and their way back.

A cell that begins as a formula would gets an apostrophe in front, which spreadsheets take for
"this is text" (OWASP, CSV injection). One that has such apostrophes already gets one more, so that
`bare` is the exact inverse of `guarded`. A lone apostrophe is text without a character, where an
empty cell is null.
"""

from __future__ import annotations

import re

# The full-width signs are taken for the plain ones in some locales.
_FORMULA = re.compile("'*(?:[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]|\\Z)")
_GUARDED = re.compile("'+(?:[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]|\\Z)")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def guarded(text: str, empty: bool = False) -> str:
    """The cell of a text; plain numbers stay. With `empty`, no text is told from null."""
    if not text:
        return "'" if empty else ""
    if _FORMULA.match(text) is None or _NUMBER.fullmatch(text) is not None:
        return text
    return f"'{text}"


def bare(cell: str) -> str:
    """The text of a cell that `guarded` made."""
    return cell[1:] if cell[:1] == "'" and _GUARDED.match(cell) else cell
