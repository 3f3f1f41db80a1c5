"""From a write plan to one guarded statement, and the change record that goes with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from abaft.model import expr as e
from abaft.model.kinds import Text
from abaft.model.spec import Model
from abaft.plan.types import WritePlan
from abaft.store.base import Program, Row, Values
from abaft.store.sql.changes import change_params, change_statement, joined
from abaft.store.sql.conditions import Context, condition
from abaft.store.sql.dialect import Element, number, text_literal
from abaft.store.sql.frame import Frame
from abaft.store.sql.operators import Operation
from abaft.store.sql.program import make_program
from abaft.store.sql.read import literal_frame
from abaft.store.sql.record import record_json
from abaft.store.sql.statement import Statement
from abaft.store.sql.versions import whole_change


class Probe:
    """The question of why a write was held off; compiled when it is first asked."""

    def __init__(self, make: Callable[[], WriteBuilder]) -> None:
        self._make = make

    @cached_property
    def statement(self) -> Statement:
        """Gives one row of 0 and 1: may the record be seen, then each guard; none without it."""
        return self._make().probe()

    @cached_property
    def names(self) -> tuple[str, ...]:
        return ("read", *self._make().checks())

    def answers(self, rows: Sequence[Row]) -> dict[str, bool] | None:
        """What the row says of each guard; None where the record isn't there."""
        return dict(zip(self.names, map(bool, rows[0]), strict=True)) if rows else None


@dataclass(frozen=True, slots=True, eq=False)
class WriteStatement:
    """A compiled write.

    Rows are (json or null, generated key or null) and, where `change` stands apart and operators
    reckon fields, the JSON of what they made, which joins the change's data. `change` is the feed's
    insert where it is a statement of its own; `probe` tells afterwards why a guard held the write
    off. `program`, given this and the values, is run in place of the statement where the write
    takes several.
    """

    statement: Statement
    change: Statement | None
    probe: Probe
    generated: bool
    program: Callable[[Any, Values], Program] | None = None

    waits: bool = False
    """Whether the change's values wait for the row."""

    def noted(self, values: Values, row: Row) -> Values:
        """What `change` is bound to, now that the row is written."""
        values = {**values, "change.record": str(row[1])} if self.generated else values
        if len(row) < 3:
            return values
        return {**values, "change.data": joined(values["change.data"], row[2])}


