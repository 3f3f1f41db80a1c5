"""Adds to each record found a member that shows where its texts match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from abaft.model.highlight import highlight
from abaft.model.terms import Terms
from abaft.plan.types import Highlight, ReadPlan

QUICK = 20_000
"""Characters that are marked in no time; more is work for a thread."""


def looked_through(plan: ReadPlan, rows: Sequence[Sequence[Any]]) -> int:
    """How many characters that are."""
    assert plan.search is not None
    many = len(plan.search.highlights)
    return sum(len(text) for row in rows for text in row[-many:] if text)


def marked(plan: ReadPlan, rows: Sequence[Sequence[Any]], terms: Terms) -> list[tuple[Any, ...]]:
    """The rows with `highlights` in their JSON, in place of the texts at their ends."""
    assert plan.search is not None
    languages = list(dict.fromkeys(row.language for row in plan.model.searched))
    shown = plan.search.highlights
    many = len(shown)
    return [
        (_with_marks(row[0], _found(shown, row[-many:], terms, languages)), *row[1:-many])
        for row in rows
    ]


def _found(
    shown: tuple[Highlight, ...], texts: Sequence[Any], terms: Terms, languages: list[str]
) -> dict[str, str]:
    found = {}
    for row, text in zip(shown, texts, strict=True):
        snippet = highlight(text, terms, row.language, languages) if text else None
        if snippet is not None:
            found[row.name] = snippet
    return found


def _with_marks(text: str, found: dict[str, str]) -> str:
    comma = "" if text == "{}" else ","
    return f'{text[:-1]}{comma}"highlights":{orjson.dumps(found).decode()}}}'
