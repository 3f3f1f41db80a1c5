"""How new the data must be that a request reads: what it has written, and where it reads."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

PRIMARY = "primary"
"""Where a read is answered that no replica may answer."""


@dataclass(slots=True, eq=False)
class Reach:
    """What has a say in where the reads of one request go, and what it did.

    `need` is the position of the primary that an answer must have reached, as the engine spells it.
    Reads of a request stay in one `place`, or else go to the primary: so none goes back in time.
    """

    need: str = ""
    place: str = ""
    wrote: float | None = None
    """When it wrote last, by the monotonic clock, until a later position is known."""
    written: bool = False
    shared: bool = False
    """Whether it is that of all work outside of requests, which has no place of its own."""

    def write(self, now: float) -> None:
        """A write has just become durable."""
        self.wrote, self.written = now, True

    def stay(self, place: str) -> None:
        """What is read from now on is read there."""
        if not self.shared:
            self.place = place


REACH: ContextVar[Reach | None] = ContextVar("reach", default=None)
"""That of the request under way; None outside of requests, and where there are no replicas."""
