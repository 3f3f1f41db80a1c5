"""Adds the virtual members to JSON that the store has made."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import TypeAdapter

from abaft.model.records import record_of
from abaft.model.spec import Model, Schema
from abaft.plan.types import ManyItem, OneItem, Selection, WholeItem


def is_virtual(selection: Selection) -> bool:
    """Whether there are virtual members in it, at any depth."""
    return bool(selection.virtual) or any(
        isinstance(item, (OneItem, ManyItem))
        and item.selection is not None
        and is_virtual(item.selection)
        for item in selection.items
    )


class Virtuals:
    """Adds what the functions of one selection give; made once for a plan."""

    def __init__(self, schema: Schema, selection: Selection) -> None:
        self.schema = schema
        self.model: Model = schema.models[selection.model]
        self.adapters = {
            name: TypeAdapter[Any](self.model.virtual[name].annotation)
            for name in selection.virtual
        }
        self.whole = any(isinstance(item, WholeItem) for item in selection.items)
        self.below = {
            item.name: Virtuals(schema, item.selection)
            for item in selection.items
            if isinstance(item, (OneItem, ManyItem))
            and item.selection is not None
            and is_virtual(item.selection)
        }

    def text(self, json: str | bytes) -> str:
        """The record's JSON with its virtual members, at the end."""
        shown = orjson.loads(json)
        self._add(shown)
        return orjson.dumps(shown).decode()

    def _add(self, shown: dict[str, Any]) -> None:
        for name, below in self.below.items():
            value = shown.get(name)
            # A relation that may not be seen shows its key alone.
            for record in value if isinstance(value, list) else [value]:
                if isinstance(record, dict) and (not below.whole or "" in record):
                    below._add(record)
        if not self.whole:
            return
        stored, _ = shown.pop("")
        record = record_of(self.schema, self.model, stored)
        for name, adapter in self.adapters.items():
            value = self.model.virtual[name].call(record)
            shown[name] = adapter.dump_python(value, mode="json")
