"""Reads that wait together share a command.

While commands of a lane are under way others gather, and go with the next. Those of records by
their keys, with all else alike, are one `$in`; of others those that are the same are asked once,
and different ones are parts of a `$unionWith`, where the deployment has it. So an answer is never
older than its question, and who asks alone waits for nobody. What fails in company is run again by
itself; what takes long by itself gains nothing from company, and goes alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import bson

from abaft.base import clock
from abaft.store.base import Lost, StoreError
from abaft.store.mongo.documents import Document
from abaft.store.mongo.ending import Endings
from abaft.store.mongo.runs import Do, Keys, Runs, among
from abaft.store.mongo.server import OPTIONS
from abaft.store.mongo.template import Query
from abaft.store.mongo.values import hashable

Start = Callable[[Coroutine[Any, Any, None]], None]
Answer = list[Document]
FLIGHTS = 2
MOST, MOST_UNITED = 64, 8
"""Questions of a command: by key, and of pipelines, of which a server plans many the slower."""
_KEYS = 2_000
_LONG = 0.05
"""Seconds after which what is under way keeps nobody waiting any more."""
_SLOW, _SLOW_RUNS = 0.01, 256
"""What takes so many seconds goes by itself, so many times."""


@dataclass(slots=True, eq=False)
class Ask:
    """Keys or a pipeline, by what it is told apart, and who waits for the documents."""

    what: Any
    mark: Hashable
    future: asyncio.Future[Answer]


class Lane:
    """What is alike and waits for its turn."""

    def __init__(self, collection: str, do: Do, start: Start) -> None:
        self.collection = collection
        self.flying = 0
        self._do = do
        self._start = start
        self._waiting: list[Ask] = []
        self._cost = 0.0
        self._slow = 0

    def ask(self, what: Any, mark: Hashable) -> asyncio.Future[Answer]:
        """The documents, once they are there; StoreErrors come as the outcome."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(Ask(what, mark, future))
        self._depart()
        return future

    def _full(self, asks: list[Ask]) -> bool:
        """Whether no more may come along."""
        raise NotImplementedError

    async def _found(self, asks: list[Ask]) -> list[Answer]:
        """What each of several asks finds."""
        raise NotImplementedError

    def _depart(self) -> None:
        if self._waiting and (self.flying < FLIGHTS or self._slow):
            self.flying += 1
            self._start(self._fly())

    async def _fly(self) -> None:
        # Only now, so that what came until this began comes along.
        flight = _Flight(self)
        timer = asyncio.get_running_loop().call_later(_LONG, flight.land)
        try:
            asks = self._board()
            if asks:
                await self._answer(asks)
        finally:
            timer.cancel()
            flight.land()

    def land(self) -> None:
        """Makes room for another."""
        self.flying -= 1
        self._depart()

    def _board(self) -> list[Ask]:
        asks: list[Ask] = []
        while self._waiting and not (asks and (self._slow or self._full(asks))):
            ask = self._waiting.pop(0)
            if not ask.future.done():
                asks.append(ask)
        return asks

    async def _answer(self, asks: list[Ask]) -> None:
        began = clock.monotonic()
        try:
            found = await self._found(asks)
        except Exception as error:
            alone = len({ask.mark for ask in asks}) == 1 or isinstance(error, Lost)
            if not alone and isinstance(error, StoreError):
                self._slow = _SLOW_RUNS
            for ask in asks:
                if alone:
                    _settle(ask, error)
                else:
                    self._start(self._by_itself(ask))
            return
        for ask, answer in zip(asks, found, strict=True):
            _settle(ask, answer)
        self._learn(clock.monotonic() - began, len(asks))

    async def _by_itself(self, ask: Ask) -> None:
        try:
            [answer] = await self._found([ask])
        except Exception as error:
            _settle(ask, error)
        else:
            _settle(ask, answer)

    def _learn(self, seconds: float, size: int) -> None:
        if self._slow:
            self._slow -= 1
            if not self._slow:
                self._cost = 0.0  # it may be quick again
        elif size > 1:
            # Of one alone it can't be told from the way there and back.
            self._cost += (seconds / size - self._cost) / 8
            if self._cost > _SLOW:
                self._slow = _SLOW_RUNS


class _Flight:
    """A command under way, that lands once."""

    def __init__(self, lane: Lane) -> None:
        self._lane: Lane | None = lane

    def land(self) -> None:
        if self._lane is not None:
            lane, self._lane = self._lane, None
            lane.land()


