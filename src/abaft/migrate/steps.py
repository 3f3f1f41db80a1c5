"""What a migration is made of: steps in order, forth and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from abaft.db import Database

DataStep = Callable[["Database"], Awaitable[None]]
"""A function of the user's own that changes data, given the data above all rules."""
Kind = Literal["sql", "rebuild", "data", "command"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `destructive` says what may be lost; one that is `alone` is in no transaction.

    `first` takes away what a try that was cut short has left, where the step is `alone`.
    """

    kind: Kind
    statements: tuple[str, ...] = ()
    destructive: str = ""
    alone: bool = False
    first: str = ""
    call: DataStep | None = None
    command: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    """What a reader is told above it, in a file that is made."""


@dataclass(frozen=True, slots=True)
class Migration:
    """The head of a file: what it is called, what comes before it, and for which engine it is.

    `checksum` is of the file without that line: `abaft migrate seal` writes it anew.
    """

    revision: str
    parent: str | None
    engine: str
    checksum: str


@dataclass(slots=True)
class Steps:
    """Takes down what `upgrade` and `downgrade` of a file ask for; nothing is run meanwhile."""

    steps: list[Step] = field(default_factory=list)

    def sql(
        self, statement: str, *, destructive: str = "", alone: bool = False, first: str = ""
    ) -> None:
        """A statement of SQL. `destructive` says what is lost by it: it then needs to be allowed.

        `alone` runs it outside of a transaction; `first` is run before it, and takes away what an
        earlier try has left.
        """
        self.steps.append(Step("sql", (_bare(statement),), destructive, alone, first))

    def rebuild(self, table: str, *statements: str, destructive: str = "") -> None:
        """SQLite: copies a table into one of another shape, which takes its name.

        Foreign keys are looked at once all is done, and not while the table is away.
        """
        bare = tuple(map(_bare, statements))
        self.steps.append(Step("rebuild", bare, destructive, note=table))

    def data(self, function: DataStep, *, destructive: str = "") -> None:
        """Calls an async function with a Db, which stands above all rules, in the transaction.

        Records are read and written as the models are now; `db.sql` works at any time.
        """
        self.steps.append(Step("data", (), destructive, call=function))

    def command(self, command: Mapping[str, Any], *, destructive: str = "") -> None:
        """MongoDB: a command, such as one that changes a validator or makes indexes."""
        self.steps.append(Step("command", (), destructive, command=command))


def _bare(statement: str) -> str:
    """Without the margin that it has in its file: SQLite keeps definitions as they were written."""
    return dedent(statement).strip() if statement.startswith("\n") else statement
