"""What a schema with accounts has beside its models: own ones, and addresses that are confirmed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from abaft.auth.models import OwnModels
from abaft.base.actor import FRESH
from abaft.base.errors import ModelError
from abaft.model import expr as e
from abaft.model.build import build
from abaft.model.declare import Model as Record
from abaft.model.spec import Action, Hook, Model, Rule, Schema

PATH = "auth"
_WRITES: tuple[Action, ...] = ("create", "update")


def closed(
    declared: Sequence[type[Record]], models: OwnModels, gone: Callable[[Any], Awaitable[None]]
) -> Schema:
    """The schema in which nobody writes addresses past their confirmation, whatever rules say.

    `gone` hears of each user who was deleted, softly too.
    """
    schema, name = build((*declared, *models.declared)), models.user.__name__
    known = schema.models[name]
    if PATH in schema.collections:
        model = schema.collections[PATH].name
        raise ModelError(
            f"{model}: /{PATH} is where accounts are; give it another collection: "
            f"class {model}(Model, collection=…)"
        )
    kept = [part for rule in known.rules for part in _without(rule)]
    shut = Rule("confirmed_email", _WRITES, e.FALSE, ("email",))

    async def deleted(user: Any) -> None:
        await gone(user)

    hooks = (*known.hooks, Hook("sessions_over", "after", ("delete",), deleted))
    made = replace(known, rules=(*kept, shut), hooks=hooks)
    models.user.__spec__ = made
    every = {**schema.models, name: made}
    served: dict[str, Model] = {row.collection: row for row in every.values() if row.served}
    return Schema(every, served)


def _without(rule: Rule) -> list[Rule]:
    """The rule but for writing the address; what it says of other fields stays."""
    if "email" not in rule.fields:
        return [rule]
    reading: tuple[Any, ...] = tuple(row for row in rule.actions if row not in _WRITES)
    others = tuple(name for name in rule.fields if name != "email")
    kept = [replace(rule, fields=others)] if others else []
    return [*kept, replace(rule, actions=reading, fields=("email",))] if reading else kept


def steps_of(schema: Schema) -> tuple[int, ...]:
    """The ages of a log-in that rules ask for, in seconds."""
    found: set[int] = set()

    def look(node: Any) -> Any:
        if isinstance(node, e.ActorRole) and node.role.startswith(FRESH):
            found.add(int(node.role.removeprefix(FRESH)))
        return node

    for model in schema.models.values():
        for rule in model.rules:
            e.rewrite(rule.where, look)
    return tuple(sorted(found))
