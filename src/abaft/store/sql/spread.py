"""What goes with a record that is deleted, one statement each, where keys can't do it all."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import sqlalchemy as sa

from abaft.model.spec import Model, One
from abaft.store.base import Busy, ReferenceViolation, Rows, Values
from abaft.store.sql.conditions import Context
from abaft.store.sql.statement import Binder, Statement

Taken = tuple[Model, dict[str, Any], str | None]
"""A record that a delete takes along by its key, and the field that is emptied; None: deleted."""
Finder = Callable[[Model, One], Statement]
"""Makes what finds the records whose relation leads to a given record."""


class Spread:
    """Deletes and empties while keys are not checked, then looks after the keys itself."""

    def __init__(self, context: Context, model: Model, finder: Finder) -> None:
        assert context.dialect.unchecked is not None
        self._context, self._model, self._finder = context, model, finder
        self._off, self._on = (Statement(sql, ()) for sql in context.dialect.unchecked)
        self._made: dict[tuple[str, str | None], Statement] = {}

    def steps(self, compiled: Any, values: Values, taken: list[Taken]) -> Generator[Any, Any, Rows]:
        """The rows of the delete itself."""
        yield self._off, {}
        rows: Rows = yield compiled.statement, values
        if rows:
            for model, key, emptied in taken:
                yield self._change(model, emptied), _named(key)
        yield self._on, {}
        if rows:
            yield from self._look_after(values, taken)
        return rows

    def _change(self, model: Model, emptied: str | None) -> Statement:
        """Deletes a record, or empties its relation."""
        name = (model.name, emptied)
        if name not in self._made:
            binder, table = Binder(self._context.dialect), self._context.tables[model.name]
            where = [
                table.c[model.fields[part].column]
                == binder.param(f"key.{part}", model.fields[part].kind)
                for part in model.key
            ]
            made: Any = sa.delete(table)
            if emptied is not None:
                columns = next(o.columns for o in model.one.values() if o.columns[0] == emptied)
                none = {model.fields[part].column: sa.null() for part in columns}
                made = sa.update(table).values(none)
            self._made[name] = binder.finish(made.where(*where))
        return self._made[name]

    def _look_after(self, values: Values, taken: list[Taken]) -> Generator[Any, Any, None]:
        """Nothing may lead to what is gone: some may have come while the others were found."""
        gone = [(model, _named(key)) for model, key, emptied in taken if emptied is None]
        for model, key in [(self._model, values), *gone]:
            for source, one in self._context.schema.inbound(model):
                left: Rows = yield self._finder(source, one), key
                if left and one.on_delete == "restrict":
                    raise ReferenceViolation
                if left:
                    raise Busy("others have just tied records to what was to be deleted: try again")


def _named(key: dict[str, Any]) -> Values:
    return {f"key.{part}": value for part, value in key.items()}
