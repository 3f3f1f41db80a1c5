"""The rows of CSV (RFC 4180), NDJSON and JSON, with the lines they begin on; read as asked for."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from typing import Any, Literal

import orjson

from abaft.cli.load_open import LONGEST, Input, LoadError

Format = Literal["csv", "ndjson", "json"]
FORMATS: tuple[Format, ...] = ("csv", "ndjson", "json")

Line = tuple[int, Any]
"""The number of a line and the row on it: cells, an object, or what is Broken."""

_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that can't be taken apart: its text, and why."""

    text: str
    reason: str


class Rows:
    """The rows of one input; `header` are the names of its columns where it tells them first."""

    format: Format
    header: list[str] | None = None

    def __init__(self, source: Input) -> None:
        self.source = source

    def chunks(self, size: int) -> Iterator[list[Line]]:
        """The rows, at most `size` at a time."""
        raise NotImplementedError

    def close(self) -> None:
        self.source.close()


class CsvRows(Rows):
    """Cells under the names that the first line tells."""

    format = "csv"

    def __init__(self, source: Input, delimiter: str = ",") -> None:
        super().__init__(source)
        csv.field_size_limit(LONGEST)
        self.delimiter = delimiter
        self._reader = csv.reader(source.lines(), delimiter=delimiter, strict=True)
        self.header = self._header()

    def _header(self) -> list[str]:
        for lines in self.chunks(1):
            for _, cells in lines:
                return [str(cell).strip() for cell in cells]
        raise LoadError(f"{self.source.name} is empty: its first line must name the columns")

    def chunks(self, size: int) -> Iterator[list[Line]]:
        while True:
            first = self.source.line = self._reader.line_num + 1
            try:
                rows = list(islice(self._reader, size))
            except csv.Error as error:
                where = f"{self.source.name}, line {self._reader.line_num}"
                hint = "Is a quote not closed, or not doubled?"
                raise LoadError(f"{where}: {error}. {hint}") from error
            if not rows:
                return
            numbers: Iterable[int] = range(first, first + len(rows))
            if self._reader.line_num - first + 1 != len(rows):
                numbers = _numbers(first, rows)
            yield [line for line in zip(numbers, rows, strict=True) if line[1]]


def _numbers(line: int, rows: list[list[str]]) -> Iterator[int]:
    """The lines on which rows begin, some of which have line breaks in their cells."""
    for cells in rows:
        yield line
        line += 1 + sum(map(_breaks, cells))


def _breaks(cell: str) -> int:
    return cell.count("\n") + cell.count("\r") - cell.count("\r\n")


class NdjsonRows(Rows):
    """An object a line; a line that is none is a broken row."""

    format = "ndjson"

    def chunks(self, size: int) -> Iterator[list[Line]]:
        numbered = enumerate(self.source.byte_lines(), 1)
        while texts := list(islice(numbered, size)):
            self.source.line = texts[-1][0]
            yield [(number, _object(text)) for number, text in texts if text and not text.isspace()]


def _object(text: bytes) -> Any:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Broken(text.decode("utf-8", "surrogateescape"), _why(text, error))
    if type(found) is dict:
        return found
    return Broken(text.decode(), "it isn't a JSON object")


def _why(text: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        text.decode()
    except UnicodeDecodeError as wrong:
        return f"column {wrong.start + 1}: it isn't UTF-8"
    return f"column {error.colno}: it isn't JSON: {error.msg.partition(':')[0]}"


class JsonRows(Rows):
    """The objects of one array, taken one by one: a large file needs no large memory."""

    format = "json"

    def __init__(self, source: Input) -> None:
        super().__init__(source)
        self._blocks = source.blocks()
        self._text = ""
        self._at = 0
        self._column = 1
        self._endless = ""
        self._decoder = json.JSONDecoder(parse_constant=self._no_number, parse_float=self._float)

    def chunks(self, size: int) -> Iterator[list[Line]]:
        if self._next() != "[":
            raise self._error(
                "a JSON file must hold an array of objects, [{…}, {…}]; one object a line is "
                "--format ndjson"
            )
        self._at += 1
        objects = self._objects()
        while lines := list(islice(objects, size)):
            yield lines

    def _objects(self) -> Iterator[Line]:
        following = self._next()
        while following != "]":
            if following != "{":
                raise self._error("here should be an object, {…}, or the end of the array, ]")
            found = self._object()
            yield self.source.line, found
            self._pass_to(self._end)
            following = self._next()
            if following == ",":
                self._at += 1
                following = self._next()
                if following != "{":
                    raise self._error("after a comma there should be an object")
            elif following != "]":
                raise self._error("there should be a comma or the end of the array, ]")
        self._at += 1
        if self._next():
            raise self._error("there is more after the end of the array")

    def _next(self) -> str:
        """The next character that isn't white space; "" at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            assert space is not None
            self._pass_to(space.end())
            if self._at < len(self._text):
                return self._text[self._at]
            block = next(self._blocks, "")
            if not block:
                return ""
            self._text, self._at = block, 0

    def _object(self) -> Any:
        wanted = 0
        while True:
            try:
                found, self._end = self._decoder.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if not self._longer(wanted):
                    raise self._unreadable(error) from None
                self._endless = ""
                # What is cut off is read again once there is twice as much of it.
                wanted = 2 * (len(self._text) - self._at)
            else:
                return self._finite(found)

    def _finite(self, found: Any) -> Any:
        if not self._endless:
            return found
        why, self._endless = f"it holds {self._endless}, which is no finite number", ""
        return Broken(self._text[self._at : self._end], why)

    def _float(self, text: str) -> float:
        number = float(text)
        return number if isfinite(number) else self._no_number(text)

    def _no_number(self, text: str) -> float:
        # To raise here would leave it unknown where the object ends.
        self._endless = text[:40]
        return 0.0

    def _longer(self, wanted: int) -> bool:
        """Reads on; false where there is no more, or more than an object may have."""
        parts = [self._text[self._at :]]
        size = len(parts[0])
        if size > LONGEST:
            return False
        while block := next(self._blocks, ""):
            parts.append(block)
            size += len(block)
            if size >= wanted:
                break
        if len(parts) == 1:
            return False
        self._text, self._at = "".join(parts), 0
        return True

    def _pass_to(self, place: int) -> None:
        """Goes on to a place, counting lines and columns."""
        lines = self._text.count("\n", self._at, place)
        if lines:
            self.source.line += lines
            self._column = place - self._text.rfind("\n", self._at, place)
        else:
            self._column += place - self._at
        self._at = place

    def _unreadable(self, error: Exception) -> LoadError:
        if len(self._text) - self._at > LONGEST:
            return self._error(f"an object is longer than {LONGEST // 1024 // 1024} MB")
        if not isinstance(error, json.JSONDecodeError):
            return self._error(str(error) or "it is nested too deep")
        self._pass_to(min(error.pos, len(self._text)))
        return self._error(f"it isn't JSON: {error.msg}")

    def _error(self, detail: str) -> LoadError:
        place = f"line {self.source.line}, column {self._column}"
        return LoadError(f"{self.source.name}, {place}: {detail}")


def open_rows(source: Input, wanted: Format | None, delimiter: str | None) -> Rows:
    """The rows in the format that was named, or that the content looks like."""
    looks: Format = {"[": "json", "{": "ndjson"}.get(source.first(), "csv")  # type: ignore[assignment]
    try:
        match wanted or looks:
            case "ndjson":
                return NdjsonRows(source)
            case "json":
                return JsonRows(source)
        return CsvRows(source, delimiter or ",")
    except BaseException:
        source.close()
        raise
