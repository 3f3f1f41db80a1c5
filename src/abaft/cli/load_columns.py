"""From a file's cells and members to a model's values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import compress
from typing import Any

from abaft.base import clock
from abaft.base.errors import close, nearest
from abaft.cli.load_cells import ABSENT, Cells, Reading
from abaft.cli.load_open import LoadError
from abaft.cli.load_refused import REASON
from abaft.cli.load_rows import Broken, Line
from abaft.model.spec import Field, Many, Model, Schema
from abaft.model.values import Values


@dataclass(slots=True, eq=False)
class Batch:
    """Some rows of a file, by columns: most columns say the same few things again and again.

    `given` are those of the names that the file has; the others were filled in.
    """

    lines: list[Line]
    names: tuple[str, ...]
    columns: list[list[Any]]
    given: tuple[str, ...] = ()

    def only(self, kept: Sequence[bool]) -> Batch:
        """The rows that are marked."""
        columns = [list(compress(column, kept)) for column in self.columns]
        return Batch(list(compress(self.lines, kept)), self.names, columns, self.given)

    def without(self, places: Collection[int]) -> Batch:
        """The batch but for the rows at these places."""
        if not places:
            return self
        return self.only([place not in places for place in range(len(self.lines))])

    def column(self, name: str) -> list[Any]:
        return self.columns[self.names.index(name)]

    def rows(self, names: Sequence[str]) -> list[tuple[Any, ...]]:
        """The values of these fields, by rows."""
        return list(zip(*(self.column(name) for name in names), strict=True))


@dataclass(frozen=True, slots=True)
class Mapped:
    """What was said of a file's columns: other names, ones to pass over, and constants."""

    renames: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    constants: Mapping[str, str] = field(default_factory=dict)


