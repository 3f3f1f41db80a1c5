"""What administrators do with accounts: look, shut out, give roles, act in somebody's name."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from abaft.auth.calls import Call, Reply
from abaft.auth.context import Context
from abaft.auth.factors import Factors
from abaft.auth.login import STRICT
from abaft.auth.sessions import IMPERSONATED
from abaft.auth.told import ChangeShown, shown_changes
from abaft.base import clock
from abaft.base.errors import Forbidden
from abaft.db import Database
from abaft.model.times import show_datetime

IMPERSONATION = timedelta(hours=1)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When who acts in another's name has proved to be that one."""
Role = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$")]


@with_config(STRICT)
class AccountChange(TypedDict):
    roles: NotRequired[Annotated[list[Role], Field(max_length=100)]]
    disabled: NotRequired[bool]


class AccountShown(TypedDict):
    user: str
    roles: list[str]
    disabled: bool
    verified: str | None
    factors: list[str]
    sessions: int


class EventShown(TypedDict):
    number: int
    at: str
    what: str
    actor: str
    user: str
    address: str
    session: str
    detail: str


class EventTold(EventShown):
    changes: list[ChangeShown]


class Events(TypedDict):
    items: list[EventTold]


class Standing(TypedDict):
    """What a check of the trail found"""

    broken: int | None
    since: int
    last: int


class AdminFlows:
    """The endpoints of accounts for who stands above all rules."""

    def __init__(self, context: Context, factors: Factors) -> None:
        self._context, self._factors = context, factors

    def _admitted(self, call: Call) -> None:
        if not call.actor.system:
            call.user()
            raise Forbidden("this is for administrators")

    async def _account(self, call: Call) -> Any:
        self._admitted(call)
        return await self._context.account_of(call.place[0])

    async def look(self, call: Call) -> Reply:
        """One account."""
        return Reply(200, await self._shown(await self._account(call)))

    async def _shown(self, account: Any) -> dict[str, Any]:
        context = self._context
        return {
            "user": context.sessions.subject(account),
            "roles": sorted(account.roles),
            "disabled": account.disabled,
            "verified": account.verified,
            "factors": await self._factors.of(account),
            "sessions": len(await context.sessions.of(account.id)),
        }

    async def change(self, call: Call) -> Reply:
        """Other roles, or shut out: at once, wherever they are logged in."""
        context, account = self._context, await self._account(call)
        said = "; ".join(f"{name}: {value}" for name, value in call.body.items())

        async def changed(db: Database) -> None:
            if call.body.get("disabled", account.disabled):
                await context.sessions.over(db, account.id, **call.body)
            elif call.body:
                await db.update(account, **call.body)

        await context.noted("account_changed", call, changed, call.place[0], said, ends=True)
        account.__dict__.update(call.body)
        return Reply(200, await self._shown(account))

    async def end_sessions(self, call: Call) -> Reply:
        """Ends all sessions of somebody."""
        context, account = self._context, await self._account(call)
        over = partial(context.sessions.over, account=account.id)
        await context.noted("sessions_ended", call, over, call.place[0], ends=True)
        return Reply(204)

    async def impersonate(self, call: Call) -> Reply:
        """Tokens by which to act in somebody's name for an hour: each change tells who it was."""
        context, account = self._context, await self._account(call)
        begun = partial(
            context.sessions.open,
            account=account,
            kind="bearer",
            methods=[IMPERSONATED],
            call=call,
            expires=clock.now() + IMPERSONATION,
            authenticated=NEVER,
        )
        opened = await context.noted("impersonated", call, begun, call.place[0])
        return Reply(201, context.bearer(opened, call.place[0]))

    async def events(self, call: Call) -> Reply:
        """The end of the audit trail."""
        self._admitted(call)
        rows = await self._context.trail.latest()
        told = await shown_changes(self._context.pipeline, [row.changes for row in rows])
        items = [
            {**shown_event(row), "changes": changes}
            for row, changes in zip(rows, told, strict=True)
        ]
        return Reply(200, {"items": items})

    async def standing(self, call: Call) -> Reply:
        """Whether the trail is as it was written."""
        self._admitted(call)
        return Reply(200, asdict(await self._context.trail.check()))


def shown_event(row: Any) -> dict[str, Any]:
    names = ("number", "what", "actor", "user", "address", "session", "detail")
    return {**{name: getattr(row, name) for name in names}, "at": show_datetime(row.at)}
