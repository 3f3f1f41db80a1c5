"""Kinds and fields as JSON Schema (2020-12): as they are shown, taken and asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, JsonValue, TypeAdapter

from abaft.model import forms
from abaft.model.field import UNSET, Options, Sentinel
from abaft.model.kinds import INT_MAX, INT_MIN, Binary, Choice, Integer, Kind, Number
from abaft.model.spec import Field, Model

JsonSchema = dict[str, Any]

PLACE = "#/components/schemas/"
"""Where the document has its components."""
_RENAMED = {
    "max_length": "maxLength",
    "min_length": "minLength",
    "pattern": "pattern",
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}
_WORDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}

_SHOWN: dict[str, JsonSchema] = {
    "text": {"type": "string"},
    "email": {"type": "string", "format": "email"},
    "url": {"type": "string", "format": "uri"},
    "integer": {"type": "integer", "format": "int64"},
    "float": {"type": "number", "format": "double"},
    "boolean": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time-local", "pattern": forms.TIME},
    # Not RFC 3339's "duration": that has no fractions and no sign.
    "duration": {"type": "string", "pattern": forms.DURATION},
    "uuid": {"type": "string", "format": "uuid"},
    "binary": {"type": "string", "contentEncoding": "base64", "pattern": forms.BASE64},
}


def shown(kind: Kind) -> JsonSchema:
    """What an answer holds. Limits are of what is taken: older records may be from before them."""
    if isinstance(kind, Choice):
        word = "string" if kind.of_text else "integer"
        return {"type": word, "enum": list(kind.options)}
    if isinstance(kind, Number):
        return {"type": "string", "format": "decimal", "pattern": kind.pattern}
    return dict(_SHOWN[kind.name]) if kind.name != "json" else _json(kind, "serialization")


def taken(kind: Kind) -> JsonSchema:
    """What a body may hold."""
    if kind.name == "json":
        return _json(kind, "validation")
    limits = dict(kind.limits)
    schema = shown(kind)
    match kind:
        case Number():
            schema = _number(kind, schema)
        case Binary():
            schema |= _base64(limits)
        case _ if kind.name == "integer":
            schema |= _span(kind) | _bounds(limits)
        case _ if kind.name == "float" or kind.textual:
            schema |= _bounds(limits)
    words = _in_words(kind, limits)
    return schema | ({"description": words} if words else {})


def asked(kind: Kind) -> JsonSchema:
    """What a filter's or key's text spells."""
    if isinstance(kind, Number):
        return shown(kind)
    if kind.textual:
        # Text that no stored value could be is asked for in vain, not by mistake.
        return {"type": "string"}
    if kind.name == "integer":
        return {**shown(kind), "minimum": INT_MIN, "maximum": INT_MAX}
    return shown(kind)


def optional(schema: JsonSchema) -> JsonSchema:
    """The schema, or null."""
    if not schema:
        return schema
    word = schema.get("type")
    if isinstance(word, str):
        schema = {**schema, "type": [word, "null"]}
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
        return schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {"anyOf": [schema, {"type": "null"}]}


def _span(kind: Kind) -> JsonSchema:
    assert isinstance(kind, Integer)
    low, high = kind.span
    return {"minimum": low, "maximum": high}


def _bounds(limits: Mapping[str, Any]) -> JsonSchema:
    return {_RENAMED[name]: value for name, value in limits.items()}


def _base64(limits: Mapping[str, Any]) -> JsonSchema:
    """The length of bytes as that of their text, exactly so at the upper end."""
    schema: JsonSchema = {}
    if "min_length" in limits:
        schema["minLength"] = (limits["min_length"] + 2) // 3 * 4
    if "max_length" in limits:
        whole, rest = divmod(limits["max_length"], 3)
        four, tails = "[A-Za-z0-9+/]{4}", ["[A-Za-z0-9+/]{2}==", "[A-Za-z0-9+/]{3}="]
        paths = [f"({four}){{0,{whole - 1}}}({'|'.join(tails)})?"] if whole else []
        last = f"({'|'.join(tails[:rest])})?" if rest else ""
        schema["pattern"] = f"^({'|'.join([*paths, f'({four}){{{whole}}}{last}'])})$"
    return schema


def _number(kind: Number, text: JsonSchema) -> JsonSchema:
    """A decimal's text, or a JSON number, which is exact to 15 digits."""
    most = 10 ** min(kind.digits - kind.places, 15 - kind.places)
    number = {
        "type": "number",
        "multipleOf": float(f"1e-{kind.places}") if kind.places else 1,
        "exclusiveMinimum": -most,
        "exclusiveMaximum": most,
    } | {_RENAMED[name]: float(value) for name, value in kind.limits}
    return {"anyOf": [text, number]}


