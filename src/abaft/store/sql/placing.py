"""Places of records that clients order: given by a create, by a move, and by coming into a list."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import sqlalchemy as sa

from abaft.model import expr as e
from abaft.model.places import LONGEST, place_between, places_after
from abaft.model.spec import POSITION, Model
from abaft.plan.types import MOVES, Selection, WritePlan
from abaft.store.base import GuardFailed, HeldOff, Program, Rows, Values
from abaft.store.history import Before
from abaft.store.sql.changes import joined
from abaft.store.sql.conditions import Context, condition
from abaft.store.sql.dialect import Element
from abaft.store.sql.frame import Frame
from abaft.store.sql.recording import Recorder, alone
from abaft.store.sql.statement import Statement

Make = Callable[[WritePlan], Any]
Steps = Generator[Any, Any, Any]
_ANCHOR = "anchor"


class Placing:
    """Finds the place of a record while nobody else does so in its list, then runs the write."""

    def __init__(self, make: Make, plan: WritePlan, recorder: Recorder, program: Any) -> None:
        self.make, self.plan, self.recorder, self.program = make, plan, recorder, program
        self.model: Model = plan.model
        self.moves = plan.verb in MOVES
        self.current = self._current()
        self.lock = self._lock()
        self.last = self._end(sa.func.max)
        self.first = self._end(sa.func.min)
        if self.moves:
            self.anchor = self._anchor()
            self.below = self._beside(up=False)
            self.above = self._beside(up=True)
            self.listed = self._listed()
            self.mark = self._mark()

    def __call__(self, compiled: Any, values: Values) -> Program:
        if self.plan.action == "create":
            found = yield from self._appended(self._given(values))
        else:
            found = yield from self._moved(values)
        if found is None:
            return None
        told = orjson.dumps({POSITION: found}).decode()
        data = joined(values["change.data"], told)
        values = {**values, f"set.{POSITION}": found, "change.data": data}
        program = self.program or partial(alone, self.plan)
        row = yield from program(compiled, values)
        if row is None and self.moves:
            # The list may have been numbered anew for it: that goes with it.
            raise HeldOff
        return row

    def _given(self, values: Values) -> Values:
        """The values with the list that the write names."""
        name = self.model.ordered
        return {**values, "list": values[f"set.{name}"]} if name else values

    def _appended(self, values: Values) -> Steps:
        yield from self._hold(values)
        rows: Rows = yield self.last, values
        return places_after(rows[0][0], 1)[0]

    def _hold(self, values: Values) -> Steps:
        """Nobody else gives places in this list until the end of the transaction."""
        if self.lock is not None:
            yield self.lock, values

    def _moved(self, values: Values) -> Steps:
        """The record's place; "" where there is no record, None where it was moved meanwhile."""
        rows: Rows = yield self.current, values
        if not rows:
            return None if self.moves else ""
        if not self.moves:
            given = self._given(values)
            same = not self.model.ordered or self._decoded(rows[0][1]) == given["list"]
            return rows[0][0] if same else (yield from self._appended(given))
        values = {**values, "list": self._decoded(rows[0][1])} if self.model.ordered else values
        yield from self._hold(values)
        again: Rows = yield self.current, values
        if not again or again[0][1] != rows[0][1]:
            return None
        found = yield from self._found(values)
        if len(found) <= LONGEST:
            return found
        numbered = yield from self._number(values)
        return (yield from self._found(values)) if numbered else None

    def _found(self, values: Values) -> Steps:
        """The place that is asked for."""
        if self.plan.verb == "last":
            rows: Rows = yield self.last, values
            return places_after(rows[0][0], 1)[0]
        if self.plan.verb == "first":
            rows = yield self.first, values
            return place_between(None, rows[0][0])
        rows = yield self.anchor, values
        if not rows:
            raise GuardFailed(_ANCHOR)
        beside = {**values, "place": rows[0][0]}
        if self.plan.verb == "before":
            low: Rows = yield self.below, beside
            return place_between(low[0][0], rows[0][0])
        high: Rows = yield self.above, beside
        return place_between(rows[0][0], high[0][0])

    def _number(self, values: Values) -> Steps:
        """Gives all others of the list new places above the old ones; if it is the turn of all.

        The record itself is still held against its ETag, so it has its place until it is moved.
        """
        rows: Rows = yield self.listed, values
        if not all(row[-1] for row in rows):
            return False
        last: Rows = yield self.last, values
        own = {name: values[f"key.{name}"] for name in self.model.key}
        keys = [key for key in map(self._key, rows) if key != own]
        places = places_after(last[0][0], len(keys))
        before: list[Before] = []
        for key in keys:
            before += yield from self.recorder.before(self.model, key, values)
        yield from self.recorder.baselines(before, values)
        for key, place in zip(keys, places, strict=True):
            data = orjson.dumps({POSITION: place}).decode()
            named = {f"key.{name}": value for name, value in key.items()}
            told = {**values, **named, f"set.{POSITION}": place, "change.data": data}
            yield self.mark, told
            yield from self.recorder.after(self.model, key, told)
        return True

    def _key(self, row: Any) -> dict[str, Any]:
        found = {}
        for name, value in zip(self.model.key, row, strict=False):
            decode = self._context().dialect.decoder(self.model.fields[name].kind)
            found[name] = decode(value) if decode else value
        return found

    def _decoded(self, value: Any) -> Any:
        kind = self.model.fields[self.model.ordered or POSITION].kind
        decode = self._context().dialect.decoder(kind)
        return decode(value) if decode and value is not None else value

    def _context(self) -> Context:
        context: Context = self.make(self.plan).context
        return context

    def _frame(self) -> Frame:
        context = self._context()
        return Frame(context, self.model, context.alias(self.model.name))

    def _in_list(self, frame: Frame) -> list[Element]:
        name = self.model.ordered
        if not name:
            return []
        field, column = self.model.fields[name], frame.column(name)
        given = frame.context.binder.param("list", field.kind)
        if not field.nullable:
            return [column == given]
        return [sa.or_(column == given, sa.and_(column.is_(None), given.is_(None)))]

    def _is(self, frame: Frame, prefix: str) -> Element:
        binder, fields = frame.context.binder, self.model.fields
        return sa.and_(
            *(
                frame.column(name) == binder.param(f"{prefix}.{name}", fields[name].kind)
                for name in self.model.key
            )
        )

    def _current(self) -> Statement:
        """The record's place and list; of a move, which may number all anew, if it is allowed."""
        builder = self.make(self.plan)
        frame = Frame(builder.context, self.model, builder.table)
        group = frame.column(self.model.ordered or POSITION)
        query = sa.select(frame.column(POSITION).label("p"), group.label("g"))
        query = query.select_from(builder.table).where(self._is(frame, "key"))
        if self.moves and self.plan.before != e.TRUE:
            query = query.where(condition(self.plan.before, [builder.stored()]))
        statement: Statement = builder.context.binder.finish(query)
        return statement

    def _lock(self) -> Statement | None:
        context, name = self._context(), self.model.ordered
        field = self.model.fields[name] if name else None
        given = context.binder.param("list", field.kind) if field else None
        held = context.dialect.hold(f"{self.model.table}.{POSITION}", given)
        return None if held is None else context.binder.finish(held)

    def _end(self, pick: Any) -> Statement:
        """The last or first place of the list."""
        frame = self._frame()
        query = sa.select(pick(frame.column(POSITION))).where(*self._in_list(frame))
        return frame.context.binder.finish(query)

    def _anchor(self) -> Statement:
        """The place of the record that the move goes by, where the actor may see it."""
        frame = self._frame()
        where = [self._is(frame, _ANCHOR), *self._in_list(frame)]
        if self.plan.anchor != e.TRUE:
            where.append(condition(self.plan.anchor, [frame]))
        query = sa.select(frame.column(POSITION)).select_from(frame.table).where(*where)
        return frame.context.binder.finish(query)

    def _beside(self, up: bool) -> Statement:
        """The next place below or above another, leaving out the record's own."""
        frame = self._frame()
        column = frame.column(POSITION)
        place = frame.context.binder.param("place", self.model.fields[POSITION].kind)
        beyond = column > place if up else column < place
        where = [*self._in_list(frame), beyond, sa.not_(self._is(frame, "key"))]
        found = sa.func.min(column) if up else sa.func.max(column)
        return frame.context.binder.finish(sa.select(found).where(*where))

    def _listed(self) -> Statement:
        """The keys of the list in its order, each with whether it is its turn; locked."""
        builder = self.make(self.plan)
        context, table = builder.context, builder.table
        frame = Frame(context, self.model, table)
        turn = sa.true() if builder.turn is None else builder.turn
        columns = [frame.column(name) for name in self.model.key]
        query = sa.select(*columns, sa.case((turn, 1), else_=0)).where(*self._in_list(frame))
        query = query.order_by(frame.column(POSITION)).with_for_update()
        statement: Statement = context.binder.finish(query)
        return statement

    def _mark(self) -> Statement:
        plan = replace(
            self.plan,
            assigned=(POSITION,),
            links=(),
            before=e.TRUE,
            after=e.TRUE,
            targets=(),
            where=e.TRUE,
            match=False,
            seen=None,
            selection=Selection(self.model.name, ()),
        )
        builder = self.make(plan)
        statement: Statement = builder.context.binder.finish(builder.dml())
        return statement
