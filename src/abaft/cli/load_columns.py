"""From a file's cells to a model's values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from abaft.base import clock
from abaft.cli.load_source import Line, LoadError
from abaft.model.spec import Field, Model
from abaft.model.values import Values

KEPT = 20_000
"""Values kept for each column."""


@dataclass(slots=True, eq=False)
class Batch:
    """Some rows of a file, by columns: most columns say the same few things again and again."""

    lines: list[Line]
    columns: list[list[Any]]

    def without(self, places: Collection[int]) -> Batch:
        """The batch but for the rows at these places."""
        if not places:
            return self
        kept = [place not in places for place in range(len(self.lines))]
        columns = [list(compress(column, kept)) for column in self.columns]
        return Batch(list(compress(self.lines, kept)), columns)

    def rows(self) -> list[tuple[Any, ...]]:
        return list(zip(*self.columns, strict=True))


class Cells:
    """Reads one column; what was read once is kept."""

    def __init__(self, field: Field, validators: Values, nulls: Collection[str]) -> None:
        self.name = field.name
        self._field = field
        self._nulls = nulls
        self._read = validators.reader(field.name)
        self._empty_is_text = field.kind.textual and not field.nullable
        self._known: dict[str, Any] = {}

    def values(self, texts: Sequence[str]) -> tuple[list[Any], dict[str, str]]:
        """A value for each text, None for one that can't be read; why, by the text."""
        known, problems = self._known, {}
        if len(known) > KEPT:
            known.clear()
        for text in set(texts).difference(known):
            try:
                known[text] = self._value(text)
            except ValueError as error:
                problems[text] = f"{self.name}: {error}"
        if problems:
            return [known.get(text) for text in texts], problems
        return list(map(known.__getitem__, texts)), problems

    def _value(self, text: str) -> Any:
        """The value of a cell; an empty one is null where that may be."""
        if text in self._nulls or not (text or self._empty_is_text):
            if not self._field.nullable:
                raise ValueError(f"{text!r} stands for null, and it is required")
            return None
        if self._field.kind.name == "datetime" and text[10:11] == " ":
            text = f"{text[:10]}T{text[11:]}"
        return self._read(text)


class Columns:
    """Reads the rows of one file; `names` are the fields of a batch's columns, in order."""

    def __init__(
        self,
        model: Model,
        validators: Values,
        header: list[str],
        nulls: Collection[str] = (),
        renames: Mapping[str, str] | None = None,
    ) -> None:
        found = _match(model, header, renames or {})
        self.width = len(header)
        self.unknown = [name for name, field in zip(header, found, strict=True) if field is None]
        self._cells = [
            (place, Cells(field, validators, nulls)) for place, field in enumerate(found) if field
        ]
        named = [cells.name for _, cells in self._cells]
        rest = _rest(model, named)
        self._makers = [_maker(model, field) for field in rest]
        self.names = (*named, *(field.name for field in rest))
        self.complete = set(model.key) <= set(self.names)
        """Whether each row has its key; else the database makes it."""

    def read(self, lines: list[Line]) -> tuple[Batch, dict[int, str]]:
        """The rows that can be read, and why the others can't, by their place."""
        rows = [cells for _, cells in lines]
        problems: dict[int, list[str]] = {}
        if set(map(len, rows)) != {self.width}:
            for place, cells in enumerate(rows):
                if len(cells) != self.width:
                    reason = f"it has {len(cells)} cells, the first line {self.width}"
                    problems[place] = [reason]
                    rows[place] = [""] * self.width
        texts = list(zip(*rows, strict=True))
        columns = [self._column(cells, texts[at], problems) for at, cells in self._cells]
        columns += [[make() for _ in lines] for make in self._makers]
        reasons = {place: "; ".join(found) for place, found in problems.items()}
        return Batch(lines, columns).without(reasons), reasons

    def _column(
        self, cells: Cells, texts: Sequence[str], problems: dict[int, list[str]]
    ) -> list[Any]:
        values, wrong = cells.values(texts)
        if wrong:
            for place, text in enumerate(texts):
                # A row of the wrong width has been told of; its cells are blanks of ours.
                if text in wrong and not (text == "" and place in problems):
                    problems.setdefault(place, []).append(wrong[text])
        return values


def _match(model: Model, header: list[str], renames: Mapping[str, str]) -> list[Field | None]:
    """The field of each column, by its own name or its column's in the database."""
    columns = {field.column: field for field in model.fields.values()}
    for old, new in renames.items():
        if old not in header:
            raise LoadError(
                f"--rename {old}={new}: the file has no column {old!r}; for one of several files "
                f"write {model.collection}.COLUMN=FIELD"
            )
        if new and new not in model.fields:
            raise LoadError(f"--rename {old}={new}: {model.name} has no field {new!r}")
    names = [renames.get(name, name) for name in header]
    found = [model.fields.get(name) or columns.get(name) for name in names]
    taken = [field.name for field in found if field]
    for name in taken:
        if taken.count(name) > 1:
            raise LoadError(f"two columns of the file are {model.name}.{name}")
    return found


def _rest(model: Model, named: Collection[str]) -> list[Field]:
    """Fields that the file hasn't and that aren't left to the database."""
    return [
        field
        for field in model.fields.values()
        if field.name not in named and not (field.generated or field.by_database)
    ]


def _maker(model: Model, field: Field) -> Callable[[], Any]:
    """What gives a field that the file hasn't."""
    if field.stamp:
        stamp = clock.now()
        return lambda: stamp
    if field.default is not None:
        return field.default
    if field.nullable:
        return lambda: None
    raise LoadError(
        f"the file has no column {field.name!r}, which every {model.name} needs: name one that "
        f"holds it by --rename COLUMN={field.name}, or give the field a default"
    )
