"""The JSON of records that is made here, of values that orjson takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from abaft.store.base import Row, Rows

_OPTIONS = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z


def maker(names: Sequence[str]) -> Callable[[Iterable[Sequence[Any]]], list[dict[str, Any]]]:
    """What makes objects with members of these names, of rows of their values.

    By code of its own, as named tuples are made: `dict(zip(…))` takes twice the time.
    """
    values = [f"v{place}" for place in range(len(names))]
    members = ", ".join(f"{name!r}: {value}" for name, value in zip(names, values, strict=True))
    source = f"lambda rows: [{{{members}}} for {', '.join(values)}, in rows]"
    # Each name stands there as the text that it is.
    made: Callable[[Iterable[Sequence[Any]]], list[dict[str, Any]]] = eval(source)  # noqa: S307
    return made


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
