"""What the answer must be, in plain Python: rules by hand, conditions by the reference."""

from collections.abc import Mapping
from typing import Any

from abaft import Actor
from abaft.model.evaluate import evaluate, fold
from differential.models import Thing, sees, sees_field
from differential.questions import Question
from differential.worlds import World

MANY = ("things", "tags", "children")


class Unseen:
    """A record that the actor may not read: of it only the key that others hold is known."""

    __written__ = ""

    def __init__(self, key: Any) -> None:
        self.__key__ = (key,)

    def __getattr__(self, name: str) -> Any:
        return () if name in MANY else None


def views(world: World, actor: Actor) -> dict[int, Any]:
    """The world as the actor may see it: a copy of each record, by the id of the original."""
    made: dict[int, Any] = {}
    for record in world.all():
        if sees(actor, record):
            made[id(record)] = type(record).__new__(type(record))
        else:
            made[id(record)] = Unseen(record.__key__[0])
    for record in world.all():
        view = made[id(record)]
        if isinstance(view, Unseen):
            continue
        for name, value in record.__dict__.items():
            if isinstance(value, list) and name in MANY:
                value = [made[id(item)] for item in value if sees(actor, item)]
            elif id(value) in made:
                value = made[id(value)]
            view.__dict__[name] = value if sees_field(actor, record, name) else None
    return made


def answer(world: World, question: Question) -> list[Any]:
    """The views of the things that answer the question, in order."""
    seen = views(world, question.actor)
    things = [seen[id(thing)] for thing in world.things]
    found = [
        thing
        for thing in things
        if not isinstance(thing, Unseen)
        and evaluate(question.where, [thing], question.actor, question.values)
    ]
    last = question.sort[-1].descending if question.sort else False
    for path, descending in [
        (("number",), last),
        *((s.path, s.descending) for s in question.sort[::-1]),
    ]:
        found.sort(key=lambda thing, path=path: _rank(thing, path), reverse=descending)
    return found


def _rank(record: Any, path: tuple[str, ...]) -> tuple[bool, Any]:
    """Nulls are the greatest, so last ascending and first descending."""
    *hops, name = path
    for hop in hops:
        record = getattr(record, hop)
        if record is None:
            return True, 0
    value = getattr(record, name)
    if hasattr(type(value), "__written__"):
        value = value.__key__[0]
    if value is None:
        return True, 0
    field = type(record).__spec__.fields[name]
    return False, fold(getattr(value, "value", value), field.nocase)


def shown(record: Any, expand: Mapping[str, Any], mine: bool) -> dict[str, Any]:
    """The JSON of a record; `mine` says whether its owner's secrets may be seen."""
    model = type(record).__spec__
    members: dict[str, Any] = {}
    for name, field in model.fields.items():
        value = getattr(record, name)
        if name == "secret" and not mine:
            continue
        if name in model.one and value is not None:
            key = field.kind.show(value.__key__[0])
            members[name] = key if name not in expand or isinstance(value, Unseen) else value
        else:
            members[name] = None if value is None else field.kind.show(value)
    for name in expand:
        if name in model.many:
            members[name] = sorted(getattr(record, name), key=lambda item: item.__key__)
    return members


def document(record: Any, expand: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """The same with expanded relations as documents in turn."""
    mine = not isinstance(record, Thing) or sees_field(actor, record, "secret")
    members = shown(record, expand, mine)
    for name, inner in expand.items():
        value = members[name]
        if isinstance(value, list):
            members[name] = [document(item, inner, actor) for item in value]
        elif hasattr(type(value), "__spec__"):
            members[name] = document(value, inner, actor)
    return members


def tree(paths: tuple[tuple[str, ...], ...]) -> dict[str, Any]:
    """Paths to expand as nested dictionaries."""
    root: dict[str, Any] = {}
    for path in paths:
        inner = root
        for name in path:
            inner = inner.setdefault(name, {})
    return root
