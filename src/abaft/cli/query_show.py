"""How the command line shows records: as a table, as JSON, line by line or as CSV."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from abaft.answers import StreamAnswer
from abaft.api.table import Table as Csv
from abaft.api.table import columns, member
from abaft.model.spec import Schema

FORMATS = ("table", "json", "ndjson", "csv")


async def show(answer: StreamAnswer, schema: Schema, limit: int, format_: str) -> bool:
    """Shows at most `limit` records on standard output; whether there are more."""
    records = _Records(answer, limit)
    if format_ == "table":
        await _table(answer, schema, records)
    else:
        async for text in _written(answer, schema, records, format_):
            sys.stdout.write(text)
    sys.stdout.flush()
    return records.more


class _Records:
    """The records' JSON texts, up to a limit."""

    def __init__(self, answer: StreamAnswer, limit: int) -> None:
        self.answer = answer
        self.limit = limit
        self.more = False

    async def __aiter__(self) -> AsyncIterator[str]:
        count = 0
        async with aclosing(self.answer.rows) as rows:
            async for row in rows:
                if count == self.limit:
                    self.more = True
                    return
                count += 1
                yield row[0]


async def _written(
    answer: StreamAnswer, schema: Schema, records: _Records, format_: str
) -> AsyncIterator[str]:
    if format_ == "csv":
        table = Csv(answer.plan.selection, schema.models)
        yield table.head().decode()
        async for text in records:
            yield table.lines([text]).decode()
        return
    option = orjson.OPT_INDENT_2 if format_ == "json" else 0
    between = "["
    async for text in records:
        shown = orjson.dumps(orjson.loads(text), option=option).decode()
        if format_ == "ndjson":
            yield shown + "\n"
        else:
            yield between + shown
            between = ", "
    if format_ == "json":
        yield "]\n" if between == ", " else "[]\n"


async def _table(answer: StreamAnswer, schema: Schema, records: _Records) -> None:
    """One row a record; what is nested is told in JSON."""
    shown = list(columns(answer.plan.selection, schema.models))
    rows = [[member(orjson.loads(text), column) for column in shown] async for text in records]
    table = Table(header_style="bold", pad_edge=False)
    for place, column in enumerate(shown):
        numeric = any(_is_number(row[place]) for row in rows)
        table.add_column(".".join(column.path), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*map(_cell, row))
    console = Console(highlight=False)
    console.print(table if rows else Text("nothing was found", style="dim"))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: Any) -> Text:
    if value is None:
        return Text("null", style="dim")
    if isinstance(value, str):
        # What a terminal would obey is shown instead.
        return Text("".join(char if char.isprintable() else repr(char)[1:-1] for char in value))
    return Text(orjson.dumps(value).decode())