@dataclass(slots=True)
class WriteBuilder:
    """Builds the statement of one plan; `frame` is the stored record, `result` what it becomes."""

    context: Context
    plan: WritePlan
    table: sa.Table
    turn: Element | None = None
    """What must hold of a stored row besides, as the database's change feed needs it."""
    chance: Element | None = None
    """Where the statement is part of one that runs another: whether this one is meant."""
    numbered: bool = False
    """Whether the key that the database makes was asked for beforehand."""
    rows: sa.CTE | None = None
    """Where the values of several new records come from, with their order as `o`."""

    @property
    def model(self) -> Model:
        return self.plan.model

    def assigned(self) -> dict[str, Element]:
        operations = self.operations()
        return {
            name: operations[name].result() if name in operations else self._given(name)
            for name in self.plan.assigned
        }

    def _given(self, name: str) -> Element:
        if self.rows is not None:
            return self.rows.c[f"set.{name}"]
        return self.context.binder.param(f"set.{name}", self.model.fields[name].kind)

    def operations(self) -> dict[str, Operation]:
        """What is reckoned of stored values, by field."""
        binder, fields, operators = self.context.binder, self.model.fields, self.plan.operators
        if not operators:
            return {}
        stored = self.stored()
        return {
            name: Operation(binder, fields[name], operators[name], stored.column(name), given)
            for name in self.plan.assigned
            if name in operators
            for given in [self._given(name)]
        }

    def taken(self) -> dict[str, Element]:
        """What is assigned, as the columns take it."""
        fields, dialect = self.model.fields, self.context.dialect
        values = {name: row.value() for name, row in self.operations().items()}
        given = {n: values[n] if n in values else self._given(n) for n in self.plan.assigned}
        return {n: dialect.assigned(fields[n].kind, value) for n, value in given.items()}

    def stored(self) -> Frame:
        return literal_frame(self.context, self.model, self.table, self.context.dialect)

    def result(self) -> Frame:
        """The record as it will be: assigned values over stored ones (over nothing, when new)."""
        overlay: dict[str, Element] = (
            {name: sa.null() for name in self.model.fields}
            if self.plan.action == "create"
            else dict(self.stored().overlay)
        )
        return Frame(self.context, self.model, None, overlay=overlay | self.assigned())

    def guards(self) -> list[Element]:
        """What must hold for the write to take place, but for the key."""
        found = [*self.checks(hold=True).values(), self.chance]
        return [check for check in found if check is not None]

    def checks(self, hold: bool = False) -> dict[str, Element]:
        """The guards by name, in the order in which a refusal is explained.

        With `hold` what they found stays so until the end of the transaction.
        """
        plan, found = self.plan, {}
        if plan.where != e.TRUE:
            found["where"] = condition(plan.where, [self.stored()])
        if plan.match:
            text = record_json(self.stored(), plan.selection)
            etags = self.context.binder.param("etags", Text(), many=True)
            found["match"] = self.context.dialect.among(
                self.context.dialect.fingerprint(text), etags
            )
        if plan.seen is not None:
            text = record_json(self.stored(), plan.seen)
            seen = self.context.binder.plain("seen", sa.Text())
            found["seen"] = self.context.dialect.fingerprint(text) == seen
        if plan.before != e.TRUE:
            found["before"] = condition(plan.before, [self.stored()])
        for name, operation in self.operations().items():
            checks = operation.checks(plan.most_bytes)
            found |= {f"limit.{name}.{limit}": check for limit, check in checks.items()}
        if plan.after != e.TRUE and not plan.links and not plan.late:
            found["after"] = condition(plan.after, [self.result()])
        for name, guard in plan.targets:
            found[f"target.{name}"] = self._target(name, guard, hold)
        return found

    def _target(self, name: str, guard: e.Expr, hold: bool) -> Element:
        """An assigned relation must be empty, or lead to a record that the actor may see."""
        result = self.result()
        held = [result.column(column) for column in self.model.one[name].columns]
        inner, on = result.step(e.Hop(name, None if guard == e.TRUE else guard))
        query: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(inner.table).where(on)
        if hold and inner.model.soft_delete:
            # A key holds off deletes, but not the mark of a soft one.
            query = query.with_for_update(read=True, key_share=True, of=inner.table)
        there = query.correlate(self.rows).exists()
        return sa.or_(*(part.is_(None) for part in held), there)

    def by_key(self) -> list[Element]:
        binder, stored = self.context.binder, self.stored()
        return [
            stored.column(name) == binder.param(f"key.{name}", self.model.fields[name].kind)
            for name in self.model.key
        ]

    def shown(self, frame: Frame) -> Element:
        """The record's JSON, where the actor may see what it has become."""
        text = record_json(frame, self.plan.selection)
        if self.plan.visible == e.TRUE:
            return text
        return sa.case((condition(self.plan.visible, [frame]), text))

    def reckoned(self, frame: Frame) -> Element | None:
        """What the change feed keeps of operators' results, as a JSON object."""
        return None if self.plan.results is None else record_json(frame, self.plan.results)

    def generated(self) -> str | None:
        name = self.model.key[0]
        made = self.model.fields[name].generated and self.plan.action == "create"
        return name if made and name not in self.plan.assigned else None

    def chosen(self) -> str | None:
        """The key that the database would have made, where the client named it."""
        name = self.model.key[0]
        field = self.model.fields[name]
        counted = field.generated and field.kind.name == "integer" and self.plan.action == "create"
        return name if counted and name in self.plan.assigned else None

    def by_written_key(self, generated: str | None) -> list[Element]:
        """Finds the record that was just written."""
        if self.plan.action != "create":
            return self.by_key()
        binder, stored, fields = self.context.binder, self.stored(), self.model.fields
        if generated is not None:
            return [stored.column(generated) == sa.func.last_insert_id()]
        return [
            stored.column(name) == binder.param(f"set.{name}", fields[name].kind)
            for name in self.model.key
        ]

    def reads_itself(self) -> Statement | None:
        """What holds the record while its guards are asked, where they look at its own table.

        MySQL has no UPDATE or DELETE that reads the table it writes.
        """
        if self.plan.action == "create" or not any(map(self._of_own_table, self.guards())):
            return None
        where = [*self.by_key(), *self.guards()]
        one: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(self.table)
        return self.context.binder.finish(one.where(*where).correlate(None).with_for_update())

    def _of_own_table(self, guard: Element) -> bool:
        found = sa.sql.visitors.iterate(guard)
        return any(isinstance(part, sa.Alias) and part.element is self.table for part in found)

    def dml(self, guarded: bool = True) -> Any:
        """The statement without RETURNING."""
        if self.plan.action == "create":
            return self._insert()
        where = [*self.by_key(), *(self.guards() if guarded else ())]
        if self.turn is not None:
            where.append(self.turn)
        if self.plan.action == "delete" and not self.plan.assigned:
            return sa.delete(self.table).where(*where)
        fields = self.model.fields
        values = {fields[name].column: value for name, value in self.taken().items()}
        if not values:
            key = fields[self.model.key[0]].column
            values = {key: self.table.c[key]}
        return sa.update(self.table).where(*where).values(values)

    def _insert(self) -> Any:
        fields, values = self.model.fields, self.taken()
        if self.numbered:
            values[self.model.key[0]] = self._given(self.model.key[0])
        elif not values:
            # A record of nothing but its key: no database has a way to say that of a guarded one.
            counted = self.context.dialect.counted(self.table, fields[self.model.key[0]].column)
            values[self.model.key[0]] = counted
        columns = [fields[name].column for name in values]
        guards = self.guards()
        if self.rows is not None:
            several = sa.select(*values.values()).where(*guards).order_by(self.rows.c.o)
            return sa.insert(self.table).from_select(columns, several, include_defaults=False)
        if not guards:
            named = {fields[name].column: value for name, value in values.items()}
            return sa.insert(self.table).values(named)
        row = sa.select(*values.values()).where(*guards).correlate(None)
        return sa.insert(self.table).from_select(columns, row, include_defaults=False)

    def probe(self) -> Statement:
        """One row: may the record be seen, then the guards' answers; none where it isn't there."""
        read: Element = sa.literal_column("1")
        if self.plan.action != "create" and self.plan.reach != e.TRUE:
            read = sa.case((condition(self.plan.reach, [self.stored()]), 1), else_=0)
        answers = [sa.case((check, 1), else_=0) for check in self.checks().values()]
        query = sa.select(*(column.label(f"c{i}") for i, column in enumerate([read, *answers])))
        if self.plan.action != "create":
            # The stored record is spoken of by its table's bare name.
            query = query.select_from(self.table).where(*self.by_key())
        return self.context.binder.finish(query.correlate(None))


