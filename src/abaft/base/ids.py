"""The one source of randomness: record ids (UUIDv7, RFC 9562) and secrets."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID, SafeUUID

import orjson

from abaft.base import clock
from abaft.base.columns import AT_ONCE

_lock = threading.Lock()
_last = 0
_pool: list[int] = []
_new, _put, _UNKNOWN = object.__new__, object.__setattr__, SafeUUID.unknown


def _forget() -> None:
    """A forked worker must not spend its parent's random numbers a second time."""
    _pool.clear()


os.register_at_fork(after_in_child=_forget)


def _random() -> int:
    """80 random bits, asked of the system a page at a time: a call for each id costs more."""
    if not _pool:
        page = os.urandom(4090)
        _pool.extend(int.from_bytes(page[at : at + 10], "big") for at in range(0, 4090, 10))
    return _pool.pop()


def uuid7() -> UUID:
    """A new UUIDv7; ids made in one process always grow (RFC 9562, 6.2, method 1).

    The millisecond is followed by a counter of 18 bits that starts low at a random place, so that
    thousands of ids of one millisecond stay in order; 56 random bits close it.
    """
    with _lock:
        random = _random()
        stamp = _stamp(clock.unix_ms(), random)
    return UUID(int=_v7(stamp, random))


def uuids7(count: int) -> list[UUID]:
    """As many new ones, in a third of the time."""
    found = []
    with _lock:
        now = clock.unix_ms()
        for _ in range(count):
            random = _random()
            made = _new(UUID)
            _put(made, "int", _v7(_stamp(now, random), random))
            _put(made, "is_safe", _UNKNOWN)
            found.append(made)
    return found


def _stamp(now: int, random: int) -> int:
    """The millisecond and the counter of a new id; the lock is held."""
    global _last
    fresh = now << 18 | (random >> 64) & 0x3FFF
    # A clock that stands still or goes back must not turn the order round.
    _last = fresh if fresh > _last else _last + 1
    return _last


def _v7(stamp: int, random: int) -> int:
    high = (stamp >> 18) << 80 | 0x7 << 76 | (stamp >> 6 & 0xFFF) << 64
    return high | 0b10 << 62 | (stamp & 0x3F) << 56 | random & 0xFF_FFFF_FFFF_FFFF


def uuid_text(value: Any) -> str:
    """Its 36 characters, in a third of the time of `str`."""
    # Drivers have UUIDs of their own, which orjson doesn't know.
    return orjson.dumps(value)[1:-1].decode() if type(value) is UUID else str(value)


def _uuid_texts(values: Sequence[Any]) -> list[str] | None:
    if set(map(type, values)) != {UUID}:
        return None
    return (
        orjson.dumps(values if type(values) is list else list(values))[2:-2].decode().split('","')
    )


AT_ONCE[uuid_text] = _uuid_texts


def secret() -> str:
    """256 random bits as URL-safe text."""
    return secrets.token_urlsafe(32)


def request_id() -> str:
    """64 random bits as hexadecimal text, to find a request again in the log."""
    return secrets.token_hex(8)


def fraction() -> float:
    """A random number from 0 to 1, by which what was in each other's way is put off."""
    return _random() / 2**80


def word(alphabet: str, length: int) -> str:
    """Random characters of an alphabet, each as likely as the others."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def random_bytes(count: int) -> bytes:
    """As many random bytes, such as a cipher's nonce."""
    return secrets.token_bytes(count)


def turn() -> int:
    """A number that differs from that of the last turn, and that every database takes."""
    return secrets.randbits(52)
