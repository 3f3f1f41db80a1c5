"""What is kept of somebody, for themselves to take along: their account and their own records."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from abaft.auth.admin_flows import EventShown, shown_event
from abaft.auth.calls import Call, Reply
from abaft.auth.context import Context
from abaft.auth.keys import KeyShown, shown_key
from abaft.auth.login import LoginFlows, SessionShown, shown_session
from abaft.base import clock
from abaft.base.actor import Actor
from abaft.model.declare import Model as Record
from abaft.model.spec import Model
from abaft.model.times import show_datetime

MOST = 10_000
"""Records of one collection, and events, that an export holds at most."""


class Account(TypedDict):
    created: str
    roles: list[str]
    verified: str | None


class FactorShown(TypedDict):
    kind: str
    name: str
    created: str


class IdentityKept(TypedDict):
    provider: str
    issuer: str
    subject: str
    email: str | None
    created: str
    used: str


class Export(TypedDict):
    """All that is kept of somebody; `more` names what there is more of"""

    at: str
    user: dict[str, Any]
    account: Account
    sessions: list[SessionShown]
    keys: list[KeyShown]
    factors: list[FactorShown]
    identities: list[IdentityKept]
    events: list[EventShown]
    records: dict[str, list[dict[str, Any]]]
    more: list[str]


class ExportFlows:
    """The endpoint of it."""

    def __init__(self, context: Context, login: LoginFlows) -> None:
        self._context, self._login = context, login
        self._owned = [
            (model, name)
            for model in context.pipeline.schema.models.values()
            if model.served and model.name != context.users.name
            for name, row in model.fields.items()
            if row.default_me
        ]

    async def export(self, call: Call) -> Reply:
        """All that is kept of who asks, secrets aside."""
        context = self._context
        self._login.fresh(call)
        user, more = call.user(), []
        account = await context.account_of(user)
        events = await context.trail.of(user, MOST + 1)
        records: dict[str, list[dict[str, Any]]] = {}
        for model, owner in self._owned:
            found = await self._records(model, owner, user)
            records.setdefault(model.collection, []).extend(found[:MOST])
            more += [model.collection] * (len(found) > MOST)
        body = {
            "at": show_datetime(clock.now()),
            "user": await context.shown(user),
            "account": {
                "created": show_datetime(account.created),
                "roles": sorted(account.roles),
                "verified": account.verified,
            },
            "sessions": await self._sessions(account, call),
            "keys": [shown_key(row) for row in await self._of(context.models.key, account)],
            "factors": await self._factors(account),
            "identities": await self._identities(account),
            "events": [shown_event(row) for row in events[:MOST]],
            "records": records,
            "more": more + ["events"] * (len(events) > MOST),
        }
        await context.note("exported", call, user)
        named = ("content-disposition", 'attachment; filename="account.json"')
        return Reply(200, body, (named,))

    async def _records(self, model: Model, owner: str, user: str) -> list[dict[str, Any]]:
        """Records that are theirs by what they are made with: as far as they may read them."""
        db = self._context.db.as_actor(Actor(id=user))
        found: list[Any] = await db.list(
            model.cls, lambda row, me: getattr(row, owner) == me, limit=MOST + 1
        )
        return [Record.__to_value__(row) for row in found]

    async def _sessions(self, account: Any, call: Call) -> list[Any]:
        found = await self._context.sessions.of(account.id)
        return [shown_session(row, call.actor.session) for row in found]

    async def _of(self, model: Any, account: Any) -> list[Any]:
        key = account.id
        return list(
            await self._context.db.list(
                model, lambda row: row.account.id == key, sort="-created", limit=MOST
            )
        )

    async def _factors(self, account: Any) -> list[dict[str, Any]]:
        found = await self._of(self._context.models.factor, account)
        return [
            {"kind": row.kind, "name": row.name, "created": show_datetime(row.created)}
            for row in found
        ]

    async def _identities(self, account: Any) -> list[dict[str, Any]]:
        """Who they are elsewhere; without the tokens of it."""
        found = await self._of(self._context.models.identity, account)
        return [
            {
                **{name: getattr(row, name) for name in ("provider", "issuer", "subject", "email")},
                "created": show_datetime(row.created),
                "used": show_datetime(row.used),
            }
            for row in found
        ]
