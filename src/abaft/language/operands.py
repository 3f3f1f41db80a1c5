"""Values of a text: fields, functions of them, and what is known without the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from abaft.base.errors import nearest
from abaft.language import tree as t
from abaft.language.faults import bad
from abaft.language.paths import Leaf, Paths, Start
from abaft.language.scopes import Scopes
from abaft.language.values import Fixed, Found, Names, alone, beside
from abaft.model import expr as e
from abaft.model.functions import FUNCTIONS, REDUCTIONS, NoSuchKind, reduced_kind
from abaft.model.kinds import Boolean, Kind
from abaft.model.times import Date, DateTime

QUANTIFIERS = ("any", "all", "none")
Operand = Found | Fixed | t.Literal
Ask = Callable[[t.Node, Scopes], e.Expr]


class Operands:
    """Makes values of nodes; `ask` makes the conditions that stand within them."""

    def __init__(self, paths: Paths, names: Names, ask: Ask) -> None:
        self.paths = paths
        self.names = names
        self.ask = ask

    def value(self, node: t.Node, scopes: Scopes) -> Operand:
        """The value of a node; of a literal the kind is still to be told."""
        match node:
            case t.Literal(form="me"):
                bad(node.at, "bad_value", "`me` is compared with a relation, by = or !=")
            case t.Literal():
                return node
            case t.Clock(word):
                return _today() if word == "today" else Fixed(DateTime(), lambda now: now, True)
            case t.Path():
                return self.path(node, scopes)
            case t.Call(name) if name in REDUCTIONS:
                return self.reduced(node, scopes)
            case t.Call():
                return self.call(node, scopes)
            case t.Several():
                bad(node.at, "bad_value", "a list stands to the right of `in`")
        bad(node.at, "not_a_value", "a value was expected here, not a condition")

    def path(self, node: t.Path, scopes: Scopes) -> Found:
        """The value at the end of to-one relations."""
        start, names = scopes.start(node)
        return self.at_end(node, start, names)

    def at_end(self, node: t.Path, start: Start, names: tuple[str, ...]) -> Found:
        ends: list[Leaf] = []

        def finish(leaf: Leaf) -> e.Expr:
            ends.append(leaf)
            return e.TRUE

        if self.paths.follow(start, names, finish, node.at) != e.TRUE:
            detail = f"{str(node)[:80]!r} holds many records: ask any(…, …) or count(…)"
            bad(node.at, "to_many", detail)
        return found_at(ends[0], node)

    def call(self, node: t.Call, scopes: Scopes) -> Found | Fixed:
        """A function's value; where no part of it is the record's, it is reckoned beforehand."""
        row = FUNCTIONS.get(node.name)
        if row is None:
            known = [*FUNCTIONS, *REDUCTIONS, *QUANTIFIERS]
            hint = nearest(node.name, known)
            bad(node.at, "unknown_function", f"there is no function {node.name[:40]!r}: {hint}")
        args = self._args(node, scopes)
        kinds = [arg.kind for arg in args]
        try:
            kind = row.kind(kinds)
        except NoSuchKind as error:
            bad(node.at, "kinds_differ", str(error))
        if all(isinstance(arg, Fixed) for arg in args):
            return _reckoned(row.run, [arg for arg in args if isinstance(arg, Fixed)], kind)
        values = tuple(self.bound(arg, node.at) for arg in args)
        return Found(e.Call(node.name, values, kind), kind, shown(node))

    def bound(self, value: Found | Fixed, at: int) -> e.Value:
        """The value as an expression holds it."""
        return self.names.bound(value, at) if isinstance(value, Fixed) else value.value

    def _args(self, node: t.Call, scopes: Scopes) -> list[Found | Fixed]:
        args = [self.value(arg, scopes) for arg in node.args]
        kinds = [arg.kind for arg in args if not isinstance(arg, t.Literal)]
        return [_of_literal(arg, kinds) if isinstance(arg, t.Literal) else arg for arg in args]

    def reduced(self, node: t.Call, scopes: Scopes) -> Found:
        """`count(tags)`, `sum(lines.price, paid)`: an aggregate of a to-many relation."""
        path, name, where = members(node)
        start, names = scopes.start(path)
        many = self.paths.members(start, names, path.at)
        inner = scopes.within(many.target, name)
        value = None
        if many.rest:
            value = self.at_end(path, Start(many.target, scopes.next, inner.next), many.rest)
        try:
            kind = reduced_kind(node.name, value.kind if value else None)
        except NoSuchKind as error:
            bad(node.at, "kinds_differ", str(error))
        if node.name == "count" and value is not None:
            bad(path.at, "to_many", f"count takes a relation: count({many.relation})")
        condition = e.TRUE if where is None else self.ask(where, inner)
        of = None if value is None else value.value
        reduced = e.Reduce(node.name, many.relation, of, condition, kind, many.hops, many.scope)
        return Found(reduced, kind, shown(node))


def found_at(leaf: Leaf, node: t.Path) -> Found:
    """The one value that a path ends in."""
    if len(leaf.values) > 1:
        bad(node.at, "composite_key", f"{leaf.name} is several fields: compare it by = or !=")
    field = leaf.fields[0]
    relation = field.relation is not None or field.key
    return Found(leaf.values[0], field.kind, str(node)[:80], field.nocase, relation)


def members(node: t.Call) -> tuple[t.Path, str | None, t.Node | None]:
    """The relation that a quantifier or aggregate is about, its record's name, the condition."""
    if not 1 <= len(node.args) <= 2:
        bad(node.at, "bad_arguments", f"{node.name} takes a relation and a condition")
    of, *rest = node.args
    name: str | None = None
    match of:
        case t.Compare("in", t.Path((name,)), of, False):
            pass
    if not isinstance(of, t.Path):
        bad(of.at, "bad_arguments", f"{node.name} takes a relation first, like {node.name}(tags)")
    return of, name, rest[0] if rest else None


def shown(node: t.Node) -> str:
    """What a message calls the value."""
    if isinstance(node, t.Path):
        return str(node)[:80]
    return f"{node.name}(…)" if isinstance(node, t.Call) else "this"


def _today() -> Fixed:
    return Fixed(Date(), lambda now: now.date(), True)


def _of_literal(literal: t.Literal, kinds: Sequence[Kind]) -> Fixed:
    if literal.form in ("true", "false"):
        return Fixed(Boolean(), lambda now: literal.form == "true")
    if literal.form == "null":
        bad(literal.at, "bad_value", "null has no place here: write `is null`")
    return beside(literal, kinds[0]) if kinds else alone(literal)


def _reckoned(run: Callable[..., Any], args: list[Fixed], kind: Kind) -> Fixed:
    def make(now: datetime) -> Any:
        values = [arg.make(now) for arg in args]
        return None if None in values else run(*values, kind)

    return Fixed(kind, make, any(arg.timed for arg in args))
