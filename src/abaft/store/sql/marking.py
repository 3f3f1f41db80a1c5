"""Soft deletes and their undoing: a record is marked, and with it those that go along."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from abaft.model import expr as e
from abaft.model.spec import DELETED, Model, One
from abaft.plan.types import Selection, WritePlan
from abaft.store.base import Program, ReferenceViolation, Row, Rows, Values
from abaft.store.history import Before
from abaft.store.sql.conditions import Context
from abaft.store.sql.recording import Recorder
from abaft.store.sql.statement import Binder, Statement

Make = Callable[[WritePlan], Any]
Key = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Referrer:
    """A model with a relation to another, and what finds its records that are to be marked."""

    model: Model
    one: One
    finder: Statement


@dataclass(frozen=True, slots=True)
class _Found:
    """The records that go along, and whether others hold them where they are."""

    taken: list[tuple[Model, Key]]
    held: bool


class Marking:
    """Deletes a record softly, or restores it, with those that a cascade takes along.

    They bear the same time as the record, by which a restore knows them. A relation that restricts
    keeps a record from being deleted while others that are there lead to it.
    """

    def __init__(self, make: Make, plan: WritePlan, recorder: Recorder) -> None:
        self.make, self.plan, self.recorder = make, plan, recorder
        self.restores = plan.verb == "restore"
        context: Context = make(plan).context
        self.context, self.schema = context, context.schema
        self.lock = self._lock()
        self.referrers: dict[str, list[_Referrer]] = {}
        self.marks: dict[str, Statement] = {}
        self._prepare(plan.model)

    def _prepare(self, model: Model) -> None:
        """The statements for all that can go along with a record of this model."""
        if model.name in self.referrers:
            return
        self.referrers[model.name] = []
        for source, one in self.schema.inbound(model):
            restricts = one.on_delete == "restrict" and not self.restores
            if restricts or _goes_along(source, one):
                finder = self._finder(source, one)
                self.referrers[model.name].append(_Referrer(source, one, finder))
            if _goes_along(source, one):
                self.marks.setdefault(source.name, self._mark(source))
                self._prepare(source)

    def _lock(self) -> Statement:
        """Locks the record if it may be marked, and tells when it was deleted."""
        builder = self.make(self.plan)
        column = builder.table.c[self.plan.model.fields[DELETED].column]
        where = [*builder.by_key(), *builder.guards()]
        query = sa.select(column).where(*where).with_for_update(of=builder.table)
        binder: Binder = builder.context.binder
        return binder.finish(query)

    def _finder(self, source: Model, one: One) -> Statement:
        """The keys of the records whose relation leads to a given record, and if it is their turn.

        They are locked, so that the turn stays theirs.
        """
        builder = self.make(_marking_of(self.plan, source))
        table, binder = builder.table, builder.context.binder
        target = self.schema.models[one.target]
        where = [
            table.c[source.fields[ours].column]
            == binder.param(f"key.{theirs}", target.fields[theirs].kind)
            for ours, theirs in zip(one.columns, target.key, strict=True)
        ]
        if source.soft_delete:
            column = table.c[source.fields[DELETED].column]
            stamp = binder.param("stamp", source.fields[DELETED].kind)
            where.append(column == stamp if self.restores else column.is_(None))
        columns = [table.c[source.fields[part].column] for part in source.key]
        turn = sa.true() if builder.turn is None else builder.turn
        query = sa.select(*columns, sa.case((turn, 1), else_=0)).where(*where).with_for_update()
        statement: Statement = binder.finish(query)
        return statement

    def _mark(self, source: Model) -> Statement:
        builder = self.make(_marking_of(self.plan, source))
        statement: Statement = builder.context.binder.finish(builder.dml())
        return statement

    def __call__(self, compiled: Any, values: Values) -> Program:
        rows: Rows = yield self.lock, values
        if not rows:
            return None
        decode = self.context.dialect.decoder(self.plan.model.fields[DELETED].kind)
        stamp = rows[0][0]
        values = {**values, "stamp": decode(stamp) if decode and stamp is not None else stamp}
        key = {part: values[f"key.{part}"] for part in self.plan.model.key}
        found = yield from self._collect(key, values)
        if found is None:
            return None
        before: list[Before] = []
        for model, key in found.taken:
            before += yield from self.recorder.before(model, key, values)
        rows = yield compiled.statement, values
        if not rows:
            return None
        if found.held:
            raise ReferenceViolation
        yield from self.recorder.baselines(before, values)
        if compiled.change is not None:
            yield compiled.change, values
        if self.restores:
            values = {**values, "change.data": f'{{"{DELETED}":null}}'}
        for model, key in found.taken:
            mark = {f"key.{part}": value for part, value in key.items()}
            yield self.marks[model.name], {**values, **mark}
            yield from self.recorder.after(model, key, values)
        return rows[0]

    def _collect(self, key: Key, values: Values) -> Generator[Any, Any, _Found | None]:
        """All that goes along, each once; None where it isn't the turn of one of them."""
        seen, held = {(self.plan.model.name, tuple(key.values()))}, set()
        taken: list[tuple[Model, Key]] = []
        queue = [(self.plan.model, key)]
        while queue:
            model, key = queue.pop()
            wanted = {**values, **{f"key.{part}": value for part, value in key.items()}}
            for referrer in self.referrers[model.name]:
                rows: Rows = yield referrer.finder, wanted
                for row in rows:
                    found = self._decoded(referrer.model, row)
                    place = (referrer.model.name, tuple(found.values()))
                    if not _goes_along(referrer.model, referrer.one):
                        held.add(place)
                    elif not row[-1]:
                        return None
                    elif place not in seen:
                        seen.add(place)
                        taken.append((referrer.model, found))
                        queue.append((referrer.model, found))
        return _Found(taken, bool(held - seen))

    def _decoded(self, model: Model, row: Row) -> Key:
        decoded = {}
        for name, value in zip(model.key, row[:-1], strict=True):
            decode = self.context.dialect.decoder(model.fields[name].kind)
            decoded[name] = decode(value) if decode else value
        return decoded


def _goes_along(source: Model, one: One) -> bool:
    """Whether a delete takes the record with it; what can't be restored is left alone."""
    return one.on_delete == "cascade" and source.soft_delete


def _marking_of(plan: WritePlan, model: Model) -> WritePlan:
    """The plan of marking a record of another model in the same way, whatever rules say of it."""
    return replace(
        plan,
        model=model,
        assigned=(DELETED,),
        before=e.TRUE,
        targets=(),
        where=e.TRUE,
        selection=Selection(model.name, ()),
        match=False,
        seen=None,
    )
