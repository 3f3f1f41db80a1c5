"""Bodies with records in the place of keys: what POST and PATCH of one record take besides."""

from __future__ import annotations

from typing import Any

from abaft.api.openapi_refs import ref, written_key
from abaft.model.schemas import JsonSchema, taken
from abaft.model.spec import Many, Model, One, Schema

_ABOUT = ("description", "default", "examples")
_BESIDES = "Or a record, which is written as well."


class Nested:
    """The members of one model's bodies that may hold records.

    `needs` are the components that these refer to besides those that every model has: what a body
    is like without the members that its place sets, by model and relation, and with its key.
    """

    def __init__(self, schema: Schema, model: Model) -> None:
        self.schema = schema
        self.model = model
        self.needs: dict[str, tuple[Model, tuple[str, ...] | None]] = {}

    def new(self, given: dict[str, Any]) -> dict[str, Any]:
        """The members of a POST."""
        found = dict(given)
        for name, one in self.model.one.items():
            target = self._nestable(one)
            if target is not None and name in given:
                ways = [self._create(target)]
                ways += [] if self._key(target).writable else [self._keyed(target)]
                found[name] = _either(given[name], ways)
        for name, many in self.model.many.items():
            if many.writable and name in given:
                found[name] = self._listed(given[name], many)
            elif ways := self._listable(many):
                found[name] = _list(ways, f"Created with it, and tied to it; {_keys(ways)}")
        return found

    def changed(self, given: dict[str, Any]) -> dict[str, Any]:
        """The members of a merge patch."""
        found = dict(given)
        for name, one in self.model.one.items():
            target = self._nestable(one)
            if target is not None and name in given:
                ways = [self._keyed(target)]
                ways += [] if self._key(target).required else [self._create(target)]
                found[name] = _either(given[name], ways)
        for name, many in self.model.many.items():
            forms = {} if many.hidden else self._forms(many)
            if many.writable and name in given:
                listed = self._listed(given[name], many)
                found[name] = _either(listed, [_object(forms)]) if forms else listed
            elif forms:
                said = "What is to become of the records there, in this order."
                found[name] = {**_object(forms), "description": said}
        return found

    # One record

    def _key(self, target: Model) -> Any:
        return target.fields[target.key[0]]

    def _nestable(self, one: One) -> Model | None:
        target = self.schema.models[one.target]
        own = self.model.fields.get(one.name)
        shut = own is None or own.hidden or not own.writable
        if shut or not one.stored or len(target.key) > 1 or not self._served(target):
            return None
        return target

    def _served(self, target: Model) -> bool:
        return target.collection in self.schema.collections and not target.read_only

    def _create(self, target: Model, without: tuple[str, ...] = (), back: str = "") -> JsonSchema:
        if not without:
            return ref(f"{target.name}.Create")
        name = f"{target.name}.Create.{back}"
        self.needs[name] = target, without
        return ref(name)

    def _keyed(self, target: Model) -> JsonSchema:
        name = f"{target.name}.Keyed"
        self.needs[name] = target, None
        return ref(name)

    # Several

    def _listed(self, plain: JsonSchema, many: Many) -> JsonSchema:
        """A list of keys, that may hold records as well."""
        target = self.schema.models[many.target]
        if not self._served(target):
            return plain
        return {**plain, "items": _either(plain["items"], [self._create(target)])}

    def _listable(self, many: Many) -> list[JsonSchema]:
        """What a list in a POST may hold, where it isn't of keys alone."""
        forms = {} if many.hidden or many.writable else self._forms(many)
        target = self.schema.models[many.target]
        ways = [forms["create"]["items"]] if "create" in forms else []
        # A key of several fields is an object: that would be a record to create.
        return [*ways, forms["link"]["items"]] if forms and len(target.key) == 1 else ways

    def _forms(self, many: Many) -> dict[str, Any]:
        """The lists by what is to be done with what they hold."""
        target = self.schema.models[many.target]
        if many.link is None:
            return self._back(many, target) if self._served(target) else {}
        if len(target.key) > 1:
            return {}
        key = {"type": "array", "items": written_key(target, taken)}
        created = {"type": "array", "items": self._create(target)}
        forms = {"create": created} if self._served(target) else {}
        if many.writable:
            return {**forms, "link": key, "unlink": key}
        return self._through(many, forms, key)

    def _through(self, many: Many, forms: dict[str, Any], key: JsonSchema) -> dict[str, Any]:
        """By records of a model that links the two, with nothing but its defaults."""
        assert many.link is not None
        assert many.forward is not None
        link = self.schema.models[many.link]
        pair = {*link.one[many.back].columns, *link.one[many.forward].columns}
        needed = {name for name, field in link.fields.items() if field.required and field.writable}
        shut = needed - pair or not all(link.fields[name].writable for name in pair)
        if not self._served(link) or shut:
            return {}
        return {**forms, "link": key} | ({"unlink": key} if pair == {*link.key} else {})

    def _back(self, many: Many, target: Model) -> dict[str, Any]:
        """Records that refer to this one."""
        fields = [target.fields[name] for name in target.one[many.back].columns]
        if not all(field.writable for field in fields):
            return {}
        ours = tuple(field.name for field in fields)
        created = {"type": "array", "items": self._create(target, ours, many.back)}
        changed = {"type": "array", "items": self._keyed(target)}
        key = {"type": "array", "items": written_key(target, taken)}
        forms = {"create": created, "update": changed, "delete": key, "link": key}
        return {**forms, "unlink": key} if all(field.nullable for field in fields) else forms


def _object(forms: dict[str, Any]) -> JsonSchema:
    return {"type": "object", "properties": forms, "additionalProperties": False}


def _list(ways: list[JsonSchema], said: str) -> JsonSchema:
    items = ways[0] if len(ways) == 1 else {"anyOf": ways}
    return {"type": "array", "items": items, "description": said}


def _keys(ways: list[JsonSchema]) -> str:
    return "a key ties a record that is there" if len(ways) > 1 else "objects alone"


def _either(plain: JsonSchema, ways: list[JsonSchema]) -> JsonSchema:
    """The plain form or one of the ways; what is said of it is said of all."""
    said = {name: plain[name] for name in _ABOUT if name in plain}
    if "description" in said:
        said["description"] = f"{said['description'].rstrip('.')}. {_BESIDES}"
    rest = {name: value for name, value in plain.items() if name not in said}
    rows = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    return {"anyOf": [*rows, *ways], **said}
