"""What a database must do for us: a short interface, its capabilities, and its ways to fail."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from abaft.base.errors import AbaftError
from abaft.model.spec import Model
from abaft.plan.change import Change
from abaft.plan.loads import Load, Match, Matched, Progress
from abaft.plan.types import ReadPlan, WritePlan
from abaft.store.columns import Columns

Pace = Literal["", "steady", "hasty", "queued"]
"""How a transaction goes that others may cross, each needing what the other holds."""
Row = Sequence[Any]
Rows = Sequence[Row]
Values = Mapping[str, Any]


class StoreError(AbaftError):
    """A write or read that the database refused."""


@dataclass(eq=False)
class UniqueViolation(StoreError):
    """A value is taken: the fields, as far as the database tells them."""

    fields: tuple[str, ...] = ()


@dataclass(eq=False)
class ReferenceViolation(StoreError):
    """A relation leads nowhere, or a record is still referred to; the key's name if known."""

    constraint: str = ""


@dataclass(eq=False)
class CheckViolation(StoreError):
    """A condition of the table isn't met: its name; of one column's: the column."""

    name: str = ""
    column: str = ""


@dataclass(eq=False)
class GuardFailed(StoreError):
    """A rule doesn't hold for what a write of several statements led to: which guard."""

    guard: str = ""


@dataclass(eq=False)
class HeldOff(StoreError):
    """What guards held off is undone with all that went before it; of several writes: which."""

    place: int = 0


class QueryTimeout(StoreError):
    """The query took longer than its time and was stopped; nothing was changed."""


class Lost(StoreError):
    """The database couldn't be reached within the deadline; nothing was changed."""


class AnswerTooLarge(StoreError):
    """What was found has more bytes than an answer may have."""


class RecordTooLarge(StoreError):
    """A record has more bytes than the database keeps of one; nothing was changed."""


class Busy(StoreError):
    """Others hold what a write needs for longer than its deadline; nothing was changed."""


class Crossed(Busy):
    """Others held what this transaction needed and needed what it held; another try may succeed."""


class Locked(Busy):
    """Another transaction holds just what this one needs."""


class Unknown(StoreError):
    """The connection broke while a write was under way: whether it took place isn't known."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What differs between databases, for those who must know."""

    name: str
    shared: bool
    """Whether several machines can use it."""
    statement_change: bool
    """Whether a write and its change record are one statement."""
    numbers_rows: bool = False
    """Whether it numbers the records of a load only as it stores them."""
    defers: bool = False
    """Whether relations between models may lead nowhere until a load's transaction ends."""
    searches_write: bool = False
    """Whether a search may have to write before it reads, so that no replica can answer it."""
    by_column: bool = False
    """Whether an item may be several new records, whose values come by column."""


class Compiled(Protocol):
    """A plan that a store has made ready; only that store looks inside."""


@dataclass(frozen=True, slots=True)
class Item:
    """One of several: a compiled write, or read, with its values.

    Values may have to wait for rows of items before it: then they are what makes them of those,
    and `needs` is the last of them. A read that is `required` must find something. By column the
    values are those of several writes of one statement each, which count as so many.
    """

    compiled: Any
    values: Values | Columns | Callable[[Sequence[Any]], Values]
    needs: int = -1
    reads: bool = False
    required: bool = False

    def held_off(self, found: Any) -> bool:
        """Whether what it found says that it didn't take place as it must."""
        return found is None or (self.required and not found)

    def bound(self, before: Sequence[Any]) -> Values:
        """The values, now that the rows before it are there."""
        assert not isinstance(self.values, Columns)
        return self.values(before) if callable(self.values) else self.values


def singly(items: Sequence[Item]) -> list[Item]:
    """The same, those whose values come by column each by itself."""
    alone: list[Item] = []
    for item in items:
        if isinstance(item.values, Columns):
            alone += [Item(item.compiled, row) for row in item.values.rows()]
        else:
            alone.append(item)
    return alone


@dataclass(frozen=True, slots=True)
class Kept:
    """What a request was answered, and the digest of the request."""

    digest: str
    status: int
    headers: str
    body: bytes | None


Step = tuple[Any, Values]
Program = Generator[Step, Any, Any]
"""Several statements of one transaction: yields (statement, values), is sent the rows."""


class KeptAnswers(Protocol):
    """Programs over the answers that are kept by their Idempotency-Key; the store's own to run."""

    def claim(self, values: Values) -> Any:
        """Takes a key (actor, key, digest, at); gives what is Kept of it, None where it was free.

        UniqueViolation where another has just taken it: ask again.
        """

    def keep(self, values: Values) -> Any:
        """Adds the answer (actor, key, status, headers, body) to a key that was claimed."""

    def prune(self, before: Any) -> Any:
        """Deletes some that are older than this datetime; how many, 0 when none are left."""


class KeptProgress(Protocol):
    """Programs over how far loads have come; the store's own to run."""

    def read(self, name: str) -> Any:
        """The Progress of the load of that name, None where there is none."""

    def keep(self, progress: Progress) -> Any:
        """Puts the progress in the place of what was known before."""


