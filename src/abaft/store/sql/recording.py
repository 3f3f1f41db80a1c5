"""Change records of writes that take several statements; of models with history they are whole."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import cached_property, partial
from typing import Any

import sqlalchemy as sa

from abaft.model.spec import Model
from abaft.plan.types import WritePlan
from abaft.store.base import Program, Rows, Values
from abaft.store.history import Before, Key, owners
from abaft.store.sql.changes import change_statement
from abaft.store.sql.conditions import Context
from abaft.store.sql.statement import Statement
from abaft.store.sql.versions import stored_whole, whole_change

Make = Callable[[WritePlan], Any]
Steps = Generator[Any, Any, None]


class Recorder:
    """Writes the change records of one plan, whatever models they are of."""

    def __init__(self, make: Make, plan: WritePlan, changes: sa.Table) -> None:
        self._context: Callable[[], Context] = lambda: make(plan).context
        self._changes = changes
        self.schema = self._context().schema
        self._whole: dict[str, Statement] = {}
        self._stored: dict[str, Statement] = {}

    @cached_property
    def plain(self) -> Statement:
        """The feed's insert of what is bound."""
        return change_statement(self._context(), self._changes)

    def whole(self, model: Model) -> Statement:
        """The feed's insert of a record as it is stored now."""
        if model.name not in self._whole:
            self._whole[model.name] = whole_change(self._context(), self._changes, model)
        return self._whole[model.name]

    def before(self, model: Model, key: Key, values: Values) -> Generator[Any, Any, list[Before]]:
        """What the feed must be told of, before this record and those tied by it are changed."""
        found = []
        for owner, place in [(model, key), *owners(self.schema, model, key)]:
            if not owner.history:
                continue
            if owner.name not in self._stored:
                self._stored[owner.name] = stored_whole(self._context(), owner)
            record = owner.written(place)
            asked = {**values, **_keyed(place), "change.record": record}
            rows: Rows = yield self._stored[owner.name], asked
            found += [Before(owner, record, row[0]) for row in rows if not row[1]]
        return found

    def baselines(self, found: list[Before], values: Values) -> Steps:
        """Tells the feed of records as they were."""
        for before in found:
            yield self.plain, before.told(values)

    def after(self, model: Model, key: Key, values: Values, gone: bool = False) -> Steps:
        """Tells the feed of a change; a record that is gone has no values any more."""
        told = {"change.model": model.name, "change.record": model.written(key)}
        if model.history and not gone:
            yield self.whole(model), {**values, **told, **_keyed(key)}
        else:
            yield self.plain, {**values, **told}
        for owner, place in owners(self.schema, model, key):
            told = {"change.model": owner.name, "change.record": owner.written(place)}
            changed = {**values, **told, **_keyed(place), "change.action": "update"}
            # Where it went too, there is nothing to be told.
            yield self.whole(owner), changed


class Recorded:
    """Runs a write of a model with history: what was before goes to the feed ahead of it.

    `program` is what the write takes by itself; None: its statement alone.
    """

    def __init__(self, recorder: Recorder, plan: WritePlan, program: Any) -> None:
        self.recorder, self.plan, self.program = recorder, plan, program

    def __call__(self, compiled: Any, values: Values) -> Program:
        found: list[Before] = []
        if self.plan.action != "create":
            key = {part: values[f"key.{part}"] for part in self.plan.model.key}
            found = yield from self.recorder.before(self.plan.model, key, values)
        program = self.program or partial(alone, self.plan)
        steps = program(compiled, values)
        rows: Rows | None = None
        while True:
            try:
                step = steps.send(rows)
            except StopIteration as end:
                return end.value
            if step[0] is compiled.change:
                # Only now it is known that the write takes place.
                yield from self.recorder.baselines(found, values)
            rows = yield step


def alone(plan: WritePlan, compiled: Any, values: Values) -> Program:
    """The write's own statement, and its change record where that is another."""
    rows: Rows = yield compiled.statement, values
    if not rows:
        return None
    if compiled.change is not None:
        noted = compiled.noted(values, rows[0])
        yield compiled.change, keyed(plan, compiled, noted, rows[0][1])
    return rows[0]


def keyed(plan: WritePlan, compiled: Any, values: Values, made: Any) -> Values:
    """The values with the record's key in them, which a create has only now."""
    if compiled.generated:
        return {**values, f"key.{plan.model.key[0]}": made, "change.record": str(made)}
    if plan.action == "create":
        return {**values, **_keyed({name: values[f"set.{name}"] for name in plan.model.key})}
    return values


def _keyed(key: Key) -> Values:
    return {f"key.{name}": value for name, value in key.items()}
