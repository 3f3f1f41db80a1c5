"""Queries and pipelines with places for values: made once a plan, filled at each request.

A value only ever takes the place of a leaf, and what it is compared by stands around it: no value
of a client's is read as an operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]
Fill = Callable[[Values], Any]
Query = dict[str, Any]
"""A condition in the query language, or a stage of a pipeline."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The place of a parameter; `encode` makes BSON of its value."""

    name: str
    encode: Callable[[Any], Any]

    def fill(self, values: Values) -> Any:
        found = values[self.name]
        return None if found is None else self.encode(found)


@dataclass(frozen=True, slots=True)
class Ordering:
    """`{"$gt": value}` and the like, by which nothing is found where the value is null."""

    operator: str
    value: Any

    def fill(self, values: Values) -> Any:
        found = filled(self.value, values)
        return {"$in": []} if found is None else {self.operator: found}


@dataclass(frozen=True, slots=True)
class Sought:
    """`{"$in": […]}` of all that may be stored where a value is meant."""

    value: Any
    found: Callable[[Any], list[Any]]

    def fill(self, values: Values) -> Any:
        given = values[self.value.name] if isinstance(self.value, Bound) else self.value
        return {"$nin": []} if given is None else {"$in": self.found(given)}


def filled(template: Any, values: Values) -> Any:
    """The template with its values in it."""
    return compiled(template)(values)


def compiled(template: Any) -> Fill:
    """What fills the template; parts without a place for a value are taken as they are."""
    made = _compiled(template)
    return made if made is not None else lambda values: template


def _compiled(node: Any) -> Fill | None:
    if isinstance(node, (Bound, Ordering, Sought)):
        return node.fill
    if isinstance(node, dict):
        return _object(node)
    if isinstance(node, list):
        return _list(node)
    return None


def _object(node: dict[str, Any]) -> Fill | None:
    made = {name: part for name, value in node.items() if (part := _compiled(value)) is not None}
    if not made:
        return None

    def fill(values: Values) -> Any:
        return {**node, **{name: part(values) for name, part in made.items()}}

    return fill


def _list(node: list[Any]) -> Fill | None:
    parts = [_compiled(item) for item in node]
    if not any(parts):
        return None

    def fill(values: Values) -> Any:
        return [
            item if part is None else part(values) for item, part in zip(node, parts, strict=True)
        ]

    return fill
