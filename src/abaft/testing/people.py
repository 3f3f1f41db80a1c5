"""Who tries: the owner of a record, somebody else, roles, members of a group, another tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from abaft.base.actor import HERE, Actor
from abaft.model import expr as e
from abaft.model.relations import MEMBERSHIPS
from abaft.model.spec import Schema

SCHEME = "Matrix"
ANONYMOUS, OTHER, OWNER, ELSEWHERE = "anonymous", "other", "owner", "other tenant"


@dataclass
class Person:
    """A column: `member` is their role in the group of the records, `user` their key."""

    name: str
    roles: frozenset[str] = frozenset()
    member: str | None = None
    user: str | None = None


@dataclass
class Acting:
    """An authenticator: whoever `now` is asks."""

    now: Actor = field(default_factory=Actor)

    async def authenticate(self, headers: Mapping[str, str]) -> Actor | None:
        named = headers.get("authorization", "").partition(" ")[0] == SCHEME
        return self.now if named else None


def columns(schema: Schema) -> list[Person]:
    """Those whom the rules of these models may tell apart."""
    global_, local = roles_of(schema)
    grouped = any(MEMBERSHIPS in model.many for model in schema.models.values())
    tenants = bool(schema.tenant)
    found = [Person(ANONYMOUS), Person(OTHER)]
    found.append(Person(OWNER, member="member" if tenants and grouped else None))
    found += [Person(role, frozenset({role}), "member" if tenants else None) for role in global_]
    if grouped:
        found.append(Person("member", member="member"))
        found += [Person(f"member: {role}", member=role) for role in local if role != "member"]
    if tenants:
        every = frozenset(global_)
        found.append(Person(ELSEWHERE, every, local[0] if local else "owner"))
    return found


def roles_of(schema: Schema) -> tuple[list[str], list[str]]:
    """The roles that rules ask for: anywhere, and within a group."""
    everywhere: set[str] = set()
    here: set[str] = set()

    def look(node: Any) -> Any:
        if isinstance(node, e.ActorRole) and node.role.startswith(HERE):
            here.add(node.role.removeprefix(HERE))
        elif isinstance(node, e.ActorRole) and node.role and not node.role.startswith("\0"):
            everywhere.add(node.role)
        if isinstance(node, e.Exists) and node.relation == MEMBERSHIPS:
            e.rewrite(node.where, look_within)
        return node

    def look_within(node: Any) -> Any:
        named = isinstance(node, e.Compare) and isinstance(node.left, e.Column)
        if named and node.left.name == "role" and isinstance(node.right, e.Const):
            here.add(str(node.right.value))
        return node

    for model in schema.models.values():
        for rule in model.rules:
            e.rewrite(rule.where, look)
    return sorted(everywhere), sorted(here)
