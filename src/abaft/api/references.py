"""References from one operation of a batch to what an earlier one was answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from abaft.base.errors import Invalid, Problem, TooLarge

MEMBER = "$ref"
_IN_PATH = re.compile(r"\{([A-Za-z_]\w*)((?:\.[\w-]+)+)\}", re.ASCII)
_WHOLE = re.compile(r"([A-Za-z_]\w*)((?:\.[\w-]+)+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reference:
    """`p.author.id`: the operation's name, and the way into its answer."""

    name: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.name, *self.steps))


Look = Callable[[Reference], Any]
"""What a reference stands for. Raises LookupError where there is no such thing."""


@dataclass(slots=True)
class Room:
    """How many bytes references may still put into an operation: few of them can stand for much."""

    most: int
    taken: int = 0

    def take(self, size: int) -> None:
        """Raises TooLarge where there is no room for as many."""
        self.taken += size
        if self.taken > self.most:
            raise TooLarge(f"the references of an operation may stand for {self.most} bytes")


def in_path(path: str, look: Look, pointer: str, room: Room) -> str:
    """The path with the values of its references, percent-encoded."""

    def value(found: re.Match[str]) -> str:
        seen = _looked(_reference(found), look, pointer)
        text = seen if isinstance(seen, str) else orjson.dumps(seen).decode()
        room.take(len(text))
        return quote(text, safe="")

    return _IN_PATH.sub(value, path)


def in_body(body: Any, look: Look, pointer: str, room: Room) -> Any:
    """The body with values in the place of each `{"$ref": "p.id"}`."""
    if isinstance(body, dict):
        if (reference := referred(body)) is not None:
            seen = _looked(reference, look, pointer)
            room.take(len(seen) if isinstance(seen, str) else len(orjson.dumps(seen)))
            return seen
        return {
            name: in_body(value, look, f"{pointer}/{_escaped(name)}", room)
            for name, value in body.items()
        }
    if isinstance(body, list):
        return [in_body(item, look, f"{pointer}/{at}", room) for at, item in enumerate(body)]
    return body


def referred(value: Any) -> Reference | None:
    """The reference that a JSON object is, if it is one."""
    if not isinstance(value, dict) or value.keys() != {MEMBER}:
        return None
    found = _WHOLE.fullmatch(value[MEMBER]) if isinstance(value[MEMBER], str) else None
    return _reference(found) if found else None


def whole(text: str) -> Reference | None:
    """The reference that a part of a path is, if it is one."""
    found = _IN_PATH.fullmatch(text)
    return _reference(found) if found else None


def named(path: str, body: Any) -> set[str]:
    """The operations that a path and a body refer to."""
    return {found[1] for found in _IN_PATH.finditer(path)} | {
        reference.name for reference in _references(body)
    }


def _references(body: Any) -> Iterator[Reference]:
    if isinstance(body, dict):
        if (reference := referred(body)) is not None:
            yield reference
            return
        for value in body.values():
            yield from _references(value)
    elif isinstance(body, list):
        for value in body:
            yield from _references(value)


def walk(answer: Any, steps: tuple[str, ...]) -> Any:
    """What lies at the end of the way. Raises LookupError where it leads nowhere."""
    for step in steps:
        if isinstance(answer, list) and step.isascii() and step.isdigit() and len(step) < 6:
            answer = answer[int(step)]
        elif isinstance(answer, Mapping):
            answer = answer[step]
        else:
            raise LookupError(step)
    return answer


def _reference(found: re.Match[str]) -> Reference:
    return Reference(found[1], tuple(found[2].split(".")[1:]))


def _looked(reference: Reference, look: Look, pointer: str) -> Any:
    try:
        return look(reference)
    except LookupError:
        detail = f"no operation before this one was answered by {str(reference)[:80]!r}"
        problem = Problem(pointer, "unknown_reference", detail)
        raise Invalid(detail, code="unknown_reference", errors=[problem]) from None


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
