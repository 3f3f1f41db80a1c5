"""What every store tells the feed of records with history, beside a change itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from abaft.model.spec import Model, Schema
from abaft.plan.versions import BASELINE

Key = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Before:
    """A record of a model with history as it was, where the feed doesn't have that yet."""

    model: Model
    record: str
    text: str

    def told(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the change record that tells of it, within a write of these values."""
        return {
            **values,
            "change.model": self.model.name,
            "change.record": self.record,
            "change.actor": "system",
            "change.action": BASELINE,
            "change.data": self.text,
            **self._since(),
        }

    def _since(self) -> dict[str, Any]:
        """When the record came to be as it was, where a stamp tells."""
        for name, field in self.model.fields.items():
            if field.stamp == "updated" and not field.hidden:
                return {"change.at": field.kind.read(orjson.loads(self.text)[name])}
        return {}


def owners(schema: Schema, link: Model, key: Key) -> list[tuple[Model, Key]]:
    """The record with history whose to-many relation a link is of."""
    if not link.internal:
        return []
    return [
        (owner, {owner.key[0]: key[many.back]})
        for owner in schema.models.values()
        for many in owner.many.values()
        if owner.history and many.link == link.name and many.writable and not many.hidden
    ]
