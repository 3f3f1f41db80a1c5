"""Who is logged in by which token, as far as this worker knows: what is asked at every request."""

from __future__ import annotations

from dataclasses import dataclass, field

from abaft.auth.epoch import Epoch, Number
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


class Live:
    """Seats by token, each for as long as the epoch stands and its time has not come.

    A token is the bytes of its whole header: to take that apart costs more than to find it.
    """

    def __init__(self, epoch: Epoch) -> None:
        self.epoch = epoch
        self._taken: dict[bytes, tuple[Seat, Number, int]] = {}

    def find(self, token: bytes) -> Seat | None:
        """The seat that is known to be good; None: look it up."""
        taken = self._taken.get(token)
        if taken is None:
            return None
        seat, epoch, until = taken
        return seat if epoch == self.epoch.now() and clock.unix_ms() < until else None

    def take(self, token: bytes, seat: Seat, epoch: Number) -> None:
        """Keeps what was looked up; `epoch` is the one from before that."""
        until = min(seat.until, clock.unix_ms() + int(self.epoch.trusted * 1000))
        self._taken.pop(token, None)
        if len(self._taken) >= KEPT:
            del self._taken[next(iter(self._taken))]
        self._taken[token] = (seat, epoch, until)
