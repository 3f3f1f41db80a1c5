"""From a tree to a condition of the model: names looked up, kinds held together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from abaft.base.errors import nearest
from abaft.language import tree as t
from abaft.language.comparing import Comparing
from abaft.language.faults import Gathering, Told, Wrong, bad
from abaft.language.operands import QUANTIFIERS, Operands, found_at, members, shown
from abaft.language.operators import MIRRORED, OPERATORS, OTHERWISE, SPELLINGS, Operator
from abaft.language.paths import Leaf, Paths, Start
from abaft.language.scopes import Scopes
from abaft.language.values import Found, Names, named
from abaft.model import expr as e
from abaft.model.spec import Model

HAS = (":", "has")
_TURNED = "the field stands on the left of this operator"
_NO_FIELD = "neither side is a field: fields stand without quotes"


class Conditions:
    """Makes conditions of nodes; what is wrong is gathered, and the rest is looked at still."""

    def __init__(self, paths: Paths, names: Names) -> None:
        self.paths = paths
        self.operands = Operands(paths, names, self.condition)
        self.comparing = Comparing(self.operands)
        self.wrong = Gathering()

    def whole(self, node: t.Node, model: Model) -> e.Expr:
        """The condition of the whole tree; whether it is one is told by `wrong`."""
        where: e.Expr = e.TRUE
        with self.wrong.kept():
            where = self.condition(node, Scopes(((model, None),)))
        return where

    def condition(self, node: t.Node, scopes: Scopes) -> e.Expr:
        """The condition of a node."""
        match node:
            case t.And(items):
                return e.all_of(self._each(items, scopes))
            case t.Or(items):
                return e.any_of(self._each(items, scopes))
            case t.Not(item):
                return e.negate(self.condition(item, scopes))
            case t.Compare():
                return self.compare(node, scopes)
            case t.Call(name) if name in QUANTIFIERS:
                return self.quantified(node, scopes)
            case t.Call(name, (left, right)) if name in SPELLINGS:
                return self.compare(t.Compare(name, left, right, at=node.at), scopes)
            case t.Literal(form="true" | "false" as form):
                return e.Const(form == "true")
        return self.truth(node, scopes)

    def _each(self, items: Sequence[t.Node], scopes: Scopes) -> Iterator[e.Expr]:
        found, before = [], len(self.wrong)
        for item in items:
            with self.wrong.kept():
                found.append(self.condition(item, scopes))
        if len(self.wrong) > before:
            raise Told
        return iter(found)

    def truth(self, node: t.Node, scopes: Scopes) -> e.Expr:
        """A boolean value by itself."""
        if isinstance(node, t.Path):
            start, names = scopes.start(node)
            if self.paths.ends_in_many(start, names):
                bad(node.at, "not_a_condition", f"a condition was expected: write any({node})")
            return self.paths.follow(
                start, names, lambda leaf: _true(found_at(leaf, node), node), node.at
            )
        value = self.operands.value(node, scopes)
        if isinstance(value, Found):
            return _true(value, node)
        bad(node.at, "not_a_condition", "a condition was expected here, not a value")

    def quantified(self, node: t.Call, scopes: Scopes) -> e.Expr:
        """`any`, `all` and `none` of a to-many relation's records."""
        path, name, where = members(node)
        if where is None and node.name == "all":
            bad(node.at, "bad_arguments", "all takes a relation and a condition")
        start, names = scopes.start(path)
        some = self._some(path, scopes, start, names, (name, where, node.name == "all"))
        return some if node.name == "any" else e.negate(some)

    def _some(
        self,
        path: t.Path,
        scopes: Scopes,
        start: Start,
        names: tuple[str, ...],
        asked: tuple[str | None, t.Node | None, bool],
    ) -> e.Expr:
        many = self.paths.members(start, names, path.at)
        if many.rest:
            beyond = scopes.at(scopes.next + 1)
            onward = Start(many.target, scopes.next, beyond.next)
            inner = self._some(path, beyond, onward, many.rest, asked)
        else:
            name, where, opposite = asked
            within = scopes.within(many.target, name)
            inner = e.TRUE if where is None else self.condition(where, within)
            inner = e.negate(inner) if opposite else inner
        return e.Exists(many.relation, inner, many.hops, many.scope)

    def compare(self, node: t.Compare, scopes: Scopes) -> e.Expr:
        """`left operator right`, with the record's own value on the left."""
        if node.operator == "is":
            return self._is(node, scopes)
        if node.operator in HAS:
            return self._has(node, scopes)
        if node.operator == "in" and isinstance(node.right, t.Path):
            turned = t.Compare("has", node.right, node.left, node.negated, node.at)
            return self._has(turned, scopes)
        operator, negated = spelled(node)
        left, right = node.left, node.right
        if operator.name in ("eq", "ne") and (_null(left) or _null(right)):
            asked = left if _null(right) else right
            return self._null(asked, scopes, (operator.name == "eq") != negated)
        if _constant(left) and not _constant(right) and operator.op in MIRRORED:
            left, right = right, left
            operator = OPERATORS[("i" if operator.nocase else "") + MIRRORED[operator.op]]
        return self._compared(node, left, (operator, negated), right, scopes)

    def _compared(
        self,
        node: t.Compare,
        left: t.Node,
        asked: tuple[Operator, bool],
        right: t.Node,
        scopes: Scopes,
    ) -> e.Expr:
        operator, negated = asked
        reached: list[Scopes] = []

        def finish(leaf: Leaf) -> e.Expr:
            assert isinstance(left, t.Path)
            reached.append(scopes.at(leaf.depth))
            if len(leaf.values) > 1:
                made = self.comparing.parts(leaf, operator, right, node.at)
            else:
                value = found_at(leaf, left)
                made = self.comparing.compared(value, operator, right, reached[0], node.at)
            return e.negate(made) if negated else made

        try:
            if isinstance(left, t.Path):
                start, names = scopes.start(left)
                return self.paths.follow(start, names, finish, left.at)
            value = self.operands.value(left, scopes)
            if not isinstance(value, Found):
                bad(left.at, "nothing_asked", _NO_FIELD if _constant(right) else _TURNED)
            reached.append(scopes)
            made = self.comparing.compared(value, operator, right, scopes, node.at)
            return e.negate(made) if negated else made
        except Wrong:
            # The other side may be wrong as well.
            with self.wrong.kept():
                if not reached:
                    self.comparing.looked_at(right, scopes)
            raise

    def _is(self, node: t.Compare, scopes: Scopes) -> e.Expr:
        match node.right:
            case t.Literal(form="null"):
                return self._null(node.left, scopes, not node.negated)
            case t.Literal(form="true" | "false"):
                operator = "!=" if node.negated else "="
                return self.compare(t.Compare(operator, node.left, node.right, at=node.at), scopes)
        bad(node.right.at, "bad_value", "`is` takes null, true or false: compare others by =")

    def _null(self, node: t.Node, scopes: Scopes, wanted: bool) -> e.Expr:
        """Whether a value, or every record of a relation, is absent."""
        if isinstance(node, t.Path):
            start, names = scopes.start(node)

            def finish(leaf: Leaf) -> e.Expr:
                return leaf.null if wanted else e.negate(leaf.null)

            return self.paths.follow(start, names, finish, node.at, null=wanted)
        value = self.operands.value(node, scopes)
        if not isinstance(value, Found):
            bad(node.at, "nothing_asked", "this is never null: name a field")
        absent = e.IsNull(value.value)
        return absent if wanted else e.negate(absent)

    def _has(self, node: t.Compare, scopes: Scopes) -> e.Expr:
        """Whether a to-many relation has the record of a key, or a text has the part."""
        name = "contains"
        if isinstance(node.left, t.Path):
            start, names = scopes.start(node.left)
            if self.paths.ends_in_many(start, names):
                name = "eq"
        elif not isinstance(node.left, t.Call):
            bad(node.left.at, "nothing_asked", "a relation or a text was expected here")
        asked = (OPERATORS[name], False)
        made = self._compared(node, node.left, asked, node.right, scopes)
        return e.negate(made) if node.negated else made


def spelled(node: t.Compare) -> tuple[Operator, bool]:
    """The row that the operator's spelling names, and whether it is turned into its opposite."""
    opposite = SPELLINGS.get(f"not {node.operator}") if node.negated else None
    if opposite is not None:
        return opposite, False
    row = SPELLINGS.get(node.operator)
    if row is None or row.name == "isnull":
        known = [name for name in OPERATORS if name != "isnull"]
        hint = OTHERWISE.get(node.operator) or nearest(
            node.operator, [*known, "has", "is", "and", "or"]
        )
        detail = f"there is no operator {node.operator[:40]!r}: {hint}"
        bad(node.at, "unknown_operator", detail)
    return row, node.negated


def _true(value: Found, node: t.Node) -> e.Expr:
    if value.kind.name != "boolean":
        name = shown(node)
        said = f"{name} is {named(value.kind)}; a condition was expected, like {name} = …"
        bad(node.at, "not_a_condition", said)
    return e.Compare("eq", value.value, e.Const(True))


def _null(node: t.Node) -> bool:
    return isinstance(node, t.Literal) and node.form == "null"


def _constant(node: t.Node) -> bool:
    """Whether no field is named within."""
    return all(not isinstance(part, t.Path) for part, _ in t.walk(node))
