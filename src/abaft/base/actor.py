"""Who asks: a plain value that every stage can hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from abaft.base import clock

ActorKind = tuple[Literal["anonymous", "user", "system"], frozenset[str]]

SCOPED, SCOPE, FRESH = "\0scoped", "\0scope:", "\0fresh:"
TENANT, HERE = "\0tenant", "\0here:"
"""Marks beside the roles; no role can be called so, for none has the character U+0000."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The principal of a request.

    `id` is the written key of the user record, or None; `system` stands above all rules. `scopes`
    are what a key of theirs may do, None: all that they may. `authenticated` is when they last
    proved who they are, and `steps` the ages in seconds, of those that rules ask for, that this is
    below. `session` is where they are logged in, `key` the API key that they came by. `tenant` is
    the written key of the tenant whose records they are confined to, `here` are their roles in it,
    and `chosen` the key of the membership that their session has chosen it by.
    In a rule the actor is a symbol: compare it with a relation (`post.author == me`), ask it for
    `me.has_role("editor")`, `me.has_scope("export")`, `me.fresh(minutes=5)`,
    `me.has_role_here("owner")` or whether it is `me.anonymous`.
    """

    id: str | None = None
    roles: frozenset[str] = frozenset()
    system: bool = False
    label: str = ""
    scopes: frozenset[str] | None = None
    authenticated: datetime | None = None
    steps: frozenset[int] = frozenset()
    session: str = ""
    tenant: str | None = None
    here: frozenset[str] = frozenset()
    key: str = ""
    chosen: str = ""
    kind: ActorKind = field(init=False, repr=False)
    known: Mapping[str, str] = field(init=False, repr=False, compare=False)
    """What plans are told of the actor: the values of the parameters `me` and `tenant`."""

    def __post_init__(self) -> None:
        name: Literal["anonymous", "user", "system"] = "anonymous"
        if self.system:
            name = "system"
        elif self.id is not None:
            name = "user"
        marks = self.roles
        if self.scopes is not None:
            marks = marks | {SCOPED, *(SCOPE + scope for scope in self.scopes)}
        if self.steps:
            marks = marks | {f"{FRESH}{seconds}" for seconds in self.steps}
        if self.tenant is not None:
            marks = marks | {TENANT, *(HERE + role for role in self.here)}
        object.__setattr__(self, "kind", (name, marks))
        told = {"me": self.id, "tenant": self.tenant}
        known = {key: value for key, value in told.items() if value is not None}
        object.__setattr__(self, "known", known)

    @property
    def anonymous(self) -> bool:
        """Whether nobody has logged in."""
        return self.id is None and not self.system

    def has_role(self, role: str) -> bool:
        """Whether the actor has the role of this name."""
        return role in self.roles

    def has_role_here(self, role: str) -> bool:
        """Whether the actor has the role of this name in their tenant."""
        return role in self.here

    def member_of(self, group: object, *roles: str) -> bool:
        """Whether the actor is a member of a group; with `roles`, in one of these."""
        ties: Iterable[Any] = getattr(group, "@memberships", ())
        return any(row.user == self and (not roles or row.role in roles) for row in ties)

    def has_scope(self, scope: str) -> bool:
        """Whether what they came by may do this; who logged in may do all that they may."""
        return self.scopes is None or scope in self.scopes

    def fresh(self, *, minutes: float = 0, seconds: float = 0) -> bool:
        """Whether they proved who they are within this time."""
        if self.authenticated is None:
            return False
        age = clock.now() - self.authenticated
        return age < timedelta(minutes=minutes, seconds=seconds)

    def holds(self, mark: str) -> bool:
        """Whether the actor has a role, or a mark of a scope or step."""
        if mark.startswith(FRESH):
            return self.fresh(seconds=int(mark.removeprefix(FRESH)))
        return mark in self.kind[1]

    @property
    def name(self) -> str:
        """What the change feed and the log call the actor."""
        if self.id is None:
            return self.label or self.kind[0]
        return f"user:{self.id} by {self.label}" if self.label else f"user:{self.id}"


ANONYMOUS = Actor()
SYSTEM = Actor(system=True, label="system")


class Authenticator(Protocol):
    """Makes an actor of a request's headers.

    Returns None where the credentials aren't of its kind; raises Unauthorized where they are and
    are wrong. Header names are in lower case.
    """

    async def authenticate(self, headers: Mapping[str, str]) -> Actor | None:
        """The actor of these headers; asked at every request, so keep what is costly."""


class Placing(Protocol):
    """Gives an actor their tenant."""

    async def placed(self, actor: Actor, headers: Mapping[str, str]) -> Actor:
        """The actor within the tenant that these headers, or their only membership, name."""
