"""The table of operators, of bracket filters and of the language alike."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from abaft.model import expr as e
from abaft.model.kinds import Kind


@dataclass(frozen=True, slots=True)
class Operator:
    """A row: what kinds it is for, and the condition it makes; `signs` are its other spellings."""

    name: str
    op: e.Operator | None = None
    signs: tuple[str, ...] = ()
    many: bool = False
    negated: bool = False
    nocase: bool = False
    textual: bool = False
    ordered: bool = False


OPERATORS = {
    row.name: row
    for row in (
        Operator("eq", "eq", ("=", "==")),
        Operator("ne", "ne", ("!=",)),
        Operator("gt", "gt", (">",), ordered=True),
        Operator("ge", "ge", (">=",), ordered=True),
        Operator("lt", "lt", ("<",), ordered=True),
        Operator("le", "le", ("<=",), ordered=True),
        Operator("in", many=True),
        Operator("nin", signs=("not in",), many=True, negated=True),
        Operator("contains", "contains", textual=True),
        Operator("startswith", "startswith", textual=True),
        Operator("endswith", "endswith", textual=True),
        Operator("ieq", "eq", nocase=True, textual=True),
        Operator("ine", "ne", nocase=True, textual=True),
        Operator("iin", many=True, nocase=True, textual=True),
        Operator("inin", signs=("not iin",), many=True, negated=True, nocase=True, textual=True),
        Operator("icontains", "contains", nocase=True, textual=True),
        Operator("istartswith", "startswith", nocase=True, textual=True),
        Operator("iendswith", "endswith", nocase=True, textual=True),
        Operator("isnull"),
    )
}
OTHERWISE = {
    "like": "write `contains`, `startswith` or `endswith`, without %",
    "ilike": "write `icontains`, `istartswith` or `iendswith`, without %",
    "matches": "write `contains`, `startswith` or `endswith`",
    "between": "write a >= 1 and a <= 2",
    "xor": "write (a and not b) or (not a and b)",
}
"""What to write for operators of other languages."""
SPELLINGS = {sign: row for row in OPERATORS.values() for sign in (row.name, *row.signs)}
MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
"""What an operator becomes when its sides change places."""


def suits(operator: Operator, kind: Kind) -> bool:
    """Whether values of the kind can be asked for by the operator."""
    if operator.name == "isnull":
        return True
    if kind.name == "json":
        return False
    return (kind.textual or not operator.textual) and (kind.ordered or not operator.ordered)


def fitting(kind: Kind) -> list[str]:
    """The operators that suit the kind."""
    return [row.name for row in OPERATORS.values() if suits(row, kind)]


def condition(operator: Operator, left: e.Value, right: e.Value, nocase: bool) -> e.Expr:
    """The condition that the operator makes of two values."""
    nocase = nocase or operator.nocase
    if operator.many:
        among = e.OneOf(left, right, nocase)
        return e.negate(among) if operator.negated else among
    assert operator.op is not None
    return e.Compare(operator.op, left, right, nocase)


def separated(text: str) -> list[str] | None:
    """The values of a list with commas between; None where its quotes are wrong."""
    try:
        return next(csv.reader([text], strict=True), []) if text else [""]
    except csv.Error:
        return None