class Columns:
    """Reads the rows of one file."""

    def __init__(
        self,
        schema: Schema,
        model: Model,
        validators: Values,
        reading: Reading,
        mapping: Mapped,
        header: list[str] | None,
        partial: bool = False,
    ) -> None:
        self.model, self.reading, self.mapping = model, reading, mapping
        self.header = header
        self.partial = partial
        """Whether a row may lack what a new record needs: it may be an update."""
        self.unknown: dict[str, None] = {}
        self.passed: dict[str, None] = {}
        self._schema, self._validators = schema, validators
        if model.read_only:
            raise LoadError(f"{model.collection} is only read: nothing can be loaded into it")
        self._columns = {row.column: row.name for row in model.fields.values()}
        self._known: dict[str, Cells] = {}
        self._constants = [self._constant(name, text) for name, text in mapping.constants.items()]
        self._check_mapping()
        if header is not None:
            self._check_header(header)

    def _cells(self, name: str) -> Cells:
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = Cells(
                self._schema,
                self.model,
                name,
                self._validators,
                self.reading,
                self.header is None,
            )
        return found

    def _constant(self, name: str, text: str) -> tuple[str, Any]:
        target = self.target(name)
        if target is None:
            raise LoadError(f"--set {name}={text}: {self._no_field(name)}")
        cells = Cells(self._schema, self.model, target, self._validators, self.reading)
        values, problems = cells.values([text])
        if problems:
            raise LoadError(f"--set {name}={text}: {problems[0]}")
        return target, values[0]

    def _check_mapping(self) -> None:
        for old, new in self.mapping.renames.items():
            if new and self.target(new) is None:
                raise LoadError(f"--map {old}={new}: {self._no_field(new)}")

    def _no_field(self, name: str) -> str:
        return f"{self.model.name} has no field {name!r}: {nearest(name, self._names())}"

    def _names(self) -> list[str]:
        return [*self.model.fields, *_lists(self.model)]

    def target(self, name: str) -> str | None:
        """The field or to-many relation of a name, by its own name or its column's."""
        if name in self.model.fields or name in _lists(self.model):
            return name
        return self._columns.get(name)

    def field_of(self, column: str) -> str | None:
        """What a column of the file is; None for one that is passed over or unknown."""
        name = self.mapping.renames.get(column, column)
        found = self.target(name) if name and column not in self.mapping.ignored else None
        if found is not None or (column == REASON and name == column):
            return found
        reckoned = name in self.model.computed or name in self.model.virtual
        if reckoned or not name or not self.mapping.ignored.isdisjoint((column, "*")):
            self.passed[column] = None
        else:
            self.unknown[column] = None
        return None

    def _check_header(self, header: list[str]) -> None:
        """Every fault of the first line at once."""
        faults = []
        for old, new in self.mapping.renames.items():
            if old not in header:
                faults.append(
                    f"--map {old}={new}: the file has no column {old!r}; for one of several files "
                    f"write {self.model.collection}.COLUMN=FIELD"
                )
        found = [self.field_of(name) for name in header]
        taken = [name for name in found if name] + [name for name, _ in self._constants]
        for name in dict.fromkeys(taken):
            if taken.count(name) > 1:
                faults.append(f"two columns of the file are {self.model.name}.{name}")
        faults += self.unknown_faults()
        if not self.partial:
            faults += [_needed(self.model, name) for name in _missing(self.model, taken)]
        if faults:
            raise LoadError("\n  ".join(faults))

    def unknown_faults(self) -> list[str]:
        """What to do about columns that are no fields."""
        if not self.unknown:
            return []
        told = [f"there is no field {name[:60]!r}: {self._hint(name)}" for name in self.unknown]
        if self.header is not None and len(self.header) == 1 and len(told) == 1:
            found = next((sign for sign in ";\t|," if sign in self.header[0]), "")
            if found:
                return [*told, f"the first line is one cell: try --delimiter {found!r}"]
        names = ", ".join(self.unknown)
        return [
            *told[:20],
            f"to pass over what has no field: --ignore '{names[:200]}', or --ignore '*'",
        ]

    def _hint(self, name: str) -> str:
        """The field that may be meant; the names of columns are often in capitals."""
        found = close(name, self._names())
        field = found or "FIELD"
        known = nearest(name, self._names())
        end = "" if found else "."
        return f"{known}{end} Write --map '{name[:60]}={field}'"

    def read(self, lines: list[Line]) -> tuple[list[Batch], dict[int, str]]:
        """The rows that can be read, and why the others can't, by their place.

        Rows of objects that may be updates come in a batch for each set of members.
        """
        if self.header is not None:
            texts, problems = _cells(lines, len(self.header))
            raw = {
                name: texts[place]
                for place, column in enumerate(self.header)
                if (name := self.field_of(column)) is not None
            }
            batch = self._batch(lines, raw, problems)
            return [batch] if batch.lines else [], {p: "; ".join(r) for p, r in problems.items()}
        return self._read_objects(lines)

    def _read_objects(self, lines: list[Line]) -> tuple[list[Batch], dict[int, str]]:
        problems: dict[int, list[str]] = {}
        objects: list[dict[str, Any]] = []
        for place, (_, row) in enumerate(lines):
            if isinstance(row, Broken):
                problems[place] = [row.reason]
            objects.append({} if isinstance(row, Broken) else row)
        columns = dict.fromkeys(name for row in objects for name in row)
        raw: dict[str, Any] = {}
        for column in columns:
            name = self.field_of(column)
            if name in raw or (name is not None and name in dict(self._constants)):
                raise LoadError(f"two members of the objects are {self.model.name}.{name}")
            if name is not None:
                raw[name] = [row.get(column, ABSENT) for row in objects]
        if self.unknown:
            raise LoadError("\n  ".join(self.unknown_faults()))
        batch = self._batch(lines, raw, problems)
        told = {place: "; ".join(found) for place, found in problems.items()}
        return (self._split(batch) if self.partial else [batch]), told

    def _batch(
        self, lines: list[Line], raw: Mapping[str, Sequence[Any]], problems: dict[int, list[str]]
    ) -> Batch:
        self.now = clock.now()
        names, columns = [], []
        for name, texts in raw.items():
            names.append(name)
            columns.append(self._column(name, texts, problems))
        for name, value in self._constants:
            names.append(name)
            columns.append([value] * len(lines))
        given = tuple(names)
        for row in self.model.fields.values():
            if row.name not in given:
                names.append(row.name)
                columns.append([ABSENT] * len(lines))
        for place, name in enumerate(names):
            if self.header is not None and name in given:
                continue
            field = self.model.fields.get(name)
            if field and not (self.partial or field.by_database) and ABSENT in columns[place]:
                self._fill(name, columns[place], problems)
        return Batch(lines, tuple(names), columns, given).without(problems)

    def _column(self, name: str, texts: Sequence[Any], problems: dict[int, list[str]]) -> list[Any]:
        cells = self._cells(name)
        values, wrong = cells.values(texts)
        for place, reason in wrong.items():
            # A row of the wrong width has been told of; its cells are blanks of ours.
            if not (texts[place] == "" and place in problems):
                problems.setdefault(place, []).append(reason)
        return values

    def _fill(self, name: str, column: list[Any], problems: dict[int, list[str]]) -> None:
        """Puts defaults where the file has nothing."""
        make = maker(self.model.fields[name], self.now)
        for place, value in enumerate(column):
            if value is not ABSENT:
                continue
            if make is None:
                problems.setdefault(place, []).append(f"{name}: it is required")
                column[place] = None
            else:
                column[place] = make()

    def _split(self, batch: Batch) -> list[Batch]:
        """A batch for each set of members that rows have."""
        rows = [
            tuple(
                name for name, value in zip(batch.names, values, strict=True) if value is not ABSENT
            )
            for values in zip(*batch.columns, strict=True)
        ]
        found = []
        for given in dict.fromkeys(rows):
            part = batch.only([row == given for row in rows])
            part.given = given
            found.append(part)
        return found


