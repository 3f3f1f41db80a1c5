"""What stands where something else was expected, in words."""

from __future__ import annotations

import re
from collections.abc import Set

from abaft.language.faults import Wrong
from abaft.language.operators import OPERATORS

_LIST = "a list stands in brackets: [1, 2]"
PLUS = "in a URL, + is written %2B"
_HINTS = {
    '"': "the text has no closing quote",
    "'": "the text has no closing quote",
    "`": "the name has no closing backtick",
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`",
    "~": "write `contains` or `icontains`",
    "<": "write a < b and b < c",
    ">": "write a > b and b > c",
    "=": "join comparisons by `and` or `or`",
    "{": _LIST,
}
_WORDS = "|".join(("and", "or", "not", "is", "has", *OPERATORS))
_LOOKED_AT = 100
"""Characters before a place; names may be longer, hints are not for them."""
# What stands before a place and at it, as other languages write it, and what to write here.
_WRITTEN = [
    (re.compile(before + r"$"), re.compile(here), hint)
    for before, here, hint in (
        (r"\b(now|today)\s*", r"\(", "now and today stand without parentheses"),
        (r"<", r">", "write !="),
        (r"=", r"[<>]", "write >= or <="),
        (r"\d{4}-\d\d-", r"\d\dT", "an instant has its zone: 2024-02-29T12:30:00Z"),
        (r"\d{4}-\d\d-\d\d ", r"\d\d:", "an instant is written 2024-02-29T12:30:00Z"),
        (r"", r"\d+(y|mo|months?|years?)\b", "a duration has the units w, d, h, m, s and ms: 365d"),
        (rf"\b(?!({_WORDS})\b)\w+\s+(?!({_WORDS})\b)\w+\s*", r"\s*\Z|[<>=]", PLUS),
    )
]
_EXPECTED = {
    "STRING": "a field or a value",
    "SYMBOL": "an operator",
    "_AND": "`and`, `or`",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "COMMA": "`,`",
    "$END": "the end",
}


def unexpected(text: str, at: int, expected: Set[str]) -> Wrong:
    """The fault at a place where only terminals of these names could stand."""
    words = [words for name, words in _EXPECTED.items() if name in expected] or ["a name"]
    wanted = " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    if not text.strip():
        return Wrong(at, "filter_syntax", f"the filter is empty: {wanted} was expected")
    detail = f"{_shown(text, at)} where {wanted} was expected"
    hint = _after(text, at) or _hint(text[at : at + 1], expected)
    return Wrong(at, "filter_syntax", f"{detail}: {hint}" if hint else detail)


def _shown(text: str, at: int) -> str:
    if at >= len(text.rstrip()):
        return "the filter ends"
    word = text[at:].split(maxsplit=1)[0][:20]
    return f"`{word}` stands" if word[0].isalnum() else f"`{word[0]}` stands"


def _after(text: str, at: int) -> str:
    """What to write where the words before and at a place are known from elsewhere."""
    for before, here, hint in _WRITTEN:
        if here.match(text, at) and before.search(text[max(0, at - _LOOKED_AT) : at]):
            return hint
    return ""


def _hint(char: str, expected: Set[str]) -> str:
    if char == "," and "RPAR" in expected:
        return _LIST
    if "_AND" in expected and (char.isalnum() or char in "\"'(_"):
        return f"join conditions by `and` or `or`; {PLUS}"
    if char in "\"'`{" and "STRING" not in expected:
        return ""
    if char in "<>=" and "_AND" not in expected:
        return ""
    return _HINTS.get(char, "")
