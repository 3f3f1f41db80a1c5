"""The built-in User: who may log in, once accounts exist."""

from __future__ import annotations

from typing import ClassVar

from abaft.base.actor import Actor
from abaft.model.declare import Model
from abaft.model.decorators import allow
from abaft.model.field import Email, field


class User(Model):
    """A person who may log in. They see and change their own record; everybody sees the name."""

    __registers__: ClassVar[tuple[str, ...]] = ("name",)
    """The fields that one may say of oneself, when an account is made and later."""
    __themselves__: ClassVar[str] = "themselves"

    name: str = field(default="", max_length=120)
    email: Email | None = field(default=None, unique=True, collate="nocase", max_length=254)

    @allow("read")
    def everyone(user, me: Actor) -> bool:
        return True

    @allow("update")
    def themselves(user, me: Actor) -> bool:
        return user == me

    @allow("read", "update", fields=["email"])
    def own_email(user, me: Actor) -> bool:
        return user == me
