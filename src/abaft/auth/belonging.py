"""The schema of an app with all that users, tenants and memberships bring along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from abaft.auth.closing import closed
from abaft.auth.groups import invitations_of
from abaft.auth.listener import CLOSED, INVITED, MEMBERS, Listener
from abaft.auth.models import OwnModels
from abaft.auth.owners import founding, owners_of_memberships, owners_of_users
from abaft.base.errors import ModelError
from abaft.model.build import build
from abaft.model.declare import Model as Record
from abaft.model.relations import MEMBERSHIPS
from abaft.model.spec import Action, Hook, Model, Schema
from abaft.model.tenancy import GROUP, USER, confined

_ALL: tuple[Action, ...] = ("create", "update", "delete")


def whole_schema(
    models: Sequence[type[Record]],
    own: OwnModels | None,
    tenant: type[Record] | None,
    heard: Listener,
) -> Schema:
    """The schema of these models; `heard` is told of users, members and invitations.

    Raises ModelError.
    """
    schema = build(models) if own is None else closed(models, own, heard.user_gone)
    return told(schema if tenant is None else confined(schema, tenant), own, heard)


def told(schema: Schema, own: OwnModels | None, heard: Listener) -> Schema:
    """The schema in which each write is heard of that memberships may depend on."""
    ties = {row.target for model in schema.models.values() for row in _memberships(model)}
    invitations = invitations_of(schema)
    if invitations is not None and (own is None or not ties):
        lacking = "User" if own is None else "Membership"
        raise ModelError(f"{invitations.name} needs a model of {lacking}: give it to App too")
    if not ties:
        return schema

    async def memberships_changed(record: Any) -> None:
        await heard.memberships_changed()

    every = dict(schema.models)
    for name, model in schema.models.items():
        actions = _ALL if name in ties else ("delete",) if MEMBERSHIPS in model.many else ()
        if actions:
            hook = Hook("memberships_changed", "after", actions, memberships_changed)
            hooks = (hook, *_upholding(schema, model), *_audited(schema, model, heard))
            every[name] = _with(model, hooks)
        elif model is invitations:
            every[name] = _with(model, (*heard.inviting(), *heard.in_trail(INVITED)))
    served = {row.collection: row for row in every.values() if row.served}
    return Schema(every, served, schema.tenant)


def _with(model: Model, hooks: Sequence[Hook]) -> Model:
    model.cls.__spec__ = made = replace(model, hooks=(*model.hooks, *hooks))
    return made


def _audited(schema: Schema, model: Model, heard: Listener) -> list[Hook]:
    """The hooks that put what befalls members into the trail."""
    if model.cls.__ties__:
        return heard.in_trail(MEMBERS)
    groups = {row.one[GROUP].target for row in schema.models.values() if _ties(row)}
    return heard.in_trail(CLOSED) if model.name in groups else []


def _ties(model: Model) -> bool:
    return model.cls is not None and bool(model.cls.__ties__)


def _upholding(schema: Schema, model: Model) -> list[Hook]:
    """The hooks that keep an organisation from being without an owner."""
    [ties] = [row for row in schema.models.values() if _ties(row)]
    if model is ties:
        return owners_of_memberships(ties)
    if model.name == ties.one[USER].target:
        return owners_of_users(ties)
    return founding(ties)


def _memberships(model: Model) -> list[Any]:
    return [model.many[MEMBERSHIPS]] if MEMBERSHIPS in model.many else []
