"""What a text says, before any name in it is looked up; `at` is where, counted from 0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal as Word


@dataclass(frozen=True, slots=True)
class Path:
    """Names with dots between."""

    names: tuple[str, ...]
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it is written; `form` is how: a text, a number, a date, or a word like `now`."""

    form: Word["text", "number", "datetime", "date", "duration", "true", "false", "null", "me"]
    value: str | timedelta = ""
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Clock:
    """The instant or the day at which the question is asked."""

    word: Word["now", "today"]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function or a quantifier, or arithmetic, whose function is called like its sign."""

    name: str
    args: tuple[Node, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Several:
    """A list of values."""

    items: tuple[Node, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Compare:
    """`left` operator `right`, where the operator may have `not` before it."""

    operator: str
    left: Node
    right: Node
    negated: bool = False
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    item: Node
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class And:
    items: tuple[Node, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Or:
    items: tuple[Node, ...]
    at: int = field(default=0, compare=False)


Node = Path | Literal | Clock | Call | Several | Compare | Not | And | Or


def inner(node: Node) -> tuple[Node, ...]:
    """The nodes right below."""
    match node:
        case Call(_, items) | Several(items) | And(items) | Or(items):
            return items
        case Compare(_, left, right):
            return left, right
        case Not(item):
            return (item,)
    return ()


def renamed(node: Node, names: Mapping[Node, str]) -> Node:
    """The tree with a name in the place of each node that has one."""
    if node in names:
        return Path((names[node],), at=node.at)
    match node:
        case Call(_, items):
            return replace(node, args=tuple(renamed(item, names) for item in items))
        case Several(items) | And(items) | Or(items):
            return replace(node, items=tuple(renamed(item, names) for item in items))
        case Compare(_, left, right):
            return replace(node, left=renamed(left, names), right=renamed(right, names))
        case Not(item):
            return replace(node, item=renamed(item, names))
    return node


def walk(node: Node) -> Iterator[tuple[Node, int]]:
    """Every node with its depth, without recursion: the tree may be deeper than Python's stack."""
    waiting = [(node, 1)]
    while waiting:
        found, depth = waiting.pop()
        yield found, depth
        waiting += [(item, depth + 1) for item in inner(found)]