class Session(Protocol):
    """What can be done with the data, in or outside of a transaction."""

    async def read(self, compiled: Any, values: Values) -> Rows:
        """The rows of a compiled read: (json, order values…, count when asked).

        The JSON is text, or bytes where it was made here.
        """

    async def write(self, compiled: Any, values: Values) -> Row | None:
        """The row (json or None, key…) of a compiled write, None where its guards held it off.

        Raises HeldOff where more than the write itself had to be undone.
        """

    async def write_all(self, items: Sequence[Item]) -> list[Any]:
        """The row of each write and the rows of each read, in order; all of it or nothing.

        Raises what refuses one of them, and HeldOff where the guards of one don't hold.
        """

    async def probe(self, compiled: Any, values: Values) -> dict[str, bool] | None:
        """Why a write was held off: "read" and each guard by name; None: no such record."""

    async def run(self, program: Any) -> Any:
        """Runs a program made by calling `program`, all of it or nothing; gives its result."""

    async def load(self, load: Load) -> dict[int, StoreError]:
        """Stores records with their change records, but for those refused: by their place."""

    async def match(self, match: Match) -> list[Matched | None]:
        """The stored record of each row, held against other writes; None where there is none."""

    async def numbers(self, model: Model, count: int) -> list[int]:
        """Keys for new records as the database makes them; none where it can't tell."""

    async def sql(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        """Rows of a statement of the user's own, with bound values."""


class Transaction(Session, Protocol):
    """What can be done besides where all of it lands together."""

    async def tell(self, changes: Sequence[Change]) -> None:
        """Puts change records into the feed as they are, in this order; positions are new."""

    async def told(self, records: Sequence[tuple[str, str]]) -> list[int | None]:
        """The number in the feed of what was last told of each of these, by model and written key.

        They are records that this transaction has written; None where nothing was told of one.
        """


class Bell(Protocol):
    """What one worker tells and all hear; whoever can't hear at the moment knows that."""

    async def open(self) -> None:
        """Begins to listen, in its own time."""

    async def close(self) -> None:
        """Listens no more."""

    def heard(self) -> int | None:
        """A number that differs after each ring, and each silence; None: nothing can be heard."""

    def ring(self) -> Program:
        """The program that rings, once its transaction has landed."""

    async def rung(self) -> None:
        """It has landed: returns when it was heard here."""

    async def announce(self) -> None:
        """Rings it by itself."""


Snapshot = Callable[[Any, Values], AsyncIterator[Row]]
"""Gives the rows of compiled reads, in bounded memory, one read after the other."""


class Store(Session, Protocol):
    """A database; every method is safe to call at once from many tasks of one loop."""

    capabilities: Capabilities
    limits: Sequence[str]
    """What its columns hold less of than the models say: told at the start, refused on a write."""

    @property
    def answers(self) -> KeptAnswers:
        """What requests were answered, by their Idempotency-Key."""

    @property
    def progresses(self) -> KeptProgress:
        """How far loads have come."""

    async def open(self) -> None:
        """Connects. Raises Lost when the database can't be reached."""

    async def close(self) -> None:
        """Finishes what is under way and disconnects."""

    async def upgrade(self, apply: bool) -> tuple[list[str], list[str]]:
        """Compares the database with the models: statements that were applied, differences left."""

    def compile_read(self, plan: ReadPlan) -> Any:
        """Makes a read ready."""

    def compile_write(self, plan: WritePlan) -> Any:
        """Makes a write ready."""

    def transaction(
        self, patient: bool = False, pace: Pace = ""
    ) -> AbstractAsyncContextManager[Transaction]:
        """All that is done with the session lands together or not at all.

        Who can begin again goes hasty, and is Locked soon where another holds what is needed, or
        steady where crossing is unlikely; and after that queued, with none of those beside it.

        A `patient` one may take its time, and pause: who loads a file waits for it.
        """

    def stream(
        self, compiled: Any, values: Values, seconds: float = 0
    ) -> AsyncGenerator[Row, None]:
        """The rows of a compiled read, in bounded memory.

        With `seconds` it ends by QueryTimeout when the database takes longer; whoever asks for no
        more rows has all given back by `aclose()`.
        """

    def bell(self, channel: str) -> Bell | None:
        """The bell of this name; None where the database can't tell those who listen."""

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """Reads that all see the data as it is now, and may take their time.

        A MongoDB server alone has no such moment: there each read sees what is there by then.
        """

    async def changes(self, after: str, limit: int, settled: bool = True) -> list[Change]:
        """Change records after a position ("" for the first), in the order they became visible.

        Those that aren't `settled` come as well, if asked for: they can be seen, but one that
        comes later may come before them.
        """

    async def positions(self, numbers: Sequence[int]) -> dict[int, tuple[str, str, str]]:
        """The position, the model and the record of the change records with these numbers.

        Of those that were pruned there is none.
        """

    async def prune_changes(self, before: str) -> int:
        """Deletes change records older than an RFC 3339 time; how many."""

    async def ping(self) -> None:
        """Raises Lost unless the database answers."""
