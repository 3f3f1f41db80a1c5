"""Moves a computed value from the record that it is of to wherever that record is reached."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar, cast

from abaft.model import expr as e

N = TypeVar("N")


def moved(node: N, hops: tuple[e.Hop, ...], scope: int, depth: int) -> N:
    """The value or condition of a record, said from where `hops` lead to it from `scope`.

    `depth` is how many scopes there are at that place: those within the value come after them.
    """

    def move(part: Any) -> Any:
        if isinstance(part, (e.Column, e.Exists, e.Reduce)):
            if part.scope == 0:
                return replace(part, hops=(*hops, *part.hops), scope=scope)
            return replace(part, scope=part.scope - 1 + depth)
        return part

    return cast(N, e.rewrite_value(cast(Any, node), move))
