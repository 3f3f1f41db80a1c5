"""What transactions on all database servers share: steps, programs, loads but for bad rows."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from abaft.model.spec import Model
from abaft.plan.change import Change
from abaft.store.base import (
    CheckViolation,
    ReferenceViolation,
    Row,
    StoreError,
    UniqueViolation,
    Values,
)
from abaft.store.sql.load import Tables
from abaft.store.sql.statement import Statement
from abaft.store.sql.told import Of, last_told
from abaft.store.sql.write import WriteStatement

Link = TypeVar("Link")
"""A driver's connection."""
Refused = dict[int, StoreError]
Step = Callable[[], Awaitable[Any]]
Ask = Callable[[Statement, Values], Awaitable[list[Row]]]


class Copying(Protocol):
    """A load with its values encoded, of which any part can be sent."""

    async def send(self, connection: Any, places: range) -> None: ...


class Loads(Protocol):
    """What a driver has for many records at once."""

    async def tell(self, connection: Any, changes: Sequence[Change]) -> None: ...

    async def numbers(
        self, connection: Any, tables: Tables, model: Model, count: int
    ) -> list[int]: ...


async def drive(ask: Ask, make: Any) -> Any:
    """Runs the steps of a program made anew; its own StopIteration carries the result."""
    program = make()
    found: list[Row] | None = None
    try:
        while True:
            statement, values = program.send(found)
            found = await ask(statement, values)
    except StopIteration as end:
        return end.value
    finally:
        program.close()


class ServerSession(ABC, Generic[Link]):
    """A transaction's view: what it wrote it reads. Tasks that share it take turns."""

    _among: tuple[str, Callable[[int], str]]
    """Where this transaction's own change records are, and how a placeholder is written."""

    def __init__(self, connection: Link, tables: Tables, loads: Loads) -> None:
        self._connection = connection
        self._tables = tables
        self._loads = loads
        self._turn = asyncio.Lock()

    @abstractmethod
    async def _step(self, step: Step) -> Any:
        """A step that fails undoes itself alone, so that the transaction can go on."""

    @abstractmethod
    async def _ask(self, statement: Statement, values: Values) -> list[Row]:
        """A statement's rows, within a step."""

    @abstractmethod
    async def _dictionaries(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        """The rows of the user's own statement, by the names of their columns, within a step."""

    async def _rows(self, statement: Statement, values: Values) -> list[Row]:
        found: list[Row] = await self._step(lambda: self._ask(statement, values))
        return found

    async def probe(self, compiled: WriteStatement, values: Values) -> dict[str, bool] | None:
        return compiled.probe.answers(await self._rows(compiled.probe.statement, values))

    async def run(self, program: Any) -> Any:
        return await self._step(lambda: drive(self._ask, program))

    async def _some(self, copy: Copying, places: range) -> Refused:
        """Stores all but what is refused; a few bad rows among thousands cost a few tries."""
        if not places:
            return {}
        try:
            await self._step(lambda: copy.send(self._connection, places))
        except (CheckViolation, ReferenceViolation, UniqueViolation) as error:
            if len(places) == 1:
                return {places[0]: error}
            middle = len(places) // 2
            first = await self._some(copy, places[:middle])
            return first | await self._some(copy, places[middle:])
        return {}

    async def tell(self, changes: Sequence[Change]) -> None:
        await self._step(lambda: self._loads.tell(self._connection, changes))

    async def numbers(self, model: Model, count: int) -> list[int]:
        found: list[int] = await self._step(
            lambda: self._loads.numbers(self._connection, self._tables, model, count)
        )
        return found

    async def told(self, records: Sequence[Of]) -> list[int | None]:
        return await last_told(self, records, *self._among)

    async def sql(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._step(lambda: self._dictionaries(text, values))
        return found
