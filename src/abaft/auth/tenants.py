"""Which tenant a request is confined to: by the membership of who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from abaft.auth.epoch import Epoch, LookedUp, Number
from abaft.base import clock
from abaft.base.actor import SYSTEM, Actor
from abaft.base.errors import Forbidden, NotFound
from abaft.db import Database
from abaft.model.relations import MEMBERSHIPS
from abaft.model.spec import Model
from abaft.model.tenancy import GROUP, USER
from abaft.pipeline import Pipeline
from abaft.store.replicated import at_primary

HEADER = "x-tenant"
KEPT = 10_000
"""Memberships kept; the oldest goes first."""


@dataclass(frozen=True, slots=True)
class _Found:
    """An actor's place; no `tenant`: they are no member, or of several and named none."""

    tenant: str | None
    here: frozenset[str]
    epoch: Number
    until: int


def no_member() -> Forbidden:
    return Forbidden("there is no such tenant that you are a member of", code="not_a_member")


class Tenants:
    """Gives an actor their tenant, and the roles that they have in it."""

    def __init__(self, pipeline: Pipeline, ties: Model, epoch: Epoch) -> None:
        self._pipeline, self._epoch = pipeline, epoch
        self._ties, schema = ties, pipeline.schema
        self._user = schema.models[ties.one[USER].target]
        self._group = schema.models[ties.one[GROUP].target]
        self._known: dict[tuple[str, str, str], _Found] = {}

    async def placed(self, actor: Actor, headers: Mapping[str, str]) -> Actor:
        """The actor within their tenant. Raises Forbidden where they are no member of it."""
        if actor.id is None or actor.system or actor.tenant is not None:
            return actor
        wanted = headers.get(HEADER, "").strip()
        place = (actor.id, wanted, "" if wanted else actor.chosen)
        found = self._known.get(place)
        if found is None or found.epoch != self._epoch.now() or clock.unix_ms() >= found.until:
            found = await self._look_up(*place)
            self._known.pop(place, None)
            if len(self._known) >= KEPT:
                del self._known[next(iter(self._known))]
            self._known[place] = found
        if found.tenant is None:
            if wanted:
                raise no_member()
            return actor
        return replace(actor, tenant=found.tenant, here=found.here)

    async def _look_up(self, user: str, wanted: str, chosen: str) -> _Found:
        epoch = self._epoch.now()
        until = clock.unix_ms() + int(self._epoch.trusted * 1000)
        with at_primary():
            rows = await self._chosen(user, chosen) or await self.ties(user, wanted)
        if len(rows) != 1:
            return _Found(None, frozenset(), epoch, until)
        [row] = rows
        return _Found(row.organisation.__written__, frozenset({row.role}), epoch, until)

    async def _chosen(self, user: str, chosen: str) -> list[Any]:
        """The membership that the session has chosen, as long as it stands."""
        if not chosen:
            return []
        try:
            row: Any = await Database(self._pipeline, SYSTEM).get(self._ties.cls, chosen)
        except NotFound:
            return []
        return [row] if row.user.__written__ == user else []

    async def ties(
        self, user: str, wanted: str, most: int = 2, expand: tuple[str, ...] = ()
    ) -> list[Any]:
        """The memberships: of the tenant that was named, or of all, `most` of them.

        Two are as many as show which is meant.
        """
        db = Database(self._pipeline, SYSTEM)
        who = _record(self._user, user)
        if who is None:
            return []
        if not wanted:
            return await db.list(
                self._ties.cls, lambda row: row.user == who, expand=expand, limit=most
            )
        where = _record(self._group, wanted)
        if where is None:
            return []
        return await db.list(
            self._ties.cls, lambda row: (row.user == who) & (row.organisation == where), limit=1
        )


def tenants_of(pipeline: Pipeline, epoch: Epoch | None) -> Tenants | None:
    """What finds the tenant of who asks, where memberships tell it.

    Without an `epoch` they are looked up at each request.
    """
    schema = pipeline.schema
    many = schema.models[schema.tenant].many.get(MEMBERSHIPS) if schema.tenant else None
    if many is None:
        return None
    return Tenants(pipeline, schema.models[many.target], epoch or LookedUp(0))


def _record(model: Model, written: str) -> Any:
    """A record with its key alone, to compare with; None for what is no key."""
    [name] = model.key
    try:
        return model.cls(**{name: model.fields[name].kind.parse(written)})
    except ValueError:
        return None
