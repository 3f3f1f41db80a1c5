"""Records to try on: made by who stands above the rules, of what the models say."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from pydantic import TypeAdapter, ValidationError

from abaft.api.openapi_examples import sample
from abaft.base import ids
from abaft.model import expr as e
from abaft.model.kinds import Kind
from abaft.model.spec import Field, Model, Schema

_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
MOST = 3
"""Fields of yes and no by which a model's records are told apart."""


def variants(model: Model) -> list[dict[str, bool]]:
    """The values of those fields of yes and no that the model's rules ask for."""
    named: set[str] = set()

    def look(node: Any) -> Any:
        column = getattr(node, "left", None)
        if isinstance(column, e.Column) and not column.hops and not column.scope:
            row = model.fields.get(column.name)
            if row is not None and row.kind.name == "boolean" and row.writable:
                named.add(column.name)
        return node

    for rule in model.rules:
        e.rewrite(rule.where, look)
    names = sorted(named)[:MOST]
    rows = product((False, True), repeat=len(names))
    return [dict(zip(names, row, strict=True)) for row in rows]


class Bodies:
    """What new records are made of; `given` are values that the models can't tell."""

    def __init__(self, schema: Schema, users: str, given: Mapping[str, Mapping[str, Any]]) -> None:
        self.schema, self.users, self.given = schema, users, given
        self._count = 0

    def body(self, model: Model, keys: Mapping[str, Any]) -> dict[str, Any]:
        """A body; `keys` are those of the records that it refers to, by their model."""
        self._count += 1
        made: dict[str, Any] = {}
        for field in model.fields.values():
            value = self._value(model, field, keys)
            if value is not None:
                made[field.name] = value
        return made | dict(self.given.get(model.name, {}))

    def _value(self, model: Model, field: Field, keys: Mapping[str, Any]) -> Any:
        if not field.writable or field.hidden:
            return None
        for one in model.one.values():
            if field.name in one.columns and one.stored:
                wanted = not one.nullable or one.target == self.users
                return keys.get(one.target) if wanted else None
        if not (field.required or field.examples or field.unique):
            return None
        if field.key or field.unique or any(field.name in row for row in model.uniques):
            return self._unique(field)
        return field.kind.show(field.examples[0]) if field.examples else sample(field.kind)

    def _unique(self, field: Field) -> Any:
        match field.kind.name:
            case "text":
                return _taken(field.kind, f"t{self._count}", _short(self._count))
            case "email":
                return f"p{self._count}@example.org"
            case "integer" | "float":
                return self._count
            case "decimal":
                return str(self._count)
            case "uuid":
                return str(ids.uuid7())
            case "datetime" | "date":
                day = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=self._count)
                return field.kind.show(day if field.kind.name == "datetime" else day.date())
        return sample(field.kind) if field.required else None


def _taken(kind: Kind, *texts: str) -> str:
    """The first of these that the kind takes, or the last."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind.accepts())
    for text in texts:
        with suppress(ValidationError):
            adapter.validate_python(text)
            return text
    return texts[-1]


def _short(number: int) -> str:
    """The number in as few letters and digits as will do."""
    text = ""
    while number or not text:
        number, digit = divmod(number, len(_LETTERS))
        text = _LETTERS[digit] + text
    return text


def changed(model: Model) -> str:
    """A field that a change may say nothing new of; empty where there is none."""
    for field in model.fields.values():
        plain = field.writable and not (field.write_once or field.relation or field.hidden)
        if plain and not model.guards(field.name, "update"):
            return field.name
    return ""
