"""The body of a PATCH, by its media type: a merge patch (RFC 7396), or operators on fields."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from abaft.api.request import JSON, MERGE_PATCH, OPERATORS, Request
from abaft.base.errors import Problem, nearest
from abaft.base.settings import Settings
from abaft.model.spec import Model
from abaft.model.values import Values, body_fault, links_of, members, problem_of
from abaft.pipeline import Pipeline
from abaft.plan.operators import SET, Operator, held_otherwise, operators_for
from abaft.plan.types import WriteIntent

TYPES = (MERGE_PATCH, JSON, OPERATORS)


class Patches:
    """Reads the bodies of PATCH; what is asked by operators is compiled for each model once."""

    def __init__(self, pipeline: Pipeline, settings: Settings) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self._operated: dict[tuple[str, bool], TypeAdapter[Any]] = {}

    def intent(self, request: Request, media: str, body: bytes) -> WriteIntent:
        """What the body asks for, of whichever record."""
        model = request.model
        values = validators_for(self.pipeline, request)
        if media == OPERATORS:
            given, operators = self._read(values, body)
            return WriteIntent(model.name, "update", given, operators=operators)
        return WriteIntent(model.name, "update", values.patch(body), merge=True)

    def _read(self, values: Values, body: bytes) -> tuple[dict[str, Any], dict[str, str]]:
        """The operands, and the operators that are more than to set."""
        place = (values.model.name, values.extra == "ignore")
        if place not in self._operated:
            self._operated[place] = adapter(values)
        try:
            asked = self._operated[place].validate_json(body)
        except ValidationError as error:
            raise body_fault(values.model, error, _problem) from None
        pairs = {name: next(iter(row.items())) for name, row in asked.items()}
        operators = {name: row for name, (row, _) in pairs.items() if row != SET}
        return {name: operand for name, (_, operand) in pairs.items()}, operators


def validators_for(pipeline: Pipeline, request: Request) -> Values:
    """What checks the request's body, as strictly as it asks for."""
    validators = pipeline.validators[request.model.name]
    return validators.lenient if request.prefer.lenient else validators


def adapter(values: Values) -> TypeAdapter[Any]:
    """What checks a body of operators."""
    fields = {name: NotRequired[_member(values, name)] for name in values.wire}
    return TypeAdapter(members(fields, values.extra))


def _member(values: Values, name: str) -> Any:
    """An object of one operator and its operand."""
    rows = {SET: values.wire[name]}
    rows |= {row.name: operand(values, name, row) for row in operators_for(values.model, name)}
    inner = members({row: NotRequired[annotation] for row, annotation in rows.items()})
    return Annotated[inner, AfterValidator(_one)]


def _one(asked: Any) -> Any:
    if len(asked) != 1:
        raise PydanticCustomError("one_operator", "Input should have one operator")
    return asked


def operand(values: Values, name: str, row: Operator) -> Any:
    """The annotation of an operator's operand."""
    model = values.model
    if name in model.many:
        return links_of(values.schema, model.many[name])
    kind = model.fields[name].kind
    return (kind if row.limited else replace(kind, limits=())).accepts()


def known(model: Model, name: str) -> list[str]:
    """The operators that a member takes."""
    return [SET, *(row.name for row in operators_for(model, name))]


def _problem(model: Model, row: Any, prefix: tuple[str, ...]) -> Problem:
    place = row["loc"]
    if len(place) == 2 and row["type"] == "extra_forbidden":
        name, asked = map(str, place)
        found = problem_of(model, {**row, "type": ""}, prefix)
        detail = f"{name} has no such operator: {nearest(asked, known(model, name))}"
        if name in model.fields and held_otherwise(model.fields[name].kind):
            detail = f"its column holds {name} in a form of its own, so that it takes set alone"
        return Problem(found.pointer, "unknown_operator", detail)
    if len(place) == 1 and row["type"] in ("dict_type", "one_operator"):
        shown = ", ".join(known(model, str(place[0])))
        detail = f"{place[0]} should be an object of one operator and its operand: {shown}"
        return Problem(f"/{place[0]}", "one_operator", detail)
    return problem_of(model, row, prefix)
