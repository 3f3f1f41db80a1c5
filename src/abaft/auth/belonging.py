"""The schema of an app with all that users, tenants and memberships bring along."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from abaft.auth.closing import closed
from abaft.auth.models import OwnModels
from abaft.auth.owners import founding, owners_of_memberships, owners_of_users
from abaft.model.build import build
from abaft.model.declare import Model as Record
from abaft.model.relations import MEMBERSHIPS
from abaft.model.spec import Action, Hook, Model, Schema
from abaft.model.tenancy import USER, confined

_ALL: tuple[Action, ...] = ("create", "update", "delete")


def whole_schema(
    models: Sequence[type[Record]],
    own: OwnModels | None,
    tenant: type[Record] | None,
    gone: Callable[[Any], Awaitable[None]],
    changed: Callable[[], Awaitable[None]],
) -> Schema:
    """The schema of these models; `gone` hears of users who were deleted, `changed` of memberships.

    Raises ModelError.
    """
    schema = build(models) if own is None else closed(models, own, gone)
    return told(schema if tenant is None else confined(schema, tenant), changed)


def told(schema: Schema, changed: Callable[[], Awaitable[None]]) -> Schema:
    """The schema in which `changed` is called after each write that memberships may depend on."""
    ties = {row.target for model in schema.models.values() for row in _memberships(model)}
    if not ties:
        return schema

    async def memberships_changed(record: Any) -> None:
        await changed()

    every = dict(schema.models)
    for name, model in schema.models.items():
        actions = _ALL if name in ties else ("delete",) if MEMBERSHIPS in model.many else ()
        if actions:
            hook = Hook("memberships_changed", "after", actions, memberships_changed)
            hooks = (*model.hooks, hook, *_upholding(schema, model))
            every[name] = made = replace(model, hooks=hooks)
            model.cls.__spec__ = made
    served = {row.collection: row for row in every.values() if row.served}
    return Schema(every, served, schema.tenant)


def _upholding(schema: Schema, model: Model) -> list[Hook]:
    """The hooks that keep an organisation from being without an owner."""
    tied = [row for row in schema.models.values() if row.cls is not None and row.cls.__ties__]
    [ties] = tied
    if model is ties:
        return owners_of_memberships(ties)
    if model.name == ties.one[USER].target:
        return owners_of_users(ties)
    return founding(ties)


def _memberships(model: Model) -> list[Any]:
    return [model.many[MEMBERSHIPS]] if MEMBERSHIPS in model.many else []
