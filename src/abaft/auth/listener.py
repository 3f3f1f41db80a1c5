"""Hears what befalls users, members and invitations, and hands it to accounts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from abaft.base.actor import Actor
from abaft.model.spec import Action, Hook

if TYPE_CHECKING:
    from abaft.auth.accounts import Accounts

Call = Callable[..., Awaitable[None]]
MEMBERS: Mapping[Action, str] = {
    "create": "member_joined",
    "update": "member_changed",
    "delete": "member_left",
}
INVITED: Mapping[Action, str] = {"create": "member_invited", "delete": "invitation_withdrawn"}
CLOSED: Mapping[Action, str] = {"delete": "organisation_deleted"}


class Listener:
    """Models are built before there are accounts; an app without any has nobody to tell."""

    def __init__(self) -> None:
        self.accounts: Accounts | None = None

    async def user_gone(self, user: Any) -> None:
        """A user was deleted, softly too."""
        if self.accounts is not None:
            await self.accounts.user_gone(user)

    async def memberships_changed(self) -> None:
        """What workers know of memberships has to be looked up again."""
        if self.accounts is not None:
            await self.accounts.live.epoch.announce()

    def in_trail(self, told: Mapping[Action, str]) -> list[Hook]:
        """The hooks by which writes are in the audit trail, with them, and in the log after."""
        found = []
        for action, what in told.items():
            found += [
                Hook("in_trail", "within", (action,), self._noting(what)),
                Hook("in_log", "after", (action,), self._telling(what)),
            ]
        return found

    def _noting(self, what: str) -> Call:
        async def noted(record: Any, me: Actor, db: Any) -> None:
            if self.accounts is not None:
                await self.accounts.members.note(what, record, me, db)

        return noted

    def _telling(self, what: str) -> Call:
        async def told(record: Any, me: Actor) -> None:
            if self.accounts is not None:
                self.accounts.members.tell(what, record, me)

        return told

    def inviting(self) -> list[Hook]:
        """The hooks of invitations; accounts are there wherever there are any."""

        def members() -> Any:
            assert self.accounts is not None
            return self.accounts.members

        async def may_be_sent(invitation: Any, me: Actor) -> None:
            await members().admit(invitation, me)

        async def mailed(invitation: Any, me: Actor) -> None:
            await members().invite(invitation, me)

        async def withdrawn(invitation: Any, me: Actor, db: Any) -> None:
            await members().withdraw(invitation, me, db)

        return [
            Hook("may_be_sent", "within", ("create",), may_be_sent),
            Hook("mailed", "after", ("create",), mailed),
            Hook("withdrawn", "within", ("delete",), withdrawn),
        ]