def _in_words(kind: Kind, limits: Mapping[str, Any]) -> str:
    """Limits that JSON Schema has no keyword for."""
    if kind.name in ("integer", "float", "text"):
        return ""
    return ", ".join(
        f"{_WORDS[name]} {kind.spell(value)}" for name, value in limits.items() if name in _WORDS
    )


def _json(kind: Any, mode: Any) -> JsonSchema:
    """Any JSON, or what pydantic says of the declared type; `$defs` are the caller's to place."""
    declared = kind.type
    if declared is JsonValue:
        return {}
    if declared in (dict, list):
        return {"type": "object" if declared is dict else "array"}
    template = f"{PLACE}{{model}}"
    schema: JsonSchema = TypeAdapter(declared).json_schema(mode=mode, ref_template=template)
    if isinstance(declared, type) and issubclass(declared, BaseModel) and "$ref" not in schema:
        definitions = schema.pop("$defs", {})
        definitions[declared.__name__] = schema
        schema = {"$ref": template.format(model=declared.__name__), "$defs": definitions}
    return schema


def inlined(node: Any, known: JsonSchema | None = None, within: tuple[str, ...] = ()) -> Any:
    """The schema with its `$defs` written in place; what holds itself is left open there."""
    if isinstance(node, list):
        return [inlined(item, known, within) for item in node]
    if not isinstance(node, dict):
        return node
    known = (known or {}) | node.get("$defs", {})
    rest = {key: value for key, value in node.items() if key != "$defs"}
    name = str(rest.get("$ref", "")).removeprefix(PLACE)
    if name not in known:
        return {key: inlined(value, known, within) for key, value in rest.items()}
    beside = {key: value for key, value in rest.items() if key != "$ref"}
    found = {} if name in within else inlined(known[name], known, (*within, name))
    return {**found, **beside}


def field_schema(model: Model, field: Field, form: Callable[[Kind], JsonSchema]) -> JsonSchema:
    """A field's value in one of the three forms, with its description, examples and default."""
    schema = form(field.kind)
    schema = optional(schema) if field.nullable else schema
    notes = [field.description, schema.get("description", "")]
    if form is taken:
        schema = schema | _default(model, field)
        notes.append("Default: who asks." if field.default_me else "")
    said = ". ".join(note.rstrip(".") for note in notes if note)
    if said:
        schema = {**schema, "description": f"{said}." if " " in said else said}
    if field.examples:
        schema = {**schema, "examples": [field.kind.show(value) for value in field.examples]}
    return schema


def _default(model: Model, field: Field) -> JsonSchema:
    """The default, where it is the same for every record."""
    given: Options | None = None
    for base in reversed(model.cls.__mro__ if model.cls else ()):
        given = getattr(base, "__options__", {}).get(field.name, given)
    if given is None or given.default is UNSET or isinstance(given.default, Sentinel):
        return {}
    if given.flags.get("factory") or field.kind.name == "json":
        return {}
    return {"default": None if given.default is None else field.kind.show(given.default)}
