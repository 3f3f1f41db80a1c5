"""What is loaded from where: files and pipes, the models they hold, and in which order."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from abaft.base.errors import nearest
from abaft.cli.load_open import Input, LoadError, Waiting
from abaft.cli.load_rows import FORMATS, Format, Rows, open_rows
from abaft.model.spec import Model, Schema

SUFFIXES: dict[str, Format] = {
    "csv": "csv",
    "tsv": "csv",
    "tab": "csv",
    "ndjson": "ndjson",
    "jsonl": "ndjson",
    "json": "json",
}
MANIFEST = "abaft.json"
"""What an export of everything says of itself; no records are in it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or with `path` None standard input, and the model whose records it holds."""

    path: Path | None
    model: Model
    format: Format | None = None
    delimiter: str | None = None
    encoding: str | None = None
    counted: int | None = None
    """The rows that it must have, where an export of everything counted them."""

    @property
    def name(self) -> str:
        return self.model.collection

    @property
    def file(self) -> str:
        return "-" if self.path is None else self.path.name

    def open(self) -> Rows:
        """The rows from the start. Raises LoadError where there is no making sense of them."""
        parts = self.file.lower().split(".")[1:]
        suffix = next((part for part in parts if part in SUFFIXES), "")
        delimiter = self.delimiter or ("\t" if suffix in ("tsv", "tab") else None)
        wanted = self.format or SUFFIXES.get(suffix)
        return open_rows(Input(self.path, self.encoding), wanted, delimiter)

    def kept(self, folder: Path) -> Source:
        """The same, to be read more than once: what comes from a pipe is written down."""
        if self.path is not None and self.path.is_file():
            return self
        with ExitStack() as stack:
            read = stack.enter_context(self.path.open("rb")) if self.path else sys.stdin.buffer
            path = folder / (self.path.name if self.path else f"{self.name}.pipe")
            copy = stack.enter_context(path.open("wb"))
            with Waiting():
                shutil.copyfileobj(read, copy)
        return replace(self, path=path)


def find_sources(
    written: Iterable[str],
    schema: Schema,
    wanted: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
) -> list[Source]:
    """What `FILE`, `COLLECTION=FILE`, `COLLECTION=-` and a folder name; files that others refer to
    come first.

    Raises LoadError, with all that is wrong, where a file isn't there or its collection can't be
    told.
    """
    if wanted is not None and wanted not in FORMATS:
        raise LoadError(f"--format {wanted}: {nearest(wanted, FORMATS)}")
    sources: list[Source] = []
    faults: list[str] = []
    for text in written:
        counted = _counted(Path(text))
        for each in _files(text):
            try:
                source = _source(each, schema)
            except LoadError as error:
                faults.append(str(error))
            else:
                sources.append(replace(source, counted=counted.pop(source.name, None)))
        faults += [
            f"{text} lacks the file of {name}, which {MANIFEST} tells of" for name in counted
        ]
    names = [source.file for source in sources]
    if names.count("-") > 1:
        faults.append("standard input can be read but once: name it for one collection")
    if faults:
        raise LoadError("\n  ".join(faults))
    chosen: Any = wanted
    return [
        replace(source, format=chosen, delimiter=delimiter, encoding=encoding)
        for source in in_order(sources, schema)
    ]


def _counted(folder: Path) -> dict[str, int]:
    """The records of each collection as an export counted them; none where there is no export."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        return dict(orjson.loads(path.read_bytes())["records"])
    except (ValueError, KeyError, TypeError) as error:
        raise LoadError(f"{path} isn't what an export wrote: {error}") from error


def _files(written: str) -> list[str]:
    folder = Path(written)
    if not folder.is_dir():
        return [written]
    files = sorted(
        str(path)
        for path in folder.iterdir()
        if path.is_file() and path.name != MANIFEST and not path.name.startswith(".")
    )
    if not files:
        raise LoadError(f"there are no files in {folder}")
    return files


def _source(written: str, schema: Schema) -> Source:
    name, equals, rest = written.partition("=")
    if equals and not Path(written).exists():
        model = find_model(name, schema)
        if model is None:
            raise LoadError(f"there is no collection {name!r}: {_known(name, schema)}")
        if rest == "-":
            return Source(None, model)
        path = Path(rest)
    else:
        if written == "-":
            raise LoadError("what comes from standard input needs a collection: COLLECTION=-")
        path = Path(written)
        name = path.name.partition(".")[0]
        model = find_model(name, schema)
    if not path.exists() or path.is_dir():
        raise LoadError(f"there is no file {path}")
    if model is None:
        raise LoadError(
            f"{path.name} names no collection ({_known(name, schema)}): write COLLECTION={path}"
        )
    return Source(path, model)


def find_model(name: str, schema: Schema) -> Model | None:
    """The model of a collection, a model's name or a table's."""
    return schema.collections.get(name) or next(
        (model for model in schema.collections.values() if name in (model.name, model.table)), None
    )


def _known(name: str, schema: Schema) -> str:
    return nearest(name, schema.collections)


def in_order(sources: list[Source], schema: Schema) -> list[Source]:
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
    """The models that records of this one may refer to."""
    lists = (many.target for many in model.many.values() if many.writable)
    return {*(one.target for one in model.one.values()), *lists}
