"""The order in which models are copied, and which relations wait until all records are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from abaft.model import expr as e
from abaft.model.spec import Model, One, Schema


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Models whose records are stored batch by batch; or `whole`: in one transaction, for each
    record may need another that is to come.
    """

    models: tuple[Model, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Models that refer to each other, in parts that need those before them.

    `later` are each model's fields that are null at first, and set when all records are there.
    """

    parts: tuple[Part, ...]
    later: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def models(self) -> list[Model]:
        return [model for part in self.parts for model in part.models]


def copied(schema: Schema) -> list[Model]:
    """The models that have records of their own, those of to-many relations among them."""
    return [model for model in schema.models.values() if not model.read_only]


def groups(schema: Schema) -> list[Group]:
    """All models, each after those that its records refer to."""
    models = {model.name: model for model in copied(schema)}
    needed = {name: {one.target for one in _ones(model, models)} for name, model in models.items()}
    return [
        _group([models[name] for name in sorted(names, key=list(models).index)], models)
        for names in _circles(needed)
    ]


def _ones(model: Model, models: Mapping[str, Model]) -> list[One]:
    return [one for one in model.one.values() if one.constraint and one.target in models]


def _group(circle: list[Model], models: Mapping[str, Model]) -> Group:
    names = {model.name for model in circle}
    later: dict[str, tuple[str, ...]] = {}
    rest: dict[str, set[str]] = {}
    for model in circle:
        bound = _held(model)
        fields: list[str] = []
        rest[model.name] = set()
        for one in _ones(model, models):
            if one.target not in names:
                continue
            free = [part for part in one.columns if model.fields[part].nullable]
            free = [part for part in free if part not in bound]
            fields += [part for part in free if part not in fields]
            if not free:
                rest[model.name].add(one.target)
        if fields:
            later[model.name] = tuple(fields)
    parts = (
        Part(tuple(models[name] for name in some), len(some) > 1 or some[0] in rest[some[0]])
        for some in _circles(rest)
    )
    return Group(tuple(parts), later)


def _held(model: Model) -> set[str]:
    """The fields that can't be null for a while: conditions hold for what they say, or places."""
    found = {*model.key, *model.order}
    conditions = [check.where for check in model.checks]
    conditions += [unique.where for unique in model.unique_sets()]

    def look(node: Any) -> Any:
        if isinstance(node, e.Column):
            found.update((node.name, *(part for hop in node.hops for part in _parts(model, hop))))
        return node

    for where in conditions:
        e.rewrite(where, look)
    return found


def _parts(model: Model, hop: e.Hop) -> Iterable[str]:
    one = model.one.get(hop.relation)
    return one.columns if one else ()


def _circles(needed: Mapping[str, set[str]]) -> list[list[str]]:
    """The names, each after those it needs; those that need each other in one list (Tarjan)."""
    found: list[list[str]] = []
    place: dict[str, int] = {}
    low: dict[str, int] = {}
    open_: list[str] = []

    def visit(name: str) -> None:
        place[name] = low[name] = len(place)
        open_.append(name)
        for other in sorted(needed[name], key=list(needed).index):
            if other not in place:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in open_:
                low[name] = min(low[name], place[other])
        if low[name] == place[name]:
            at = open_.index(name)
            found.append(open_[at:])
            del open_[at:]

    for name in needed:
        if name not in place:
            visit(name)
    return found
