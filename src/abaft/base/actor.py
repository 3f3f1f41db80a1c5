"""Who asks: a plain value that every stage can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

ActorKind = tuple[Literal["anonymous", "user", "system"], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Actor:
    """The principal of a request.

    `id` is the written key of the user record, or None; `system` stands above all rules.
    In a rule the actor is a symbol: compare it with a relation (`post.author == me`), ask it for
    `me.has_role("editor")` or whether it is `me.anonymous`.
    """

    id: str | None = None
    roles: frozenset[str] = frozenset()
    system: bool = False
    label: str = ""
    kind: ActorKind = field(init=False, repr=False)

    def __post_init__(self) -> None:
        name: Literal["anonymous", "user", "system"] = "anonymous"
        if self.system:
            name = "system"
        elif self.id is not None:
            name = "user"
        object.__setattr__(self, "kind", (name, self.roles))

    @property
    def anonymous(self) -> bool:
        """Whether nobody has logged in."""
        return self.id is None and not self.system

    def has_role(self, role: str) -> bool:
        """Whether the actor has the role of this name."""
        return role in self.roles

    @property
    def name(self) -> str:
        """What the change feed and the log call the actor."""
        return self.label or self.kind[0] if self.id is None else f"user:{self.id}"


ANONYMOUS = Actor()
SYSTEM = Actor(system=True, label="system")


class Authenticator(Protocol):
    """Makes an actor of a request's headers.

    Returns None where the credentials aren't of its kind; raises Unauthorized where they are and
    are wrong. Header names are in lower case.
    """

    async def authenticate(self, headers: Mapping[str, str]) -> Actor | None:
        """The actor of these headers; asked at every request, so keep what is costly."""
