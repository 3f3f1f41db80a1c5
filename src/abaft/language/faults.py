"""What is wrong with a text, told with the place: all that is found, not the first alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from abaft.base.errors import BadRequest, Problem

EXCERPT = 72
"""Characters of the line that a fault shows."""


class Wrong(Exception):
    """One wrong thing; `at` is its place in the text, None where it has none."""

    def __init__(self, at: int | None, code: str, detail: str) -> None:
        super().__init__(detail)
        self.at, self.code, self.detail = at, code, detail


class Told(Exception):
    """Nothing more can be said of this part: what is wrong with it was kept."""


def bad(at: int | None, code: str, detail: str) -> NoReturn:
    """Raises what is wrong at a place."""
    raise Wrong(at, code, detail)


class Gathering(list[Wrong]):
    """What is wrong so far."""

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keeps what is wrong within, and goes on after it."""
        try:
            yield
        except Wrong as wrong:
            self.append(wrong)
        except Told:
            pass


def refuse(text: str, found: list[Wrong], pointer: str) -> NoReturn:
    """Raises BadRequest with all that was found, in the order of the text."""
    found = sorted(found, key=lambda wrong: wrong.at or 0)
    problems = [Problem(pointer, wrong.code, told(text, wrong)) for wrong in found[:20]]
    code = problems[0].code if len(problems) == 1 else "bad_parameters"
    detail = "\n".join(problem.detail for problem in problems[:5])
    raise BadRequest(detail, code=code, errors=problems)


def told(text: str, wrong: Wrong) -> str:
    """The detail with line and column, and the line with a caret below the place."""
    if wrong.at is None:
        return wrong.detail
    start = text.rfind("\n", 0, wrong.at) + 1
    line = text[start:].partition("\n")[0].rstrip("\r")
    column = wrong.at - start
    row = text.count("\n", 0, start) + 1
    place = f"column {column + 1}" if "\n" not in text else f"line {row}, column {column + 1}"
    return f"{wrong.detail} ({place})\n{_pointed(line, column)}"


def _pointed(line: str, column: int) -> str:
    """The line, cut around the column, and a caret below it."""
    first = max(0, column - EXCERPT * 2 // 3)
    shown = "".join(char if char.isprintable() else " " for char in line[first : first + EXCERPT])
    before, after = ("…" if first else ""), ("…" if first + EXCERPT < len(line) else "")
    return f"  {before}{shown}{after}\n  {' ' * (len(before) + column - first)}^"