def compile_plain(
    make: Any, plan: WritePlan, changes: sa.Table, change: Statement
) -> WriteStatement:
    """For databases whose DML stands alone: the change record is a second statement."""
    builder: WriteBuilder = make(plan)
    generated = builder.generated()
    stored = builder.stored()
    key = sa.null() if generated is None else stored.column(generated)
    if plan.action == "delete":
        statement = builder.dml().returning(sa.null().label("j"), sa.null().label("k"))
    else:
        written = builder.dml().returning(builder.shown(stored).label("j"), key.label("k"))
        reckoned = builder.reckoned(stored)
        statement = written if reckoned is None else written.returning(reckoned.label("d"))
    return WriteStatement(
        builder.context.binder.finish(statement),
        told_apart(make, plan, changes) or change,
        Probe(lambda: make(plan)),
        generated is not None,
        make_program(make, plan, changes),
        waits=generated is not None or plan.results is not None,
    )


def told_apart(make: Any, plan: WritePlan, changes: sa.Table) -> Statement | None:
    """The change record of a model with history: made of the record as it is stored then."""
    if not plan.model.history:
        return None
    gone = plan.action == "delete" and not plan.assigned
    context = make(plan).context
    return (
        change_statement(context, changes) if gone else whole_change(context, changes, plan.model)
    )


def _counted(builder: WriteBuilder, name: str, frame: Frame) -> Element:
    """Moves the sequence past the key, or it would give the same one again; true in any case."""
    preparer = builder.context.dialect.sa.identifier_preparer
    table = text_literal(preparer.format_table(builder.table))
    column = text_literal(builder.model.fields[name].column)
    sequence = sa.func.pg_get_serial_sequence(table, column)
    highest = sa.func.greatest(frame.column(name), sa.func.nextval(sequence))
    return sa.func.coalesce(sa.func.setval(sequence, highest), number(0)).is_not(None)


def joined_query(
    builder: WriteBuilder, changes: sa.Table, names: tuple[str, str] = ("w", "c")
) -> sa.Select[Any]:
    """The write and its change record as one query; `names` are those of its two parts."""
    plan = builder.plan
    generated = builder.generated()
    written = builder.dml().returning(*builder.table.c).cte(names[0])
    params = change_params(builder.context.binder)
    if generated is not None:
        column = builder.model.fields[generated].column
        params["record"] = sa.cast(written.c[column], sa.Text)
    params["data"] = sa.cast(params["data"], changes.c.data.type)
    frame = Frame(builder.context, builder.model, written)
    reckoned = builder.reckoned(frame)
    if reckoned is not None:
        results = sa.cast(reckoned, changes.c.data.type)
        params["data"] = params["data"].op("||")(results)
    row = sa.select(*params.values()).select_from(written)
    chosen = builder.chosen()
    if chosen is not None:
        row = row.where(_counted(builder, chosen, frame))
    change = sa.insert(changes).from_select(list(params), row, include_defaults=False)
    shown = sa.null() if plan.action == "delete" else builder.shown(frame)
    key = sa.null() if generated is None else frame.column(generated)
    apart = plan.model.history
    if apart and chosen is not None:
        shown = sa.case((_counted(builder, chosen, frame), shown))
    query = sa.select(shown.label("j"), key.label("k")).select_from(written)
    return query if apart else query.add_cte(change.cte(names[1]))


def compile_joined(make: Any, plan: WritePlan, changes: sa.Table) -> WriteStatement:
    """For databases that take DML in WITH: the write and its change record are one statement."""
    builder: WriteBuilder = make(plan)
    query = joined_query(builder, changes)
    return WriteStatement(
        builder.context.binder.finish(query),
        told_apart(make, plan, changes),
        Probe(lambda: make(plan)),
        builder.generated() is not None,
        make_program(make, plan, changes),
    )
