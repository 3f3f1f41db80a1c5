"""Whether sessions have ended, by a number in the ledger: requests that wait together ask once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import cached_property
from typing import Any

from abaft.auth.models import LEDGER, OwnModels
from abaft.base import ids
from abaft.base.actor import Actor
from abaft.db import Database
from abaft.model.expr import Column, Compare, Param
from abaft.pipeline import Pipeline
from abaft.plan.types import Pick, ReadIntent, ReadShape
from abaft.store.replicated import at_primary

FLIGHTS = 2
"""Look-ups under way at once."""


class Ended:
    """Asks the ledger for requests, each of which waits for a look-up that began after it came."""

    def __init__(self, pipeline: Pipeline, keeper: Actor, models: OwnModels) -> None:
        self.number = ""
        """What the last look-up gave: whoever waited for one may go by it."""
        self._pipeline, self._keeper = pipeline, keeper
        self._model: Any = models.ledger
        self._waiting: list[asyncio.Future[None]] = []
        self._flights: set[asyncio.Task[None]] = set()
        self._begun = self._landed = 0

    @cached_property
    def _intent(self) -> ReadIntent:
        spec = self._pipeline.schema.models[self._model.__name__]
        key = Compare("eq", Column("id"), Param("key.id", spec.fields["id"].kind))
        shape = ReadShape(spec.name, "one", key, pick=Pick(fields=("ended",)))
        return ReadIntent(shape, {"key.id": LEDGER})

    def ask(self) -> Awaitable[None]:
        """What a request that has come waits for."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if len(self._flights) < FLIGHTS:
            self._depart()
        return future

    def _depart(self) -> None:
        flight = asyncio.get_running_loop().create_task(self._fly())
        self._flights.add(flight)
        flight.add_done_callback(self._land)

    def _land(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        if self._waiting:
            self._depart()

    async def _fly(self) -> None:
        # Only now, so that all that came until this began come along.
        waiting, self._waiting = self._waiting, []
        self._begun = mine = self._begun + 1
        try:
            number = await self._look_up()
        except Exception as error:
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        if mine > self._landed:
            # Of two that crossed the one that began later knows more, for the others as well.
            self._landed, self.number = mine, number
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def _look_up(self) -> str:
        with at_primary():
            answer = await self._pipeline.read(self._intent, self._keeper)
        return str(answer.rows[0][0]) if answer.rows else ""

    async def tell(self) -> None:
        """Another number, where no transaction that ended sessions has told it along with that."""
        db = Database(self._pipeline, self._keeper)
        await db.update(self._model(id=LEDGER), ended=ids.turn())

    async def close(self) -> None:
        """Ends what is under way."""
        for flight in self._flights:
            flight.cancel()
        await asyncio.gather(*self._flights, return_exceptions=True)
