"""Writes records to files that are whole or not there."""

from __future__ import annotations

import gzip
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, cast

import orjson

from abaft.api.table import Table, quoted_cell
from abaft.base import clock
from abaft.base.errors import SetupError
from abaft.base.version import __version__
from abaft.cli.export_read import Reading
from abaft.cli.load_rows import Format
from abaft.cli.load_source import MANIFEST, SUFFIXES
from abaft.guard.cells import guarded
from abaft.model.times import show_datetime
from abaft.store.base import Row, Snapshot

SOME = 1_000
Told = Callable[[str, int], None]


class Lines(Protocol):
    """Makes a file's text of the JSON texts of records."""

    def head(self) -> bytes: ...

    def lines(self, texts: Iterable[str]) -> bytes: ...

    def tail(self) -> bytes: ...


class Ndjson:
    """A line each."""

    def head(self) -> bytes:
        return b""

    def lines(self, texts: Iterable[str]) -> bytes:
        # Between a JSON text's tokens a line may end; within its strings none does.
        return "".join([text.replace("\n", " ") + "\n" for text in texts]).encode()

    def tail(self) -> bytes:
        return b""


class Json:
    """One array, a line for each object."""

    def __init__(self) -> None:
        self._first = True

    def head(self) -> bytes:
        return b"["

    def lines(self, texts: Iterable[str]) -> bytes:
        start = "\n" if self._first else ",\n"
        self._first = False
        return (start + ",\n".join(texts)).encode()

    def tail(self) -> bytes:
        return b"\n]\n"


class Csv(Table):
    """Cells as `abaft load` reads them: null is empty, an empty text a lone apostrophe."""

    def __init__(self, reading: Reading, raw: bool) -> None:
        text = quoted_cell if raw else _guarded_cell
        super().__init__(reading.ready.plan.selection, reading.pipeline.schema.models, text)
        fields = reading.model.fields.values()
        self._json = [field.name for field in fields if field.kind.name == "json"]

    def tail(self) -> bytes:
        return b""

    def _line(self, record: dict[str, Any]) -> str:
        for name in self._json:
            # A JSON field's cell is JSON whatever is in it.
            if isinstance(record.get(name), str):
                record[name] = orjson.dumps(record[name]).decode()
        return super()._line(record)


def _guarded_cell(text: str) -> str:
    return quoted_cell(guarded(text, empty=True))


def format_of(path: Path | None) -> Format | None:
    """The format that a file's name tells."""
    parts = path.name.lower().split(".")[1:] if path is not None else []
    return next((SUFFIXES[part] for part in parts if part in SUFFIXES), None)


def lines_of(reading: Reading, format: Format, raw: bool) -> Lines:
    match format:
        case "csv":
            return Csv(reading, raw)
        case "json":
            return Json()
    return Ndjson()


async def write_file(
    reading: Reading,
    rows: Snapshot,
    output: Path | None,
    format: Format,
    raw: bool,
    told: Told,
) -> int:
    """Writes the records to the file, or to standard output; how many."""
    with opened(output) as file:
        return await _write(reading, rows, file, lines_of(reading, format, raw), told)


async def write_all(
    readings: list[Reading],
    rows: Snapshot,
    folder: Path,
    format: Format,
    raw: bool,
    told: Told,
) -> dict[str, int]:
    """Writes a file for each collection; the folder is there when all of them are whole."""
    counts: dict[str, int] = {}
    with _whole(folder) as part:
        for reading in readings:
            name = reading.model.collection
            path = part / f"{name}.{format}"
            counts[name] = await write_file(reading, rows, path, format, raw, told)
        told_of = {"abaft": __version__, "at": show_datetime(clock.now()), "records": counts}
        text = orjson.dumps(told_of, option=orjson.OPT_INDENT_2)
        (part / MANIFEST).write_bytes(text + b"\n")
    return counts


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder under another name, until all is in it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SetupError(f"{folder} is there already: name a folder that is new or empty")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


async def _write(
    reading: Reading, rows: Snapshot, file: IO[bytes], lines: Lines, told: Told
) -> int:
    count = 0
    file.write(lines.head())
    async for texts in _chunks(reading, rows(reading.ready.compiled, reading.values)):
        file.write(lines.lines(texts))
        count += len(texts)
        told(reading.model.collection, count)
    file.write(lines.tail())
    file.flush()
    return count


async def _chunks(reading: Reading, rows: AsyncIterator[Row]) -> AsyncIterator[list[str]]:
    texts: list[Any] = []
    virtual = reading.ready.virtual
    async for row in rows:
        texts.append(row[0] if virtual is None else reading.ready.shown(row)[0])
        if len(texts) == SOME:
            yield texts
            texts = []
    if texts:
        yield texts


@contextmanager
def opened(output: Path | None) -> Iterator[IO[bytes]]:
    """The file under another name, until it is whole."""
    if output is None:
        yield sys.stdout.buffer
        return
    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("wb") as file:
            if output.suffix == ".gz":
                with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                    yield cast(IO[bytes], packed)
            else:
                yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(output)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise SetupError(f"{output} can't be written: {error.strerror or error}") from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
