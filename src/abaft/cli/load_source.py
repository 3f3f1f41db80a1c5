"""Files of records: where they go, in which order, and their rows with line numbers."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, cast

from abaft.base.errors import SetupError, nearest
from abaft.model.spec import Model, Schema

LONGEST_CELL = 16 * 1024 * 1024

Line = tuple[int, list[str]]


class LoadError(SetupError):
    """A file that can't be loaded at all."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file and the model whose records it holds."""

    path: Path
    model: Model

    @property
    def name(self) -> str:
        return self.model.collection


def find_sources(written: Iterable[str], schema: Schema) -> list[Source]:
    """What `FILE` and `COLLECTION=FILE` name; files that others refer to come first.

    Raises LoadError where a file isn't there or its collection can't be told.
    """
    return _in_order([_source(text, schema) for text in written], schema)


def _source(written: str, schema: Schema) -> Source:
    name, equals, rest = written.partition("=")
    if equals and not Path(written).exists():
        path = Path(rest)
        model = _model(name, schema)
        if model is None:
            raise LoadError(f"there is no collection {name!r}: {_known(name, schema)}")
    else:
        path = Path(written)
        name = path.name.partition(".")[0]
        model = _model(name, schema)
    if not path.is_file():
        raise LoadError(f"there is no file {path}")
    if model is None:
        raise LoadError(
            f"{path.name} names no collection ({_known(name, schema)}): write COLLECTION={path}"
        )
    return Source(path, model)


def _model(name: str, schema: Schema) -> Model | None:
    return schema.collections.get(name) or next(
        (model for model in schema.collections.values() if name in (model.name, model.table)), None
    )


def _known(name: str, schema: Schema) -> str:
    return nearest(name, schema.collections)


def _in_order(sources: list[Source], schema: Schema) -> list[Source]:
    """Each after those that its relations lead to, as far as they lead in no circle."""
    waiting, ordered = list(sources), []
    while waiting:
        names = {source.model.name for source in waiting}
        free = [
            source for source in waiting if not _needs(source.model) & names - {source.model.name}
        ]
        chosen = free or waiting[:1]
        ordered += chosen
        waiting = [source for source in waiting if source not in chosen]
    return ordered


def _needs(model: Model) -> set[str]:
    return {one.target for one in model.one.values()}


class Rows:
    """The rows of a CSV file (RFC 4180), plain, in a .zip or a .gz; read as they are asked for."""

    def __init__(self, path: Path, delimiter: str | None = None) -> None:
        self.path = path
        self._raw, self.size = _open(path)
        # What isn't UTF-8 is told with its line, by the cell that holds it.
        self._text = io.TextIOWrapper(self._raw, "utf-8-sig", errors="surrogateescape", newline="")
        csv.field_size_limit(LONGEST_CELL)
        tabs = path.name.partition(".")[2].startswith("tsv")
        self._reader = csv.reader(self._text, delimiter=delimiter or ("\t" if tabs else ","))
        try:
            self.header = self._header()
        except LoadError:
            self.close()
            raise

    def _header(self) -> list[str]:
        for lines in self.chunks(1):
            for _, cells in lines:
                return cells
        raise LoadError(f"{self.path} is empty: its first line must name the columns")

    def chunks(self, size: int) -> Iterator[list[Line]]:
        """The rows, at most `size` at a time, each with the line that it begins on."""
        while True:
            first = self._reader.line_num + 1
            try:
                rows = list(islice(self._reader, size))
            except csv.Error as error:
                raise LoadError(f"{self.path}, line {self._reader.line_num}: {error}") from error
            except (zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
                raise LoadError(f"{self.path} is damaged: {error}") from error
            if not rows:
                return
            numbers: Iterable[int] = range(first, first + len(rows))
            if self._reader.line_num - first + 1 != len(rows):
                numbers = _numbers(first, rows)
            yield [line for line in zip(numbers, rows, strict=True) if line[1]]

    def position(self) -> int:
        """Bytes of `size` that were read."""
        return self._raw.tell()

    def close(self) -> None:
        self._text.close()


def _numbers(line: int, rows: list[list[str]]) -> Iterator[int]:
    """The lines on which rows begin, some of which have line breaks in their cells."""
    for cells in rows:
        yield line
        line += 1 + sum(cell.count("\n") for cell in cells)


def _open(path: Path) -> tuple[IO[bytes], int]:
    """The file's bytes, unpacked, and how many there are as far as that is known."""
    if path.suffix == ".zip":
        return _open_zip(path)
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path)), 0
    return path.open("rb"), path.stat().st_size


def _open_zip(path: Path) -> tuple[IO[bytes], int]:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise LoadError(f"{path} is no zip file: {error}") from error
    inside = [
        row
        for row in archive.infolist()
        if not row.is_dir() and not row.filename.startswith("__MACOSX/")
    ]
    if len(inside) != 1:
        names = ", ".join(row.filename for row in inside[:5])
        raise LoadError(f"{path} must hold one file, not {len(inside)}: {names}")
    return archive.open(inside[0]), inside[0].file_size
