"""A file's or a pipe's text: unpacked, decoded, and in lines of a bounded length."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from abaft.base.errors import SetupError

BLOCK = 1 << 18
LONGEST = 16 * 1024 * 1024
"""Bytes of a line, a cell or a JSON object, so that no file can fill the memory."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class LoadError(SetupError):
    """What can't be loaded at all."""


class Waiting:
    """Whether a file or a pipe is being waited for, of which nothing but a signal can ask."""

    now = False

    def __enter__(self) -> None:
        Waiting.now = True

    def __exit__(self, *_: object) -> None:
        Waiting.now = False


class Input:
    """The content of a file, or with `path` None of standard input; read once, from the start."""

    def __init__(self, path: Path | None, encoding: str | None = None) -> None:
        self.name = "standard input" if path is None else str(path)
        self._below: IO[bytes] = sys.stdin.buffer if path is None else path.open("rb")
        self._archive: zipfile.ZipFile | None = None
        self.size = 0 if path is None else path.stat().st_size
        try:
            with self._sound(), Waiting():
                self._raw = self._unpacked(path)
                start = self._raw.peek(4)[:4]
        except BaseException:
            self._close_below()
            raise
        mark = next((row for row in _MARKS if start.startswith(row[0])), None)
        if mark is not None and encoding in (None, mark[1], "utf-8-sig", "utf-16"):
            self._raw.read(len(mark[0]))
            encoding = mark[1]
        self.encoding = codecs.lookup(encoding or "utf-8").name
        self.line = 1

    def _unpacked(self, path: Path | None) -> io.BufferedReader:
        if path is not None and cast(Any, self._below).peek(4).startswith(b"PK\x03\x04"):
            self.size = 0
            self._archive = zipfile.ZipFile(path)
            return io.BufferedReader(cast(Any, self._archive.open(_only(self._archive))), BLOCK)
        raw = io.BufferedReader(cast(Any, self._below), BLOCK)
        start = raw.peek(4)
        if start.startswith(b"\x1f\x8b"):
            return io.BufferedReader(cast(Any, gzip.open(raw)), BLOCK)
        return raw

    def first(self) -> str:
        """The first character that isn't white space, as far as that can be seen."""
        with Waiting():
            start = self._raw.peek(64)[:64]
        return start.decode("latin-1").replace("\0", "").strip()[:1]

    def position(self) -> int:
        """Bytes of `size` that were read, counted as they lie in the file."""
        return self._below.tell() if self.size else 0

    def close(self) -> None:
        if self._below is not sys.stdin.buffer:
            self._raw.close()
        self._close_below()

    def _close_below(self) -> None:
        if self._archive is not None:
            self._archive.close()
        if self._below is not sys.stdin.buffer:
            self._below.close()

    @contextmanager
    def _sound(self) -> Iterator[None]:
        try:
            yield
        except (zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise LoadError(f"{self.name} is damaged: {error}") from error
        except OSError as error:
            raise LoadError(f"{self.name} can't be read: {error.strerror or error}") from error

    def _bytes(self) -> Iterator[bytes]:
        while True:
            with self._sound(), Waiting():
                block = self._raw.read1(BLOCK)
            if not block:
                return
            yield block

    def blocks(self) -> Iterator[str]:
        """The text in pieces; what isn't of the encoding becomes surrogates, told of by its row."""
        decoder = codecs.getincrementaldecoder(self.encoding)("surrogateescape")
        try:
            for block in self._bytes():
                yield decoder.decode(block)
            yield decoder.decode(b"", True)
        except UnicodeError as error:
            raise LoadError(f"{self.name} isn't {self.encoding}: {error}") from error

    def lines(self) -> Iterator[str]:
        """The lines with their ends, as csv wants them."""
        pieces = self._pieces(self.blocks(), "\n")
        return chain.from_iterable(io.StringIO(piece, newline="") for piece in pieces)

    def byte_lines(self) -> Iterator[bytes]:
        """The lines as UTF-8."""
        blocks: Iterator[bytes] = self._bytes()
        if self.encoding != "utf-8":
            blocks = (block.encode("utf-8", "surrogateescape") for block in self.blocks())
        return chain.from_iterable(piece.splitlines() for piece in self._pieces(blocks, b"\n"))

    def _pieces(self, blocks: Iterator[Any], end: Any) -> Iterator[Any]:
        """The blocks cut after the last end of a line."""
        rest = end[:0]
        for block in blocks:
            before, found, after = block.rpartition(end)
            if found:
                yield rest + before + found
                rest = after
            else:
                rest += block
            if len(rest) > LONGEST:
                raise LoadError(
                    f"{self.name}, after line {self.line}: a line is longer than "
                    f"{LONGEST // 1024 // 1024} MB. Is it the right file, in the right --format?"
                )
        if rest:
            yield rest


def _only(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one file of an archive."""
    inside = [
        row
        for row in archive.infolist()
        if not row.is_dir() and not row.filename.startswith("__MACOSX/")
    ]
    if len(inside) != 1:
        names = ", ".join(row.filename for row in inside[:5])
        raise LoadError(f"{archive.filename} must hold one file, not {len(inside)}: {names}")
    return inside[0]
