"""Which of several representations a client prefers (RFC 9110, 12): pure functions on text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# Members end at a comma that isn't within quotes; a quote that nobody closes is a sign like others.
_MEMBER = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,])+')
_RANGE = re.compile(rf"\s*({_WORD})/({_WORD})\s*(?:;|\Z)")
_CODING = re.compile(rf"\s*({_WORD})\s*(?:;|\Z)")
_PARAMETER = re.compile(rf';?\s*({_WORD})\s*=\s*("(?:[^"\\]|\\.)*"|[^;"\s]*)\s*(?:;|\Z)')
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_LONGEST = 4_096
"""Bytes of a header that are looked at: no client has as many wishes."""


@dataclass(frozen=True, slots=True)
class Media:
    """A media type with the parameters that tell its variants apart."""

    type: str
    subtype: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Range:
    """One wish of Accept; `*` stands for anything."""

    type: str
    subtype: str
    parameters: Mapping[str, str]
    quality: float

    def fit(self, media: Media) -> int:
        """How closely it names the media type; 0: not at all."""
        if self.type == "*":
            return 1
        if self.type != media.type:
            return 0
        if self.subtype == "*":
            return 2
        if self.subtype != media.subtype:
            return 0
        for name, value in self.parameters.items():
            if name == "charset" and value != "utf-8":
                return 0
            # A parameter that means nothing here is passed over; what is refused by it isn't.
            if media.parameters.get(name, value) != value or not (
                self.quality or name in media.parameters or name == "charset"
            ):
                return 0
        return 3 + sum(name in media.parameters for name in self.parameters)


def best_media(header: str, offered: Sequence[Media]) -> int | None:
    """The place of the one that is preferred; None where none is acceptable.

    The highest quality wins, then the closest name, then the first that is offered.
    """
    ranges = list(_ranges(header))
    if not ranges and not header.strip(" ,\t"):
        return 0
    found: tuple[float, int, int] = (0.0, 0, 0)
    for place, media in enumerate(offered):
        fit, quality = _preference(ranges, media)
        found = max(found, (quality, fit, -place))
    return -found[2] if found[0] else None


def _preference(ranges: Sequence[Range], media: Media) -> tuple[int, float]:
    """The closest range decides, whatever others say."""
    fits = [(wish.fit(media), wish.quality) for wish in ranges]
    closest = max((fit for fit, _ in fits), default=0)
    if not closest:
        return 0, 0.0
    return closest, max(quality for fit, quality in fits if fit == closest)


def _ranges(header: str) -> Iterator[Range]:
    """The wishes that can be read; others are as if they weren't there."""
    for member in _MEMBER.findall(header[:_LONGEST].lower()):
        found = _RANGE.match(member)
        if found is None or (found[1] == "*" and found[2] != "*"):
            continue
        parameters = _parameters(member[found.end() :])
        quality = _quality(parameters)
        if quality is not None:
            yield Range(found[1], found[2], parameters, quality)


def _parameters(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _PARAMETER.findall(text)}


def _quality(parameters: dict[str, str]) -> float | None:
    text = parameters.pop("q", "1")
    return float(text) if _QUALITY.fullmatch(text) else None


def best_coding(header: str, offered: Sequence[str]) -> tuple[str | None, bool]:
    """The content coding that is preferred, None for none at all; whether none at all will do.

    A wildcard stands for gzip, which whoever takes anything can read.
    """
    wishes: dict[str, float] = {}
    for member in _MEMBER.findall(header[:_LONGEST].lower()):
        found = _CODING.match(member)
        quality = _quality(_parameters(member[found.end() :])) if found is not None else None
        if found is not None and quality is not None:
            wishes[found[1].removeprefix("x-")] = quality
    usual = wishes.get("*", 0.0)
    plain = wishes.get("identity", wishes.get("*"))
    asked = [(wishes.get(name, usual if name == "gzip" else 0.0), name) for name in offered]
    quality, name = max(asked, key=lambda wish: wish[0], default=(0.0, ""))
    if not quality or quality < (wishes.get("identity", 0.0)):
        return None, plain != 0
    return name, plain != 0
