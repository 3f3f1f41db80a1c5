"""What rules of a built-in model say of fields that a model built on it adds: not what they say
of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from abaft.model import expr as e
from abaft.model.declare import Model
from abaft.model.spec import Action, Rule
from abaft.model.spec import Model as Spec

READ, UPDATE, NEVER = "own_data", "own_account", "administrators"
"""The names of these rules, as `abaft routes` shows them."""


def rules_of_added(cls: type[Model], spec: Spec, rules: Sequence[Rule]) -> list[Rule]:
    """The rules of fields that are added to users.

    Whoever wrote the rules of the base didn't know of them: a phone number isn't everybody's to
    read, and no user's to say that they are staff. So they are their owner's to read, and to change
    where `__registers__` names them; what else may be is for rules of the model that adds them.
    """
    family: list[Any] = [base for base in cls.__mro__ if issubclass(base, Model)]
    place = next((n for n, base in enumerate(family) if "__themselves__" in vars(base)), None)
    if place is None:
        return []
    above, later = family[place], family[:place]
    own = {name for base in later for name in base.__functions__}
    added = {name for base in later for name in base.__options__} - {*above.__options__, *spec.key}
    plain = added & {*spec.fields, *spec.one}
    # What leads back is written by rules of the records there; links are kept with this one.
    links = {name for name in added if name in spec.many and spec.many[name].writable}
    [mine] = [rule.where for rule in rules if rule.name == above.__themselves__]
    said = set(cls.__registers__)

    def rule(name: str, action: Action, owner: bool, fields: Iterable[str]) -> Rule:
        whole = [row for row in rules if action in row.actions and not row.fields]
        found = [row.where for row in whole if row.name in own]
        named = {name for row in rules if action in row.actions for name in row.fields}
        where = e.any_of([mine, *found] if owner else found)
        return Rule(name, (action,), where, tuple(sorted(set(fields) - named)))

    found = [
        rule(READ, "read", True, plain),
        rule(UPDATE, "update", True, (plain | links) & said),
        rule(NEVER, "update", False, (plain | links) - said),
    ]
    return [row for row in found if row.fields and row.where != e.TRUE]
