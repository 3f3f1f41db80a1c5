"""Values of several writes of one shape, kept by column."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from abaft.base.columns import at_once


@dataclass(slots=True, eq=False)
class Columns:
    """What each of `count` writes has of its `own`, by name, and what they have `shared`."""

    count: int
    shared: Mapping[str, Any]
    own: Mapping[str, Sequence[Any]]
    _made: dict[Hashable, list[Any]] = field(default_factory=dict)

    def with_own(self, own: Mapping[str, Sequence[Any]]) -> Columns:
        """The same with these of each write's own."""
        return Columns(self.count, self.shared, {**self.own, **own})

    def rows(self) -> Iterator[Placed]:
        """The values of each."""
        return (Placed(self, place) for place in range(self.count))

    def made(self, name: Hashable, make: Callable[[Columns], list[Any]]) -> list[Any]:
        """What is made of all of them, made once."""
        if name not in self._made:
            self._made[name] = make(self)
        return self._made[name]

    def encoded(self, name: str, encode: Callable[[Any], Any] | None) -> Sequence[Any]:
        """One value of each, as a driver takes it."""
        column = self.own.get(name)
        if column is None:
            value = self.shared[name]
            return [value if value is None or encode is None else encode(value)] * self.count
        return column if encode is None else at_once(encode, column)


class Placed(Mapping[str, Any]):
    """The values of one of several writes."""

    __slots__ = ("place", "whole")

    def __init__(self, whole: Columns, place: int) -> None:
        self.whole = whole
        self.place = place

    def __getitem__(self, name: str) -> Any:
        column = self.whole.own.get(name)
        return self.whole.shared[name] if column is None else column[self.place]

    def __iter__(self) -> Iterator[str]:
        yield from self.whole.own
        yield from self.whole.shared

    def __len__(self) -> int:
        return len(self.whole.own) + len(self.whole.shared)
