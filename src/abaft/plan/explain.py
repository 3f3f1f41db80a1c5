"""Why a write was held off, as the client is told."""

from __future__ import annotations

from collections.abc import Mapping

from abaft.base.actor import Actor
from abaft.base.errors import Fault, Forbidden, Invalid, NotFound, PreconditionFailed, Problem
from abaft.model.spec import Model
from abaft.model.values import summary
from abaft.plan.operators import problem
from abaft.plan.types import WritePlan


def refusal(plan: WritePlan, answers: Mapping[str, bool] | None, actor: Actor) -> Fault | None:
    """The fault by which guard failed; None where all hold now, so that trying again is right.

    A record that the actor may not read is as if it weren't there.
    """
    if answers is None:
        return missing(plan.model)
    if not answers["read"] and not all(answers.values()) and plan.action != "create":
        return missing(plan.model)
    if not answers.get("where", True):
        return missing(plan.model)
    if not answers.get("match", True):
        return PreconditionFailed("the record has another ETag by now: read it again")
    if not answers.get("before", True):
        verb = {"update": "changed", "delete": "deleted"}[plan.action]
        return Forbidden(f"this {plan.model.name} may not be {verb}")
    broken = [
        name.split(".") for name in answers if name.startswith("limit.") and not answers[name]
    ]
    if broken:
        rows = [problem(plan.model, name, plan.operators[name], limit) for _, name, limit in broken]
        return Invalid(summary(rows), errors=rows)
    if not answers.get("after", True):
        return forbidden_result(plan.model)
    for name, holds in answers.items():
        if name.startswith("target.") and not holds:
            return dangling(plan.model, name.removeprefix("target."))
    return None


def missing(model: Model) -> NotFound:
    return NotFound(f"there is no such {model.name}")


def forbidden_result(model: Model) -> Forbidden:
    return Forbidden(f"no rule allows a {model.name} with these values", code="forbidden_values")


def dangling(model: Model, name: str) -> Invalid:
    """422: a relation was given a key that leads nowhere."""
    found = model.one.get(name) or model.many[name]
    detail = f"there is no such {found.target}"
    return Invalid("1 value is wrong", errors=[Problem(f"/{name}", "no_such_record", detail)])
