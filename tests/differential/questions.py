"""Conditions, orders and pages about things, drawn node by node from the expression language."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from abaft import ANONYMOUS, Actor
from abaft.model import expr as e
from abaft.model.build import build
from abaft.model.computed import moved
from abaft.model.spec import Field, Model, Schema
from abaft.plan.types import Sort
from differential.models import MODELS
from differential.worlds import PEOPLE, values_of

VARIANTS = 5
"""Times that a shape is asked of each world, each time with other values and by another."""

ACTORS = [
    Actor(system=True),
    *(Actor(id=str(person.id)) for person in PEOPLE),
    Actor(id=str(PEOPLE[0].id), roles=frozenset({"editor"})),
    Actor(id=str(UUID(int=99))),
    ANONYMOUS,
]
SCHEMA = build(MODELS)
DEPTH = 3
EXPANDS = [
    *(("place",), ("owner",), ("parent",), ("tags",), ("children",), ("place", "keeper")),
    *(("parent", "place"), ("place", "things"), ("tags", "things"), ("children", "tags")),
]


@dataclass(frozen=True)
class About:
    """What is asked about, by whom, and the relations that may be expanded."""

    schema: Schema
    actors: Sequence[Actor]
    expands: Sequence[tuple[str, ...]]


USUAL = About(SCHEMA, ACTORS, EXPANDS)


@dataclass(frozen=True)
class Question:
    """What is asked of all things, by whom, and how many a page."""

    actor: Actor
    where: e.Expr
    values: Mapping[str, Any] = field(default_factory=dict)
    sort: tuple[Sort, ...] = ()
    expand: tuple[tuple[str, ...], ...] = ()
    limit: int = 100


def paths(schema: Schema, model: Model, depth: int) -> Iterator[tuple[tuple[str, ...], Field]]:
    """Every field within reach through so many to-one relations."""
    for row in model.fields.values():
        yield (row.name,), row
    if depth:
        for name in model.one:
            for path, row in paths(schema, schema.target(model, name), depth - 1):
                yield (name, *path), row


class _Drawing:
    def __init__(self, draw: Callable[[Any], Any], about: About) -> None:
        self.draw = draw
        self.about = about
        self.schema = about.schema
        self.values: dict[str, Any] = {}
        self.rows: dict[str, tuple[Field, bool]] = {}

    def pick(self, options: Any) -> Any:
        return self.draw(st.sampled_from([*options]))

    def condition(self, scopes: list[Model], depth: int = DEPTH) -> e.Expr:
        kinds = ["compare", "compare", "text", "one_of", "null", "column", "me", "computed"]
        if depth:
            kinds += ["and", "or", "not", "exists"]
        return getattr(self, f"_{self.pick(kinds)}")(scopes, depth)

    def within(
        self, scopes: list[Model], fits: Callable[[Field], bool]
    ) -> dict[int, list[tuple[tuple[str, ...], Field]]]:
        """The fields that fit, by the scopes that have such."""
        found = {}
        for scope, model in enumerate(scopes):
            if fitting := [pair for pair in paths(self.schema, model, 2) if fits(pair[1])]:
                found[scope] = fitting
        return found

    def column(
        self, scopes: list[Model], fits: Callable[[Field], bool] = lambda row: True
    ) -> tuple[e.Column, Field]:
        within = self.within(scopes, fits)
        scope = self.pick(within)
        path, row = self.pick(within[scope])
        return e.Column(path[-1], tuple(e.Hop(name) for name in path[:-1]), scope), row

    def value(self, row: Field) -> e.Value:
        value = self.draw(values_of(row.kind) if not row.relation else _keys(row))
        value = row.kind.read(row.kind.show(value))
        return e.Const(value) if self.draw(st.booleans()) else self._param(row, value)

    def _param(self, row: Field, value: Any, many: bool = False) -> e.Param:
        name = f"p{len(self.values)}"
        self.values[name] = value
        self.rows[name] = (row, many)
        return e.Param(name, row.kind, many)

    def again(self) -> dict[str, Any]:
        """Other values in the places of those that were drawn."""
        drawn: dict[str, Any] = {}
        for name, (row, many) in self.rows.items():
            one = _keys(row) if row.relation else values_of(row.kind)
            found = self.draw(
                st.lists(one, max_size=4) if many else st.lists(one, min_size=1, max_size=1)
            )
            read = [row.kind.read(row.kind.show(value)) for value in found]
            drawn[name] = read if many else read[0]
        return drawn

    def _compare(self, scopes: list[Model], depth: int) -> e.Expr:
        column, row = self.column(scopes, lambda row: row.kind.name != "json")
        return e.Compare(self._op(row), column, self.value(row), self._nocase(row))

    def _op(self, row: Field) -> Any:
        return self.pick(["eq", "ne", "gt", "ge", "lt", "le"] if row.kind.ordered else ["eq", "ne"])

    def _nocase(self, row: Field) -> bool:
        return row.kind.textual and bool(self.draw(st.booleans()))

    def _text(self, scopes: list[Model], depth: int) -> e.Expr:
        if not self.within(scopes, lambda row: row.kind.textual):
            return self._null(scopes, depth)
        column, row = self.column(scopes, lambda row: row.kind.textual)
        op = self.pick(["contains", "startswith", "endswith"])
        right = self.value(row)
        if self.draw(st.booleans()):
            right, _ = self.column(scopes, lambda row: row.kind.textual)
        return e.Compare(op, column, right, self._nocase(row))

    def _one_of(self, scopes: list[Model], depth: int) -> e.Expr:
        column, row = self.column(scopes, lambda row: row.kind.name != "json")
        one = _keys(row) if row.relation else values_of(row.kind)
        options = [row.kind.read(row.kind.show(v)) for v in self.draw(st.lists(one, max_size=4))]
        return e.OneOf(column, self._param(row, options, many=True), self._nocase(row))

    def _null(self, scopes: list[Model], depth: int) -> e.Expr:
        return e.IsNull(self.column(scopes)[0])

    def _column(self, scopes: list[Model], depth: int) -> e.Expr:
        left, row = self.column(scopes, lambda row: row.kind.name != "json")
        right, _ = self.column(scopes, lambda other: _alike(row, other))
        return e.Compare(self._op(row), left, right, self._nocase(row))

    def _me(self, scopes: list[Model], depth: int) -> e.Expr:
        if self.draw(st.booleans()):
            return e.ActorRole(self.pick(["", "editor", "other"]))
        column, row = self.column(scopes, lambda row: row.relation in ("owner", "keeper"))
        return e.Compare(self.pick(["eq", "ne"]), column, e.ActorId(row.kind))

    def _computed(self, scopes: list[Model], depth: int) -> e.Expr:
        """A computed field of the thing itself, held against a value."""
        if not scopes[0].computed:
            return self._null(scopes, depth)
        made = self.pick(scopes[0].computed.values())
        value = moved(made.value, (), 0, len(scopes))
        return e.Compare(self._op(made.field), value, self.value(made.field))

    def _and(self, scopes: list[Model], depth: int) -> e.Expr:
        return e.And(tuple(self.condition(scopes, depth - 1) for _ in range(2)))

    def _or(self, scopes: list[Model], depth: int) -> e.Expr:
        return e.Or(tuple(self.condition(scopes, depth - 1) for _ in range(2)))

    def _not(self, scopes: list[Model], depth: int) -> e.Expr:
        return e.Not(self.condition(scopes, depth - 1))

    def _exists(self, scopes: list[Model], depth: int) -> e.Expr:
        scope = self.pick(range(len(scopes)))
        owners = [((), scopes[scope])]
        for name in scopes[scope].one:
            owners.append(((e.Hop(name),), self.schema.target(scopes[scope], name)))
        found = [(hops, model, name) for hops, model in owners for name in model.many]
        if not found:
            return self._null(scopes, depth)
        hops, model, name = self.pick(found)
        inner = [*scopes, self.schema.target(model, name)]
        where = e.TRUE if self.pick(range(4)) == 0 else self.condition(inner, depth - 1)
        return e.Exists(name, where, hops, scope)


def _keys(row: Field) -> st.SearchStrategy[Any]:
    pools = {
        "text": ["A", "a", "ä", ""],
        "uuid": [person.id for person in PEOPLE],
        "integer": [*range(-2, 5)],
    }
    return st.sampled_from(pools[row.kind.name])


def _alike(row: Field, other: Field) -> bool:
    """Rules refuse choices and decimals of two shapes, which engines store differently."""
    same_shape = row.kind == other.kind or row.kind.name not in ("choice", "decimal")
    return row.kind.name == other.kind.name and same_shape


@st.composite
def variants(draw: Any, about: About = USUAL, count: int = VARIANTS) -> list[Question]:
    """Questions of one shape: planned and compiled once, so that many can be asked."""
    drawing = _Drawing(draw, about)
    first = _asked(drawing)
    alike = [actor for actor in about.actors if actor.kind == first.actor.kind]
    more = [
        replace(first, actor=drawing.pick(alike), values=drawing.again()) for _ in range(count - 1)
    ]
    return [first, *more]


def _asked(drawing: _Drawing) -> Question:
    draw, about = drawing.draw, drawing.about
    things = about.schema.models["Thing"]
    where = drawing.condition([things]) if drawing.pick(range(5)) else e.TRUE
    ordered = [path for path, row in paths(about.schema, things, 2) if row.kind.ordered]
    ordered += [(name,) for name, made in things.computed.items() if made.field.kind.ordered]
    steps = st.builds(Sort, st.sampled_from(ordered), st.booleans())
    sort = draw(st.lists(steps, max_size=3, unique_by=lambda step: step.path))
    expand = draw(st.lists(st.sampled_from(about.expands), max_size=2, unique=True))
    limit = draw(st.sampled_from([2, 100, 100]))
    actor = drawing.pick(about.actors)
    return Question(actor, where, drawing.values, tuple(sort), tuple(expand), limit)
