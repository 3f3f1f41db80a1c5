"""Two sides of a comparison are made of one kind, or it is told why they can't be."""

from __future__ import annotations

from typing import Any

from abaft.language import tree as t
from abaft.language.faults import Wrong, bad
from abaft.language.operands import Operand, Operands
from abaft.language.operators import Operator, condition, fitting, separated, suits
from abaft.language.paths import Leaf
from abaft.language.scopes import Scopes
from abaft.language.values import Fixed, Found, coerced, named, read
from abaft.model import expr as e
from abaft.model.kinds import Float
from abaft.model.value_symbols import alike

NUMBERS = ("integer", "float", "decimal")


class Comparing:
    """Makes comparisons of a value of the record with what a node says."""

    def __init__(self, operands: Operands) -> None:
        self.operands = operands
        self.names = operands.names

    def compared(
        self, left: Found, operator: Operator, right: t.Node, scopes: Scopes, at: int
    ) -> e.Expr:
        """The comparison with a value, a list of them, or who asks."""
        if not suits(operator, left.kind):
            takes = ", ".join(fitting(left.kind))
            detail = f"{left.shown} is {named(left.kind)}, it takes {takes}"
            bad(at, "operator_not_for_field", detail)
        match right:
            case t.Literal(form="me"):
                return _me(left, operator, right)
            case t.Literal(form="null"):
                bad(right.at, "bad_value", "null is found by = and != alone, or by `is null`")
            case t.Several(items) if operator.many:
                values = [self._item(item, left, scopes) for item in items]
                listed = self.names.listed(left.kind, values)
                return condition(operator, left.value, listed, left.nocase)
        if operator.many:
            bad(right.at, "bad_value", f"`{operator.name}` takes a list, like [1, 2]")
        return self._pair(left, operator, right, scopes)

    def _item(self, node: t.Node, left: Found, scopes: Scopes) -> Fixed:
        value = self._side(node, left, scopes)
        if isinstance(value, t.Literal):
            return read(value, left.kind, left.shown)
        if isinstance(value, Found):
            bad(node.at, "bad_value", "a list holds values, not fields: compare them by `or`")
        return coerced(value, left, node.at)

    def _side(self, node: t.Node, left: Found, scopes: Scopes) -> Operand:
        """The value of a right side; what names no field there may be a text without quotes."""
        try:
            return self.operands.value(node, scopes)
        except Wrong as wrong:
            if wrong.code == "unknown_field" and left.kind.textual and _is_word(node):
                end = "" if wrong.detail.endswith("?") else "."
                wrong.detail += f'{end} A text stands in quotes: "{node}"'
            raise

    def _pair(self, left: Found, operator: Operator, node: t.Node, scopes: Scopes) -> e.Expr:
        right = self._side(node, left, scopes)
        if isinstance(right, Found):
            left, other = _made_alike(left, right, node.at)
            nocase = left.nocase or right.nocase
            return condition(operator, left.value, other.value, nocase)
        if _truth(right) and left.kind.name == "boolean":
            return condition(operator, left.value, e.Const(node == t.Literal("true")), False)
        fixed = right
        if isinstance(right, t.Literal):
            fixed = read(right, left.kind, left.shown)
        elif right.kind.name == "float" and left.kind.name in NUMBERS:
            left = _as_float(left)
        assert isinstance(fixed, Fixed)
        value = self.names.bound(coerced(fixed, left, node.at), node.at)
        return condition(operator, left.value, value, left.nocase)

    def parts(self, leaf: Leaf, operator: Operator, right: t.Node, at: int) -> e.Expr:
        """A relation whose key other fields hold: its written key, compared part by part."""
        if operator.name not in ("eq", "ne"):
            bad(at, "operator_not_for_field", f"{leaf.name} takes = and !=, and `is null`")
        size = len(leaf.fields)
        if not isinstance(right, t.Literal) or not isinstance(right.value, str):
            bad(right.at, "bad_value", f"{leaf.name} is compared with a text of {size} values")
        texts = separated(right.value) or []
        if len(texts) != size:
            bad(right.at, "bad_value", f"{leaf.name} is {size} values with commas between")
        parts = []
        for field, text in zip(leaf.fields, texts, strict=True):
            form: Any = "number" if field.kind.name == "integer" else "text"
            literal = t.Literal(form, text, right.at)
            parts.append(self.names.bound(read(literal, field.kind, leaf.name), right.at))
        return leaf.written(operator, parts)

    def looked_at(self, node: t.Node, scopes: Scopes) -> None:
        """Tells what is wrong with a right side whose left side is already."""
        if not isinstance(node, (t.Several, t.Literal)):
            self.operands.value(node, scopes)


def _is_word(node: t.Node) -> bool:
    return isinstance(node, t.Path) and len(node.names) == 1


def _truth(value: object) -> bool:
    return isinstance(value, t.Literal) and value.form in ("true", "false")


def _me(left: Found, operator: Operator, node: t.Literal) -> e.Expr:
    if operator.name not in ("eq", "ne") or not left.relation:
        bad(node.at, "bad_value", "`me` is compared with a relation, by = or !=")
    assert operator.op is not None
    return e.Compare(operator.op, left.value, e.ActorId(left.kind))


def _made_alike(left: Found, right: Found, at: int) -> tuple[Found, Found]:
    if alike(left.kind, right.kind) or (left.kind.textual and right.kind.textual):
        return left, right
    if left.kind.name in NUMBERS and right.kind.name in NUMBERS:
        return _as_float(left), _as_float(right)
    detail = (
        f"{left.shown} is {named(left.kind)} and {right.shown} {named(right.kind)}: "
        "they can't be compared"
    )
    bad(at, "kinds_differ", detail)


def _as_float(value: Found) -> Found:
    if value.kind.name == "float":
        return value
    return Found(e.Call("float", (value.value,), Float()), Float(), value.shown)
