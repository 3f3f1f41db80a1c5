"""What stands below a record's path: `collection/key/name`, a row of one table each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from abaft.api.request import Request
from abaft.api.respond import Answer
from abaft.model.spec import Action, Model

Handler = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Part:
    """A path below a record, such as "history/*/restore"; "*" stands for a value of the client's.

    It is there for the models that `offered` says; a write needs leave for `action`.
    """

    path: str
    offered: Callable[[Model], bool]
    handlers: Mapping[str, Handler]
    action: Action = "read"

    def values(self, path: str) -> tuple[str, ...] | None:
        """What stands in the place of each "*"; None for another path."""
        names, given = self.path.split("/"), path.split("/")
        if len(names) != len(given):
            return None
        pairs = list(zip(names, given, strict=True))
        if any(name not in ("*", part) for name, part in pairs):
            return None
        return tuple(part for name, part in pairs if name == "*")


class Route(NamedTuple):
    """What answers at a path, by method; `key` is still percent-encoded.

    `action` is what a write below a record needs leave for, whatever its method.
    """

    model: Model
    key: str
    handlers: Mapping[str, Handler]
    place: tuple[str, ...] = ()
    action: Action | None = None


def find_part(
    parts: Sequence[Part], model: Model, path: str
) -> tuple[Part, tuple[str, ...]] | None:
    """The part at a path below a record, and the values in it."""
    for part in parts:
        values = part.values(path) if part.offered(model) else None
        if values is not None:
            return part, values
    return None
