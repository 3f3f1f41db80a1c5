"""Values as constants in SQL text, and the text in whose places they are put.

The driver has no placeholders of its own that would bind a list, or several statements at once,
so every value is written by `literal`, and by nothing else. What it writes means the same under
every sql_mode: text with a backslash goes as its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

_SHOULD_BE_HEX = re.compile(r"[\\\0\x1a]")
_PLACES = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`)|\?""")
NOTHING = "(SELECT NULL FROM DUAL WHERE false)"


@dataclass(frozen=True, slots=True)
class Listed:
    """Values for IN."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Fragment:
    """SQL text that was made of literals already."""

    sql: str


def text(value: str) -> str:
    if _SHOULD_BE_HEX.search(value):
        return f"_utf8mb4 x'{value.encode().hex()}'"
    return "'" + value.replace("'", "''") + "'"


def _datetime(value: datetime) -> str:
    local = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    return f"TIMESTAMP'{local.isoformat(' ', 'microseconds').rjust(26, '0')}'"


def _float(value: float) -> str:
    shown = repr(value)
    shown = shown if "e" in shown else f"{shown}e0"
    return f"({shown})" if shown[0] == "-" else shown


def _listed(value: Listed) -> str:
    return f"({', '.join(map(literal, value.values))})" if value.values else NOTHING


def _signed(value: int | Decimal) -> str:
    shown = str(int(value)) if isinstance(value, int) else f"{value:f}"
    return f"({shown})" if shown[0] == "-" else shown


_WRITTEN: dict[type[Any], Any] = {
    str: text,
    int: _signed,
    bool: _signed,
    type(None): lambda value: "NULL",
    float: _float,
    Decimal: _signed,
    bytes: lambda value: f"x'{value.hex()}'",
    datetime: _datetime,
    date: lambda value: f"DATE'{value.isoformat()}'",
    time: lambda value: f"TIME'{value.isoformat('microseconds')}'",
    Listed: _listed,
    Fragment: lambda value: value.sql,
}


def literal(value: Any) -> str:
    """The value as a constant; TypeError for what no column holds."""
    write = _WRITTEN.get(type(value))
    if write is None:
        raise TypeError(f"a {type(value).__name__} can't be a value of a statement")
    return write(value)  # type: ignore[no-any-return]


@lru_cache(2_000)
def _pieces(sql: str) -> tuple[str, ...]:
    """The text around its placeholders; a question mark within quotes is none."""
    pieces, start = [], 0
    for found in _PLACES.finditer(sql):
        if found.group(1) is None:
            pieces.append(sql[start : found.start()])
            start = found.end()
    return (*pieces, sql[start:])


def filled(sql: str, args: Sequence[Any]) -> str:
    """The statement with values in the places of its question marks."""
    pieces = _pieces(sql)
    if len(pieces) != len(args) + 1:
        raise ValueError(f"{len(pieces) - 1} placeholders and {len(args)} values")
    if not args:
        return sql
    made = [pieces[0]]
    for piece, value in zip(pieces[1:], args, strict=True):
        made.append(literal(value))
        made.append(piece)
    return "".join(made)
