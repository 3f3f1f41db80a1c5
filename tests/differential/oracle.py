"""What the answer must be, in plain Python: rules by hand, conditions by the reference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from abaft import Actor
from abaft.model.evaluate import evaluate, evaluate_value, fold
from differential import models
from differential.questions import Question
from differential.worlds import World

MANY = ("things", "tags", "children")


class Unseen:
    """A record that the actor may not read: of it only the key that others hold is known."""

    __written__ = ""

    def __init__(self, key: Any, name: str) -> None:
        self.__key__ = (key,)
        self.__named__ = name

    def __getattr__(self, name: str) -> Any:
        return () if name in MANY else None


@dataclass(frozen=True)
class Law:
    """Who may read which records, and which fields of those."""

    sees: Callable[[Actor, Any], bool]
    sees_field: Callable[[Actor, Any, str], bool]


BY_HAND = Law(models.sees, models.sees_field)


def views(world: World, actor: Actor, law: Law = BY_HAND) -> dict[int, Any]:
    """The world as the actor may see it: a copy of each record, by the id of the original."""
    made: dict[int, Any] = {}
    for record in world.all():
        if law.sees(actor, record):
            made[id(record)] = type(record).__new__(type(record))
        else:
            made[id(record)] = Unseen(record.__key__[0], type(record).__spec__.key[0])
    for record in world.all():
        view = made[id(record)]
        if isinstance(view, Unseen):
            continue
        view.__dict__["original"] = record
        for name, value in record.__dict__.items():
            if isinstance(value, list) and name in MANY:
                value = [made[id(item)] for item in value if law.sees(actor, item)]
            elif id(value) in made:
                value = made[id(value)]
            view.__dict__[name] = value if law.sees_field(actor, record, name) else None
    for view in made.values():
        _reckon(view)
    return made


def _reckon(view: Any) -> None:
    """Adds the computed fields, of what may be seen."""
    if not isinstance(view, Unseen):
        for name, computed in type(view).__spec__.computed.items():
            view.__dict__[name] = evaluate_value(computed.value, [view])


def answer(world: World, question: Question, law: Law = BY_HAND) -> list[Any]:
    """The views of the things that answer the question, in order."""
    seen = views(world, question.actor, law)
    things = [seen[id(thing)] for thing in world.things]
    found = [
        thing
        for thing in things
        if not isinstance(thing, Unseen)
        and evaluate(question.where, [thing], question.actor, question.values)
    ]
    last = question.sort[-1].descending if question.sort else False
    for path, descending in [
        *(((name,), last) for name in world.key[::-1]),
        *((s.path, s.descending) for s in question.sort[::-1]),
    ]:
        found.sort(key=lambda thing, path=path: _rank(thing, path), reverse=descending)
    return found


def _rank(record: Any, path: tuple[str, ...]) -> tuple[bool, Any]:
    """Nulls are the greatest, so last ascending and first descending."""
    *hops, name = path
    if hops and _holds(record, hops, name):
        # Whom it refers to is shown with the record itself.
        hops, name = [], hops[0]
    for hop in hops:
        record = getattr(record, hop)
        if record is None:
            return True, 0
    value = getattr(record, name)
    if hasattr(type(value), "__written__"):
        value = value.__key__[0]
    if value is None:
        return True, 0
    field = type(record).__spec__.value(name)
    return False, fold(getattr(value, "value", value), field.nocase)


def _holds(record: Any, hops: list[str], name: str) -> bool:
    """Whether the path names the key of a relation that every record has, which it holds itself."""
    one = type(record).__spec__.one[hops[0]]
    there = getattr(record, hops[0])
    return (
        len(hops) == 1
        and not one.nullable
        and isinstance(there, Unseen)
        and name == there.__named__
    )


def shown(record: Any, expand: Mapping[str, Any], told: Callable[[str], bool]) -> dict[str, Any]:
    """The JSON of a record, of the fields that are `told`."""
    model = type(record).__spec__
    members: dict[str, Any] = {}
    for name, field in model.fields.items():
        value = getattr(record, name)
        if not told(name):
            continue
        if name in model.one and value is not None:
            key = field.kind.show(value.__key__[0])
            members[name] = key if name not in expand or isinstance(value, Unseen) else value
        else:
            members[name] = None if value is None else field.kind.show(value)
    for name, computed in model.computed.items():
        value = getattr(record, name)
        members[name] = None if value is None else computed.field.kind.show(value)
    for name in expand:
        if name in model.many:
            members[name] = sorted(getattr(record, name), key=lambda item: item.__key__)
    return members


def document(
    record: Any, expand: Mapping[str, Any], actor: Actor, law: Law = BY_HAND
) -> dict[str, Any]:
    """The same with expanded relations as documents in turn."""
    members = shown(record, expand, lambda name: law.sees_field(actor, record, name))
    for name, inner in expand.items():
        value = members[name]
        if isinstance(value, list):
            members[name] = [document(item, inner, actor, law) for item in value]
        elif hasattr(type(value), "__spec__"):
            members[name] = document(value, inner, actor, law)
    return members


def tree(paths: tuple[tuple[str, ...], ...]) -> dict[str, Any]:
    """Paths to expand as nested dictionaries."""
    root: dict[str, Any] = {}
    for path in paths:
        inner = root
        for name in path:
            inner = inner.setdefault(name, {})
    return root
