"""The JSON of records that is made here, of values that orjson takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import orjson

from abaft.store.base import Row, Rows

_OPTIONS = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z


def objects(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Objects with members of these names, of the values of each."""
    return list(map(dict, map(zip, repeat(names), zip(*columns, strict=True))))


def spelled(records: Iterable[dict[str, Any]]) -> list[bytes]:
    """The JSON of each record; times without a zone are UTC."""
    return [orjson.dumps(record, option=_OPTIONS) for record in records]


def as_text(row: Row) -> Row:
    """The row with its JSON as text."""
    json = row[0]
    return (json.decode(), *row[1:]) if type(json) is bytes else row


def as_texts(rows: Rows) -> Rows:
    """The same of rows of one read."""
    return [as_text(row) for row in rows] if rows and type(rows[0][0]) is bytes else rows
