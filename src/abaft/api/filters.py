"""One filter parameter, `origin.name[contains]=x`, becomes a condition with a named value."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from abaft.base.errors import BadRequest, Problem, nearest
from abaft.base.settings import Settings
from abaft.model import expr as e
from abaft.model.kinds import Kind
from abaft.model.spec import Field, Model, Schema
from abaft.plan.resolve import unknown_field, visible

Reader = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Operator:
    """A row of the table of operators: what kinds it is for, and the condition it makes."""

    name: str
    op: e.Operator | None = None
    many: bool = False
    negated: bool = False
    nocase: bool = False
    textual: bool = False
    ordered: bool = False


OPERATORS = {
    row.name: row
    for row in (
        Operator("eq", "eq"),
        Operator("ne", "ne"),
        Operator("gt", "gt", ordered=True),
        Operator("ge", "ge", ordered=True),
        Operator("lt", "lt", ordered=True),
        Operator("le", "le", ordered=True),
        Operator("in", many=True),
        Operator("nin", many=True, negated=True),
        Operator("contains", "contains", textual=True),
        Operator("startswith", "startswith", textual=True),
        Operator("endswith", "endswith", textual=True),
        Operator("ieq", "eq", nocase=True, textual=True),
        Operator("ine", "ne", nocase=True, textual=True),
        Operator("iin", many=True, nocase=True, textual=True),
        Operator("inin", many=True, negated=True, nocase=True, textual=True),
        Operator("icontains", "contains", nocase=True, textual=True),
        Operator("istartswith", "startswith", nocase=True, textual=True),
        Operator("iendswith", "endswith", nocase=True, textual=True),
        Operator("isnull"),
    )
}


def suits(operator: Operator, kind: Kind) -> bool:
    """Whether fields of the kind can be asked for by the operator."""
    if operator.name == "isnull":
        return True
    if kind.name == "json":
        return False
    return (kind.textual or not operator.textual) and (kind.ordered or not operator.ordered)


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter's condition, and what reads its values out of the parameter's text."""

    where: e.Expr
    read: Callable[[str], dict[str, Any]]


def parse_filter(
    schema: Schema, settings: Settings, model: Model, parameter: str, text: str, place: int
) -> Filter:
    """The filter of one parameter; its values are named f<place>.

    Raises BadRequest, naming the nearest right field or operator.
    """
    path, operator = _split(parameter)
    if path.count(".") > settings.max_filter_depth:
        _bad(
            parameter, "filter_too_deep", f"{path[:80]!r} goes through too many relations in a row"
        )
    builder = _Builder(schema, settings, parameter, operator, text, f"f{place}")
    return builder.build(model, tuple(path.split(".")))


def _split(parameter: str) -> tuple[str, Operator]:
    path, bracket, rest = parameter.partition("[")
    if not bracket:
        return path, OPERATORS["eq"]
    name = rest.removesuffix("]")
    if rest == name or name not in OPERATORS:
        detail = f"there is no operator {name[:40]!r}: {nearest(name, OPERATORS)}"
        _bad(parameter, "unknown_operator", detail)
    return path, OPERATORS[name]


def _bad(parameter: str, code: str, detail: str) -> NoReturn:
    problem = Problem(f"?{parameter[:200]}", code, detail)
    raise BadRequest(detail, code=code, errors=[problem])


