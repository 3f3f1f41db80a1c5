"""Bodies to begin with: what a form shows at first, and what is accepted as it stands."""

from __future__ import annotations

from typing import Any

from orjson import dumps
from pydantic import ConfigDict, TypeAdapter, ValidationError

from abaft.model.kinds import Choice, Kind
from abaft.model.spec import Field, Model
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
            sample = None if field.relation else _sample(field.kind)
            if sample is None:
                return None
            made[field.name] = sample
    return made or changes(model)


def changes(model: Model) -> dict[str, Any] | None:
    """One field's new value."""
    for field in model.fields.values():
        if _plain(field):
            sample = field.kind.show(field.examples[0]) if field.examples else _sample(field.kind)
            if sample is not None:
                return {field.name: sample}
    return None


def operated(model: Model) -> dict[str, Any] | None:
    """The same by an operator."""
    changed = changes(model)
    return None if changed is None else {name: {SET: value} for name, value in changed.items()}


def _plain(field: Field) -> bool:
    return field.writable and not (field.write_once or field.relation or field.hidden)


def _sample(kind: Kind) -> Any:
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
