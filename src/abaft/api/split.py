"""Cuts a parameter at the separators that stand in no parentheses, brackets or quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator

_QUOTED = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.DOTALL)


def split_top(text: str, separator: str) -> Iterator[str]:
    """The parts between; always at least one."""
    start, place, depth = 0, 0, 0
    while place < len(text):
        character = text[place]
        if character in "\"'":
            quoted = _QUOTED.match(text, place)
            place = quoted.end() if quoted else len(text)
            continue
        depth += (character in "([") - (character in ")]")
        if character == separator and depth == 0:
            yield text[start:place]
            start = place + 1
        place += 1
    yield text[start:]
