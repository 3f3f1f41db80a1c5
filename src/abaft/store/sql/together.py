"""Several compiled writes and reads as one statement, of which each execution runs one.

A driver sends many executions of one statement in a single flight, and each sees what those before
it did. So whatever is to be done together becomes a statement of several branches; an execution
names its branch, and the others find nothing to do. One that must do something and does not fails,
which undoes the whole flight: nobody has to wait for an answer to decide it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from abaft.store.base import Row, Values
from abaft.store.columns import Columns
from abaft.store.sql.dialect import Dialect, Element, number, text_literal
from abaft.store.sql.statement import Bind, Binder, Statement, finished

HELD_OFF = "abaft: held off "
"""What the error begins with that ends a flight; the ordinal follows."""
_OWN = ("together.branch", "together.ordinal", "together.must")

Branch = Callable[[Binder, int, Element | None], "Part"]
"""Makes a branch of (binder, its number, whether it is meant)."""


@dataclass(frozen=True, slots=True)
class Part:
    """A branch: a query of at most one row (j, k), with `keyed` a key k that the database made."""

    query: sa.Select[Any]
    reads: bool
    keyed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """A statement of several branches. Its rows are (ordinal, json or null, whether, key…)."""

    statement: Statement
    constants: tuple[Any, ...]
    places: tuple[tuple[tuple[int, Bind], ...], ...]
    """For each branch the places of its values; the last is of what tells the branches apart."""
    reads: tuple[bool, ...]
    keys: tuple[int | None, ...]
    """For each branch the column of the key that the database makes."""

    def args(self, branch: int, values: Values, ordinal: int, must: bool) -> tuple[Any, ...]:
        """The driver's values of one execution; one that `must` do something ends all if not."""
        args = [*self.constants]
        own = dict(zip(_OWN, (branch, ordinal, must), strict=True))
        for place, bind in self.places[-1]:
            args[place] = own[str(bind.name)]
        for place, bind in self.places[branch]:
            value = values[str(bind.name)]
            args[place] = value if value is None or bind.encode is None else bind.encode(value)
        return tuple(args)

    def args_of(
        self, branch: int, values: Columns, ordinal: int, must: bool
    ) -> list[tuple[Any, ...]]:
        """The driver's values of executions of one branch, from this ordinal on."""
        count = values.count
        columns: list[Sequence[Any]] = [[const] * count for const in self.constants]
        ordinals = range(ordinal, ordinal + count)
        given: list[Sequence[Any]] = [[branch] * count, ordinals, [must] * count]
        own = dict(zip(_OWN, given, strict=True))
        for place, bind in self.places[-1]:
            columns[place] = own[str(bind.name)]
        for place, bind in self.places[branch]:
            columns[place] = values.encoded(str(bind.name), bind.encode)
        return list(zip(*columns, strict=True))

    def found(self, branch: int, record: Sequence[Any]) -> Any:
        """What an execution did: rows of a read, and of a write its row or None."""
        if record[2] is None:
            return [] if self.reads[branch] else None
        key = self.keys[branch]
        row: Row = (record[1],) if self.reads[branch] else (record[1], key and record[key])
        return [row] if self.reads[branch] else row


def compile_together(dialect: Dialect, branches: Sequence[Branch]) -> Together:
    """The statement of these branches."""
    own = Binder(dialect)
    chosen, ordinal = (own.plain(name, sa.Integer()) for name in _OWN[:2])
    must = own.plain(_OWN[2], sa.Boolean())
    several = len(branches) > 1
    binders = [Binder(dialect, f"b{at}_" if several else "") for at in range(len(branches))]
    parts = [
        branch(binder, place, _meant(chosen, place) if several else None)
        for place, (branch, binder) in enumerate(zip(branches, binders, strict=True))
    ]
    query, keys = _whole(parts, ordinal, must)
    statement, owners = finished(query, dialect, [*binders, own])
    binds = statement.binds
    places = [
        tuple((at, bind) for at, bind in enumerate(binds) if owners[at] == place and bind.name)
        for place in range(len(binders) + 1)
    ]
    constants = tuple(bind.const for bind in binds)
    return Together(statement, constants, tuple(places), tuple(p.reads for p in parts), keys)


def _meant(chosen: Element, place: int) -> Element:
    # A planner that knew the number would plan each execution anew, to leave the others out.
    known: sa.Select[Any] = sa.select(number(place))
    return chosen == known.scalar_subquery()


def _whole(
    parts: Sequence[Part], ordinal: Element, must: Element
) -> tuple[sa.Select[Any], tuple[int | None, ...]]:
    """One row an execution: of the branch that is meant, or of nothing."""
    source: Any = sa.select(number(1).label("x")).subquery("one")
    found = []
    for place, part in enumerate(parts):
        rows = part.query.add_columns(number(1).label("p")).subquery(f"b{place}")
        source = source.outerjoin(rows, sa.true())
        found.append(rows.c)
    shown, there = (_first([columns[name] for columns in found]) for name in ("j", "p"))
    # Made of a column, so that it isn't worked out beforehand.
    fault = sa.func.concat(text_literal(HELD_OFF), ordinal, there)
    held_off = sa.case((sa.and_(must, there.is_(None)), sa.cast(fault, sa.Integer)))
    columns: list[Element] = [ordinal.label("o"), shown.label("j"), there.label("p")]
    columns.append(held_off.label("h"))
    keys: list[int | None] = []
    for part, given in zip(parts, found, strict=True):
        keys.append(len(columns) if part.keyed else None)
        if part.keyed:
            columns.append(given["k"].label(f"k{len(columns)}"))
    return sa.select(*columns).select_from(source), tuple(keys)


def _first(values: list[Element]) -> Element:
    return values[0] if len(values) == 1 else sa.func.coalesce(*values, type_=values[0].type)
