"""Records of drawn models, who asks for them, and what their rules let be seen."""

from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from abaft import ANONYMOUS, Actor
from abaft.model.build import build
from abaft.model.evaluate import evaluate, fold
from abaft.model.spec import Field, Schema
from differential.drawn import Draft
from differential.oracle import Law
from differential.questions import About
from differential.worlds import PEOPLE, World, values_of

POOLS: dict[str, list[Any]] = {
    "integer": [*range(-2, 5)],
    "text": ["A", "a", "ä", "a ", "b,'%", "🙂"],
    "uuid": [person.id for person in PEOPLE],
}
"""Keys, few enough that what is asked for is often there."""
UNKNOWN: dict[str, Any] = {"integer": 99, "text": "nobody", "uuid": UUID(int=99)}


class Drawn:
    """A draft's models, with all that the questions and the reference want of them."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.models = draft.models()
        self.owner, self.thing = self.models
        self.schema: Schema = build(self.models)
        self.guarded = {
            name
            for model in self.schema.models.values()
            for rule in model.rules
            for name in rule.fields
        }
        for part in (draft.owner, draft.thing):
            if part.secret is not None and part.secret[0] in part.computed:
                self.guarded.add(f"made{part.computed.index(part.secret[0])}")
        self.law = Law(self.sees, self.sees_field)
        self.about = About(self.schema, self._actors(), self._expands())

    def __repr__(self) -> str:
        return repr(self.draft)

    def _actors(self) -> list[Actor]:
        kind = self.owner.__spec__.fields["key0"].kind
        ids = [kind.spell(key) for key in POOLS[self.draft.owner.key[0]][:3]]
        known = [Actor(id=id_) for id_ in ids]
        editor = Actor(id=ids[0], roles=frozenset({"editor"}))
        unknown = Actor(id=kind.spell(UNKNOWN[self.draft.owner.key[0]]))
        return [Actor(system=True), *known, editor, unknown, ANONYMOUS]

    def _expands(self) -> list[tuple[str, ...]]:
        nested = [("parent",), ("children",), ("parent", "owner"), ("children", "parent")]
        usual = [("owner",), ("owner", "things")]
        return usual + (nested if self.draft.nested else [])

    def sees(self, actor: Actor, record: Any) -> bool:
        """Whether the rules let the actor read the record, as plain Python has it."""
        rules = [rule for rule in type(record).__spec__.rules if not rule.fields]
        return actor.system or any(evaluate(rule.where, [record], actor) for rule in rules)

    def sees_field(self, actor: Actor, record: Any, name: str) -> bool:
        """Whether they let it read this field of a record that it may read."""
        rules = [rule for rule in type(record).__spec__.rules if name in rule.fields]
        record = record.__dict__.get("original", record)
        return (
            not rules
            or actor.system
            or any(evaluate(rule.where, [record], actor) for rule in rules)
        )

    def may_refuse(self, actor: Actor, told: str) -> bool:
        """Whether a question may be refused as one that nothing can come of."""
        out_of_reach = {rule for rule, _ in self.draft.thing.rules} <= {"editors", "mine"}
        return not actor.system and (out_of_reach or any(name in told for name in self.guarded))


@st.composite
def drawn_worlds(draw: Any, drawn: Drawn) -> World:
    """A few owners and things; what is unique is so."""
    taken: dict[Any, list[Any]] = {}
    least = 0 if drawn.draft.optional else 1
    keys = draw(_keys(drawn.draft.owner.key, least, 3))
    owners = [_record(draw, drawn.owner, key, taken) for key in keys]
    for owner in owners:
        owner.__dict__["things"] = []
    things: list[Any] = []
    for key in draw(_keys(drawn.draft.thing.key, 1, 4)):
        thing = _record(draw, drawn.thing, key, taken)
        options = [None, *owners] if drawn.draft.optional else owners
        owner = draw(st.sampled_from(options))
        thing.__dict__["owner"] = owner
        if owner is not None:
            owner.things.append(thing)
        if drawn.draft.nested:
            parent = draw(st.sampled_from([None, *things]))
            thing.__dict__.update(parent=parent, children=[])
            if parent is not None:
                parent.children.append(thing)
        things.append(thing)
    return World([], owners, [], things)


def _keys(kinds: tuple[str, ...], least: int, most: int) -> st.SearchStrategy[list[Any]]:
    parts = st.tuples(*(st.sampled_from(POOLS[kind]) for kind in kinds))
    return st.lists(parts, min_size=least, max_size=most, unique=True)


def _record(draw: Any, model: Any, key: tuple[Any, ...], taken: dict[Any, list[Any]]) -> Any:
    values = dict(zip(model.__spec__.key, key, strict=True))
    for name, field in model.__spec__.fields.items():
        if name not in values and not field.relation:
            values[name] = _value(draw, field, taken.setdefault((model, name), []))
    return model(**values)


def _value(draw: Any, field: Field, taken: list[Any]) -> Any:
    drawn = values_of(field.kind)
    if field.unique:
        drawn = drawn.filter(lambda value: fold(value, field.nocase) not in taken)
    value = draw(st.none() | drawn if field.nullable else drawn)
    if value is not None:
        taken.append(fold(value, field.nocase))
    return value
