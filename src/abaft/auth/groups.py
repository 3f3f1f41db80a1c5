"""Organisations, who is a member of one and who is invited: ordinary models, to build on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from abaft.auth.owners import MEMBER, OWNER
from abaft.auth.user import User
from abaft.base import clock
from abaft.base.actor import Actor
from abaft.base.errors import ModelError
from abaft.model.declare import Model
from abaft.model.decorators import allow
from abaft.model.field import Email, Ref, field
from abaft.model.spec import Model as Spec
from abaft.model.spec import Schema
from abaft.model.symbols import not_


class Organisation(Model):
    """A group of users. Who makes one owns it; members see it, owners change and delete it."""

    name: str = field(max_length=120)

    @allow("read")
    def members(organisation, me: Actor) -> bool:
        return me.member_of(organisation)

    @allow("create")
    def whoever_has_logged_in(organisation, me: Actor) -> bool:
        return not_(me.anonymous)

    @allow("update", "delete")
    def owners(organisation, me: Actor) -> bool:
        return me.member_of(organisation, OWNER)


class Membership(Model, unique=[("user", "organisation")]):
    """That a user is in an organisation, and as what. Owners change roles; members may leave."""

    __ties__: ClassVar[tuple[str, ...]] = ("user", "organisation")

    user: Ref[User] = field(on_delete="cascade", write_once=True)
    organisation: Ref[Organisation] = field(on_delete="cascade", write_once=True)
    role: str = field(default=MEMBER, max_length=40)

    @allow("read")
    def members(membership, me: Actor) -> bool:
        return me.member_of(membership.organisation)

    @allow("update", "delete")
    def owners(membership, me: Actor) -> bool:
        return me.member_of(membership.organisation, OWNER)

    @allow("delete")
    def themselves(membership, me: Actor) -> bool:
        return membership.user == me


def in_a_week() -> datetime:
    """When an invitation ends that says nothing else."""
    return clock.now() + timedelta(days=7)


class Invitation(Model, unique=[("organisation", "email")]):
    """That whoever has this address may become a member. Owners invite, and withdraw by deleting.

    It is mailed once it is made, and gone once it is accepted.
    """

    organisation: Ref[Organisation] = field(on_delete="cascade", write_once=True)
    email: Email = field(collate="nocase", max_length=254, write_once=True)
    role: str = field(default=MEMBER, max_length=40, write_once=True)
    expires: datetime = field(default_factory=in_a_week, write_once=True)

    @allow("read", "create", "delete")
    def owners(invitation, me: Actor) -> bool:
        return me.member_of(invitation.organisation, OWNER)


def invitations_of(schema: Schema) -> Spec | None:
    """The model of invitations among these. Raises ModelError where there are two."""
    every = schema.models.values()
    found = [row for row in every if row.cls is not None and issubclass(row.cls, Invitation)]
    if len(found) > 1:
        names = " and ".join(row.name for row in found)
        raise ModelError(f"{names} are both models of invitations: one is enough")
    return found[0] if found else None
