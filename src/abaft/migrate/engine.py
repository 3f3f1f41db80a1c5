"""What an engine must do for migrations: compare, and run; each family has its own ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from abaft.migrate.plan import Plan
from abaft.migrate.state import Renames
from abaft.migrate.steps import Step
from abaft.store.base import Session
from abaft.store.migrations import Record


class Runner(Protocol):
    """A connection on which migrations run, with nobody else doing the same."""

    whole: bool
    """Whether what changes tables is undone with all else that is in a transaction."""

    def alone(self, create: bool = True) -> AbstractAsyncContextManager[None]:
        """Connects, and keeps others from running migrations until the end.

        Without `create` it is for looking alone: nobody is kept out, and no file is made.
        """

    async def begin(self, rebuilds: bool) -> None:
        """Begins a transaction; one that `rebuilds` tables has references looked at in the end."""

    async def commit(self) -> None:
        """Lands all since begin."""

    async def roll_back(self) -> None:
        """Undoes all since begin; without a transaction it is nothing."""

    async def execute(self, statements: Sequence[str], rebuilds: bool = False) -> None:
        """Runs statements; StoreError, naming the statement, where one is refused."""

    async def command(self, command: Mapping[str, Any]) -> None:
        """Runs a database's own command that is no SQL."""

    def session(self) -> Session:
        """The transaction that is open, or none, for a Db."""

    async def records(self) -> list[Record]:
        """What is known of migrations that were run, in their order."""

    async def keep(self, record: Record) -> None:
        """Notes how far a migration has come."""

    async def forget(self, revision: str) -> None:
        """Notes that a migration is undone."""

    async def tables(self) -> set[str]:
        """The tables that there are."""

    async def structure(self) -> str:
        """A digest of what all tables are like."""

    def already(self, error: Exception) -> bool:
        """Whether a step that was begun before fails since it was done then."""


@dataclass(frozen=True, slots=True)
class Source:
    """What the models are compared with: the database as it is, or what these steps make."""

    steps: Sequence[Step] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a difference is asked for with. `ours` are tables that migrations made."""

    source: Source
    renames: Renames
    ours: frozenset[str] = frozenset()
    online: bool = True

    def gone(self, table: str) -> bool:
        """Whether a table that no model names is to go."""
        return table in self.ours or table in self.renames.dropped or self.source.steps is not None


class Engine(Protocol):
    """A family of databases, as a difference is found in it."""

    name: str

    async def diff(self, asked: Asked) -> Plan:
        """The difference between the models and what they are compared with."""
