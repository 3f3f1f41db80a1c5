"""In which order several writes are taken: by their keys, where that comes to the same.

Who takes the same records in opposite orders waits for the other, and the other for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import groupby
from typing import Any, TypeVar

from abaft.model import expr as e
from abaft.model.spec import Model, Schema
from abaft.plan.types import ReadIntent, WriteIntent

T = TypeVar("T")
Intent = WriteIntent | ReadIntent


class KeyOrder:
    """Knows of each model whether the order of its writes makes a difference."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._held: dict[str, frozenset[str] | None] = {}

    def of(self, intents: Sequence[Intent]) -> Sequence[int]:
        """The places of the writes in the order to take them in.

        Only neighbours of one model, each found by a key, change places.
        """
        places: Sequence[int] = range(len(intents))
        if len(intents) < 2 or any(intent.needs >= 0 for intent in intents):
            return places
        order: list[int] = []
        for by, run in groupby(places, lambda place: self._by(intents[place])):
            taken = list(run)
            order += taken if by is None else self._sorted(intents, taken, by)
        return order

    def _sorted(
        self, intents: Sequence[Intent], run: list[int], by: tuple[str, ...]
    ) -> Sequence[int]:
        try:
            return sorted(run, key=lambda place: self._key(intents[place], by))
        except TypeError:
            return run  # objects and lists have no order

    def keyed(self, intents: Sequence[Intent]) -> Sequence[Intent]:
        """The writes with the keys that are made here: they rise in the order that was asked for.

        In which order the records are made then doesn't show.
        """
        return [self._with_key(intent) for intent in intents]

    def _with_key(self, intent: Intent) -> Intent:
        if isinstance(intent, ReadIntent) or intent.action != "create":
            return intent
        kept = self._schema.models[intent.model]
        made = {
            name: default()
            for name in kept.key
            if (default := kept.fields[name].default) is not None
            and name not in intent.values
            and name not in intent.made
        }
        return replace(intent, made={**intent.made, **made}) if made else intent

    def settles(self, intents: Sequence[Intent]) -> bool:
        """Whether the order is by key alone, so that two of such requests don't cross."""
        first = self._by(intents[0]) if intents else None
        return first is not None and all(self._by(intent) == first for intent in intents)

    @staticmethod
    def asked(order: Sequence[int], found: list[T]) -> list[T]:
        """What was found in that order, in the order that was asked for; as it is if not all is."""
        if isinstance(order, range) or len(found) < len(order):
            return found
        placed = dict(zip(order, found, strict=True))
        return [placed[place] for place in range(len(found))]

    def _by(self, intent: Intent) -> tuple[str, ...] | None:
        """The model, what is done and the fields to go by; None where it keeps its place."""
        if isinstance(intent, ReadIntent):
            return None
        model = self._schema.models[intent.model]
        by = intent.upsert or (model.key if intent.action == "update" else ())
        if not by or intent.verb:
            return None
        held = self._held_by(model)
        if held is None or held.intersection(intent.values).difference(intent.upsert):
            # What one gives up another may take.
            return None
        given = intent.values if intent.upsert else intent.key
        if any(given.get(name) is None for name in by):
            return None
        return (intent.model, intent.action, *by)

    def _key(self, intent: Intent, by: tuple[str, ...]) -> tuple[Any, ...]:
        assert isinstance(intent, WriteIntent)
        given = intent.values if intent.upsert else intent.key
        kept = self._schema.models[intent.model].fields
        return tuple(given[name].lower() if kept[name].nocase else given[name] for name in by[2:])

    def _held_by(self, model: Model) -> frozenset[str] | None:
        """The fields with values that a record has for itself; None where the order tells."""
        if model.name not in self._held:
            unique = {name for row in model.unique_sets() for name in row.fields}
            free = not (
                model.order
                or any(hook.when == "before" for hook in model.hooks)
                or any(one.target == model.name for one in model.one.values())
                or any(many.target == model.name for many in model.many.values())
                or self._looks_back(model)
            )
            self._held[model.name] = frozenset(unique.union(model.key)) if free else None
        return self._held[model.name]

    def _looks_back(self, model: Model) -> bool:
        """Whether a rule of the model may depend on other records of it."""
        named: set[str] = set()
        for rule in model.rules:
            named |= _relations(rule.where)
        for other in self._schema.models.values():
            for name in named.intersection(other.one):
                if other.one[name].target == model.name:
                    return True
            for name in named.intersection(other.many):
                many = other.many[name]
                if many.target == model.name or (other is model and many.writable):
                    return True
        return False


def _relations(node: Any) -> set[str]:
    """The names of the relations that an expression goes through."""
    if isinstance(node, tuple):
        return set().union(*map(_relations, node))
    if not is_dataclass(node):
        return set()
    own = {node.relation} if isinstance(node, e.Hop | e.Exists | e.Reduce) else set()
    return own.union(*(_relations(getattr(node, row.name)) for row in fields(node)))
