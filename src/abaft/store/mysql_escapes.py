"""Escapes in the JSON that MariaDB writes, with small letters as everywhere else.

Done here rather than in the database: there it takes a look at each text of each record, here one
at each record; and hardly any has one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from abaft.store.base import Row

_ESCAPED = "\\u00"
# A backslash that is itself escaped comes first: what follows it is no escape.
_ESCAPES = re.compile(r"\\\\|\\u00[01][0-9A-F]")


@lru_cache(2_000)
def quotes(sql: str) -> bool:
    """Whether what a statement gives first is JSON with texts in it."""
    return "json_quote(" in sql


def mended(sql: str, rows: Sequence[Row]) -> list[Row]:
    """The rows of a statement with its JSON, which comes first, as other databases write it."""
    if not quotes(sql):
        return [*rows]
    return [row if type(j := row[0]) is not str or _ESCAPED not in j else _row(row) for row in rows]


def mended_row(sql: str, row: Row) -> Row:
    """One of them."""
    return mended(sql, [row])[0]


def _row(row: Any) -> Row:
    return (text(row[0]), *row[1:])


def text(json: str) -> str:
    """JSON with small letters in the escapes of control characters."""
    return _ESCAPES.sub(lambda found: found[0].lower(), json)
