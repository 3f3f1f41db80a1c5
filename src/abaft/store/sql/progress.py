"""How far loads have come: a row of `abaft_loads` each, written with the records themselves."""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from abaft.model.documents import Json
from abaft.model.kinds import Integer, Kind, Text
from abaft.model.times import DateTime
from abaft.plan.loads import Progress
from abaft.store.base import Program, Rows
from abaft.store.sql.dialect import Dialect
from abaft.store.sql.statement import Binder, Statement

LOADS = "abaft_loads"
LONGEST = 700
"""Characters of a load's name, where a database must know how many there can be."""
_KINDS: dict[str, Kind] = {
    "name": Text(),
    "rows": Integer(),
    "digest": Text(),
    "counts": Json(),
    "at": DateTime(),
}


class Progresses:
    """Reads and keeps the progress of loads, as programs for a session to run."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        columns = [
            sa.Column(name, dialect.type(kind), nullable=False)
            for name, kind in _KINDS.items()
            if name != "name"
        ]
        key = sa.Column("name", dialect.key_type(_KINDS["name"], LONGEST), primary_key=True)
        self._table = sa.Table(LOADS, sa.MetaData(), key, *columns, sqlite_strict=True)

    def read(self, name: str) -> Program:
        """The progress of the load of that name, None where there is none."""
        create = CreateTable(self._table, if_not_exists=True).compile(dialect=self._dialect.sa)
        yield Statement(str(create).strip(), ()), {}
        binder = Binder(self._dialect)
        query = sa.select(*(self._shown(column) for column in self._table.c))
        named = self._table.c.name == binder.param("name", Text())
        rows: Rows = yield binder.finish(query.where(named)), {"name": name}
        if not rows:
            return None
        found: dict[str, Any] = dict(zip(_KINDS, rows[0], strict=True))
        found["counts"] = orjson.loads(found["counts"])
        found["at"] = DateTime().parse(orjson.loads(found["at"]))
        return Progress(**found)

    def _shown(self, column: sa.Column[Any]) -> Any:
        kind = _KINDS[column.name]
        return self._dialect.json(kind, column) if kind.name in ("json", "datetime") else column

    def keep(self, progress: Progress) -> Program:
        """Puts the progress in the place of what was known before."""
        values = {name: getattr(progress, name) for name in _KINDS}
        binder = Binder(self._dialect)
        named = self._table.c.name == binder.param("name", Text())
        yield binder.finish(sa.delete(self._table).where(named)), values
        binder = Binder(self._dialect)
        params = {name: binder.param(name, kind) for name, kind in _KINDS.items()}
        yield binder.finish(sa.insert(self._table).values(params)), values
        return None
