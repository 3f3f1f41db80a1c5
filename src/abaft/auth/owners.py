"""Owners of organisations: who makes one is its first, and there is always one left."""

from __future__ import annotations

from typing import Any

from abaft.base.actor import Actor
from abaft.base.errors import Conflict
from abaft.model.spec import Hook, Model
from abaft.model.tenancy import GROUP, USER

OWNER, MEMBER = "owner", "member"


def founding(ties: Model) -> list[Hook]:
    """Whoever makes an organisation owns it, in the same transaction."""

    async def founder(record: Any, me: Actor, db: Any) -> None:
        if me.id is not None and not me.system:
            tie = {USER: me.id, GROUP: record, "role": OWNER}
            await db.as_system().create(ties.cls, **tie)

    return [Hook("founder", "within", ("create",), founder)]


def owners_of_memberships(ties: Model) -> list[Hook]:
    """The last owner neither leaves nor becomes less; who stands above the rules may do both."""

    async def owner_left(record: Any, me: Actor, db: Any) -> None:
        if me.system:
            return
        group, above = record.organisation, db.as_system()
        # One at a time: of two owners who leave together the second sees that the first is gone.
        await above.update(group)
        if not await above.count(
            ties.cls, lambda row: (row.organisation == group) & (row.role == OWNER)
        ):
            raise _last()

    return [Hook("owner_left", "within", ("update", "delete"), owner_left)]


def owners_of_users(ties: Model) -> list[Hook]:
    """Who owns an organisation alone hands it over, or deletes it, before they go."""

    async def owner_gone(user: Any, me: Actor, db: Any) -> None:
        above = db.as_system()
        owned = above.stream(ties.cls, lambda row: (row.user == user) & (row.role == OWNER))
        groups = [row.organisation async for row in owned]
        for group in groups:
            others = await above.count(
                ties.cls,
                lambda row, group=group: (
                    (row.organisation == group) & (row.role == OWNER) & (row.user != user)
                ),
            )
            if not others:
                raise _last()

    return [Hook("owner_gone", "before", ("delete",), owner_gone)]


def _last() -> Conflict:
    return Conflict(
        "an organisation keeps at least one owner",
        code="last_owner",
        hint="make somebody else an owner first, or delete the organisation",
    )