def _settle(ask: Ask, outcome: Answer | Exception) -> None:
    if ask.future.done():
        return  # the request was given up
    if isinstance(outcome, Exception):
        ask.future.set_exception(outcome)
    else:
        ask.future.set_result(outcome)


class KeyLane(Lane):
    """Documents by their keys, of which the same is made."""

    def __init__(self, collection: str, do: Do, start: Start, rest: list[Query]) -> None:
        super().__init__(collection, do, start)
        self._rest = rest

    def _full(self, asks: list[Ask]) -> bool:
        return len(asks) >= MOST or sum(len(ask.what) for ask in asks) >= _KEYS

    async def _found(self, asks: list[Ask]) -> list[Answer]:
        wanted: dict[Hashable, Any] = {}
        for ask in asks:
            wanted |= ask.what
        stages = [among([*wanted.values()]), *self._rest]
        documents = await self._do(self.collection, stages)
        if len(asks) == 1:
            return [documents]
        found: dict[Hashable, Answer] = {}
        for document in documents:
            found.setdefault(hashable(document["_id"]), []).append(document)
        return [[row for key in ask.mark for row in found.get(key, ())] for ask in asks]  # type: ignore[attr-defined]


class UnionLane(Lane):
    """Pipelines of one shape."""

    def _full(self, asks: list[Ask]) -> bool:
        return len(asks) >= MOST or len({ask.mark for ask in asks}) >= MOST_UNITED

    async def _found(self, asks: list[Ask]) -> list[Answer]:
        pipelines = {ask.mark: ask.what for ask in asks}
        if len(pipelines) == 1:
            [stages] = pipelines.values()
            return [await self._do(self.collection, stages)] * len(asks)
        united = await self._do(self.collection, union(self.collection, [*pipelines.values()]))
        parts = {row["_id"]: row["d"] for row in united}
        answers = {mark: parts.get(place, []) for place, mark in enumerate(pipelines)}
        return [answers[ask.mark] for ask in asks]


def union(collection: str, pipelines: Sequence[list[Query]]) -> list[Query]:
    """One pipeline that gives of each a document with all of its own, in their order."""
    first, *others = [
        [*stages, {"$group": {"_id": place, "d": {"$push": "$$ROOT"}}}]
        for place, stages in enumerate(pipelines)
    ]
    return first + [{"$unionWith": {"coll": collection, "pipeline": part}} for part in others]


class Together(Runs):
    """Runs pipelines outside of transactions. `unites` says whether there is `$unionWith`."""

    def __init__(self, do: Do, endings: Endings) -> None:
        super().__init__(do)
        self.unites = False
        self._endings = endings
        self._by_key: dict[tuple[str, bytes], KeyLane] = {}
        self._by_shape: WeakKeyDictionary[object, UnionLane] = WeakKeyDictionary()

    async def __call__(self, collection: str, stages: list[Query]) -> Answer:
        return await self._endings.unharmed(self._do(collection, stages))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._endings.leave(asyncio.ensure_future(work))

    async def keyed(self, collection: str, keys: Keys, rest: list[Query]) -> Answer:
        place = collection, _bytes(rest)
        lane = self._by_key.get(place)
        if lane is None:
            self._forget()
            lane = self._by_key[place] = KeyLane(collection, self._do, self._begin, rest)
        return await lane.ask(keys, tuple(keys))

    def _forget(self) -> None:
        """Lanes are made anew for nothing, so those at rest are let go now and then."""
        if len(self._by_key) >= 1_000:
            self._by_key = {place: lane for place, lane in self._by_key.items() if lane.flying}

    async def several(
        self, shape: object, collection: str, pipelines: Sequence[list[Query]]
    ) -> list[Answer]:
        if not self.unites:
            return [await self(collection, stages) for stages in pipelines]
        lane = self._by_shape.get(shape)
        if lane is None:
            lane = self._by_shape[shape] = UnionLane(collection, self._do, self._begin)
        if len(pipelines) == 1:
            [stages] = pipelines
            return [await lane.ask(stages, _bytes(stages))]
        asked = (lane.ask(stages, _bytes(stages)) for stages in pipelines)
        return list(await asyncio.gather(*asked))


def _bytes(stages: list[Query]) -> bytes:
    """What tells pipelines apart, values and all."""
    return bson.encode({"": stages}, codec_options=OPTIONS)
