"""What a record is in its collection: a document by its key, with what its indexes are made of.

A model's key is the document's `_id`, of several fields a document of them. Beside the fields stand
`_nocase`, texts as comparisons without case see them; `_unique`, values that no two records share,
where the field itself can't say so; and of searched fields `_words` and `_texts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from abaft.model import expr as e
from abaft.model.evaluate import evaluate, fold
from abaft.model.spec import Model, Unique
from abaft.store.mongo.values import decode, encode

Document = dict[str, Any]
NOCASE, UNIQUE, WORDS, TEXTS = "_nocase", "_unique", "_words", "_texts"
OWN = ("_id", NOCASE, UNIQUE, WORDS, TEXTS)
CHANGES, ANSWERS, LOADS, STATE, INTENTS = (
    "abaft_changes",
    "abaft_idempotency",
    "abaft_loads",
    "abaft_state",
    "abaft_intents",
)


def path(model: Model, name: str) -> str:
    """Where a field is in the document."""
    return "_id" if model.key == (name,) else model.fields[name].column


def compared(model: Model, name: str) -> str:
    """Where the field is as comparisons see it."""
    return f"{NOCASE}.{name}" if model.fields[name].nocase else path(model, name)


def id_of(model: Model, key: Mapping[str, Any]) -> Any:
    """The `_id` of our key."""
    found = {name: encode(model.fields[name].kind, key[name]) for name in model.key}
    if len(found) == 1:
        return found[model.key[0]]
    return {model.fields[name].column: value for name, value in found.items()}


def key_of(model: Model, document: Document) -> dict[str, Any]:
    """Our key of a document."""
    return {name: value_of(model, document, name) for name in model.key}


def value_of(model: Model, document: Document, name: str) -> Any:
    """Our value of one field."""
    return decode(model.fields[name].kind, document.get(path(model, name)))


def values_of(model: Model, document: Document) -> dict[str, Any]:
    """Our values of all fields."""
    return {name: value_of(model, document, name) for name in model.fields}


def indexed_by_itself(model: Model, row: Unique) -> bool:
    """Whether a plain unique index says just what is meant: null equals null there."""
    fields = [model.fields[name] for name in row.fields]
    return row.where == e.TRUE and not any(field.nullable or field.nocase for field in fields)


def unique_place(model: Model, row: Unique) -> str:
    """Under which name the document keeps what the set's records are told apart by."""
    return row.name(model.table).replace(".", "_")


def at(document: Document, place: str) -> Any:
    """What is at a path; null where nothing is."""
    if "." not in place:
        return document.get(place)
    found: Any = document
    for part in place.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def column(documents: Sequence[Document], place: str) -> list[Any]:
    """What is at a path of each."""
    if "." not in place:
        return [document.get(place) for document in documents]
    return [at(document, place) for document in documents]


class Documents:
    """Makes the documents of one model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.key = model.key if len(model.key) > 1 else ()
        self.nocase = [name for name, field in model.fields.items() if field.nocase]
        self.uniques = [row for row in model.unique_sets() if not indexed_by_itself(model, row)]
        self._paths = [(name, path(model, name), f.kind) for name, f in model.fields.items()]
        self._cls = type(model.name, (), {"__spec__": model})

    @property
    def plain(self) -> bool:
        """Whether there is nothing beside the fields, but for what search keeps."""
        return not self.nocase and not self.uniques

    def make(self, values: Mapping[str, Any]) -> Document:
        """The document of a whole record's values, but for what search keeps of them."""
        document: Document = {"_id": id_of(self.model, values)} if self.key else {}
        for name, at, kind in self._paths:
            document[at] = encode(kind, values.get(name))
        if self.nocase:
            document[NOCASE] = {name: fold(values.get(name), True) for name in self.nocase}
        if self.uniques:
            found = {place: value for place, value in self._told_apart(values)}
            document[UNIQUE] = found
        return document

    def _told_apart(self, values: Mapping[str, Any]) -> list[tuple[str, Any]]:
        record = self.record(values)
        found = []
        for row in self.uniques:
            parts = [self._part(name, values) for name in row.fields]
            # Null is never taken, and who doesn't meet the condition takes nothing.
            if None not in parts and evaluate(row.where, [record]):
                value = parts[0] if len(parts) == 1 else {str(at): v for at, v in enumerate(parts)}
                found.append((unique_place(self.model, row), value))
        return found

    def _part(self, name: str, values: Mapping[str, Any]) -> Any:
        field = self.model.fields[name]
        return encode(field.kind, fold(values.get(name), field.nocase))

    def record(self, values: Mapping[str, Any]) -> Any:
        """The values as an object, for the reference of expressions."""
        made = self._cls()
        made.__dict__.update(values)
        return made
