"""What the driver hands on and back: a plan made ready, a transaction under way, the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from abaft.base import clock
from abaft.base.actor import Actor
from abaft.plan.types import ReadPlan
from abaft.store.base import Row, Session
from abaft.writing import Draft


@dataclass(slots=True, eq=False)
class Ready:
    """A plan with what the store made of it."""

    plan: Any
    compiled: Any


@dataclass(slots=True)
class Stages:
    """How long each stage of one request took."""

    start: int = field(default_factory=clock.ticks)
    times: list[tuple[str, int]] = field(default_factory=list)

    def mark(self, name: str) -> None:
        """The stage that ends now."""
        self.times.append((name, clock.ticks()))

    def header(self) -> str:
        """The Server-Timing header (W3C), in milliseconds."""
        parts, before = [], self.start
        for name, at in self.times:
            parts.append(f"{name};dur={(at - before) / 1e6:.3f}")
            before = at
        return ", ".join(parts)


@dataclass(slots=True)
class ReadAnswer:
    """Rows of (json, order values…, count) and the plan that they follow."""

    plan: ReadPlan
    rows: Sequence[Row]
    decoders: tuple[Any, ...]
    stages: Stages


@dataclass(slots=True)
class WriteAnswer:
    """The record's JSON, None where the actor may not see it, and its written key."""

    json: str | None
    key: str
    draft: Draft
    stages: Stages


@dataclass(slots=True, eq=False)
class Unit:
    """A transaction under way, and the writes whose @after hooks wait for its end."""

    session: Session
    written: list[tuple[Draft, Actor]] = field(default_factory=list)
    broken: bool = False


Answer = ReadAnswer | WriteAnswer
