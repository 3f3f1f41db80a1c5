"""What stands where something else was expected, in words."""

from __future__ import annotations

from collections.abc import Set

from abaft.language.faults import Wrong

_LIST = "a list stands in brackets: [1, 2]"
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
    hint = _hint(text[at : at + 1], expected)
    return Wrong(at, "filter_syntax", f"{detail}: {hint}" if hint else detail)


def _shown(text: str, at: int) -> str:
    if at >= len(text.rstrip()):
        return "the filter ends"
    word = text[at:].split(maxsplit=1)[0][:20]
    return f"`{word}` stands" if word[0].isalnum() else f"`{word[0]}` stands"


def _hint(char: str, expected: Set[str]) -> str:
    if char == "," and "RPAR" in expected:
        return _LIST
    if "_AND" in expected and (char.isalnum() or char in "\"'(_"):
        return "join conditions by `and` or `or`; in a URL, + is written %2B"
    if char in "\"'`{" and "STRING" not in expected:
        return ""
    if char in "<>=" and "_AND" not in expected:
        return ""
    return _HINTS.get(char, "")
