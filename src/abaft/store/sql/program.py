"""Writes of several statements in one transaction: to-many relations, and deletes that spread."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import orjson
import sqlalchemy as sa

from abaft.model import expr as e
from abaft.model.spec import POSITION, Many, Model, One, Schema
from abaft.plan.types import WritePlan
from abaft.store.base import GuardFailed, Program, Row, Rows, Values
from abaft.store.history import Before
from abaft.store.sql.changes import joined
from abaft.store.sql.conditions import Context, condition
from abaft.store.sql.dialect import Element
from abaft.store.sql.frame import Frame
from abaft.store.sql.marking import Marking
from abaft.store.sql.placing import Placing
from abaft.store.sql.recording import Recorded, Recorder
from abaft.store.sql.spread import Spread, Taken
from abaft.store.sql.statement import Binder, Statement

Make = Callable[[WritePlan], Any]


def make_program(make: Make, plan: WritePlan, changes: sa.Table) -> Any:
    """What runs in place of the statement, or None where the statement is all."""
    recorder = Recorder(make, plan, changes)
    program = _program(make, plan, recorder)
    if plan.model.history:
        program = Recorded(recorder, plan, program)
    # The place comes first: the list is held before any record is.
    return Placing(make, plan, recorder, program) if POSITION in _placed(plan) else program


def _placed(plan: WritePlan) -> tuple[str, ...]:
    return plan.assigned if plan.model.order else ()


def _program(make: Make, plan: WritePlan, recorder: Recorder) -> Any:
    if plan.verb == "restore" or (plan.action == "delete" and plan.assigned):
        spreading = make(plan).context.schema.inbound(plan.model)
        return Marking(make, plan, recorder) if spreading else None
    if plan.action == "delete":
        context = make(plan).context
        spreading = _spreading(context.schema, plan.model, context.dialect.unchecked is not None)
        return _Deletion(make, plan, recorder) if spreading else None
    return _Linking(make, plan) if plan.links or plan.late else None


def _spreading(schema: Schema, model: Model, by_hand: bool) -> bool:
    """Whether a delete takes others along, or must look after a record that leads to itself."""
    return any(
        one.on_delete != "restrict" or (by_hand and source is model)
        for source, one in schema.inbound(model)
    )


class _Linking:
    """Writes a record, then ties it to what its to-many relations were given, or to more or less.

    The change record comes last: it tells what an operator made of them.
    """

    def __init__(self, make: Make, plan: WritePlan) -> None:
        self.plan = plan
        self.links = {name: _Link(make(plan).context, plan, name) for name in plan.links}
        builder = make(plan)
        frame = builder.stored()
        after = sa.true() if plan.after == e.TRUE else condition(plan.after, [frame])
        query = sa.select(builder.shown(frame), sa.case((after, 1), else_=0))
        key = builder.by_key()
        self.result: Statement = builder.context.binder.finish(
            query.select_from(builder.table).where(*key).correlate(None)
        )

    def __call__(self, compiled: Any, values: Values) -> Program:
        rows: Rows = yield compiled.statement, values
        if not rows:
            return None
        key = rows[0][1]
        values = compiled.noted(values, rows[0])
        if compiled.generated:
            values = {**values, f"key.{self.plan.model.key[0]}": key}
        elif self.plan.action == "create":
            values = {**values, **{f"key.{n}": values[f"set.{n}"] for n in self.plan.model.key}}
        results: dict[str, list[str]] = {}
        for link in self.links.values():
            tied = yield from link.steps(values)
            if tied is not None:
                results[link.name] = tied
        if compiled.change is not None:
            data = joined(values["change.data"], orjson.dumps(results).decode())
            yield compiled.change, {**values, "change.data": data}
        shown = yield self.result, values
        if not shown[0][1]:
            raise GuardFailed("after")
        return (shown[0][0], key)


class _Link:
    """The statements that make one to-many relation what it was given."""

    def __init__(self, context: Context, plan: WritePlan, name: str) -> None:
        many: Many = plan.model.many[name]
        assert many.link is not None and many.forward is not None
        schema = context.schema
        link, target = schema.models[many.link], schema.models[many.target]
        self.name = name
        self.table, self.target_table = context.tables[link.name], context.tables[target.name]
        self.ours = self.table.c[link.fields[many.back].column]
        self.theirs = self.table.c[link.fields[many.forward].column]
        self.target_key = self.target_table.c[target.fields[target.key[0]].column]
        self.key_kind = plan.model.fields[plan.model.key[0]].kind
        self.key_name = f"key.{plan.model.key[0]}"
        self.kind = target.fields[target.key[0]].kind
        self.context, self.target = context, target
        self.guard = dict(plan.link_guards)[name]
        self.operator = plan.operators.get(name)
        self.hidden = many.hidden
        self.removed = self._removed()
        self.added = self._added()
        self.count = self._count()
        self.untied = self._untied()
        self.tied = self._tied()

    def _params(self) -> tuple[Binder, Any, Any]:
        binder = Binder(self.context.dialect)
        key = binder.param(self.key_name, self.key_kind)
        return binder, key, binder.param(f"set.{self.name}", self.kind, many=True)

    def _removed(self) -> Statement:
        binder, key, ids = self._params()
        gone = sa.not_(self.context.dialect.among(self.theirs, ids))
        return self._cut(binder, key, gone)

    def _cut(self, binder: Binder, key: Any, gone: Element) -> Statement:
        """Unties what is gone, as far as the actor sees it: other links are none of theirs."""
        where = [self.ours == key, gone]
        if self.guard != e.TRUE:
            context = Context(self.context.schema, self.context.tables, binder)
            frame = Frame(context, self.target, context.alias(self.target.name))
            one: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(frame.table)
            same = frame.column(self.target.key[0]) == self.theirs
            seen = one.where(same, condition(self.guard, [frame]))
            where.append(seen.correlate(self.table).exists())
        return binder.finish(sa.delete(self.table).where(*where))

    def _added(self) -> Statement:
        binder, key, ids = self._params()
        links = self.table.alias("l")
        there: sa.Select[Any] = sa.select(sa.literal_column("1")).where(
            links.c[self.ours.name] == key, links.c[self.theirs.name] == self.target_key
        )
        wanted = sa.select(key, self.target_key).where(
            self.context.dialect.among(self.target_key, ids),
            sa.not_(there.correlate(self.target_table).exists()),
        )
        columns = [self.ours.name, self.theirs.name]
        return binder.finish(sa.insert(self.table).from_select(columns, wanted))

    def _count(self) -> Statement:
        """How many of the given keys lead to records that the actor may see."""
        binder, _, ids = self._params()
        context = Context(self.context.schema, self.context.tables, binder)
        frame = Frame(context, self.target, context.alias(self.target.name))
        key = frame.column(self.target.key[0])
        where = [context.dialect.among(key, ids)]
        if self.guard != e.TRUE:
            where.append(condition(self.guard, [frame]))
        return binder.finish(sa.select(sa.func.count()).select_from(frame.table).where(*where))

    def _untied(self) -> Statement:
        binder, key, ids = self._params()
        return self._cut(binder, key, self.context.dialect.among(self.theirs, ids))

    def _tied(self) -> Statement:
        binder, key, _ = self._params()
        query = sa.select(self.theirs).where(self.ours == key).order_by(self.theirs)
        return binder.finish(query)

    def steps(self, values: Values) -> Generator[Any, Any, list[str] | None]:
        """What it is tied to then, where an operator made it so."""
        ids = list(dict.fromkeys(values[f"set.{self.name}"]))
        values = {**values, f"set.{self.name}": ids}
        if self.operator == "remove":
            # Of a key that leads nowhere, or to what may not be seen, nothing is told.
            yield self.untied, values
        else:
            yield from self._tie(values, len(ids))
        return None if self.operator is None else (yield from self._results(values))

    def _results(self, values: Values) -> Generator[Any, Any, list[str] | None]:
        if self.hidden:
            return None
        rows: Rows = yield self.tied, values
        decode = self.context.dialect.decoder(self.kind) or (lambda value: value)
        return [str(decode(row[0])) for row in rows]

    def _tie(self, values: Values, count: int) -> Generator[Any, Any, None]:
        seen: Rows = yield self.count, values
        if seen[0][0] != count:
            raise GuardFailed(f"target.{self.name}")
        if self.operator is None:
            yield self.removed, values
        yield self.added, values


class _Deletion:
    """Records what a delete takes with it, then deletes; the database's keys do the spreading."""

    def __init__(self, make: Make, plan: WritePlan, recorder: Recorder) -> None:
        self.make, self.plan, self.recorder = make, plan, recorder
        context: Context = make(plan).context
        self.context = context
        self.schema = context.schema
        self.finders: dict[tuple[str, str], Statement] = {}
        self.lock = self._lock()
        self.spread = (
            None if context.dialect.unchecked is None else Spread(context, plan.model, self._finder)
        )

    def _lock(self) -> Statement:
        """Finds the record if it may be deleted: nobody else sets off what goes with it.

        It is locked where a database has row locks: nobody refers to it any more.
        """
        builder = self.make(self.plan)
        one: sa.Select[Any] = sa.select(sa.literal_column("1"))
        where = [*builder.by_key(), *builder.guards()]
        query = one.select_from(builder.table).where(*where).with_for_update(of=builder.table)
        binder: Binder = builder.context.binder
        return binder.finish(query)

    def _finder(self, source: Model, one: One) -> Statement:
        """The keys of the records whose relation leads to a given record."""
        name = (source.name, one.name)
        if name not in self.finders:
            binder = Binder(self.context.dialect)
            table = self.context.tables[source.name]
            target = self.schema.models[one.target]
            where = [
                table.c[source.fields[ours].column]
                == binder.param(f"key.{theirs}", target.fields[theirs].kind)
                for ours, theirs in zip(one.columns, target.key, strict=True)
            ]
            columns = [table.c[source.fields[part].column] for part in source.key]
            self.finders[name] = binder.finish(sa.select(*columns).where(*where))
        return self.finders[name]

    def __call__(self, compiled: Any, values: Values) -> Program:
        held: Rows = yield self.lock, values
        if not held:
            return None
        key = {part: values[f"key.{part}"] for part in self.plan.model.key}
        taken: list[Taken] = []
        yield from self._collect(self.plan.model, key, taken)
        before: list[Before] = []
        for model, found, _ in taken:
            before += yield from self.recorder.before(model, found, values)
        if self.spread is None:
            rows: Rows = yield compiled.statement, values
        else:
            rows = yield from self.spread.steps(compiled, values, taken)
        if not rows:
            return None
        yield from self.recorder.baselines(before, values)
        if compiled.change is not None:
            yield compiled.change, values
        for model, found, emptied in taken:
            told = {**values, **_change(emptied)}
            yield from self.recorder.after(model, found, told, gone=emptied is None)
        return rows[0]

    def _collect(
        self, model: Model, key: dict[str, Any], taken: list[Taken]
    ) -> Generator[Any, Any, None]:
        """Walks from the record to all that goes with it, each once."""
        seen: set[Any] = set()
        queue = [(model, key)]
        while queue:
            model, key = queue.pop()
            wanted = {f"key.{part}": value for part, value in key.items()}
            for source, one in self.schema.inbound(model):
                if one.on_delete == "restrict":
                    continue
                rows: Rows = yield self._finder(source, one), wanted
                for row in rows:
                    found = self._decoded(source, row)
                    emptied = one.columns[0] if one.on_delete == "set null" else None
                    place = (source.name, tuple(found.values()), emptied)
                    if place in seen:
                        continue
                    seen.add(place)
                    taken.append((source, found, emptied))
                    if emptied is None:
                        queue.append((source, found))

    def _decoded(self, model: Model, row: Row) -> dict[str, Any]:
        decoded = {}
        for name, value in zip(model.key, row, strict=True):
            decode = self.context.dialect.decoder(model.fields[name].kind)
            decoded[name] = decode(value) if decode else value
        return decoded


def _change(emptied: str | None) -> dict[str, Any]:
    return {
        "change.action": "update" if emptied else "delete",
        "change.data": orjson.dumps({emptied: None} if emptied else {}).decode(),
    }
