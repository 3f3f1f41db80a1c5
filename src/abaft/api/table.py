"""Records as lines of CSV (RFC 4180): the columns of a selection, no cell a formula."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from abaft.guard.cells import guarded
from abaft.model.spec import Model
from abaft.plan.types import OneItem, Selection, WholeItem

_QUOTED = re.compile('[",\r\n]')
_END = "\r\n"
_EXPONENT = 1e15


@dataclass(frozen=True, slots=True)
class Column:
    """Where a cell's value is; `key` tells that it is the one field of an expanded record's key."""

    path: tuple[str, ...]
    key: bool = False


def columns(
    selection: Selection, models: Mapping[str, Model], before: tuple[str, ...] = ()
) -> Iterator[Column]:
    """A column for each member; an expanded to-one relation has one for each of its members."""
    key = models[selection.model].key
    for item in selection.items:
        path = (*before, item.name)
        if isinstance(item, WholeItem):
            continue  # it is there for the virtual members alone
        if isinstance(item, OneItem):
            yield from columns(item.selection, models, path)
        else:
            yield Column(path, bool(before) and key == (item.name,))
    for name in selection.virtual:
        yield Column((*before, name))


class Table:
    """Makes lines of the JSON texts of records."""

    def __init__(
        self,
        selection: Selection,
        models: Mapping[str, Model],
        text: Callable[[str], str] | None = None,
    ) -> None:
        self._text = text or text_cell
        self._columns = list(columns(selection, models))
        self._flat = [column.path[0] for column in self._columns]
        self._deep = any(len(column.path) > 1 for column in self._columns)

    def head(self) -> bytes:
        """The line of names; dots lead into relations."""
        names = [self._text(".".join(column.path)) for column in self._columns]
        return (",".join(names) + _END).encode()

    def lines(self, texts: Iterable[str]) -> bytes:
        """A line for each record."""
        return "".join([self._line(orjson.loads(text)) for text in texts]).encode()

    def _line(self, record: dict[str, Any]) -> str:
        text = self._text
        if self._deep:
            values = [member(record, column) for column in self._columns]
            return ",".join([cell(value, text) for value in values]) + _END
        return ",".join([cell(record.get(name), text) for name in self._flat]) + _END


def member(record: dict[str, Any], column: Column) -> Any:
    """The value of the column; a relation whose record isn't shown has only its key."""
    value: Any = record
    for name in column.path[:-1]:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    if isinstance(value, dict):
        return value.get(column.path[-1])
    return value if column.key else None


def cell(value: Any, text: Callable[[str], str] | None = None) -> str:
    """The cell of a JSON value: null is empty; `text` makes that of a text."""
    text = text or text_cell
    if value is None:
        return ""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        # Databases differ about 2.0 and 2 as long as they write no exponent.
        whole = isinstance(value, float) and abs(value) < _EXPONENT and value.is_integer()
        return str(int(value)) if whole else orjson.dumps(value).decode()
    return text(orjson.dumps(value).decode())


def text_cell(text: str) -> str:
    """The cell of a text, no formula; one that is empty has quotes."""
    return quoted_cell(guarded(text))


def quoted_cell(text: str) -> str:
    """The cell of a text, in quotes where it needs them."""
    if not text:
        return '""'
    if _QUOTED.search(text) is None:
        return text
    return '"' + text.replace('"', '""') + '"'
