"""Organisations and who is a member of one: ordinary models, to build on."""

from __future__ import annotations

from typing import ClassVar

from abaft.auth.owners import MEMBER, OWNER
from abaft.auth.user import User
from abaft.base.actor import Actor
from abaft.model.declare import Model
from abaft.model.decorators import allow
from abaft.model.field import Ref, field
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
