"""Bodies to begin with: what a form shows at first, and what is accepted as it stands."""

from __future__ import annotations

from typing import Any

from orjson import dumps
from pydantic import ConfigDict, TypeAdapter, ValidationError

from abaft.model.kinds import Choice, Kind
from abaft.model.spec import DELETED, Field, Model, Schema
from abaft.plan.operators import SET

_SAMPLES: dict[str, tuple[Any, ...]] = {
    "text": ("text", "a", "abc123", "ABC", "1"),
    "email": ("ann@example.org",),
    "url": ("https://example.org/",),
    "integer": (1, 10, 100, 0, -1),
    "float": (0.5, 1.5, 10.5, -1.5),
    "decimal": ("1", "10", "0", "-1"),
    "boolean": (False,),
    "datetime": ("2026-01-31T10:00:00Z",),
    "date": ("2026-01-31",),
    "time": ("10:30:00",),
    "duration": ("PT90S",),
    "uuid": ("0192f0c1-2345-7abc-8def-0123456789ab",),
    "binary": ("QUJD", ""),
    "json": ({}, []),
}


def body(model: Model, *, key: bool) -> dict[str, Any] | None:
    """The fields that must be given, and those with examples; None where a value can't be guessed.

    `key` tells whether the body names the record's key.
    """
    made: dict[str, Any] = {}
    for field in model.fields.values():
        if not field.writable or (field.key and not key):
            continue
        if field.examples:
            made[field.name] = field.kind.show(field.examples[0])
        elif field.required:
            value = None if field.relation else sample(field.kind)
            if value is None:
                return None
            made[field.name] = value
    return made or changes(model)


def record(model: Model, schema: Schema) -> dict[str, Any]:
    """A record as it is read with nothing expanded; without what can't be guessed."""
    made = {
        name: _shown(schema, model, field)
        for name, field in model.fields.items()
        if not field.hidden
    }
    made |= {name: _shown(schema, model, row.field) for name, row in model.computed.items()}
    made = {name: value for name, value in made.items() if value is not None}
    many = [row.name for row in model.many.values() if row.writable and not row.hidden]
    empty = {DELETED: None} if model.soft_delete else {}
    return made | {name: [] for name in many} | empty


def _shown(schema: Schema, model: Model, field: Field) -> Any:
    if field.examples:
        return field.kind.show(field.examples[0])
    if field.relation and field.relation in model.one:
        target = schema.models[model.one[field.relation].target]
        return _shown(schema, target, target.fields[target.key[0]])
    return sample(field.kind)


def conditions(fields: list[Field]) -> str:
    """What can be asked of some of these, in the filter language."""
    plain = [field for field in fields if not (field.key or field.relation)]
    texts = [f"{field.name} contains 'x'" for field in plain if field.kind.name == "text"]
    numbers = [f"{field.name} > 1" for field in plain if field.kind.name == "integer"]
    times = [f"{field.name} >= '2026-01-31'" for field in plain if field.kind.name == "datetime"]
    found = [*texts[:1], *numbers[:1], *times[:1]][:2]
    return " and ".join(found) or f"{fields[0].name} is not null"


def changes(model: Model) -> dict[str, Any] | None:
    """One field's new value."""
    for field in model.fields.values():
        if _plain(field):
            value = field.kind.show(field.examples[0]) if field.examples else sample(field.kind)
            if value is not None:
                return {field.name: value}
    return None


def operated(model: Model) -> dict[str, Any] | None:
    """The same by an operator."""
    changed = changes(model)
    return None if changed is None else {name: {SET: value} for name, value in changed.items()}


def _plain(field: Field) -> bool:
    return field.writable and not (field.write_once or field.relation or field.hidden)


def sample(kind: Kind) -> Any:
    """A value that the kind takes with all its limits."""
    samples = kind.options[:1] if isinstance(kind, Choice) else _SAMPLES[kind.name]
    # A pydantic model brings its own configuration.
    strict = None if kind.name == "json" else ConfigDict(strict=True)
    adapter: TypeAdapter[Any] = TypeAdapter(kind.accepts(), config=strict)
    for sample in samples:
        try:
            adapter.validate_json(dumps(sample))
        except ValidationError:
            continue
        return sample
    return None
