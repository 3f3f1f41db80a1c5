"""What the driver hands on and back: a plan made ready, a transaction under way, the answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from abaft.base import clock
from abaft.base.actor import Actor
from abaft.plan.types import ReadPlan
from abaft.plan.virtual import Virtuals
from abaft.store.base import Row, Session
from abaft.store.spelling import as_text, as_texts
from abaft.writing import Draft


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
    """Rows of (json, order values…, count) and the plan that they follow.

    As they were `found` the JSON is text or bytes. `sealed` is the first record's JSON as its ETag
    is made of it, where that isn't what is shown.
    """

    plan: ReadPlan
    found: Sequence[Row]
    decoders: tuple[Any, ...]
    stages: Stages
    sealed: str | None = None

    @property
    def rows(self) -> Sequence[Row]:
        """The rows, whose JSON is text."""
        return as_texts(self.found)


@dataclass(slots=True)
class StreamAnswer:
    """The same of a list whose rows are still to come; who leaves before the last closes them."""

    plan: ReadPlan
    rows: AsyncGenerator[Row, None]


@dataclass(slots=True)
class WriteAnswer:
    """The record's JSON, None where the actor may not see it.

    The draft of one among many is made when it is asked for; what the key is, is `told`.
    """

    json: str | None
    made: Draft | Callable[[], Draft]
    stages: Stages
    sealed: str | None = None
    told: str = ""

    @property
    def draft(self) -> Draft:
        """What was written."""
        if not isinstance(self.made, Draft):
            self.made = self.made()
        return self.made

    @property
    def key(self) -> str:
        """The record's written key."""
        return self.told or self.draft.written()


@dataclass(slots=True, eq=False)
class Ready:
    """A plan with what the store made of it, and the virtual members to be added to its JSON."""

    plan: Any
    compiled: Any
    virtual: Virtuals | None = None

    def read(self, rows: Sequence[Row], stages: Stages) -> ReadAnswer:
        """The answer of these rows."""
        decoders = self.compiled.decoders
        if self.virtual is None or self.plan.kind == "count":
            return ReadAnswer(self.plan, rows, decoders, stages)
        sealed = as_text(rows[0])[0] if rows else None
        shown = [self.shown(row) for row in rows]
        return ReadAnswer(self.plan, shown, decoders, stages, sealed)

    def shown(self, row: Row) -> Row:
        """The row with what Python adds to its JSON."""
        return row if self.virtual is None else (self.virtual.text(row[0]), *row[1:])

    def written(
        self,
        json: str | None,
        draft: Draft | Callable[[], Draft],
        stages: Stages,
        told: str = "",
    ) -> WriteAnswer:
        """The answer of a write that took place."""
        if self.virtual is None or json is None:
            return WriteAnswer(json, draft, stages, None, told)
        return WriteAnswer(self.virtual.text(json), draft, stages, json, told)


@dataclass(slots=True, eq=False)
class Unit:
    """A transaction under way, and the writes whose @after hooks wait for its end.

    One that `gathers` is yet to begin: what is asked of it is handed to who drives the request.
    """

    session: Session
    written: list[tuple[Draft, Actor]] = field(default_factory=list)
    broken: bool = False
    gathers: bool = False


Answer = ReadAnswer | WriteAnswer
