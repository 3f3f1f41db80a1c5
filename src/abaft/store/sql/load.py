"""The names and statements of loads that databases share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from abaft.base.columns import each
from abaft.model.spec import Model, Schema
from abaft.plan.loads import Load, Match
from abaft.store.sql.dialect import Dialect


@dataclass(frozen=True, slots=True)
class Table:
    """A model's table as SQL text names it."""

    model: Model
    dialect: Dialect

    def quote(self, name: str) -> str:
        return self.dialect.sa.identifier_preparer.quote(name)

    @property
    def quoted(self) -> str:
        parts = (self.model.schema, self.model.table)
        return ".".join(self.quote(part) for part in parts if part)

    def column(self, name: str) -> str:
        """A field's column."""
        return self.model.fields[name].column

    def columns(self, names: Sequence[str]) -> str:
        return ", ".join(self.quote(self.column(name)) for name in names)

    def folded(self, name: str, text: str) -> str:
        """The column's or value's text as a unique index compares it."""
        if not self.model.fields[name].nocase:
            return text
        folded = self.dialect.fold(sa.literal_column(text, sa.Text()))
        return str(folded.compile(dialect=self.dialect.sa))

    def encoded(self, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Any]:
        """The driver's values of some rows."""
        columns = []
        for name, column in zip(names, zip(*rows, strict=True), strict=True):
            encode = self.dialect.encoder(self.model.fields[name].kind)
            columns.append(column if encode is None else each(encode, column))
        return list(zip(*columns, strict=True))

    def decoded(self, names: Sequence[str], row: Sequence[Any]) -> tuple[Any, ...]:
        """Our values of the driver's."""
        decoders = (self.dialect.decoder(self.model.fields[name].kind) for name in names)
        return tuple(
            value if decode is None else decode(value)
            for value, decode in zip(row, decoders, strict=True)
        )


class Tables:
    """The tables of a schema, by models' names."""

    def __init__(self, schema: Schema, dialect: Dialect) -> None:
        self._schema = schema
        self.dialect = dialect

    def of(self, model: Model) -> Table:
        return Table(model, self.dialect)

    def target(self, name: str) -> Table:
        """The table of a model by its name."""
        return self.of(self._schema.models[name])

    def link(self, model: Model, relation: str) -> tuple[Table, tuple[str, str]]:
        """The table that ties records to those of a to-many relation, and its two fields."""
        many = model.many[relation]
        assert many.link is not None and many.forward is not None
        return self.of(self._schema.models[many.link]), (many.back, many.forward)


def pairs(load: Load, relation: str, places: range) -> list[tuple[Any, Any]]:
    """What ties the records at these places to those of a relation."""
    return tied(load, relation, places, keys_of(load, places))


def keys_of(load: Load, places: range) -> list[Any]:
    """The keys of the records at these places."""
    at = load.names.index(load.model.key[0])
    return [load.rows[place][at] for place in places]


def tied(load: Load, relation: str, places: range, keys: Sequence[Any]) -> list[tuple[Any, Any]]:
    """The same of records that have these keys."""
    lists = load.links[relation]
    return [(key, other) for place, key in zip(places, keys, strict=True) for other in lists[place]]


def assigned(load: Load) -> tuple[str, ...]:
    """The fields that an update sets."""
    return tuple(name for name in load.names if name not in load.model.key)


def compared(match: Match) -> tuple[str, ...]:
    return match.names[len(match.on) :]
