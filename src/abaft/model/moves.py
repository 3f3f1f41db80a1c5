"""The body of a move: which record goes before or after which, or to which end of its list."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from pydantic import ValidationError
from typing_extensions import TypedDict

from abaft.base.errors import Invalid, Problem
from abaft.model.spec import Model
from abaft.model.values import body_adapter, body_fault, problem_of, unknown_member

WAYS = ("before", "after", "to")


def move_of(model: Model, body: bytes) -> tuple[str, dict[str, Any]]:
    """Where to, and the key of the record that is named. Raises BadRequest or Invalid."""
    kinds = {name: model.fields[name].kind.accepts() for name in model.key}
    make: Any = TypedDict
    key = next(iter(kinds.values())) if len(kinds) == 1 else make("Key", kinds)
    fields = {"before": key, "after": key, "to": Literal["first", "last"]}
    adapter = body_adapter({n: NotRequired[kind] for n, kind in fields.items()}, "forbid")
    try:
        given = adapter.validate_json(body)
    except ValidationError as error:
        raise body_fault(model, error, _problem) from None
    if len(given) != 1:
        detail = 'a move names before or after, with a key, or to, which is "first" or "last"'
        problems = [Problem(f"/{name}", "one_of_these", detail) for name in given or WAYS]
        raise Invalid(detail, errors=problems)
    [(way, named)] = given.items()
    if way == "to":
        return named, {}
    return way, {model.key[0]: named} if len(kinds) == 1 else named


def _problem(model: Model | None, row: Any, prefix: tuple[str, ...]) -> Problem:
    if row["type"] == "extra_forbidden" and len(row["loc"]) == 1:
        return unknown_member(row["loc"], WAYS)
    return problem_of(model, row, prefix)


def not_itself(way: str) -> Invalid:
    """422: a record can't stand before or after itself."""
    detail = "a record is moved before or after another one"
    return Invalid("1 value is wrong", errors=[Problem(f"/{way}", "itself", detail)])
