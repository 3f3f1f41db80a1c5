"""From a store's JSON to typed records, and back to plain values."""

from __future__ import annotations

from typing import Any

import orjson

from abaft.model.declare import Model as Record
from abaft.model.field import Many
from abaft.model.spec import Model, Schema


def record_of(schema: Schema, model: Model, shown: dict[str, Any]) -> Any:
    """The typed record that the JSON object shows; relations not expanded hold their key alone."""
    record: Any = model.cls.__new__(model.cls) if model.cls else Record.__new__(Record)
    for name, value in shown.items():
        record.__dict__[name] = _value(schema, model, name, value)
    return record


def record_from_json(schema: Schema, model: Model, text: str) -> Any:
    return record_of(schema, model, orjson.loads(text))


def _value(schema: Schema, model: Model, name: str, value: Any) -> Any:
    if name in model.many:
        target = schema.target(model, name)
        return Many(related(schema, target, item) for item in value)
    if value is None:
        return None
    if name in model.one:
        return related(schema, schema.target(model, name), value)
    field = model.value(name)
    return value if field is None else typed(field.kind, value)


def typed(kind: Any, value: Any) -> Any:
    """The Python value of a JSON value; of a choice the member of its Enum."""
    read = kind.read(value)
    if kind.name == "choice" and isinstance(kind.type, type):
        return kind.type(read)
    if kind.name == "json" and hasattr(kind.type, "model_validate"):
        return kind.type.model_validate(read)
    return read


def related(schema: Schema, target: Model, value: Any) -> Any:
    """The record of a relation: expanded, or by its key alone."""
    if isinstance(value, dict):
        return record_of(schema, target, value)
    record: Any = target.cls.__new__(target.cls)
    name = target.key[0]
    if name in target.one:
        record.__dict__[name] = related(schema, schema.target(target, name), value)
    else:
        record.__dict__[name] = typed(target.fields[name].kind, value)
    return record


def plain(model: Model, record: Any) -> dict[str, Any]:
    """The stored values that the record has, by field; relations as keys."""
    values = {}
    for name in model.fields:
        if name in record.__dict__:
            value = record.__dict__[name]
            values[name] = value.__key__[0] if isinstance(value, Record) else value
    for name, many in model.many.items():
        if many.writable and name in record.__dict__:
            values[name] = [
                item.__key__[0] if isinstance(item, Record) else item
                for item in record.__dict__[name]
            ]
    return values
