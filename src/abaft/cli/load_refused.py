"""Files of refused rows: as they came, with the reason in front, to be mended and loaded again."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import orjson

from abaft.cli.load_rows import Broken, Format, Line

REASON = "refused_because"
"""The column or member that a load passes over."""
TEXT = "refused_text"


class Refused:
    """The refused rows of one input, written in its format once there are some."""

    def __init__(
        self, path: Path, format: Format, header: list[str] | None, delimiter: str = ","
    ) -> None:
        self.path = path
        self._format = format
        self._header = [name for name in header or () if name != REASON]
        self._skips = [name == REASON for name in header or ()]
        self._delimiter = delimiter
        self._file: IO[bytes] | None = None
        self._first = True

    def go_on(self, size: int) -> None:
        """Goes on with a file of an earlier run, after as much of it as that run vouched for."""
        if size and self.path.exists():
            self._file = self.path.open("r+b")
            self._file.truncate(size)
            self._file.seek(size)
            self._first = False

    def add(self, rows: Iterable[tuple[Line, str]]) -> None:
        for (number, row), reason in rows:
            told = f"line {number}: {reason}"
            self._write(self._cells(row, told) if self._format == "csv" else _member(row, told))
        if self._file is not None:
            self._file.flush()

    def _write(self, text: bytes) -> None:
        if self._file is None:
            self._file = self.path.open("wb")
            if self._format == "csv":
                self._file.write(self._row([REASON, *self._header]))
        if self._format == "json":
            text = (b"[\n" if self._first else b",\n") + text
        elif self._format == "ndjson":
            text += b"\n"
        self._first = False
        self._file.write(text)

    def _cells(self, cells: list[str], told: str) -> bytes:
        if len(cells) == len(self._skips):
            pairs = zip(cells, self._skips, strict=True)
            cells = [cell for cell, skipped in pairs if not skipped]
        return self._row([told, *cells])

    def _row(self, cells: list[str]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self._delimiter, lineterminator="\n").writerow(cells)
        # What wasn't of the encoding goes back as the bytes it was.
        return text.getvalue().encode("utf-8", "surrogateescape")

    def size(self) -> int:
        """How much of the file is on the disk."""
        if self._file is None:
            return 0
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        if self._file is not None:
            if self._format == "json":
                self._file.write(b"\n]\n")
            self._file.close()

    def discard(self) -> None:
        """Removes what was written of a load that came to nothing."""
        self.close()
        if self._file is not None:
            self.path.unlink(missing_ok=True)


def _member(row: Any, told: str) -> bytes:
    if isinstance(row, Broken):
        row = {TEXT: row.text.encode("utf-8", "replace").decode()}
    return orjson.dumps({REASON: told, **{n: v for n, v in row.items() if n != REASON}})


def refused_path(
    given: Path | None, collection: str, format: Format, several: bool, source: Path | None
) -> Path:
    """Where the refused rows of one input go; never over the input itself."""
    if given is None:
        path = Path(f"{collection}.refused.{format}")
    elif several:
        path = given.with_name(f"{given.stem}.{collection}{given.suffix}")
    else:
        path = given
    if source is not None and path.exists() and path.samefile(source):
        return path.with_name(f"{path.stem}.again{path.suffix}")
    return path
