"""The table of answers kept by their Idempotency-Key, and the programs that read and fill it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import sqlalchemy as sa

from abaft.model.kinds import Binary, Integer, Kind, Text
from abaft.model.times import DateTime
from abaft.store.base import Kept, Program, Rows, Values
from abaft.store.sql.dialect import Dialect
from abaft.store.sql.statement import Binder, Statement

ANSWERS = "abaft_idempotency"
PRUNED = 1_000
"""Answers that are deleted at a time, so that nobody has to wait for it."""

LONGEST = 300
"""Characters of an actor's name, and of a key, where a database must know how many there can be."""

_PLACE: dict[str, Kind] = {"actor": Text(), "key": Text()}
_CLAIM: dict[str, Kind] = {**_PLACE, "digest": Text(), "at": DateTime()}
_ANSWER: dict[str, Kind] = {"status": Integer(), "headers": Text(), "body": Binary()}


class Answers:
    """The answers of one database; values are named as the columns are."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.table = self._table()

    def claim(self, values: Values) -> Program:
        """Takes the key for this request; what was answered by it before, if anything was.

        UniqueViolation where another has just taken it: ask again.
        """
        rows: Rows = yield self._find, values
        if rows:
            return Kept(*rows[0])
        yield self._insert, values
        return None

    def keep(self, values: Values) -> Program:
        """Adds the answer to a key that was claimed."""
        yield self._update, values

    def prune(self, before: Any) -> Program:
        """Deletes some that are older; how many."""
        rows: Rows = yield self._delete, {"before": before}
        return len(rows)

    # Made when they are first asked for: few requests have a key, and an app starts the sooner.

    @cached_property
    def _find(self) -> Statement:
        return self._statement(self._found)

    @cached_property
    def _insert(self) -> Statement:
        return self._statement(self._claimed)

    @cached_property
    def _update(self) -> Statement:
        return self._statement(self._filled)

    @cached_property
    def _delete(self) -> Statement:
        return self._statement(self._pruned)

    def _table(self) -> sa.Table:
        kind, key_kind = self.dialect.type, self.dialect.key_type
        columns = [
            sa.Column(name, key_kind(known, LONGEST), primary_key=True, nullable=False)
            for name, known in _PLACE.items()
        ]
        columns += [
            sa.Column(name, kind(known), nullable=False)
            for name, known in _CLAIM.items()
            if name not in _PLACE
        ]
        columns += [sa.Column(name, kind(known)) for name, known in _ANSWER.items()]
        table = sa.Table(ANSWERS, sa.MetaData(), *columns, sqlite_strict=True)
        sa.Index(f"ix_{ANSWERS}_at", table.c.at)
        return table

    def _statement(self, make: Any) -> Statement:
        binder = Binder(self.dialect)
        return binder.finish(make(binder))

    def _params(self, binder: Binder, kinds: dict[str, Kind]) -> dict[str, Any]:
        return {name: binder.param(name, kind) for name, kind in kinds.items()}

    def _there(self, binder: Binder) -> list[Any]:
        return [self.table.c[name] == value for name, value in self._params(binder, _PLACE).items()]

    def _found(self, binder: Binder) -> Any:
        columns = [self.table.c[name] for name in ("digest", *_ANSWER)]
        return sa.select(*columns).where(*self._there(binder))

    def _claimed(self, binder: Binder) -> Any:
        return sa.insert(self.table).values(self._params(binder, _CLAIM))

    def _filled(self, binder: Binder) -> Any:
        where = self._there(binder)
        return sa.update(self.table).where(*where).values(self._params(binder, _ANSWER))

    def _pruned(self, binder: Binder) -> Any:
        table = self.table
        older = table.c.at < binder.param("before", DateTime())
        return self.dialect.deleted(table, older, PRUNED)
