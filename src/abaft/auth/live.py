"""Who is logged in by which token, as far as this worker knows: what is asked at every request."""

from __future__ import annotations

from dataclasses import dataclass, field

from abaft.auth.epoch import Epoch
from abaft.base import clock
from abaft.base.actor import Actor

KEPT = 10_000
"""Tokens kept; the oldest goes first, so that made-up ones can't fill the memory."""


@dataclass(frozen=True, slots=True)
class Seat:
    """What a token was found to stand for; `until` is in milliseconds since 1970."""

    actor: Actor
    csrf: str = field(repr=False)
    until: int


@dataclass(frozen=True, slots=True)
class _Taken:
    seat: Seat
    epoch: int
    until: int


class Live:
    """Seats by token, each for as long as the epoch stands and its time has not come."""

    def __init__(self, epoch: Epoch) -> None:
        self.epoch = epoch
        self._taken: dict[str, _Taken] = {}

    def find(self, token: str) -> Seat | None:
        """The seat that is known to be good; None: look it up."""
        taken = self._taken.get(token)
        if taken is None or taken.epoch != self.epoch.now() or clock.unix_ms() >= taken.until:
            return None
        return taken.seat

    def take(self, token: str, seat: Seat, epoch: int) -> None:
        """Keeps what was looked up; `epoch` is the one from before that."""
        until = min(seat.until, clock.unix_ms() + int(self.epoch.trusted * 1000))
        self._taken.pop(token, None)
        if len(self._taken) >= KEPT:
            del self._taken[next(iter(self._taken))]
        self._taken[token] = _Taken(seat, epoch, until)
