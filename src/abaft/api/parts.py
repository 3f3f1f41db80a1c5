"""What stands below a record's path: `collection/key/name`, a row of one table each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from abaft.api.request import Request
from abaft.api.respond import Answer
from abaft.model.spec import Model

Handler = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Part:
    """A path below a record, such as "history/*/restore"; "*" stands for a value of the client's.

    It is there for the models that `offered` says.
    """

    path: str
    offered: Callable[[Model], bool]
    handlers: Mapping[str, Handler]

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
    """What answers at a path, by method; `key` is still percent-encoded."""

    model: Model
    key: str
    handlers: Mapping[str, Handler]
    place: tuple[str, ...] = ()


def find_part(
    parts: Sequence[Part], model: Model, path: str
) -> tuple[Mapping[str, Handler], tuple[str, ...]] | None:
    """The handlers of a path below a record by method, and the values in it."""
    for part in parts:
        values = part.values(path) if part.offered(model) else None
        if values is not None:
            return part.handlers, values
    return None
