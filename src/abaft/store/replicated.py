"""A primary with replicas behind one interface: what only reads goes to replicas, in turn.

Nobody waits for a replica: a read that none can answer, for it is away, too far behind, or has yet
to take over what the reader wrote, goes to the primary.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    aclosing,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from contextvars import ContextVar
from typing import Any

from abaft.base import clock
from abaft.base.reach import PRIMARY, REACH, Reach
from abaft.model.spec import Model
from abaft.plan.change import Change
from abaft.plan.loads import Load, Match, Matched
from abaft.plan.types import ReadPlan, WritePlan
from abaft.store.base import (
    Bell,
    Busy,
    Capabilities,
    Item,
    KeptAnswers,
    KeptProgress,
    Pace,
    Row,
    Rows,
    Snapshot,
    Store,
    StoreError,
    Transaction,
    Unknown,
    Values,
)
from abaft.store.positions import Positions, positions_of
from abaft.store.positions import Row as Told
from abaft.store.replica import ASK_SECONDS, Left, Replica

EVERY = 0.5
"""Seconds between two looks at how far all have come."""
KEPT = 4_000
"""Reads that are kept with their plans: more than a pipeline keeps."""
_END: Row = ()

_HELD: ContextVar[bool] = ContextVar("held", default=False)
Changed = Callable[[str, str], None]
"""Told of a replica that is left out, and why, or read again, without a reason."""


@contextmanager
def at_primary() -> Iterator[None]:
    """What is read within is what a write goes by, which must be as new as can be."""
    token = _HELD.set(True)
    try:
        yield
    finally:
        _HELD.reset(token)


class ReplicatedStore:
    """A store whose reads outside of transactions may go to replicas.

    `lag` is by how many seconds one may be behind and still be read.
    """

    def __init__(
        self, primary: Store, replicas: Sequence[Replica], lag: float, changed: Changed
    ) -> None:
        self.capabilities: Capabilities = primary.capabilities
        self.limits: Sequence[str] = primary.limits
        self.primary = primary
        self.replicas = replicas
        self._lag = lag
        self._changed = changed
        self._outside = Reach(shared=True)
        self._plans: dict[int, tuple[Any, ReadPlan]] = {}
        self._turn = 0
        self._positions: Positions | None = None
        self._told: Told = {}
        self._latest = (0.0, "")
        self._history: deque[tuple[float, str]] = deque()
        self._asking: asyncio.Task[str] | None = None
        self._queued: asyncio.Task[str] | None = None
        self._watching: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        """What the primary's engine has besides the interface, such as its dialect."""
        if name == "primary":
            raise AttributeError(name)
        return getattr(self.primary, name)

    @property
    def answers(self) -> KeptAnswers:
        return self.primary.answers

    @property
    def progresses(self) -> KeptProgress:
        return self.primary.progresses

    async def open(self) -> None:
        await self.primary.open()
        self.limits = self.primary.limits

    async def upgrade(self, apply: bool) -> tuple[list[str], list[str]]:
        found = await self.primary.upgrade(apply)
        if not found[1] and self._watching is None:
            await self._begin()
        return found

    async def _begin(self) -> None:
        """Looks at all once; no replica that has yet to hear of the tables is read."""
        self._positions = await positions_of(self.primary)
        await self._ask()
        self._history.append(self._latest)
        await self._round()
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        for task in (self._watching, self._asking, self._queued):
            if task is not None:
                task.cancel()
        self._watching = self._asking = self._queued = None
        self._history.clear()
        await asyncio.gather(self.primary.close(), *(row.close() for row in self.replicas))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            # While the primary is away replicas are read.
            with suppress(Exception):
                await self._ask()
                self._remember()
            await self._round()

    def _remember(self) -> None:
        """Keeps the positions of as long ago as a replica may be behind."""
        history = self._history
        history.append(self._latest)
        while len(history) > 1 and history[1][0] <= self._latest[0] - self._lag:
            history.popleft()

    async def _round(self) -> None:
        """Looks at all replicas, and leaves out and takes back by what they say."""
        assert self._positions is not None
        asked = (row.ask(self._positions, self._told) for row in self.replicas)
        await asyncio.gather(*asked)
        for replica in self.replicas:
            self._judge(replica, self._positions)

    def _judge(self, replica: Replica, positions: Positions) -> None:
        behind = not positions.reached(replica.replayed or "", self._history[0][1])
        reason = replica.fault or (f"it is more than {self._lag:g} s behind" if behind else "")
        if replica.told is not (not reason):
            replica.told = not reason
            self._changed(replica.name, reason)
        if reason:
            replica.leave()
        else:
            replica.usable = True

    def bell(self, channel: str) -> Bell | None:
        return self.primary.bell(channel)

    async def position(self) -> str:
        """Where the primary is, asked after this call was made; who asks at once share it."""
        if self._queued is None:
            self._queued = asyncio.ensure_future(self._ask_after(self._asking))
        return await asyncio.shield(self._queued)

    async def _ask_after(self, before: asyncio.Task[str] | None) -> str:
        if before is not None:
            await asyncio.wait([before])
        self._asking, self._queued = self._queued, None
        return await self._ask()

    async def _ask(self) -> str:
        begun = clock.monotonic()
        assert self._positions is not None
        async with asyncio.timeout(ASK_SECONDS):
            [row] = await self.primary.sql(self._positions.primary, ())
        self._told = row
        position = self._positions.at(row)
        self._latest = max(self._latest, (begun, position))
        return position

    def compile_read(self, plan: ReadPlan) -> Any:
        compiled = self.primary.compile_read(plan)
        if len(self._plans) >= KEPT:
            [oldest, _] = self._plans.pop(next(iter(self._plans)))
            for replica in self.replicas:
                replica.forget(oldest)
        searches = plan.search or (plan.source and plan.source.search)
        if not (searches and self.capabilities.searches_write):
            self._plans[id(compiled)] = (compiled, plan)
        return compiled

    def compile_write(self, plan: WritePlan) -> Any:
        return self.primary.compile_write(plan)

    async def read(self, compiled: Any, values: Values) -> Rows:
        reach = REACH.get() or self._outside
        found = self._plans.get(id(compiled))
        replica = await self._place(reach) if found is not None else None
        if replica is not None and found is not None:
            try:
                made = replica.compiled(found[1], compiled)
                return await replica.run(replica.store.read(made, values))
            except (Left, Busy):
                reach.stay(PRIMARY)
        return await self.primary.read(compiled, values)

    async def _place(self, reach: Reach) -> Replica | None:
        """The replica that may answer a read; None: the primary has to."""
        chosen = None
        need = None if _HELD.get() or reach.place == PRIMARY else self._need(reach)
        if need is not None:
            chosen = self._near(reach, need) or (await self._caught_up(reach, need))
        reach.stay(PRIMARY if chosen is None else chosen.name)
        return chosen

    def _need(self, reach: Reach) -> str | None:
        """The position that an answer must have reached; None: only the primary surely has."""
        if reach.wrote is not None:
            asked, position = self._latest
            if asked <= reach.wrote:
                return None
            reach.need, reach.wrote = position, None
        return reach.need

    def _candidates(self, reach: Reach) -> list[Replica]:
        """Those that may be read, in turn; one alone where this reader has read before."""
        if reach.place:
            return [row for row in self.replicas if row.usable and row.name == reach.place]
        self._turn += 1
        start = self._turn % len(self.replicas)
        return [row for row in (*self.replicas[start:], *self.replicas[:start]) if row.usable]

    def _near(self, reach: Reach, need: str) -> Replica | None:
        for replica in self._candidates(reach):
            if not need or self._reached(replica, need):
                return replica
        return None

    async def _caught_up(self, reach: Reach, need: str) -> Replica | None:
        """One that has reached the position since it was last asked."""
        assert self._positions is not None or not need
        for replica in self._candidates(reach)[:1]:
            if self._positions and await replica.catch_up(self._positions, self._told, need):
                return replica
        return None

    def _reached(self, replica: Replica, need: str) -> bool:
        return self._positions is not None and self._positions.reached(replica.replayed, need)

    async def stream(
        self, compiled: Any, values: Values, seconds: float = 0
    ) -> AsyncGenerator[Row, None]:
        reach = REACH.get() or self._outside
        found = self._plans.get(id(compiled))
        replica = await self._place(reach) if found is not None else None
        if replica is not None and found is not None:
            made = replica.compiled(found[1], compiled)
            async with aclosing(replica.store.stream(made, values, seconds)) as rows:
                first = await self._first(replica, rows)
                if first is not None:
                    if first is not _END:
                        yield first
                        async for row in rows:
                            yield row
                    return
            reach.stay(PRIMARY)
        async with aclosing(self.primary.stream(compiled, values, seconds)) as rows:
            async for row in rows:
                yield row

    async def _first(self, replica: Replica, rows: AsyncGenerator[Row, None]) -> Row | None:
        """The first row; _END where there is none, None where the replica goes away before."""
        try:
            return await replica.run(anext(rows, _END))
        except (Left, Busy):
            return None

    def _wrote(self) -> None:
        (REACH.get() or self._outside).write(clock.monotonic())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """What is done within has written, unless it is refused."""
        try:
            yield
        except Unknown:
            self._wrote()
            raise
        self._wrote()

    async def write(self, compiled: Any, values: Values) -> Row | None:
        with self._writing():
            return await self.primary.write(compiled, values)

    async def write_all(self, items: Sequence[Item]) -> list[Any]:
        with self._writing():
            return await self.primary.write_all(items)

    async def probe(self, compiled: Any, values: Values) -> dict[str, bool] | None:
        return await self.primary.probe(compiled, values)

    async def run(self, program: Any) -> Any:
        with self._writing():
            return await self.primary.run(program)

    async def load(self, load: Load) -> dict[int, StoreError]:
        with self._writing():
            return await self.primary.load(load)

    async def match(self, match: Match) -> list[Matched | None]:
        return await self.primary.match(match)

    async def numbers(self, model: Model, count: int) -> list[int]:
        return await self.primary.numbers(model, count)

    async def sql(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        with self._writing():
            return await self.primary.sql(text, values)

    @asynccontextmanager
    async def transaction(
        self, patient: bool = False, pace: Pace = ""
    ) -> AsyncIterator[Transaction]:
        with self._writing():
            async with self.primary.transaction(patient, pace) as session:
                yield session

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        return self.primary.snapshot()

    async def changes(self, after: str, limit: int, settled: bool = True) -> list[Change]:
        return await self.primary.changes(after, limit, settled)

    async def positions(self, numbers: Sequence[int]) -> dict[int, tuple[str, str, str]]:
        return await self.primary.positions(numbers)

    async def prune_changes(self, before: str) -> int:
        return await self.primary.prune_changes(before)

    async def ping(self) -> None:
        await self.primary.ping()
