"""Tenants: by which condition each model's records belong to one, found out at start-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from abaft.base.actor import TENANT
from abaft.base.errors import ModelError
from abaft.model import expr as e
from abaft.model.declare import Model as Record
from abaft.model.kinds import Kind
from abaft.model.relations import MEMBERSHIPS
from abaft.model.spec import Model, One, Schema

SHARED = "shared"
"""What a model says that belongs to no tenant, and is for all."""

USER, GROUP = "user", "organisation"
"""The relations of a membership."""

Path = tuple[str, ...]


def confined(schema: Schema, tenant: type[Record]) -> Schema:
    """The schema with the condition of each model's records to be a tenant's.

    Raises ModelError for a model that belongs to none and isn't declared to be shared.
    """
    return _Confining(schema, tenant).schema_of_all()


class _Confining:
    def __init__(self, schema: Schema, tenant: type[Record]) -> None:
        name = tenant.__name__
        if name not in schema.models or schema.models[name].cls is not tenant:
            raise ModelError(f"tenant={name}: pass that model to App(…) too")
        self.schema, self.tenant = schema, schema.models[name]
        if len(self.tenant.key) > 1:
            raise ModelError(f"tenant={name}: its key has several fields")
        self.kind: Kind = self.tenant.fields[self.tenant.key[0]].kind
        ties = self.tenant.many.get(MEMBERSHIPS)
        self.ties = None if ties is None else schema.models[ties.target]
        self.users = "" if self.ties is None else self.ties.one[USER].target

    def schema_of_all(self) -> Schema:
        made = {name: self._model(model) for name, model in self.schema.models.items()}
        for model in made.values():
            if model.cls is not None:
                model.cls.__spec__ = model
        served = {row.collection: row for row in made.values() if row.served}
        return Schema(made, served, self.tenant.name)

    def _model(self, model: Model) -> Model:
        if model.internal or model.own:
            return model
        if model.name == self.tenant.name:
            return replace(model, tenancy=self._tenants())
        said = model.cls.__config__.tenant
        if said == SHARED:
            return model
        if self.ties is not None and model.name == self.ties.name:
            return replace(self._direct(model, GROUP), tenancy=self._own_ties())
        paths = [tuple(said.split("."))] if said else self._paths(model)
        if not paths and model.name == self.users:
            return replace(model, tenancy=self._people())
        if not paths:
            raise ModelError(
                f"{model.name} belongs to no {self.tenant.name}: give it a required "
                f'Ref[{self.tenant.name}], or say class {model.name}(Model, tenant="{SHARED}")'
            )
        tenancy = e.all_of(self._through(model, path) for path in paths)
        made = replace(model, tenancy=tenancy)
        return self._direct(made, paths[0][0]) if len(paths[0]) == 1 else made

    def _same(self, column: e.Column) -> e.Expr:
        return e.Compare("eq", column, e.ActorId(self.kind, "tenant"))

    def _tenants(self) -> e.Expr:
        """The tenant itself; for who has named none those that they are a member of."""
        [key] = self.tenant.key
        same = self._same(e.Column(key))
        if self.ties is None:
            return same
        return e.any_of((same, e.all_of((_ASTRAY, e.Exists(MEMBERSHIPS, self._mine(1))))))

    def _own_ties(self) -> e.Expr:
        """The tenant's memberships; for who has named none their own."""
        assert self.ties is not None
        same = self._same(e.Column(self.ties.one[GROUP].columns[0]))
        return e.any_of((same, e.all_of((_ASTRAY, self._mine(0)))))

    def _mine(self, scope: int) -> e.Expr:
        assert self.ties is not None
        column = e.Column(self.ties.one[USER].columns[0], scope=scope)
        return e.Compare("eq", column, e.ActorId(self._user_kind()))

    def _user_kind(self) -> Kind:
        users = self.schema.models[self.users]
        return users.fields[users.key[0]].kind

    def _people(self) -> e.Expr:
        """The members of the tenant, and oneself."""
        assert self.ties is not None
        [key] = self.schema.models[self.users].key
        there = e.Column(self.ties.one[GROUP].columns[0], scope=1)
        me = e.Compare("eq", e.Column(key), e.ActorId(self._user_kind()))
        return e.any_of((me, e.Exists(MEMBERSHIPS, self._same(there))))

    def _direct(self, model: Model, name: str) -> Model:
        """The model whose new records get the tenant of who writes."""
        [column] = model.one[name].columns
        field = replace(model.fields[column], default_tenant=True, required=False)
        return replace(model, fields={**model.fields, column: field})

    def _through(self, model: Model, path: Path) -> e.Expr:
        """The condition that the path leads to the tenant."""
        hops: list[e.Hop] = []
        owner = model
        last = len(path) - 1
        for place, name in enumerate(path):
            one = owner.one.get(name)
            if one is None or not _required(owner, one):
                raise ModelError(
                    f"{model.name}: tenant={'.'.join(path)!r} names relations that each record "
                    f"has: {owner.name}.{name} is none"
                )
            target = self.schema.models[one.target]
            if place == last and target.name == self.tenant.name:
                return self._same(e.Column(one.columns[0], tuple(hops)))
            hops.append(e.Hop(name))
            owner = target
        # The rest of the way is that model's own.
        rest = self._paths(owner)
        if not rest:
            raise ModelError(f"{model.name}: {'.'.join(path)} leads to no {self.tenant.name}")
        return e.all_of(self._through(model, path + more) for more in rest)

    def _paths(self, model: Model) -> list[Path]:
        """The shortest ways to the tenant: of several, all have to lead there."""
        seen, front = {model.name}, [((), model)]
        while front:
            found: list[Path] = []
            following: list[tuple[Any, Model]] = []
            for path, owner in front:
                for name, one in owner.one.items():
                    target = self.schema.models[one.target]
                    if not _required(owner, one) or target.name == owner.name:
                        continue
                    if target.name == self.tenant.name:
                        found.append((*path, name))
                    elif target.name not in seen and target.cls.__config__.tenant != SHARED:
                        following.append(((*path, name), target))
            if found:
                return self._told(model, found)
            seen |= {target.name for _, target in following}
            front = following
        return []

    def _told(self, model: Model, found: list[Path]) -> list[Path]:
        if len(found) > 1 and len(found[0]) == 1:
            names = " and ".join(path[0] for path in found)
            raise ModelError(
                f"{model.name}: {names} lead to a {self.tenant.name}: say which it belongs to, "
                f'class {model.name}(Model, tenant="{found[0][0]}")'
            )
        return found


_ASTRAY = e.negate(e.ActorRole(TENANT))


def _required(model: Model, one: One) -> bool:
    fields: Mapping[str, Any] = model.fields
    return (
        one.constraint
        and not one.nullable
        and not any(fields[column].nullable for column in one.columns)
    )