def complete(model: Model, batch: Batch) -> tuple[Batch, list[tuple[Line, str]]]:
    """The rows with what new records get where the file has nothing, and those that lack more."""
    problems: dict[int, str] = {}
    columns, now = [], clock.now()
    for name, column in zip(batch.names, batch.columns, strict=True):
        field = None if name in batch.given else model.fields.get(name)
        left = field is None or (field.by_database and not field.generated)
        if field is not None and not left and ABSENT in column:
            make = maker(field, now)
            if make is None:
                problems |= dict.fromkeys(range(len(column)), _needed(model, name))
            column = [None if make is None else make() for _ in column]
        columns.append(column)
    whole = Batch(batch.lines, batch.names, columns, batch.given)
    return whole.without(problems), [(batch.lines[place], why) for place, why in problems.items()]


def maker(field: Field, now: datetime) -> Callable[[], Any] | None:
    """What gives a field that the file hasn't; None where only the file could.

    None is given for a key that the database makes.
    """
    if field.stamp in ("created", "updated"):
        return lambda: now
    if field.default is not None:
        return field.default
    return (lambda: None) if field.nullable or field.generated else None


def _missing(model: Model, named: Iterable[str]) -> list[str]:
    there, now = set(named), clock.now()
    return [
        row.name
        for row in model.fields.values()
        if not (row.name in there or row.by_database) and maker(row, now) is None
    ]


def _needed(model: Model, name: str) -> str:
    return (
        f"the file has no column {name!r}, which every {model.name} needs: name one that "
        f"holds it by --map COLUMN={name}, a value for all by --set {name}=VALUE, or give the "
        "field a default"
    )


def _lists(model: Model) -> dict[str, Many]:
    return {name: many for name, many in model.many.items() if many.writable}


def _cells(lines: list[Line], width: int) -> tuple[list[Any], dict[int, list[str]]]:
    """The texts of each column; rows of another width are told of and filled with blanks."""
    rows = [cells for _, cells in lines]
    problems: dict[int, list[str]] = {}
    if set(map(len, rows)) != {width}:
        for place, cells in enumerate(rows):
            if len(cells) != width:
                problems[place] = [f"it has {len(cells)} cells, the first line {width}"]
                rows[place] = [""] * width
    return list(zip(*rows, strict=True)) if rows else [()] * width, problems
