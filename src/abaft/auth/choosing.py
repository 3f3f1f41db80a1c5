"""The tenant of a session: chosen once, where a request would have to name it each time."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, with_config
from typing_extensions import TypedDict

from abaft.auth.calls import Call, Endpoint, Reply
from abaft.auth.context import Context
from abaft.auth.login import STRICT, LoginFlows
from abaft.auth.tenants import Tenants, no_member
from abaft.db import Database
from abaft.model.tenancy import GROUP

MOST = 200
"""Tenants that are listed of one user."""


@with_config(STRICT)
class Choice(TypedDict):
    """The key of a tenant; null chooses none"""

    tenant: Annotated[str, Field(min_length=1, max_length=400)] | None


class TenantShown(TypedDict):
    id: str
    name: str
    role: str
    current: bool


class TenantList(TypedDict):
    items: list[TenantShown]


class ChoosingFlows:
    """The endpoints of it, where memberships say who belongs to which tenant."""

    def __init__(self, context: Context, login: LoginFlows, tenants: Tenants | None) -> None:
        self._context, self._login, self._tenants = context, login, tenants

    def rows(self) -> list[Endpoint]:
        """The endpoints; none without tenants."""
        if self._tenants is None:
            return []
        return [
            Endpoint("GET", "tenants", self.listed, "One's tenants", answer=TenantList),
            Endpoint(
                "PUT", "tenant", self.choose, "Choose the tenant of the session", Choice,
                TenantList,
            ),
        ]  # fmt: skip

    async def listed(self, call: Call) -> Reply:
        """The tenants that one is a member of, and which of them is this request's."""
        return await self._list(call.user(), call.actor.tenant)

    async def _list(self, user: str, current: str | None) -> Reply:
        assert self._tenants is not None
        rows = await self._tenants.ties(user, "", MOST, (GROUP,))
        if current is None and len(rows) == 1:
            current = rows[0].organisation.__written__
        return Reply(200, {"items": [_shown(row.organisation, row, current) for row in rows]})

    async def choose(self, call: Call) -> Reply:
        """Requests of this session that name no tenant are of this one from now on."""
        assert self._tenants is not None
        context, user, wanted = self._context, call.user(), call.body["tenant"]
        session = self._login.session(call)
        tie = None
        if wanted is not None:
            found = await self._tenants.ties(user, wanted)
            if not found:
                raise no_member()
            tie = found[0]
        written = "" if tie is None else tie.__written__

        async def chosen(db: Database) -> None:
            model: Any = context.models.session
            await db.update(model(id=session), membership=written)

        detail = "" if tie is None else f"organisation: {wanted}"
        await context.noted("tenant_chosen", call, chosen, user, detail, ends=True)
        return await self._list(user, wanted)


def _shown(group: Any, tie: Any, current: str | None) -> TenantShown:
    key = group.__written__
    name = str(getattr(group, "name", key))
    return {"id": key, "name": name, "role": tie.role, "current": key == current}
