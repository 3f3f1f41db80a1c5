"""What a relation takes in the body of a POST besides keys: records to be made with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from abaft.model.schemas import JsonSchema, taken
from abaft.model.spec import Many, Model, Schema
from abaft.model.values import MAX_LINKS

Body = Callable[[Model], JsonSchema]


def nested_create(
    schema: Schema, model: Model, properties: dict[str, Any], body: Body
) -> dict[str, Any]:
    """The members of a new record's body, with what may be nested in it."""
    found = _ones(schema, model, properties)
    for name, many in model.many.items():
        target = schema.models[many.target]
        if many.hidden or target.internal:
            continue
        items = {"anyOf": [*_keys(target), _child(schema, model, many, body)]}
        said = f"Keys of {target.collection}, or new ones to be made with this {model.name}"
        found[name] = {**_list(items), "description": said}
    return found


def _ones(schema: Schema, model: Model, properties: dict[str, Any]) -> dict[str, Any]:
    found = dict(properties)
    for name, one in model.one.items():
        target = schema.models[one.target]
        if name in found and one.stored and len(target.key) == 1 and not model.fields[name].hidden:
            said = {key: found[name][key] for key in ("description",) if key in found[name]}
            found[name] = {"anyOf": [found[name], _ref(f"{target.name}Create")], **said}
    return found


def _child(schema: Schema, model: Model, many: Many, body: Body) -> JsonSchema:
    """A record that is made in its place: what the place sets isn't given."""
    target = schema.models[many.target]
    if many.link is not None:
        return _ref(f"{target.name}Create")
    whole = body(target)
    columns = target.one[many.back].columns
    kept = {name: row for name, row in whole["properties"].items() if name not in columns}
    child: JsonSchema = {"type": "object", "properties": kept, "additionalProperties": False}
    needed = [name for name in whole.get("required", []) if name not in columns]
    return child | ({"required": needed} if needed else {})


def _keys(target: Model) -> list[JsonSchema]:
    """A key as an item takes it; one of several fields is no item."""
    return [taken(target.fields[target.key[0]].kind)] if len(target.key) == 1 else []


def _list(items: JsonSchema) -> JsonSchema:
    return {"type": "array", "items": items, "maxItems": MAX_LINKS}


def _ref(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}
