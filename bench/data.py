"""The rows both servers hold: 1,000 authors, 100,000 posts, as many notes; the same each time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID

AUTHORS = 1_000
POSTS = 100_000
SEED = 20_131

_FIRST = datetime(2025, 1, 1, tzinfo=UTC)
_STEP = timedelta(minutes=5)
# UUIDv7 by shape, and ascending, as a database that grew by itself would hold.
_AUTHOR = 0x01940000_0000_7000_8000_000000000000
_POST = 0x01950000_0000_7000_8000_000000000000
_NOTE = 0x01960000_0000_7000_8000_000000000000
# Quotes, a backslash and letters beyond ASCII: each server has to escape what JSON needs escaped.
_WORDS = (
    *("abaft", "astern", "bosun", "capstan", '"dead', 'reckoning"', "ebb", "fathom", "gunwale"),
    *("halyard", "île", "jib", "keel", "leeward", "mizzen", "naïve", "offing", "port\\starboard"),
    *("quay", "rudder", "sextant", "tack", "ålesund", "vane", "windward", "yaw", "zephyr"),
)


@dataclass(frozen=True, slots=True)
class Author:
    """One author."""

    id: UUID
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Post:
    """One post, or one note: the two tables have the same columns and the same values."""

    id: UUID
    title: str
    body: str
    views: int
    published: bool
    author: UUID
    created: datetime


def author_id(number: int) -> UUID:
    """The id of an author; also what the token ``user-<number>`` stands for, on both servers."""
    return UUID(int=_AUTHOR + number)


def post_id(number: int) -> UUID:
    """The id of a post."""
    return UUID(int=_POST + number)


def created(number: int) -> datetime:
    """When a post was made: later than the one before it; in milliseconds, as any engine has."""
    return _FIRST + number * _STEP + timedelta(milliseconds=number * 7919 % 1_000)


def writer(number: int) -> int:
    """Which author wrote a post: each wrote exactly POSTS / AUTHORS of them, spread over time."""
    return number * 7919 % AUTHORS


def authors() -> Iterator[Author]:
    """All authors, in order of id."""
    for number in range(AUTHORS):
        yield Author(author_id(number), f"Author {number} Ångström", f"author{number}@example.com")


def _text(draw: random.Random, words: int) -> str:
    return " ".join(draw.choices(_WORDS, k=words))


def _posts(first_id: int) -> Iterator[Post]:
    draw = random.Random(SEED)
    for number in range(POSTS):
        yield Post(
            id=UUID(int=first_id + number),
            title=_text(draw, 5).capitalize(),
            body=_text(draw, 40),
            views=draw.randrange(1_000_000),
            published=draw.random() < 0.5,
            author=author_id(writer(number)),
            created=created(number),
        )


@cache
def posts() -> tuple[Post, ...]:
    """All posts, in order of id and of time."""
    return tuple(_posts(_POST))


@cache
def notes() -> tuple[Post, ...]:
    """All notes: the posts over again under ids of their own, for the scenario with a rule."""
    return tuple(_posts(_NOTE))