@dataclass(slots=True)
class _Builder:
    schema: Schema
    settings: Settings
    parameter: str
    operator: Operator
    text: str
    name: str

    def build(self, model: Model, path: tuple[str, ...]) -> Filter:
        return self._at(model, path, (), 0)

    def _at(
        self, model: Model, path: tuple[str, ...], hops: tuple[e.Hop, ...], scope: int
    ) -> Filter:
        name, rest = path[0], path[1:]
        if name not in visible(model):
            raise unknown_field(model, name, f"?{self.parameter[:200]}")
        if name in model.many and not rest and self.operator.name == "isnull":
            some = e.Exists(name, e.TRUE, hops, scope)
            return Filter(self._null(e.negate(some)), _nothing)
        if name in model.many:
            if not rest and self.operator.name == "isnull":
                return Filter(self._null(e.negate(e.Exists(name, e.TRUE, hops, scope))), _nothing)
            target = self.schema.target(model, name)
            inner = self._at(target, rest or target.key[:1], (), scope + 1)
            if not rest and len(target.key) > 1:
                _bad(self.parameter, "composite_key", f"name one of {name}'s fields: {name}.…")
            return Filter(e.Exists(name, inner.where, hops, scope), inner.read)
        if rest:
            if name not in model.one:
                raise unknown_field(model, f"{name}.{rest[0]}", f"?{self.parameter[:200]}")
            target = self.schema.target(model, name)
            if rest == target.key and model.one[name].stored:
                return self._leaf(e.Column(name, hops, scope), model.fields[name])
            return self._at(target, rest, (*hops, e.Hop(name)), scope)
        field = model.value(name)
        if field is not None:
            return self._leaf(e.Column(name, hops, scope), field)
        return self._via(model, name, hops, scope)

    def _via(self, model: Model, name: str, hops: tuple[e.Hop, ...], scope: int) -> Filter:
        """A relation whose key other fields hold: its written key, compared part by part."""
        one = model.one[name]
        if len(one.columns) == 1:
            field = model.fields[one.columns[0]]
            return self._leaf(e.Column(field.name, hops, scope), field)
        columns = [e.Column(column, hops, scope) for column in one.columns]
        if self.operator.name == "isnull":
            return Filter(self._null(e.any_of(e.IsNull(column) for column in columns)), _nothing)
        if self.operator.name not in ("eq", "ne"):
            _bad(self.parameter, "operator_not_for_field", f"{name} takes eq, ne and isnull")
        fields = [model.fields[column] for column in one.columns]
        params = [e.Param(f"{self.name}.{i}", field.kind) for i, field in enumerate(fields)]
        pairs = zip(columns, params, strict=True)
        same = e.all_of(e.Compare("eq", column, param) for column, param in pairs)

        def read(text: str) -> dict[str, Any]:
            parts = self._split(text)
            if len(parts) != len(fields):
                self._value_error(f"{len(fields)} values with commas between")
            return {
                f"{self.name}.{i}": self._parse(field.kind, part)
                for i, (field, part) in enumerate(zip(fields, parts, strict=True))
            }

        return Filter(e.negate(same) if self.operator.name == "ne" else same, read)

    def _null(self, where: e.Expr) -> e.Expr:
        if self.text not in ("true", "false"):
            self._value_error("true or false")
        return where if self.text == "true" else e.negate(where)

    def _leaf(self, column: e.Column, field: Field) -> Filter:
        operator, kind = self.operator, field.kind
        if operator.name == "isnull":
            return Filter(self._null(e.IsNull(column)), _nothing)
        self._suits(field)
        nocase = operator.nocase or field.nocase
        if operator.many:
            among: e.Expr = e.OneOf(column, e.Param(self.name, kind, many=True), nocase)
            where = e.negate(among) if operator.negated else among
            return Filter(where, lambda text: {self.name: self._parse_list(kind, text)})
        assert operator.op is not None
        where = e.Compare(operator.op, column, e.Param(self.name, kind), nocase)
        return Filter(where, lambda text: {self.name: self._parse(kind, text)})

    def _suits(self, field: Field) -> None:
        kind = field.kind
        if not suits(self.operator, kind):
            fitting = [row.name for row in OPERATORS.values() if suits(row, kind)]
            detail = f"{field.name} is {kind.name}, it takes {', '.join(fitting)}"
            _bad(self.parameter, "operator_not_for_field", detail)

    def _parse(self, kind: Kind, text: str) -> Any:
        try:
            return kind.parse(text)
        except ValueError as error:
            self._value_error(str(error))

    def _split(self, text: str) -> list[str]:
        try:
            return next(csv.reader([text], strict=True), []) if text else [""]
        except csv.Error:
            self._value_error('values with commas between, "quoted" where they hold a comma')

    def _parse_list(self, kind: Kind, text: str) -> list[Any]:
        parts = self._split(text)
        if len(parts) > self.settings.max_in_values:
            most = self.settings.max_in_values
            _bad(self.parameter, "too_many_values", f"at most {most} values may be listed")
        return [self._parse(kind, part) for part in parts]

    def _value_error(self, expected: str) -> NoReturn:
        _bad(self.parameter, "bad_value", f"{self.parameter[:80]} should be {expected}")


def _nothing(text: str) -> dict[str, Any]:
    return {}
