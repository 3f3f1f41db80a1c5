"""The values of a load, which brings many records at once, above the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from abaft.model.spec import Model


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """Many records of one model at once, above the rules: new ones, changes of stored ones, or
    with nothing but keys those that go.

    `rows` are values in the order of `names`, which hold the key; `changes` are each row's written
    key and the data of its change record, and with none of them the feed is told nothing; `links`
    are each row's keys of to-many relations. With `deferred` a relation may lead to a record that
    comes later. Without the key in `names` the database numbers the records, and the changes have
    no key yet.
    """

    model: Model
    names: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    changes: Sequence[tuple[str, str]]
    at: datetime
    actor: str
    deferred: bool = False
    action: Literal["create", "update", "delete"] = "create"
    links: Mapping[str, Sequence[Sequence[Any]]] = field(default_factory=dict)

    @property
    def keyless(self) -> bool:
        """Whether the database numbers the records."""
        return self.model.key[0] not in self.names


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """Asks which records are stored already: those whose fields `on` have a row's first values.

    `names` are `on` and the fields whose values are to be compared besides. Of `living` records
    those that were softly deleted are none. Those that aren't to be changed needn't be `held`.
    """

    model: Model
    on: tuple[str, ...]
    names: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    living: bool = False
    held: bool = True


Matched = tuple[tuple[Any, ...], bool]
"""A stored record's key, and whether it has all the values of the row already."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The rows of a load that are done with, the digest of them, and what became of them."""

    name: str
    rows: int
    digest: str
    counts: dict[str, int]
    at: datetime
