"""A model's components: as it is read, whole or in part, and as it is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from abaft.api import openapi_examples as examples
from abaft.api.openapi_nested import Nested
from abaft.api.openapi_refs import ref, written_key
from abaft.base.settings import Settings
from abaft.model.expr import TRUE
from abaft.model.schemas import PLACE, JsonSchema, field_schema, optional, shown, taken
from abaft.model.spec import Field, Many, Model, One, Schema
from abaft.model.values import MAX_LINKS
from abaft.plan.operators import SET, Operator
from abaft.plan.operators import operators_for as rows_for

_MERGED = "What isn't named stays as it is; an object in a JSON field is merged (RFC 7396)."
_HIDDEN = "Taken, and never shown"


def components(schema: Schema, settings: Settings, model: Model) -> dict[str, JsonSchema]:
    """The schemas of one model by name; those of its JSON fields are their `$defs`."""
    made = _Components(schema, settings, model)
    name = model.name
    schemas = {name: made.read(name), f"{name}.Part": made.part()}
    if not model.read_only:
        schemas |= {
            f"{name}.Create": made.create(),
            f"{name}.Patch": made.patch(),
            made.patch_of_many(): made.plain_patch(),
            f"{name}.Operators": made.operators(),
            f"{name}.Replace": made.replace(),
        }
    for place, (target, without) in made.nested.needs.items():
        there = _Components(schema, settings, target)
        schemas[place] = there.keyed() if without is None else there.create(without)
    return schemas


def patch_of_many(schema: Schema, settings: Settings, model: Model) -> JsonSchema:
    """A merge patch of many records: nothing is nested in it."""
    return ref(_Components(schema, settings, model).patch_of_many())


def _writable(model: Model) -> list[Field]:
    return [field for field in model.fields.values() if field.writable]


def _counted(name: str) -> JsonSchema:
    said = f"How many `{name}` there are; only by `expand={name}(count)`"
    return {"type": "integer", "description": said}


class _Components:
    def __init__(self, schema: Schema, settings: Settings, model: Model) -> None:
        self.schema = schema
        self.settings = settings
        self.model = model
        self.nested = Nested(schema, model)

    def read(self, name: str) -> JsonSchema:
        """The whole record: members that a rule may hold back are not required."""
        required = [
            field.name
            for field in self.model.fields.values()
            if not field.hidden and not self._masked(field.name)
        ]
        required += [
            name for name in (*self.model.computed, *self.model.virtual) if not self._masked(name)
        ]
        required += [
            many.name
            for many in self.model.many.values()
            if many.writable and not many.hidden and not self._masked(many.name)
        ]
        record = self._object(self._members(""), required, self.model.description)
        return record | {"examples": [examples.record(self.model, self.schema)]}

    def part(self) -> JsonSchema:
        """The record as `fields=` leaves it."""
        said = f"A {self.model.name} with the members that `fields` names."
        return self._object(self._members(".Part"), [], said)

    def create(self, without: tuple[str, ...] = ()) -> JsonSchema:
        """The body of a POST; `without` what its place in another body sets."""
        fields = [field for field in _writable(self.model) if field.name not in without]
        required = [field.name for field in fields if field.required]
        return self._object(self.nested.new(self._given(fields)), required, "")

    def replace(self) -> JsonSchema:
        """The body of a PUT, whose key the URL names already."""
        fields = _writable(self.model)
        required = [field.name for field in fields if field.required and not field.write_once]
        said = "The whole record: what isn't named goes back to its default."
        once = [f"`{field.name}`" for field in fields if field.write_once and not field.key]
        if once:
            said += f" {' and '.join(once)}: only for a new record, or as it is."
        return self._object(self._served() | self._given(fields), required, said)

    def patch(self) -> JsonSchema:
        """A merge patch (RFC 7396): what isn't named stays."""
        return self._object(self.nested.changed(self._patchable()), [], _MERGED)

    def plain_patch(self) -> JsonSchema:
        """One that nests nothing."""
        return self._object(self._patchable(), [], _MERGED)

    def patch_of_many(self) -> str:
        """The component of a patch of many records."""
        own = "" if self.patch() == self.plain_patch() else "Many"
        return f"{self.model.name}.Patch{own}"

    def keyed(self) -> JsonSchema:
        """A patch of a record that the body itself names."""
        key = {name: taken(self.model.fields[name].kind) for name in self.model.key}
        said = f"A {self.model.name} that is there, by its key, and what is to be changed of it."
        return self._object(self.nested.changed(self._patchable()) | key, list(key), said)

    def _patchable(self) -> dict[str, Any]:
        properties: dict[str, Any] = {
            field.name: self._patched(field)
            for field in _writable(self.model)
            if not field.write_once
        }
        return properties | self._links()

    def operators(self) -> JsonSchema:
        """A PATCH by operators: of each member that is named, one operator and its operand."""
        fields = {field.name: field for field in _writable(self.model) if not field.write_once}
        given = {name: self._set(field) for name, field in fields.items()} | self._links()
        properties = {name: self._operated(name, schema) for name, schema in given.items()}
        said = "By one operator each; what null counts as is zero, or an empty list."
        return self._object(properties, [], said)

    def _set(self, field: Field) -> JsonSchema:
        return {name: value for name, value in self._taken(field).items() if name != "default"}

    def _operated(self, name: str, given: JsonSchema) -> JsonSchema:
        operands = {row.name: self._operand(name, given, row) for row in rows_for(self.model, name)}
        one = {"minProperties": 1, "maxProperties": 1}
        return self._object({SET: given, **operands}, [], "") | one

    def _operand(self, name: str, given: JsonSchema, row: Operator) -> JsonSchema:
        if name in self.model.many:
            return given
        kind = self.model.fields[name].kind
        return taken(kind if row.limited else replace(kind, limits=()))

    def _object(
        self, properties: dict[str, Any], required: list[str], description: str
    ) -> JsonSchema:
        schema: JsonSchema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if description:
            schema["description"] = description
        return schema | {"additionalProperties": False}

    def _members(self, suffix: str) -> dict[str, Any]:
        model = self.model
        members = {
            name: self._relation(model.one[name], field, suffix)
            if name in model.one
            else field_schema(model, field, shown)
            for name, field in model.fields.items()
            if not field.hidden
        }
        for name, one in model.one.items():
            if not one.stored:
                members[name] = self._unstored(one, suffix)
        for name, computed in model.computed.items():
            members[name] = field_schema(model, computed.field, shown)
        for name, many in model.many.items():
            if not many.hidden:
                members[name] = self._many(many, suffix)
                members.setdefault(f"{name}_count", _counted(name))
        for name in model.virtual:
            members[name] = self._virtual(name)
        return members | self._marks()

    def _marks(self) -> dict[str, Any]:
        if not self.model.searched:
            return {}
        said = "In a list with `highlight`: HTML with a `<mark>` around what was found, by field."
        texts = {row.name: {"type": "string"} for row in self.model.searched}
        return {"highlights": self._object(texts, [], said)}

    def _virtual(self, name: str) -> JsonSchema:
        """What pydantic says of the function's annotation."""
        found = self.model.virtual[name]
        adapter: TypeAdapter[Any] = TypeAdapter(found.annotation)
        template = f"{PLACE}{{model}}"
        schema: JsonSchema = adapter.json_schema(mode="serialization", ref_template=template)
        return {**schema, "description": found.description} if found.description else schema

    def _relation(self, one: One, field: Field, suffix: str) -> JsonSchema:
        """The key; when expanded the object, unless that is missing or may not be read."""
        target = self.schema.models[one.target]
        either: JsonSchema = {"anyOf": [written_key(target), ref(f"{target.name}{suffix}")]}
        either = optional(either) if field.nullable else either
        said = (
            field.description or f"The key of a {target.name}, or with `expand` the {target.name}"
        )
        return {**either, "description": said}

    def _unstored(self, one: One, suffix: str) -> JsonSchema:
        columns = ", ".join(f"`{name}`" for name in one.columns)
        said = (
            f"With `expand`: the {one.target} that {columns} {_lead(one)} to; null if none is seen"
        )
        return {**optional(ref(f"{one.target}{suffix}")), "description": said}

    def _many(self, many: Many, suffix: str) -> JsonSchema:
        target = self.schema.models[many.target]
        whole = ref(f"{target.name}{suffix}")
        items = {"anyOf": [written_key(target), whole]} if many.writable else whole
        said = "The keys, or with `expand` the objects" if many.writable else "With `expand` only"
        most = self.settings.max_expand_items
        return {"type": "array", "items": items, "maxItems": most, "description": said}

    def _masked(self, name: str) -> bool:
        rules = [
            rule for rule in self.model.rules if "read" in rule.actions and name in rule.fields
        ]
        return bool(rules) and not any(rule.where == TRUE for rule in rules)

    def _taken(self, field: Field) -> JsonSchema:
        schema = field_schema(self.model, field, taken)
        if field.hidden:
            schema = {"description": _HIDDEN, **schema, "writeOnly": True}
        if field.relation and "description" not in schema:
            said = f"The key of a {self.model.one[field.relation].target}"
            schema["description"] = f"{said}. Default: who asks." if field.default_me else said
        return schema

    def _patched(self, field: Field) -> JsonSchema:
        schema = {name: value for name, value in self._taken(field).items() if name != "default"}
        if field.kind.name != "json":
            return schema
        loose = {"type": "object"} if "$ref" in str(schema) else schema
        return {**loose, "description": "Merged into the stored value"}

    def _served(self) -> dict[str, Any]:
        """What was read can be sent back whole; what the server sets is passed over."""
        names = [
            field.name
            for field in self.model.fields.values()
            if not (field.writable or field.hidden)
        ]
        passed = {"readOnly": True, "description": "Passed over: the server sets it"}
        return dict.fromkeys([*names, *self.model.computed, *self.model.virtual], passed)

    def _given(self, fields: list[Field]) -> dict[str, Any]:
        return {field.name: self._taken(field) for field in fields} | self._links()

    def _links(self) -> dict[str, Any]:
        links: dict[str, Any] = {}
        for name, many in self.model.many.items():
            if many.writable:
                target = self.schema.models[many.target]
                items = taken(target.fields[target.key[0]].kind)
                links[name] = {
                    "type": "array",
                    "items": items,
                    "maxItems": MAX_LINKS,
                    "description": f"The keys of {target.collection}: all of them, in any order",
                }
        return links


def _lead(one: One) -> str:
    return "leads" if len(one.columns) == 1 else "lead"
