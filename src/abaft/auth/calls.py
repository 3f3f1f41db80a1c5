"""What endpoints of accounts take and give, apart from HTTP's own forms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from abaft.base.actor import ANONYMOUS, Actor
from abaft.base.errors import Fault, Unauthorized

AGENT = 200
"""Characters of User-Agent that are kept."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to one of them: `body` and `query` are checked, `place` is what each "*" is."""

    headers: Mapping[str, str] = field(repr=False)  # cookies and tokens
    address: str
    body: Any = field(default=None, repr=False)  # passwords
    actor: Actor = ANONYMOUS
    place: tuple[str, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def agent(self) -> str:
        """What the client calls itself."""
        text = self.headers.get("user-agent", "")
        return "".join(char for char in text if char.isprintable())[:AGENT]

    def user(self) -> str:
        """The key of who asks. Raises Unauthorized where nobody has logged in as a user."""
        if self.actor.id is None:
            raise Unauthorized(
                "this is for who has logged in",
                headers={"www-authenticate": 'Bearer realm="abaft"'},
            )
        return self.actor.id


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `body` becomes JSON, None has none; a `page` is HTML in its place."""

    status: int
    body: Any = field(default=None, repr=False)  # tokens
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    page: str = field(default="", repr=False)


Handle = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the table by which requests are answered and OpenAPI is written.

    `body` is the type that a body is checked against and `answer` the one that is given. With
    `known` who asks is looked up first; a log-in doesn't care who was logged in before. `raised`
    are the statuses of problems beside those that any request may have, and `also` the types of
    what is answered under another status. `query` is the type of the query's parameters; with
    `form` the body is one of a browser's own. `misread` makes the answer to a body that can't be
    read or holds wrong values, where a protocol has errors of its own.
    """

    method: str
    path: str
    handle: Handle
    summary: str
    body: Any = None
    answer: Any = None
    status: int = 200
    known: bool = True
    raised: tuple[int, ...] = ()
    also: tuple[tuple[int, Any], ...] = ()
    query: Any = None
    form: bool = False
    misread: Callable[[Fault], Reply] | None = None
