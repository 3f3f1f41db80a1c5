"""Several writes at once in one round trip: all of them, or none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from abaft.store.base import HeldOff, Item, Row, Values, singly
from abaft.store.columns import Columns as ByColumn
from abaft.store.columns import Placed
from abaft.store.postgres_batch import Args, Job, Line, WriteLane
from abaft.store.postgres_begin import begin, roll_back
from abaft.store.postgres_pool import Connection
from abaft.store.sql.dialect import Dialect
from abaft.store.sql.several import Several
from abaft.store.sql.together import HELD_OFF, Branch, Together, compile_together

MOST_ROWS = 300
"""New records of one statement, which has only a moment among others."""
MOST_BRANCHES = 8
"""Each execution costs a little for each branch."""
_KEPT = 500
_SHARED = 4
"""How many requests share a commit: each of them is many statements already."""
_NUMBERS = (
    "select nextval(s) from unnest($1::text[], $2::text[]) as g(t, c), "
    "pg_get_serial_sequence(g.t, g.c) s where s is not null"
)
Fetch = Callable[..., Awaitable[Sequence[Any]]]


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """The column whose next number a new record has as its key, and the write that is given it."""

    table: str
    column: str
    name: str
    branch: Branch


@dataclass(slots=True, eq=False)
class Asked:
    """Items as the executions of one statement, and the lane that takes them.

    `counted` are the places of those whose keys others wait for.
    """

    lane: WholeLane
    branches: Sequence[int]
    items: Sequence[Item]
    counted: Sequence[int]
    keys: list[Row | None] = field(default_factory=list)

    async def count(self, fetch: Fetch) -> bool:
        """Asks for the keys that others wait for; whether the database tells them."""
        columns = [self.items[place].compiled.counted for place in self.counted]
        if not columns:
            return True
        rows = await fetch(
            _NUMBERS, [row.table for row in columns], [row.column for row in columns]
        )
        if len(rows) < len(columns):
            return False
        self.keys = [None] * (self.counted[-1] + 1)
        for place, row in zip(self.counted, rows, strict=True):
            self.keys[place] = (None, row[0])
        return True

    def args(self) -> tuple[Args, ...]:
        """The values of each execution."""
        return tuple(
            self._args(place, branch, item)
            for place, (branch, item) in enumerate(zip(self.branches, self.items, strict=True))
        )

    def _args(self, place: int, branch: int, item: Item) -> Args:
        statement = self.lane.statement
        values = self._values(place, item)
        if type(values) is not Placed:
            return statement.args(branch, values, place, item.required or not item.reads)
        first = place - values.place
        made: list[Args] = values.whole.made(
            (statement, branch, first), lambda whole: statement.args_of(branch, whole, first, True)
        )
        return made[values.place]

    def _values(self, place: int, item: Item) -> Values:
        # What waits for a key looks at none but those that it waits for.
        values = item.bound(self.keys)
        made = self.keys[place] if place < len(self.keys) else None
        return values if made is None else {**values, f"set.{item.compiled.counted.name}": made[1]}

    def found(self, rows: Sequence[Row]) -> list[Any]:
        """What each has done."""
        found = self.lane.statement.found
        return [found(branch, row) for branch, row in zip(self.branches, rows, strict=True)]

    async def alone(self) -> list[Any]:
        """All of it in a transaction of its own."""
        return self.found(await self.lane.ask(self.args()))

    async def within(self, connection: Connection) -> list[Any]:
        """All of it in a transaction that is under way."""
        return self.found(await self.lane.within(connection, self.args()))


class WholeLane(WriteLane):
    """Jobs of several executions each, in one flight with one Sync."""

    flights = 2

    def __init__(self, line: Line, statement: Together) -> None:
        super().__init__(line, statement.statement.sql, 0, ())
        self.statement = statement

    async def within(self, connection: Connection, many: Sequence[Args]) -> list[Row]:
        """The row of each execution."""
        try:
            [rows] = await self._execute(connection, [Job(tuple(many), 0)])
        except asyncpg.InvalidTextRepresentationError as error:
            raise self._verdict(error) from error
        return rows

    async def _execute(self, connection: Connection, jobs: list[Job]) -> list[list[Row]]:
        many = [args for job in jobs for args in job.args]
        records = await connection.fetchmany(self.sql, many, timeout=self._line.seconds + 1)
        rows = iter(records)
        return [[tuple(next(rows)) for _ in job.args] for job in jobs]

    async def _single(self, connection: Connection, job: Job) -> list[Row]:
        """In single file: those that take the same records in other orders would cross."""
        await begin(connection, "queued")
        try:
            [rows] = await self._execute(connection, [job])
        except BaseException:
            await roll_back(connection)
            raise
        await connection.execute("COMMIT")
        return rows

    def _verdict(self, error: Exception) -> Exception:
        if isinstance(error, asyncpg.InvalidTextRepresentationError):
            _, found, place = str(error).rpartition(HELD_OFF)
            if found:
                return HeldOff(int(place.rstrip('"')))
        return super()._verdict(error)

    def _size(self) -> int:
        return _SHARED


class SeveralLane(WholeLane):
    """Jobs of one execution each, which writes several new records."""

    def __init__(self, line: Line, statement: Several) -> None:
        WriteLane.__init__(self, line, statement.statement.sql, 0, ())
        self.several = statement

    async def _execute(self, connection: Connection, jobs: list[Job]) -> list[list[Row]]:
        if len(jobs) == 1:
            # In a transaction of its own, or in the one that is under way.
            found = await connection.fetch(self.sql, *jobs[0].args, timeout=self._line.seconds + 1)
            return [[(row[0], None) for row in found]]
        many = [job.args for job in jobs]
        records = iter(await connection.fetchmany(self.sql, many, timeout=self._line.seconds + 1))
        # As many as there are: where one is held off all fails.
        return [[(next(records)[0], None) for _ in job.args[0]] for job in jobs]


@dataclass(slots=True, eq=False)
class AskedAtOnce:
    """Several new records as one execution, and the lane that takes it."""

    lane: SeveralLane
    values: ByColumn

    async def count(self, fetch: Fetch) -> bool:
        """Whether the keys are known: they are."""
        return True

    async def alone(self) -> list[Any]:
        """All of it in a transaction of its own."""
        return await self.lane.ask(self.lane.several.args(self.values))

    async def within(self, connection: Connection) -> list[Any]:
        """All of it in a transaction that is under way."""
        return await self.lane.within(connection, self.lane.several.args(self.values))


class Wholes:
    """The lanes of what was asked for together, by the compiled plans that it is made of."""

    def __init__(self, line: Line, dialect: Dialect) -> None:
        self._line = line
        self._dialect = dialect
        self._lanes: dict[tuple[Any, ...], WholeLane] = {}
        self._lanes_of_several: dict[Any, SeveralLane | None] = {}

    def asked(self, items: Sequence[Item]) -> Asked | AskedAtOnce | None:
        """What takes all of the items at once; None where one needs steps of its own."""
        if len(items) == 1 and isinstance(values := items[0].values, ByColumn):
            lane = self._several(items[0].compiled)
            if lane is not None and values.count <= MOST_ROWS:
                return AskedAtOnce(lane, values)
        items = singly(items)
        last = max((item.needs for item in items), default=-1)
        places: dict[tuple[Any, bool], int] = {}
        branches, counted = [], []
        for place, item in enumerate(items):
            compiled = item.compiled
            waited = place <= last and not item.reads and compiled.generated
            if compiled.branch is None or (waited and compiled.counted is None):
                return None
            if waited:
                counted.append(place)
            branches.append(places.setdefault((compiled, waited), len(places)))
        if not 0 < len(places) <= MOST_BRANCHES:
            return None
        return Asked(self._lane(tuple(places)), branches, items, counted)

    def _several(self, compiled: Any) -> SeveralLane | None:
        if compiled not in self._lanes_of_several:
            made = compiled.several()
            lane = None if made is None else SeveralLane(self._line, made)
            self._lanes_of_several[compiled] = lane
            if len(self._lanes_of_several) > _KEPT:
                del self._lanes_of_several[next(iter(self._lanes_of_several))]
        return self._lanes_of_several[compiled]

    def _lane(self, members: tuple[tuple[Any, bool], ...]) -> WholeLane:
        found = self._lanes.get(members)
        if found is None:
            branches = [row.counted.branch if waited else row.branch for row, waited in members]
            made = compile_together(self._dialect, branches)
            self._lanes[members] = found = WholeLane(self._line, made)
            if len(self._lanes) > _KEPT:
                del self._lanes[next(iter(self._lanes))]
        return found
