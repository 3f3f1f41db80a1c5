"""One filter parameter, `origin.name[contains]=x`, becomes a condition with a named value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from abaft.api.parameters import bad
from abaft.base.errors import nearest
from abaft.base.settings import Settings
from abaft.language import faults
from abaft.language.faults import Wrong
from abaft.language.operators import OPERATORS, Operator, condition, fitting, separated, suits
from abaft.language.parse import parse_condition
from abaft.language.paths import Leaf, Paths, Start
from abaft.model import expr as e
from abaft.model.kinds import Kind
from abaft.model.spec import Model, Schema
from abaft.plan.resolve import visible

Reader = Callable[[str], Mapping[str, Any]]
LIST_PARAMETERS = (
    "filter", "sort", "expand", "fields", "limit", "cursor", "offset", "count", "scope",
    "search", "highlight",
    "aggregate", "group", "having",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter's condition, and what reads its values out of the parameter's text."""

    where: e.Expr
    read: Reader


def parse_where(
    schema: Schema, settings: Settings, model: Model, name: str, value: str, place: int
) -> Filter:
    """The condition of `filter=`, or of one filter by a field. Raises BadRequest."""
    if name == "filter":
        said = parse_condition(schema, settings, model, value)
        return Filter(said.where, lambda text: said.bind())
    head = name.partition("[")[0].partition(".")[0]
    if head not in visible(model):
        hint = nearest(head, [*visible(model), *LIST_PARAMETERS])
        detail = f"{model.collection} has no field or parameter {head[:80]!r}: {hint}"
        raise bad(name, "unknown_parameter", detail)
    found = parse_filter(schema, settings, model, name, value, place)
    found.read(value)
    return found


def parse_filter(
    schema: Schema, settings: Settings, model: Model, parameter: str, text: str, place: int
) -> Filter:
    """The filter of one parameter; its values are named f<place>.

    Raises BadRequest, naming the nearest right field or operator.
    """
    path, operator = _split(parameter)
    asking = _Asking(settings, parameter, operator, text, f"f{place}")
    paths = Paths(schema, settings.max_filter_depth)
    try:
        where = paths.follow(
            Start(model), tuple(path.split(".")), asking.finish, null=asking.null()
        )
    except Wrong as wrong:
        raise bad(parameter, wrong.code, wrong.detail) from None
    return Filter(where, asking.read)


def _split(parameter: str) -> tuple[str, Operator]:
    path, bracket, rest = parameter.partition("[")
    if not bracket:
        return path, OPERATORS["eq"]
    name = rest.removesuffix("]")
    if rest == name or name not in OPERATORS:
        detail = f"there is no operator {name[:40]!r}: {nearest(name, OPERATORS)}"
        raise bad(parameter, "unknown_operator", detail)
    return path, OPERATORS[name]


@dataclass(slots=True)
class _Asking:
    """Makes the condition at the path's end, and remembers how its values are read."""

    settings: Settings
    parameter: str
    operator: Operator
    text: str
    name: str
    read: Reader = lambda text: {}

    def null(self) -> bool | None:
        """Whether null is asked for, and how."""
        if self.operator.name != "isnull":
            return None
        if self.text not in ("true", "false"):
            self._value_error("true or false")
        return self.text == "true"

    def finish(self, leaf: Leaf) -> e.Expr:
        wanted = self.null()
        if wanted is not None:
            return leaf.null if wanted else e.negate(leaf.null)
        if len(leaf.values) > 1:
            return self._parts(leaf)
        field = leaf.fields[0]
        operator, kind = self.operator, field.kind
        if not suits(operator, kind):
            detail = f"{field.name} is {kind.name}, it takes {', '.join(fitting(kind))}"
            faults.bad(None, "operator_not_for_field", detail)
        self.read = self._listed(kind) if operator.many else self._one(kind)
        right = e.Param(self.name, kind, many=operator.many)
        return condition(operator, leaf.values[0], right, field.nocase)

    def _parts(self, leaf: Leaf) -> e.Expr:
        """A relation whose key other fields hold: its written key, compared part by part."""
        if self.operator.name not in ("eq", "ne"):
            faults.bad(None, "operator_not_for_field", f"{leaf.name} takes eq, ne and isnull")
        kinds = {f"{self.name}.{i}": field.kind for i, field in enumerate(leaf.fields)}

        def read(text: str) -> dict[str, Any]:
            parts = self._separated(text)
            if len(parts) != len(kinds):
                self._value_error(f"{len(kinds)} values with commas between")
            pairs = zip(kinds.items(), parts, strict=True)
            return {name: self._parse(kind, part) for (name, kind), part in pairs}

        self.read = read
        params = [e.Param(name, kind) for name, kind in kinds.items()]
        return leaf.written(self.operator, params)

    def _one(self, kind: Kind) -> Reader:
        return lambda text: {self.name: self._parse(kind, text)}

    def _listed(self, kind: Kind) -> Reader:
        most = self.settings.max_in_values

        def read(text: str) -> dict[str, Any]:
            parts = self._separated(text)
            if len(parts) > most:
                raise bad(self.parameter, "too_many_values", f"at most {most} values may be listed")
            return {self.name: [self._parse(kind, part) for part in parts]}

        return read

    def _parse(self, kind: Kind, text: str) -> Any:
        try:
            return kind.parse(text)
        except ValueError as error:
            self._value_error(str(error))

    def _separated(self, text: str) -> list[str]:
        parts = separated(text)
        if parts is None:
            self._value_error('values with commas between, "quoted" where they hold a comma')
        return parts

    def _value_error(self, expected: str) -> NoReturn:
        raise bad(self.parameter, "bad_value", f"{self.parameter[:80]} should be {expected}")
